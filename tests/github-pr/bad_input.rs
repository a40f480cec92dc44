//! Invalid requests: each mistake with its exact message, without a response and without a request to GitHub.

use jetway_tests::github::GitHub;
use jetway_tests::scratch;
use jetway_tests::verb::Outcome;
use serde_json::{Value, json};

use crate::support::{check, get, messages, put, source, version, with};

/// The program and its release, as error messages name them.
const PROGRAM: &str = concat!("jetway-github-pr ", env!("CARGO_PKG_VERSION"));

#[track_caller]
fn refused(outcome: &Outcome, expected: &str) {
    outcome.failed();
    assert_eq!(messages(outcome), expected.replace("PROGRAM", PROGRAM));
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

/// Asserts that a check is rejected because of one mistake in its source.
#[track_caller]
fn of_source(more: Value, expected: &str) {
    let github = GitHub::start();
    let expected = format!("error: the request has 1 problem (PROGRAM)\n    {expected}\n");
    refused(&check(&with(source(&github), more), None), &expected);
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn empty_source() {
    refused(
        &check(&json!({}), None),
        "error: the request has 2 problems (PROGRAM)\n    `source.repository`: required, but missing\n    `source.access_token`: required, but missing; set `access_token`, or `app_id` and `private_key` to log in as a GitHub App\n",
    );
}

#[test]
fn repository_and_addresses() {
    of_source(json!({ "repository": "app" }), "`source.repository`: expected `OWNER/NAME`, found `app`");
    of_source(json!({ "repository": "", "repo": "a/b/c" }), "`source.repo`: expected `OWNER/NAME`, found `a/b/c`");
    of_source(json!({ "repo": "octo/other" }), "`source.repo`: is an alias of `repository`, but has a different value");
    of_source(json!({ "v3_endpoint": "ftp://x" }), "`source.v3_endpoint`: expected `https://...`");
    of_source(json!({ "api_endpoint": "https://u:p@x" }), "`source.api_endpoint`: must not contain a user or password");
    of_source(json!({ "v4_endpoint": "x" }), "`source.v4_endpoint`: expected `https://...`");
    of_source(
        json!({ "uri": "git@github.com:octo/app.git" }),
        "`source.uri`: expected `https://...`: git logs in with the token of the source",
    );
    of_source(json!({ "uri": "https://token@x/y" }), "`source.uri`: must not contain a user or password");
}

#[test]
fn filters() {
    of_source(json!({ "base_branch": "a b" }), "`source.base_branch`: `a b` is not a valid branch name");
    of_source(json!({ "base": "-x" }), "`source.base`: must not begin with `-`");
    of_source(json!({ "paths": ["a", "[b"] }), "`source.paths[1]`: has a `[` without its `]`");
    of_source(json!({ "ignore_paths": ["/"] }), "`source.ignore_paths[0]`: must not be empty");
}

#[test]
fn credentials() {
    of_source(
        json!({ "app_id": "1" }),
        "`source.access_token`: excludes `app_id`, `installation_id` and `private_key`",
    );
    of_source(json!({ "git_crypt_key": "x" }), "`source.git_crypt_key`: is not base64");
}

#[test]
fn params_of_a_put() {
    let github = GitHub::start();
    let inputs = scratch::directory();
    for (params, expected) in [
        (json!({ "status": "success" }), "`params.path`: required, but missing"),
        (
            json!({ "path": "pr", "status": "failed" }),
            "`params.status`: expected `error`, `failure`, `pending` or `success`, found `failed`; did you mean `failure`?",
        ),
    ] {
        let expected = format!("error: the request has 1 problem (PROGRAM)\n    {expected}\n");
        refused(&put(&source(&github), params, inputs.path()), &expected);
    }
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn params_of_a_get() {
    let github = GitHub::start();
    let directory = scratch::directory();
    let params = json!({ "git_depth": 1, "git.depth": 2 });
    refused(
        &get(&source(&github), &version(1, &"0".repeat(40)), params, directory.path()),
        "error: the request has 1 problem (PROGRAM)\n    `params.git.depth`: is an alias of `git_depth`, but has a different value\n",
    );
    for tool in ["squash", ""] {
        let params = json!({ "integration_tool": tool });
        let outcome = get(&source(&github), &version(1, &"0".repeat(40)), params, directory.path());
        outcome.failed();
    }
}
