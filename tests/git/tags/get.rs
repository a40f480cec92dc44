use super::*;

#[test]
fn checks_out_the_tag_and_fetches_all_tags() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    for params in [json!({}), json!({ "depth": 1 })] {
        let source = tags(&url, json!({}));
        let (directory, outcome) = get(&source, version("v2", &commits[1]), params.clone());
        assert_eq!(outcome.json()["version"], version("v2", &commits[1]));
        assert_eq!(file(&directory, "ref"), "v2\n");
        assert_eq!(file(&directory, "short_ref"), "v2");
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
        assert_eq!(file(&directory, "tags"), "v2\n");
        assert_eq!(file(&directory, "describe_ref"), "v2\n");
        assert_eq!(tags_of(directory.path()), ["other", "v1", "v2", "v3"]);
        assert!(directory.path().join("file-1").is_file() && !directory.path().join("file-2").exists());
        if params["depth"] == 1 {
            let history = jetway_tests::git::run(directory.path(), &["rev-list", "HEAD"]);
            assert_eq!(history, commits[1], "the depth is kept");
        }
    }
}

#[test]
fn checks_out_the_commit_of_a_tag_of_a_tag() {
    let (repository, commits) = history(&["one", "two"]);
    repository.annotated_tag("v1", &commits[0], "Release 1");
    repository.annotated_tag("v1-signed-off", "v1", "a tag of a tag");
    let (_server, url) = serve(&repository);
    for params in [json!({}), json!({ "depth": 1 })] {
        let version = version("v1-signed-off", &commits[0]);
        let (directory, outcome) = get(&tags(&url, json!({})), version.clone(), params);
        assert_eq!(outcome.json()["version"], version);
        assert_eq!(file(&directory, "ref"), "v1-signed-off\n");
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
        assert_eq!(jetway_tests::git::run(directory.path(), &["rev-parse", "HEAD"]), commits[0]);
    }
}

#[test]
fn ignores_a_tag_with_a_longer_name() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("2024-09-22-test", &commits[0]);
    repository.tag("2024-09-22-test-2", &commits[1]);
    let (_server, url) = serve(&repository);
    let exact = with(json!({ "uri": url }), json!({ "tag_filter": "2024-09-22-test" }));
    assert_eq!(check(&exact, NONE).json(), json!([version("2024-09-22-test", &commits[0])]));
    let all = with(json!({ "uri": url }), json!({ "tag_filter": "2024-*" }));
    let (directory, outcome) = get(&all, json!({ "ref": "2024-09-22-test" }), json!({}));
    outcome.succeeded();
    assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
}

#[test]
fn fetch_tags_false_fetches_only_the_commit() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    for (version, params) in [
        (version("v2", &commits[1]), json!({ "fetch_tags": false })),
        (json!({ "ref": "v2" }), json!({ "fetch_tags": false, "depth": 1 })),
    ] {
        let (directory, outcome) = get(&tags(&url, json!({})), version, params);
        outcome.succeeded();
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
        assert_eq!(tags_of(directory.path()), Vec::<String>::new());
    }
}

#[test]
fn fetches_a_tag_that_is_on_no_branch() {
    let (repository, _) = tagged();
    repository.branch("aside", "main");
    let aside = repository.commit_on("aside", "aside", &[("aside", "1")]);
    repository.annotated_tag("v4", &aside, "Release 4");
    repository.delete_branch("aside");
    repository.allow_any_commit(false);
    let (_server, url) = serve(&repository);
    for source in [tags(&url, json!({ "branch": "main" })), source(&url)] {
        for version in [version("v4", &aside), json!({ "ref": "v4" })] {
            for params in [json!({}), json!({ "depth": 1 })] {
                let destination = scratch::directory();
                let request = json!({ "source": source, "version": version, "params": params });
                let verb = Verb::get("git").dir(destination.path()).request(&request);
                let outcome = verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
                assert_eq!(outcome.json()["version"], version);
                assert_eq!(file(&destination, "commit"), format!("{aside}\n"));
                assert_eq!(file(&destination, "tags"), "v4\n");
            }
        }
    }
}

#[test]
fn moved_tag_checks_out_the_version_with_a_warning() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    repository.git(&["tag", "-f", "v1", &commits[2]]);
    for params in [json!({}), json!({ "depth": 1 }), json!({ "fetch_tags": true })] {
        let (directory, outcome) = get(&tags(&url, json!({})), version("v1", &commits[0]), params);
        outcome.succeeded();
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
        let message = format!(
            "warning: tag `v1` was moved to {}; checking out {}, its commit when the version was found\n",
            commits[2], commits[0]
        );
        assert!(messages(&outcome).contains(&message), "{}", messages(&outcome));
    }
}

#[test]
fn deleted_tag_fails_unless_the_server_has_the_commit() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    repository.delete_tag("v1");
    let source = with(source(&url), json!({ "fetch_tags": true }));
    let (directory, outcome) = get(&source, version("v1", &commits[0]), json!({}));
    outcome.succeeded();
    assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
    assert!(messages(&outcome).contains("warning: tag `v1` was deleted since"), "{}", messages(&outcome));
    let outcome = get(&source, json!({ "ref": "v1" }), json!({})).1;
    outcome.failed();
    assert!(messages(&outcome).contains("error: version `v1` is gone: `http://"), "{}", messages(&outcome));
    let outcome = get(&source, version("v1", &"1".repeat(40)), json!({})).1;
    outcome.failed();
}

#[test]
fn prefers_a_tag_over_a_branch_of_the_same_name() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("x", &commits[1]);
    let source = source(&repository.file_url());
    let (directory, outcome) = get(&source, json!({ "ref": "x" }), json!({}));
    outcome.succeeded();
    assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
    repository.tag("x", &commits[0]);
    let (directory, outcome) = get(&source, json!({ "ref": "x" }), json!({}));
    outcome.succeeded();
    assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
}
