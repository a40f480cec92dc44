use super::*;

/// A repository with a tag in the history of `main`, and one outside of it.
fn tagged() -> (Repository, String) {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("in-history", &commits[1]);
    repository.branch("side", &commits[0]);
    let side = repository.commit_on("side", "beside", &[("s", "1")]);
    repository.annotated_tag("beside", &side, "not on main");
    (repository, commits[2].clone())
}

fn tags(params: Value, more_source: Value) -> String {
    let (repository, newest) = tagged();
    let source = with(source(&repository.file_url()), more_source);
    let (destination, outcome) = get(&source, Some(&newest), params);
    outcome.succeeded();
    git_in(destination.path(), &["tag"]).replace('\n', " ")
}

#[test]
fn tags_of_the_history_are_fetched_by_default() {
    assert_eq!(tags(json!({}), json!({})), "in-history");
    assert_eq!(tags(json!({ "depth": 1 }), json!({})), "");
    assert_eq!(tags(json!({ "depth": 2 }), json!({})), "in-history");
}

#[test]
fn fetch_tags_param_overrides_the_source() {
    for params in [json!({}), json!({ "depth": 1 })] {
        let with_tags = |value: bool| with(params.clone(), json!({ "fetch_tags": value }));
        assert_eq!(tags(with_tags(true), json!({})), "beside in-history");
        assert_eq!(tags(with_tags(false), json!({})), "");
        assert_eq!(tags(params.clone(), json!({ "fetch_tags": true })), "beside in-history");
        assert_eq!(tags(with_tags(false), json!({ "fetch_tags": true })), "");
    }
}

#[test]
fn fetch_tags_false_applies_to_later_fetches() {
    let (repository, newest) = tagged();
    repository.branch("topic", &newest);
    let topic = repository.commit_on("topic", "topic", &[("t", "1")]);
    repository.tag("of-topic", &topic);
    for params in [json!({}), json!({ "depth": 1 })] {
        let params = with(params, json!({ "fetch_tags": false, "fetch": ["topic"] }));
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "topic"]), topic);
        git_in(destination.path(), &["fetch", "-q", "origin"]);
        assert_eq!(git_in(destination.path(), &["tag"]), "");
    }
}

#[test]
fn fetch_tags_keeps_the_depth() {
    let (repository, newest) = tagged();
    let params = json!({ "depth": 1, "fetch_tags": true });
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), params);
    outcome.succeeded();
    assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn clean_tags_deletes_tags_but_keeps_metadata() {
    let (repository, newest) = tagged();
    repository.tag("here", &newest);
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), json!({ "clean_tags": true }));
    assert!(outcome.json()["metadata"].to_string().contains("here"));
    assert_eq!(read(&destination, ".git/tags"), "here\n");
    assert_eq!(git_in(destination.path(), &["tag"]), "");
}
