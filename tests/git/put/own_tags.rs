//! The repository's own tags, which are pushed in addition to the `tag` param.
use super::*;

fn with_other_tag() -> (Repository, TempDir, Checkout, Vec<String>) {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("stale", &commits[0]);
    let (inputs, checkout) = inputs(&repository);
    repository.git(&["tag", "-f", "stale", &commits[1]]);
    (repository, inputs, checkout, commits)
}

#[test]
fn tags_of_a_task_are_pushed() {
    for more in [json!({}), json!({ "rebase": true }), json!({ "merge": true }), json!({ "tag": "tag" })] {
        let (repository, commits) = history(&["one"]);
        repository.tag("old", &commits[0]);
        let (inputs, checkout) = inputs(&repository);
        let commit = checkout.commit("two", &[("x", "2")]);
        checkout.git(&["tag", "light"]);
        checkout.git(&["tag", "-a", "-m", "A release", "annotated"]);
        fs::write(inputs.path().join("tag"), "v3").expect("write the tag file");
        let params = crate::support::with(app(), more);
        let outcome = put(&source(&repository.file_url()), inputs.path(), params.clone());
        outcome.succeeded();
        assert!(!messages(&outcome).contains("warning"), "{}", messages(&outcome));
        for tag in ["light", "annotated^{commit}"] {
            assert_eq!(repository.resolve(&format!("refs/tags/{tag}")), commit);
        }
        assert!(messages(&outcome).contains("pushed the tags `annotated`, `light`"), "{}", messages(&outcome));
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
    }
}

#[test]
fn need_no_extra_request_unless_one_is_stale() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("old", &commits[0]);
    let (server, url) = serve(&repository);
    let (inputs, checkout) = inputs(&repository);
    let lists = || server.requests().iter().filter(|seen| seen.target.contains("git-upload-pack")).count();
    let commit = checkout.commit("three", &[("x", "3")]);
    checkout.git(&["tag", "new"]);
    put(&source(&url), inputs.path(), app()).succeeded();
    assert_eq!((lists(), repository.resolve("refs/tags/new")), (0, commit), "{:?}", server.requests());
    repository.git(&["tag", "-f", "old", &commits[1]]);
    let commit = checkout.commit("four", &[("x", "4")]);
    put(&source(&url), inputs.path(), app()).succeeded();
    assert_eq!((lists() > 0, repository.tip("main")), (true, commit), "{:?}", server.requests());
}

#[test]
fn warn_if_they_are_on_a_commit_that_rebase_replaced() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let replaced = checkout.commit("ours", &[("ours", "1")]);
    checkout.git(&["tag", "-a", "-m", "A release", "v1"]);
    repository.commit("theirs", &[("theirs", "1")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
    outcome.succeeded();
    assert_eq!(repository.resolve("refs/tags/v1^{commit}"), replaced);
    let warning = "warning: pushed the tag `v1` on a commit that `rebase` has replaced";
    assert!(messages(&outcome).contains(warning), "{}", messages(&outcome));
}

#[test]
fn all_tags_are_pushed_to_a_mirror() {
    let (repository, commits) = history(&["one", "two"]);
    for number in 0..150 {
        repository.tag(&format!("v{number:03}"), &commits[number % 2]);
    }
    let mirror = Repository::named("mirror");
    let get = json!({ "source": source(&repository.file_url()), "params": { "fetch_tags": true } });
    let (inputs, _checkout) = inputs_with_get(&get);
    put(&source(&mirror.file_url()), inputs.path(), app()).succeeded();
    assert_eq!(mirror.git(&["show-ref", "--tags"]), repository.git(&["show-ref", "--tags"]));
    // The server has moved one tag, and the repository has new ones.
    mirror.git(&["tag", "-f", "v000", &commits[1]]);
    for number in 0..150 {
        jetway_tests::git::run(&inputs.path().join("app"), &["tag", &format!("w{number}"), &commits[0]]);
    }
    let outcome = put(&source(&mirror.file_url()), inputs.path(), app());
    outcome.succeeded();
    assert!(
        messages(&outcome).contains("did not push the tag `v000`, which the server has on another commit;"),
        "{}",
        messages(&outcome)
    );
    assert_eq!(mirror.resolve("refs/tags/v000"), commits[1]);
    assert_eq!(mirror.resolve("refs/tags/w149"), commits[0]);
}

#[test]
fn only_tag_pushes_them_without_the_branch() {
    let (repository, commits) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    checkout.git(&["tag", "v2"]);
    let source = json!({ "uri": repository.file_url() });
    let params = json!({ "repository": "app", "only_tag": true });
    let outcome = put(&source, inputs.path(), params.clone());
    assert_eq!(outcome.json()["version"], json!({ "ref": commit }));
    assert_eq!((repository.tip("main"), repository.resolve("refs/tags/v2")), (commits[0].clone(), commit));
    let outcome = put(&source, inputs.path(), params);
    outcome.succeeded();
    assert!(messages(&outcome).contains("nothing to push"), "{}", messages(&outcome));
}

#[test]
fn stale_tags_are_skipped_with_a_warning() {
    for more in [json!({}), json!({ "force": true }), json!({ "rebase": true }), json!({ "only_tag": true })] {
        let (repository, inputs, checkout, commits) = with_other_tag();
        checkout.commit("three", &[("x", "3")]);
        checkout.git(&["tag", "fresh"]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), crate::support::with(app(), more));
        outcome.succeeded();
        let warning = "warning: did not push the tag `stale`, which the server has on another commit; \
                       to overwrite, set `push_all_tags: true` and `force: true`\n";
        assert!(messages(&outcome).contains(warning), "{}", messages(&outcome));
        assert_eq!(repository.resolve("refs/tags/stale"), commits[1]);
        assert_eq!(repository.resolve("refs/tags/fresh"), checkout.head());
    }
}

#[test]
fn force_overwrites_tags_that_a_task_moved() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("latest", &commits[0]);
    repository.tag("production", &commits[0]);
    let request = json!({ "source": source(&repository.file_url()), "version": { "ref": commits[1] } });
    let (inputs, checkout) = inputs_with_get(&request);
    checkout.git(&["tag", "-f", "production"]);
    let commit = checkout.commit("three", &[("x", "3")]);
    checkout.git(&["tag", "-f", "latest"]);
    let source = source(&repository.file_url());
    let outcome = put(&source, inputs.path(), app());
    outcome.succeeded();
    assert!(
        messages(&outcome)
            .contains("did not push the tags `latest`, `production`, which the server has on another commit;"),
        "{}",
        messages(&outcome)
    );
    let params = json!({ "repository": "app", "force": true });
    let outcome = put(&source, inputs.path(), params);
    outcome.succeeded();
    assert!(!messages(&outcome).contains("warning"), "{}", messages(&outcome));
    assert_eq!(repository.resolve("refs/tags/latest"), commit);
    assert_eq!(repository.resolve("refs/tags/production"), commits[1]);
}

#[test]
fn refused_tags_do_not_fail_the_push() {
    use std::os::unix::fs::PermissionsExt as _;
    let (repository, _) = history(&["one"]);
    let hook = repository.path().join("hooks/update");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("make the folder of hooks");
    fs::write(&hook, "#!/bin/sh\ncase $1 in refs/tags/protected*) exit 1;; esac\n").expect("write a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("make it executable");
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    checkout.git(&["tag", "protected"]);
    checkout.git(&["tag", "v2"]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), app());
    outcome.succeeded();
    assert!(
        messages(&outcome).contains("because the server refused: `refs/tags/protected`: [remote rejected]"),
        "{}",
        messages(&outcome)
    );
    assert_eq!((repository.tip("main"), repository.git(&["tag"])), (commit, "v2".to_owned()));
}

#[test]
fn push_all_tags_pushes_all_or_none() {
    let (repository, inputs, checkout, commits) = with_other_tag();
    checkout.commit("three", &[("x", "3")]);
    checkout.git(&["tag", "fresh"]);
    let source = source(&repository.file_url());
    let with = |more: Value| crate::support::with(app(), more);
    let outcome = put(&source, inputs.path(), with(json!({ "push_all_tags": true })));
    outcome.failed();
    assert!(messages(&outcome).contains("`refs/tags/stale`: [rejected] (already exists)"), "{}", messages(&outcome));
    assert_eq!(repository.tip("main"), commits[1], "no tag is pushed");
    put(&source, inputs.path(), with(json!({ "push_all_tags": false }))).succeeded();
    assert_eq!(repository.git(&["tag"]), "stale");
    put(&source, inputs.path(), with(json!({ "push_all_tags": true, "force": true }))).succeeded();
    assert_eq!(repository.resolve("refs/tags/stale"), commits[0]);
    assert_eq!(repository.resolve("refs/tags/fresh"), checkout.head());
}
