//! get: the files for later tasks.

use std::fs;

use jetway_tests::github::{GitHub, commit};
use jetway_tests::{assert_verb, scratch};
use serde_json::json;

use crate::support::{get, messages, metadata, put, source, version, with};

#[test]
fn writes_the_files_of_the_established_resource_and_more() {
    let github = GitHub::start();
    let params = json!({
        "commit": commit(1), "state": "success", "context": "ci/test", "description": "all is well",
        "target_url": "https://example.com/1",
    });
    let version = put(&source(&github), params).json()["version"].clone();
    let destination = scratch::directory();
    let outcome = get(&source(&github), &version, destination.path());
    assert_verb!(outcome.view().tree(), @r#"
    exit code: 0
    ----- stdout -----
    {
      "version": {
        "commit": "0000000000000000000000000000000000000001",
        "status": "1001"
      },
      "metadata": [
        {
          "name": "created_at",
          "value": "2026-01-01T00:16:41Z",
          "type": "time"
        },
        {
          "name": "created_by",
          "value": "octo-ci"
        },
        {
          "name": "state",
          "value": "success"
        },
        {
          "name": "context",
          "value": "ci/test"
        },
        {
          "name": "description",
          "value": "all is well"
        },
        {
          "name": "target_url",
          "value": "https://example.com/1"
        }
      ]
    }
    ----- stderr -----
    0000000000000000000000000000000000000001 is set to `success` in `ci/test` by octo-ci
    ----- tree -----
    commit
    context
    created_at
    creator
    description
    id
    state
    status.json
    target_url
    updated_at
    "#);
    // No file ends with a newline.
    let read = |name: &str| fs::read_to_string(destination.path().join(name)).unwrap();
    for (name, content) in [
        ("commit", commit(1).as_str()),
        ("description", "all is well"),
        ("state", "success"),
        ("target_url", "https://example.com/1"),
        ("updated_at", "2026-01-01T00:16:41Z"),
        ("context", "ci/test"),
        ("creator", "octo-ci"),
        ("id", "1001"),
    ] {
        assert_eq!(read(name), content, "{name}");
    }
    let whole: serde_json::Value = serde_json::from_str(&read("status.json")).unwrap();
    assert_eq!(whole["state"], "success");
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn writes_empty_files_for_fields_that_are_not_set() {
    let github = GitHub::start();
    let id = github.set_status(&commit(1), "default", "pending", "a");
    let destination = scratch::directory();
    get(&source(&github), &version(&commit(1), id), destination.path()).succeeded();
    for name in ["description", "target_url"] {
        assert_eq!(fs::read_to_string(destination.path().join(name)).unwrap(), "", "{name}");
    }
}

/// dpb587/github-status-resource read the combined status, which contains only the newest status of each context.
#[test]
fn finds_a_status_that_is_no_longer_the_newest() {
    let github = GitHub::start();
    let old = github.set_status(&commit(1), "default", "pending", "a");
    for _ in 0..150 {
        github.set_status(&commit(1), "default", "success", "a");
    }
    let destination = scratch::directory();
    let outcome = get(&source(&github), &version(&commit(1), old), destination.path());
    assert!(metadata(&outcome).contains(&("state".to_owned(), "pending".to_owned())));
    assert_eq!(github.requests().len(), 2);
}

#[test]
fn writes_the_number_of_the_pull_request() {
    let github = GitHub::start();
    github.open_pull_request(12, &commit(2), "main");
    let id = github.set_status(&commit(2), "default", "success", "a");
    let destination = scratch::directory();
    let version = with(version(&commit(2), id), json!({ "pr": "12" }));
    let outcome = get(&source(&github), &version, destination.path());
    assert_eq!(outcome.json()["version"], version);
    assert_eq!(fs::read_to_string(destination.path().join("pr")).unwrap(), "12");
}

#[test]
fn fails_when_the_version_is_gone() {
    let github = GitHub::start();
    let destination = scratch::directory();
    let outcome = get(&source(&github), &version(&commit(1), 7), destination.path());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: status 7 does not exist on commit 0000000000000000000000000000000000000001 (any more)\n\
         hint: run a check to find the current statuses\n"
    );
    let outcome = get(&source(&github), &version(&commit(9), 7), destination.path());
    outcome.failed();
    assert!(messages(&outcome).starts_with("error: commit 0000000000000000000000000000000000000009 does not exist\n"));
    assert_eq!(fs::read_dir(destination.path()).unwrap().count(), 0);
}

#[test]
fn rejects_invalid_versions() {
    let github = GitHub::start();
    for (version, words) in [
        (
            json!({ "commit": "../../user", "status": "1" }),
            "the version's commit, `../../user`, is not a full commit hash",
        ),
        (json!({ "commit": commit(1), "status": "null" }), "the version's status, `null`, is not a number"),
        (
            json!({ "commit": commit(1), "status": "1", "deployment": "x" }),
            "the version's deployment, `x`, is not a number",
        ),
        (json!({ "commit": commit(1), "comment": "../1" }), "the version's comment, `../1`, is not a number"),
    ] {
        let destination = scratch::directory();
        let outcome = get(&source(&github), &version, destination.path());
        outcome.failed();
        assert!(messages(&outcome).starts_with(&format!("error: {words}\n")), "{}", outcome.stderr);
    }
    assert_eq!(github.requests(), Vec::<String>::new());
}
