use super::*;

#[test]
fn overwrites_what_others_have_pushed() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let ours = checkout.commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    put(&source(&repository.file_url()), inputs.path(), json!({ "repository": "app", "force": true })).succeeded();
    assert_eq!(repository.tip("main"), ours);
}

#[test]
fn with_a_lease_overwrites_only_what_the_get_has_seen() {
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
        said(&outcome),
        "error: cannot push to `file://[TEMP]/repository.git`\n  \
         caused by: `refs/heads/main`: [rejected] (stale info)\n\
         hint: the branch was updated since the get, and `force: lease` does not overwrite newer commits\n"
    );
    assert_eq!(repository.tip("main"), theirs);
}

#[test]
fn with_a_lease_goes_with_what_others_have_pushed_being_built_on() {
    for mode in ["rebase", "merge"] {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.commit("ours", &[("ours", "1")]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        let params = json!({ "repository": "app", "force": "lease", mode: true });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params.clone());
        outcome.succeeded();
        assert!(!said(&outcome).contains("retrying"), "{}", said(&outcome));
        assert!(repository.history("main").contains(&theirs));
        assert_eq!(repository.file("main", "ours"), "1");
        // A branch that is not there yet.
        let params = crate::support::with(params, json!({ "branch": "new" }));
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert_eq!(outcome.json()["version"]["ref"], repository.tip("new"));
    }
}

#[test]
fn with_a_lease_loses_no_commit_of_puts_that_race() {
    const RACERS: usize = 3;
    for mode in ["rebase", "merge"] {
        let (repository, _) = history(&["one"]);
        let racers = racers(&repository, RACERS);
        let params = json!({ "repository": "app", "force": "lease", mode: true });
        race(&repository, &racers, &params);
        for racer in 0..RACERS {
            assert_eq!(repository.file("main", &format!("racer-{racer}")), "1");
        }
    }
}

#[test]
fn with_a_lease_is_about_branches() {
    let (repository, _) = history(&["one"]);
    let (inputs, _checkout) = inputs(&repository);
    let params = json!({ "repository": "app", "force": "lease", "refs_prefix": "refs/for" });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.failed();
    assert!(said(&outcome).contains("`params.force`: cannot be `lease` with a `refs_prefix`"), "{}", said(&outcome));
}
