use super::*;

#[test]
fn all_branches_fetches_every_branch() {
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
fn fetch_creates_local_branches() {
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
    assert!(messages(&outcome).contains("there is no branch `nope`"), "{}", messages(&outcome));
    for params in [json!({}), json!({ "depth": 1 }), json!({ "depth": 1, "all_branches": true })] {
        let source = with(source(&repository.file_url()), json!({ "branch": "nope" }));
        let (_destination, outcome) = get(&source, None, params);
        outcome.failed();
        assert!(messages(&outcome).contains("there is no branch `nope`"), "{}", messages(&outcome));
    }
}

#[test]
fn origin_head_is_the_default_branch_if_fetched() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("side", &commits[0]);
    let (_server, url) = serve(&repository);
    for (branch, params, expected) in [
        (Some("main"), json!({}), "refs/remotes/origin/main"),
        (Some("main"), json!({ "depth": 1 }), "refs/remotes/origin/main"),
        (None, json!({ "depth": 1 }), "refs/remotes/origin/main"),
        (Some("side"), json!({}), ""),
        (Some("side"), json!({ "depth": 1 }), ""),
        (Some("side"), json!({ "depth": 1, "all_branches": true }), "refs/remotes/origin/main"),
    ] {
        let (destination, outcome) = get(&json!({ "uri": url, "branch": branch }), None, params.clone());
        outcome.succeeded();
        let format = "--format=%(symref)";
        let head = git_in(destination.path(), &["for-each-ref", format, "refs/remotes/origin/HEAD"]);
        assert_eq!(head, expected, "{branch:?} {params}");
        assert_eq!(git_in(destination.path(), &["for-each-ref", "refs/jetway"]), "");
    }
}

#[test]
fn fetch_accepts_branches_tags_commits_and_full_refs() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[0]);
    let side = repository.commit_on("side", "of a branch", &[("s", "1")]);
    let request = repository.commit_on("request", "of a request", &[("r", "1")]);
    repository.git(&["update-ref", "refs/pull/7/head", &request]);
    repository.delete_branch("request");
    let source = source(&repository.file_url());
    for params in [json!({ "fetch_tags": false }), json!({ "depth": 1 })] {
        let names = json!(["side", "v1", request, "refs/pull/7/head", "main"]);
        let (destination, outcome) = get(&source, Some(&commits[1]), with(params, json!({ "fetch": names })));
        outcome.succeeded();
        for (name, commit) in [
            ("refs/heads/side", &side),
            ("refs/tags/v1", &commits[0]),
            ("refs/pull/7/head", &request),
            (&request, &request),
            ("refs/heads/main", &commits[1]),
        ] {
            assert_eq!(git_in(destination.path(), &["rev-parse", &format!("{name}^{{commit}}")]), *commit, "{name}");
        }
    }
    let missing = "1".repeat(40);
    for (name, expected) in [
        ("nope", "there is no branch `nope` in `file://[TEMP]/repository.git`, and no tag of that name"),
        ("refs/pull/8/head", "there is no ref `refs/pull/8/head`"),
        (&missing, "`fetch` lists commit `1111111111111111111111111111111111111111`, which the server does not have"),
    ] {
        let (_destination, outcome) = get(&source, Some(&commits[1]), json!({ "fetch": ["side", name] }));
        outcome.failed();
        assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
    }
}

#[test]
fn branch_may_be_a_tag_as_in_git_clone() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.annotated_tag("v1", &commits[1], "first");
    let source = with(source(&repository.file_url()), json!({ "branch": "v1" }));
    let checks = [source.clone(), with(source.clone(), json!({ "paths": ["file-1"] }))];
    for source in &checks {
        let container = Container::new();
        for _ in 0..2 {
            assert_eq!(refs(&check_in(&container, source, None)), [commits[1].clone()]);
            assert_eq!(refs(&check_in(&container, source, Some(&commits[0]))), commits[..2]);
        }
    }
    for params in [json!({}), json!({ "depth": 1 })] {
        for version in [Some(commits[1].as_str()), None] {
            let (destination, outcome) = get(&source, version, params.clone());
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
            assert_eq!(git_in(destination.path(), &["rev-parse", "v1^{commit}"]), commits[1]);
            assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
        }
    }
}
