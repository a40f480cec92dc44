use super::*;

#[test]
fn come_all_with_all_branches() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("side", &commits[0]);
    for (params, expected) in [
        (json!({}), "origin/main"),
        (json!({ "depth": 1 }), "origin/main"),
        (json!({ "all_branches": true }), "origin/main origin/side"),
        (json!({ "all_branches": "true", "depth": 1 }), "origin/main origin/side"),
    ] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
        outcome.succeeded();
        let refs = git_in(destination.path(), &["for-each-ref", "--format=%(refname)", "refs/remotes/origin/[ms]*"]);
        assert_eq!(refs.replace("refs/remotes/", "").replace('\n', " "), expected);
    }
}

#[test]
fn named_by_fetch_come_as_local_ones() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("side", &commits[0]);
    for params in [json!({ "fetch": ["side", "main"] }), json!({ "fetch": ["side"], "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "side"]), commits[0]);
        assert_eq!(git_in(destination.path(), &["rev-parse", "main"]), commits[1]);
    }
    let (_destination, outcome) =
        get(&source(&repository.file_url()), Some(&commits[1]), json!({ "fetch": ["side", "nope"] }));
    outcome.failed();
    assert!(said(&outcome).contains("there is no branch `nope`"), "{}", said(&outcome));
    for params in [json!({}), json!({ "depth": 1 }), json!({ "depth": 1, "all_branches": true })] {
        let source = with(source(&repository.file_url()), json!({ "branch": "nope" }));
        let (_destination, outcome) = get(&source, None, params);
        outcome.failed();
        assert!(said(&outcome).contains("there is no branch `nope`"), "{}", said(&outcome));
    }
}
