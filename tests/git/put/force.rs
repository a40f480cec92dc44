use super::*;

#[test]
fn overwrites_other_pushes() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let ours = checkout.commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    put(&source(&repository.file_url()), inputs.path(), json!({ "repository": "app", "force": true })).succeeded();
    assert_eq!(repository.tip("main"), ours);
}

#[test]
fn lease_overwrites_only_the_commit_of_the_get() {
    let (repository, commits) = history(&["one", "two"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["reset", "-q", "--hard", &commits[0]]);
    let ours = checkout.commit("two, better", &[("ours", "1")]);
    let params = json!({ "repository": "app", "force": "lease" });
    put(&source(&repository.file_url()), inputs.path(), params.clone()).succeeded();
    assert_eq!(repository.tip("main"), ours);

    let (repository, commits) = history(&["one", "two"]);
    let (inputs, checkout) = super::inputs(&repository);
    checkout.git(&["reset", "-q", "--hard", &commits[0]]);
    checkout.commit("two, better", &[("ours", "1")]);
    let theirs = repository.commit("theirs", &[("theirs", "1")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot push to `file://[TEMP]/repository.git`\n  \
         caused by: `refs/heads/main`: [rejected] (stale info)\n\
         hint: the branch was updated since the get, and `force: lease` does not overwrite newer commits; get the branch again\n"
    );
    assert_eq!(repository.tip("main"), theirs);
}

#[test]
fn lease_works_with_rebase_and_merge() {
    for mode in ["rebase", "merge"] {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.commit("ours", &[("ours", "1")]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        let params = json!({ "repository": "app", "force": "lease", mode: true });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params.clone());
        outcome.succeeded();
        assert!(!messages(&outcome).contains("retrying"), "{}", messages(&outcome));
        assert!(repository.history("main").contains(&theirs));
        assert_eq!(repository.file("main", "ours"), "1");
        // A new branch.
        let params = crate::support::with(params, json!({ "branch": "new" }));
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert_eq!(outcome.json()["version"]["ref"], repository.tip("new"));
    }
}

#[test]
fn lease_loses_no_commit_of_concurrent_puts() {
    const RACERS: usize = 3;
    for mode in ["rebase", "merge"] {
        let (repository, _) = history(&["one"]);
        let racers = inputs_of_concurrent_puts(&repository, RACERS);
        let params = json!({ "repository": "app", "force": "lease", mode: true });
        put_concurrently(&repository, &racers, &params);
        for racer in 0..RACERS {
            assert_eq!(repository.file("main", &format!("racer-{racer}")), "1");
        }
    }
}

#[test]
fn lease_is_refused_with_another_refs_prefix() {
    let (repository, _) = history(&["one"]);
    let (inputs, _checkout) = inputs(&repository);
    let params = json!({ "repository": "app", "force": "lease", "refs_prefix": "refs/for" });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.failed();
    assert!(
        messages(&outcome).contains("`params.force`: cannot be `lease` with a `refs_prefix`"),
        "{}",
        messages(&outcome)
    );
}
