//! `version_type: tags`.
use super::*;

fn all(uri: &str, more: Value) -> Value {
    with(json!({ "uri": uri, "version_type": "tags" }), more)
}

/// Tags like the releases of a programming language. The newest one does not have the highest version.
fn releases() -> (Repository, Vec<String>) {
    let (repository, commits) = history(&["one", "two", "three", "four", "five [ci skip]"]);
    for (name, commit) in ["go1.9", "go1.21.10", "go1.21.9", "go1.21rc2", "go1.20.1"].iter().zip(&commits) {
        repository.tag(name, commit);
    }
    (repository, commits)
}

#[test]
fn tag_sort_version_sorts_by_version() {
    let (repository, commits) = releases();
    let (_server, url) = serve(&repository);
    let source = all(&url, json!({ "tag_sort": "version", "tag_regex": r"^go1\.[0-9]+\.[0-9]+$" }));
    assert_eq!(check(&source, NONE).json(), json!([version("go1.21.10", &commits[1])]));
    let found = refs(&check(&source, version("go1.20.1", &commits[4])));
    assert_eq!(found, ["go1.20.1", "go1.21.9", "go1.21.10"]);
    // A new tag of an older line is not a newer version.
    repository.tag("go1.20.2", &commits[0]);
    assert_eq!(refs(&check(&source, version("go1.21.10", &commits[1]))), ["go1.21.10"]);
    repository.tag("go1.22.0", &commits[0]);
    assert_eq!(refs(&check(&source, version("go1.21.10", &commits[1]))), ["go1.21.10", "go1.22.0"]);
}

#[test]
fn tag_sort_version_continues_after_a_deleted_or_moved_tag() {
    let (repository, commits) = releases();
    let source = all(&repository.file_url(), json!({ "tag_sort": "version", "tag_filter": "go*" }));
    repository.delete_tag("go1.21.9");
    let outcome = check(&source, version("go1.21.9", &commits[2]));
    assert_eq!(refs(&outcome), ["go1.21.10"]);
    assert!(messages(&outcome).contains("tag `go1.21.9` was deleted"), "{}", messages(&outcome));
    repository.git(&["tag", "-f", "go1.21.10", &commits[0]]);
    let found = check(&source, version("go1.21.10", &commits[1])).json();
    assert_eq!(found, json!([version("go1.21.10", &commits[0])]));
}

#[test]
fn are_sorted_by_date_and_ignore_commit_filters() {
    let (repository, commits) = releases();
    let source = all(&repository.file_url(), json!({ "branch": "other", "paths": ["nothing"] }));
    let outcome = check(&source, NONE);
    assert_eq!(outcome.json(), json!([version("go1.20.1", &commits[4])]));
    let warning = "warning: ignored with `version_type: tags`: `branch`, `paths`\n";
    assert_eq!(messages(&outcome), warning);
}

#[test]
fn are_filtered_by_globs_or_partial_regex() {
    let (repository, _) = releases();
    let (_server, url) = serve(&repository);
    let chosen = |more: Value| {
        let source = all(&url, with(json!({ "tag_sort": "version", "version_depth": 9 }), more));
        refs(&check(&source, NONE))
    };
    assert_eq!(chosen(json!({ "tag_filters": ["go1.20*", "go1.9"] })), ["go1.9", "go1.20.1"]);
    assert_eq!(chosen(json!({ "tag_filters": ["go1.20*"], "tag_filter": "go1.9" })), ["go1.9", "go1.20.1"]);
    assert_eq!(chosen(json!({ "tag_regex": "rc" })), ["go1.21rc2"]);
    assert_eq!(chosen(json!({ "tag_filter": "go1.9", "tag_regex": "rc" })), ["go1.9"]);
    assert_eq!(chosen(json!({ "tag_regex": "rc$" })), Vec::<String>::new());
}

#[test]
fn warn_if_no_tag_matches() {
    let (repository, _) = releases();
    for (more, expected) in [
        (json!({ "tag_filter": "v9.9.9" }), "matches `tag_filter: v9.9.9`\n"),
        (json!({ "tag_regex": "^v9$" }), "matches `tag_regex: ^v9$`\n"),
        (
            json!({ "version_type": "tags", "tag_filters": ["a*", "b*"] }),
            "matches `tag_filters: a*`, `tag_filters: b*`\n",
        ),
    ] {
        let outcome = check(&with(json!({ "uri": repository.file_url() }), more), NONE);
        assert_eq!(outcome.json(), json!([]));
        assert!(messages(&outcome).starts_with("warning: no tag of ") && messages(&outcome).ends_with(expected));
    }
}

#[test]
fn get_fetches_only_the_tag_at_depth_1() {
    let (repository, commits) = tagged();
    for allowed in [true, false] {
        repository.allow_any_commit(allowed);
        let (_server, url) = serve(&repository);
        for version in [version("v2", &commits[1]), json!({ "ref": "v2" })] {
            let (directory, outcome) = get(&all(&url, json!({ "branch": "main" })), version.clone(), json!({}));
            assert_eq!(outcome.json()["version"], version);
            assert_eq!(file(&directory, "tag"), "v2\n");
            assert_eq!(file(&directory, "ref"), format!("{}\n", commits[1]));
            assert_eq!(file(&directory, "short_ref"), commits[1][..7]);
            assert_eq!(file(&directory, "commit_message"), "two");
            assert_eq!(tags_of(directory.path()), ["v2"]);
            assert!(directory.path().join("file-1").is_file() && !directory.path().join("file-2").exists());
            let git = |arguments: &[&str]| jetway_tests::git::run(directory.path(), arguments);
            assert_eq!(git(&["rev-list", "HEAD"]), commits[1], "one commit");
            assert_eq!(git(&["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
            assert_eq!(git(&["for-each-ref", "--format=%(refname)"]), "refs/tags/v2");
        }
    }
}

#[test]
fn get_checks_out_the_version_of_a_moved_or_deleted_tag() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    repository.git(&["tag", "-f", "v1", &commits[2]]);
    let (directory, outcome) = get(&all(&url, json!({})), version("v1", &commits[0]), json!({}));
    outcome.succeeded();
    assert_eq!(file(&directory, "ref"), format!("{}\n", commits[0]));
    assert!(messages(&outcome).contains("warning: tag `v1` was moved to"), "{}", messages(&outcome));
    repository.delete_tag("v1");
    let (directory, outcome) = get(&all(&url, json!({})), version("v1", &commits[0]), json!({ "depth": 0 }));
    outcome.succeeded();
    assert_eq!(file(&directory, "ref"), format!("{}\n", commits[0]));
    assert!(messages(&outcome).contains("warning: tag `v1` was deleted since"), "{}", messages(&outcome));
}

#[test]
fn get_without_a_version_fetches_the_newest_tag() {
    let (repository, commits) = releases();
    let source = all(&repository.file_url(), json!({ "tag_sort": "version", "tag_regex": r"^go[0-9.]+$" }));
    let (_directory, outcome) = get(&source, NONE, json!({}));
    assert_eq!(outcome.json()["version"], version("go1.21.10", &commits[1]));
}

#[test]
fn put_is_refused() {
    let inputs = scratch::directory();
    for kind in ["tags", "branches"] {
        let source = json!({ "uri": "file:///nowhere", "version_type": kind });
        let request = json!({ "source": source, "params": { "repository": "app" } });
        let outcome = Verb::put("git").dir(inputs.path()).request(&request).run();
        outcome.failed();
        let message =
            format!("error: a put is not supported with `version_type: {kind}`\nhint: put to another resource");
        assert!(messages(&outcome).starts_with(&message), "{}", messages(&outcome));
    }
}
