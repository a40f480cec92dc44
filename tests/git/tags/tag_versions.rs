//! `version_type: tags`.
use super::*;

fn all(uri: &str, more: Value) -> Value {
    with(json!({ "uri": uri, "version_type": "tags" }), more)
}

/// Tags as the releases of a programming language have them, the newest made last, but not the highest.
fn releases() -> (Repository, Vec<String>) {
    let (repository, commits) = history(&["one", "two", "three", "four", "five [ci skip]"]);
    for (name, commit) in ["go1.9", "go1.21.10", "go1.21.9", "go1.21rc2", "go1.20.1"].iter().zip(&commits) {
        repository.tag(name, commit);
    }
    (repository, commits)
}

#[test]
fn are_sorted_by_version_when_asked_for() {
    let (repository, commits) = releases();
    let (_server, url) = serve(&repository);
    let source = all(&url, json!({ "tag_sort": "version", "tag_regex": r"^go1\.[0-9]+\.[0-9]+$" }));
    assert_eq!(check(&source, NONE).json(), json!([version("go1.21.10", &commits[1])]));
    let found = refs(&check(&source, version("go1.20.1", &commits[4])));
    assert_eq!(found, ["go1.20.1", "go1.21.9", "go1.21.10"]);
    // A tag of an older line is no news.
    repository.tag("go1.20.2", &commits[0]);
    assert_eq!(refs(&check(&source, version("go1.21.10", &commits[1]))), ["go1.21.10"]);
    repository.tag("go1.22.0", &commits[0]);
    assert_eq!(refs(&check(&source, version("go1.21.10", &commits[1]))), ["go1.21.10", "go1.22.0"]);
}

#[test]
fn sorted_by_version_go_on_from_a_tag_that_was_deleted_or_moved() {
    let (repository, commits) = releases();
    let source = all(&repository.file_url(), json!({ "tag_sort": "version", "tag_filter": "go*" }));
    repository.delete_tag("go1.21.9");
    let outcome = check(&source, version("go1.21.9", &commits[2]));
    assert_eq!(refs(&outcome), ["go1.21.10"]);
    assert!(said(&outcome).contains("tag `go1.21.9` was deleted"), "{}", said(&outcome));
    repository.git(&["tag", "-f", "go1.21.10", &commits[0]]);
    let found = check(&source, version("go1.21.10", &commits[1])).json();
    assert_eq!(found, json!([version("go1.21.10", &commits[0])]));
}

#[test]
fn are_sorted_by_date_and_by_no_filter_of_commits() {
    let (repository, commits) = releases();
    let source = all(&repository.file_url(), json!({ "branch": "other", "paths": ["nothing"] }));
    let outcome = check(&source, NONE);
    assert_eq!(outcome.json(), json!([version("go1.20.1", &commits[4])]));
    let warning = "warning: no effect with `version_type: tags`: `branch`, `paths`\n";
    assert_eq!(said(&outcome), warning);
}

#[test]
fn are_chosen_by_one_of_several_globs_or_by_a_part_of_their_names() {
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
fn say_when_no_tag_matches() {
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
        assert!(said(&outcome).starts_with("warning: no tag of ") && said(&outcome).ends_with(expected));
    }
}

#[test]
fn are_got_alone_and_shallow_with_the_commit_as_ref() {
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
fn are_got_with_the_commit_of_the_version_when_they_were_moved_or_deleted() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    repository.git(&["tag", "-f", "v1", &commits[2]]);
    let (directory, outcome) = get(&all(&url, json!({})), version("v1", &commits[0]), json!({}));
    outcome.succeeded();
    assert_eq!(file(&directory, "ref"), format!("{}\n", commits[0]));
    assert!(said(&outcome).contains("warning: tag `v1` was moved to"), "{}", said(&outcome));
    repository.delete_tag("v1");
    let (directory, outcome) = get(&all(&url, json!({})), version("v1", &commits[0]), json!({ "depth": 0 }));
    outcome.succeeded();
    assert_eq!(file(&directory, "ref"), format!("{}\n", commits[0]));
    assert!(said(&outcome).contains("warning: tag `v1` was deleted since"), "{}", said(&outcome));
}

#[test]
fn are_got_without_a_version_as_the_newest() {
    let (repository, commits) = releases();
    let source = all(&repository.file_url(), json!({ "tag_sort": "version", "tag_regex": r"^go[0-9.]+$" }));
    let (_directory, outcome) = get(&source, NONE, json!({}));
    assert_eq!(outcome.json()["version"], version("go1.21.10", &commits[1]));
}

#[test]
fn and_sets_of_branches_cannot_be_put() {
    let inputs = scratch::directory();
    for kind in ["tags", "branches"] {
        let source = json!({ "uri": "file:///nowhere", "version_type": kind });
        let request = json!({ "source": source, "params": { "repository": "app" } });
        let outcome = Verb::put("git").dir(inputs.path()).request(&request).run();
        outcome.failed();
        let message =
            format!("error: a put is not supported with `version_type: {kind}`\nhint: put to another resource");
        assert!(said(&outcome).starts_with(&message), "{}", said(&outcome));
    }
}
