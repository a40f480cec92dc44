//! Gates: the resource has a version only while an accepted creator has set the required state.

use jetway_tests::github::{GitHub, commit};
use jetway_tests::scratch;
use serde_json::{Value, json};

use crate::support::{check, get, messages, put, source, version, with};

fn gated(github: &GitHub, gate: Value) -> Value {
    with(source(github), json!({ "gate": gate }))
}

#[test]
fn opens_when_the_state_appears_on_the_commit() {
    let github = GitHub::start();
    let source = gated(&github, json!({ "context": "go" }));
    let hash = commit(1);
    let versions = || check(&source, None).json();
    assert_eq!(versions(), json!([]));
    github.set_status(&hash, "go", "pending", "ci");
    github.set_status(&hash, "unit", "success", "ci");
    assert_eq!(versions(), json!([]));
    let go = github.set_status(&hash, "go", "success", "alice");
    github.set_status(&hash, "unit", "failure", "ci");
    assert_eq!(versions(), json!([version(&hash, go)]));
    let known = version(&hash, go);
    assert_eq!(check(&source, Some(&known)).json(), json!([known]));
    assert!(github.recorded_requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn closes_when_the_state_changes() {
    let github = GitHub::start();
    let source = gated(&github, json!({ "context": "go" }));
    github.set_status(&commit(1), "go", "success", "alice");
    github.set_status(&commit(1), "go", "failure", "bob");
    assert_eq!(check(&source, None).json(), json!([]));
}

#[test]
fn counts_only_the_listed_creators() {
    let github = GitHub::start();
    let source = gated(&github, json!({ "context": "go", "creators": ["Alice", "release[bot]"] }));
    github.set_status(&commit(1), "go", "success", "mallory");
    assert_eq!(check(&source, None).json(), json!([]));
    let go = github.set_status(&commit(1), "go", "success", "alice");
    assert_eq!(check(&source, None).json(), json!([version(&commit(1), go)]));
    // A later status by another creator closes the gate.
    github.set_status(&commit(1), "go", "success", "mallory");
    assert_eq!(check(&source, None).json(), json!([]));
    let bot = github.set_status(&commit(1), "go", "success", "release[bot]");
    assert_eq!(check(&source, None).json(), json!([version(&commit(1), bot)]));
}

#[test]
fn waits_for_the_state_in_the_source() {
    let github = GitHub::start();
    let source = gated(&github, json!({ "context": "deploy", "state": "FAILURE" }));
    github.set_status(&commit(1), "deploy", "success", "ci");
    assert_eq!(check(&source, None).json(), json!([]));
    let id = github.set_status(&commit(1), "deploy", "failure", "ci");
    assert_eq!(check(&source, None).json(), json!([version(&commit(1), id)]));
}

#[test]
fn closes_for_each_new_commit() {
    let github = GitHub::start();
    let source = gated(&github, json!({ "context": "go" }));
    let known = version(&commit(1), github.set_status(&commit(1), "go", "success", "alice"));
    github.set_ref("main", &commit(2));
    assert_eq!(check(&source, Some(&known)).json(), json!([known]));
    let second = github.set_status(&commit(2), "go", "success", "alice");
    assert_eq!(check(&source, Some(&known)).json(), json!([known, version(&commit(2), second)]));
}

#[test]
fn works_with_pull_requests() {
    let github = GitHub::start();
    github.open_pull_request(5, &commit(50), "main");
    let source = with(gated(&github, json!({ "context": "go" })), json!({ "pull_requests": true }));
    github.set_status(&commit(50), "go", "pending", "a");
    assert_eq!(check(&source, None).json(), json!([]));
    let go = github.set_status(&commit(50), "go", "success", "a");
    assert_eq!(check(&source, None).json(), json!([with(version(&commit(50), go), json!({ "pr": "5" }))]));
}

#[test]
fn rejects_pinned_version_that_does_not_pass() {
    let github = GitHub::start();
    let hash = commit(1);
    let source = gated(&github, json!({ "context": "go", "creators": ["alice"] }));
    let wrong = [
        version(&hash, github.set_status(&hash, "go", "pending", "alice")),
        version(&hash, github.set_status(&hash, "unit", "success", "alice")),
        version(&hash, github.set_status(&hash, "go", "success", "mallory")),
        json!({ "commit": hash }),
        json!({ "commit": hash, "comment": "1" }),
        json!({ "commit": hash, "deployment": "1", "status": "1" }),
    ];
    for version in wrong {
        let destination = scratch::directory();
        let outcome = get(&source, &version, destination.path());
        outcome.failed();
        let messages = messages(&outcome);
        assert!(
            messages.contains("does not pass the gate") || messages.contains("does not belong to this gate"),
            "{messages}"
        );
        assert_eq!(std::fs::read_dir(destination.path()).unwrap().count(), 0);
    }
    let go = version(&hash, github.set_status(&hash, "go", "success", "Alice"));
    get(&source, &go, scratch::directory().path()).succeeded();
}

/// Otherwise the version of the put would pass the gate.
#[test]
fn rejects_put() {
    let github = GitHub::start();
    let outcome = put(&gated(&github, json!({})), json!({ "commit": commit(1), "state": "success" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: a put is not supported with `gate` in the source\n\
         hint: the version of a put would pass the gate; put to another resource of this type, without `gate`\n"
    );
    assert_eq!(github.requests(), Vec::<String>::new());
}
