//! Compatibility with the `cogito` resource.

use jetway_tests::github::{GitHub, TOKEN, commit};
use serde_json::{Value, json};

use crate::support::{messages, put_with, with};

const ORIGIN: &str = "[remote \"origin\"]\n\turl = git@github.com:octo/app.git\n";

fn source(github: &GitHub) -> Value {
    json!({ "owner": "octo", "repo": "app", "access_token": TOKEN, "endpoint": github.url() })
}

/// The request body of a put with one checkout in its inputs.
#[track_caller]
fn posted(more_source: Value, params: Value) -> Value {
    let github = GitHub::start();
    let head = commit(1);
    let files = [("code/.git/HEAD", head.as_str()), ("code/.git/config", ORIGIN)];
    put_with(&with(source(&github), more_source), with(json!({ "state": "success" }), params), &files).succeeded();
    assert_eq!(github.statuses(&head).len(), 1);
    github.bodies("POST", "/statuses/").remove(0)
}

#[test]
fn context_is_prefix_and_job_name() {
    assert_eq!(posted(json!({}), json!({}))["context"], "build");
    assert_eq!(posted(json!({ "context_prefix": "ci" }), json!({}))["context"], "ci/build");
    assert_eq!(posted(json!({ "context_prefix": "ci" }), json!({ "context": "unit" }))["context"], "ci/unit");
}

#[test]
fn omits_target_url() {
    assert!(posted(json!({}), json!({}))["target_url"].is_string());
    assert!(
        posted(json!({ "omit_target_url": true }), json!({ "target_url": "https://x.example" }))
            .get("target_url")
            .is_none()
    );
}

#[test]
fn abort_is_set_as_error() {
    assert_eq!(posted(json!({}), json!({ "state": "abort" }))["state"], "error");
}

#[test]
fn log_level_limits_output() {
    let head = commit(1);
    let files = [("code/.git/HEAD", head.as_str())];
    for (level, step, warning) in
        [("info", true, true), ("warn", false, true), ("error", false, false), ("silent", false, false)]
    {
        let github = GitHub::start();
        let params = json!({ "state": "success", "target_url": "no-address" });
        let outcome = put_with(&with(source(&github), json!({ "log_level": level })), params, &files);
        outcome.succeeded();
        let shown = messages(&outcome);
        assert_eq!((shown.contains("set `build`"), shown.contains("warning: ")), (step, warning), "{level}: {shown}");
    }
}

#[test]
fn rejects_checkout_of_another_repository_before_any_request() {
    let head = commit(1);
    for url in ["https://github.com/octo/other.git", "git@github.com:fork/app.git"] {
        let github = GitHub::start();
        let config = format!("[remote \"origin\"]\n\turl = {url}\n");
        let files = [("code/.git/HEAD", head.as_str()), ("code/.git/config", &config)];
        for params in [json!({ "state": "success" }), json!({ "commit": "code", "state": "success" })] {
            let outcome = put_with(&source(&github), params, &files);
            outcome.failed();
            assert!(messages(&outcome).contains("the checkout `code` belongs to `"), "{}", messages(&outcome));
            assert!(
                messages(&outcome).contains("but `repository` of the source is `octo/app`"),
                "{}",
                messages(&outcome)
            );
        }
        assert!(github.requests().is_empty());
        // A commit that is given by its hash has no checkout to compare with the source.
        put_with(&source(&github), json!({ "commit": head, "state": "success" }), &files).succeeded();
    }
}

#[test]
fn requires_commit_unless_there_is_one_checkout() {
    let github = GitHub::start();
    let head = commit(1);
    let none = put_with(&source(&github), json!({ "state": "success" }), &[("a/x", "")]);
    none.failed();
    assert!(
        messages(&none).contains("`commit` is missing, and there is no checkout in the inputs"),
        "{}",
        messages(&none)
    );
    let files = [("a/.git/HEAD", head.as_str()), ("b/.git/HEAD", head.as_str())];
    let several = put_with(&source(&github), json!({ "state": "success" }), &files);
    several.failed();
    assert!(messages(&several).contains("several checkouts in the inputs: `a`, `b`"), "{}", messages(&several));
    assert!(github.requests().is_empty());
}
