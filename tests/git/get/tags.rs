use super::*;

/// A tag in the history, and one beside it.
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
fn are_those_of_the_history_by_default() {
    assert_eq!(tags(json!({}), json!({})), "in-history");
    assert_eq!(tags(json!({ "depth": 1 }), json!({})), "");
    assert_eq!(tags(json!({ "depth": 2 }), json!({})), "in-history");
}

#[test]
fn are_all_or_none_when_that_is_asked_for_and_params_win() {
    for params in [json!({}), json!({ "depth": 1 })] {
        let with_tags = |value: bool| with(params.clone(), json!({ "fetch_tags": value }));
        assert_eq!(tags(with_tags(true), json!({})), "beside in-history");
        assert_eq!(tags(with_tags(false), json!({})), "");
        assert_eq!(tags(params.clone(), json!({ "fetch_tags": true })), "beside in-history");
        assert_eq!(tags(with_tags(false), json!({ "fetch_tags": true })), "");
    }
}

#[test]
fn do_not_come_with_what_is_fetched_later_either_when_none_are_wanted() {
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
fn do_not_void_the_depth() {
    let (repository, newest) = tagged();
    let params = json!({ "depth": 1, "fetch_tags": true });
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), params);
    outcome.succeeded();
    assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn are_deleted_by_clean_tags_after_they_were_told() {
    let (repository, newest) = tagged();
    repository.tag("here", &newest);
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), json!({ "clean_tags": true }));
    assert!(outcome.json()["metadata"].to_string().contains("here"));
    assert_eq!(read(&destination, ".git/tags"), "here\n");
    assert_eq!(git_in(destination.path(), &["tag"]), "");
}
