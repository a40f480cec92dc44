//! Gates: a version exists only for an issue that reached the status.

use jetway_tests::jira::{EDITIONS, Edition, Jira, at};
use jetway_tests::scratch;
use serde_json::{Value, json};

use crate::support::{approved, check, gate, get, messages, put, with};

#[test]
fn rejects_pinned_version_of_issue_that_did_not_reach_the_status() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let (source, key) = (gate(&jira), jira.create(0, "x"));
        jira.move_to(10, &key, "In Review");
        jira.move_to(20, &key, "Approved");
        jira.move_to(30, &key, "Done");
        let version = |status: &str, second| json!({ "issue": key, "status": status, "changed": at(second) });
        for (version, reason) in [
            (version("Approved", 21), "did not reach `Approved` at"),
            (version("Approved", 10), "did not reach `Approved` at"),
            (version("Approved", 0), "did not reach `Approved` at"),
            (version("Done", 30), "does not belong to this gate"),
            (version("In Review", 10), "does not belong to this gate"),
            (with(version("Approved", 20), json!({ "changed": "now" })), "did not reach `Approved` at now"),
            (with(version("Approved", 20), json!({ "issue": "OPS-1/../OPS-2" })), "is not the key of an issue"),
            (with(version("Approved", 20), json!({ "issue": "OPS-99" })), "cannot read the issue OPS-99"),
        ] {
            let destination = scratch::directory();
            let outcome = get(&source, &version, json!({}), destination.path());
            outcome.failed();
            assert!(messages(&outcome).contains(reason), "{}", messages(&outcome));
            assert_eq!(std::fs::read_dir(destination.path()).unwrap().count(), 0);
        }
        // The issue may have changed since: the version is still valid for later jobs.
        get(&source, &version("Approved", 20), json!({}), scratch::directory().path()).succeeded();
    }
}

#[test]
fn accepts_issue_that_was_created_in_the_status() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let (source, key) = (gate(&jira), jira.create_in(5, "x", "Approved"));
        get(&source, &approved(&key, 5), json!({}), scratch::directory().path()).succeeded();
        jira.move_to(10, &key, "Done");
        get(&source, &approved(&key, 5), json!({}), scratch::directory().path()).succeeded();
        get(&source, &approved(&key, 10), json!({}), scratch::directory().path()).failed();
    }
}

#[test]
fn category_accepts_each_of_its_statuses() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let source = with(jira.source(), json!({ "project": "OPS", "status_category": "in_progress" }));
        let key = jira.create(0, "x");
        jira.move_to(10, &key, "In Review");
        let review = json!({ "issue": key, "status": "In Review", "changed": at(10) });
        assert_eq!(check(&source, None).json(), json!([review]));
        get(&source, &review, json!({}), scratch::directory().path()).succeeded();
        jira.move_to(20, &key, "Done");
        get(&source, &review, json!({}), scratch::directory().path()).succeeded();
        let done = json!({ "issue": key, "status": "Done", "changed": at(20) });
        get(&source, &done, json!({}), scratch::directory().path()).failed();
    }
}

#[test]
fn require_status_fails_when_issue_has_left_the_status() {
    let jira = Jira::start(Edition::Cloud);
    let (source, key) = (gate(&jira), jira.create(0, "x"));
    jira.move_to(10, &key, "Approved");
    let required = json!({ "require_status": true });
    get(&source, &approved(&key, 10), required.clone(), scratch::directory().path()).succeeded();
    jira.move_to(20, &key, "To Do");
    let outcome = get(&source, &approved(&key, 10), required, scratch::directory().path());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: OPS-1 has left the status `Approved`: it is `To Do` now\n\
         hint: `require_status` requires the status; a check returns the issues that have it\n"
    );
}

/// The version of a put is a version of the resource, and would open the gate.
#[test]
fn rejects_put() {
    let jira = Jira::start(Edition::Cloud);
    for (key, value) in [("status", json!("Approved")), ("status_category", json!("done"))] {
        let source = with(jira.source(), json!({ "project": "OPS", key: value }));
        let outcome = put(&source, json!({ "issue": "OPS-1", "comment": "x" }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!(
                "error: a resource with `{key}` in its source is a gate and has no puts\n\
                 hint: the version of a put would open the gate; use a second resource without `status` and `status_category`\n"
            )
        );
    }
    assert_eq!(jira.requests(), Vec::<String>::new());
}

/// Jira Cloud answers a search with a wrong token with an empty list.
#[test]
fn cloud_reports_wrong_token_despite_empty_search() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create_in(5, "x", "Approved");
    let wrong = with(gate(&jira), json!({ "api_token": "ATATT-WRONG" }));
    let outcome = check(&wrong, None);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: Jira rejected the login, and answered as for an anonymous user (X-Seraph-LoginReason: \
         AUTHENTICATED_FAILED)\nhint: `api_token` is wrong, expired or revoked, or does not belong to the account `email`\n"
    );
    get(&wrong, &approved(&key, 5), json!({}), scratch::directory().path()).failed();
    put(&with(jira.source(), json!({ "api_token": "x" })), json!({ "issue": key, "comment": "x" })).failed();
    assert_eq!(jira.comments(&key), Vec::<Value>::new());
}

#[test]
fn cloud_verifies_the_login_of_an_empty_search() {
    for (shows_login, requests) in [(false, 2), (true, 1)] {
        let jira = Jira::start(Edition::Cloud);
        jira.shows_login(shows_login);
        assert_eq!(check(&gate(&jira), None).json(), json!([]));
        assert_eq!(jira.requests().len(), requests, "{:?}", jira.requests());
    }
    // A proxy may remove the header.
    let jira = Jira::start(Edition::Cloud);
    let empty = jetway_tests::jira::from_jira(200, &json!({ "issues": [], "isLast": true }));
    jira.answer(1, "POST", "/search/jql", empty);
    let outcome = check(&with(gate(&jira), json!({ "api_token": "ATATT-WRONG" })), None);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: `GET http://127.0.0.1:[PORT]/rest/api/3/myself` answered 401 Unauthorized\n  \
         caused by: Client must be authenticated to access this resource.\n\
         hint: `api_token` is wrong, expired or revoked, or does not belong to the account `email`\n"
    );
}

#[test]
fn data_center_reports_wrong_token_and_anonymous_user() {
    let jira = Jira::start(Edition::DataCenter);
    let outcome = check(&with(gate(&jira), json!({ "token": "hunter2hunter2" })), None);
    outcome.failed();
    assert!(messages(&outcome).ends_with("hint: `token` is wrong, expired or revoked\n"), "{}", messages(&outcome));
    let anonymous = json!({ "startAt": 0, "maxResults": 100, "total": 0, "issues": [] });
    let anonymous = jetway_tests::jira::from_jira(200, &anonymous).with("X-AUSERNAME", "anonymous");
    jira.answer(1, "POST", "/search", anonymous);
    let outcome = check(&gate(&jira), None);
    outcome.failed();
    assert!(messages(&outcome).contains("as for an anonymous user (X-AUSERNAME: anonymous)"), "{}", messages(&outcome));
}
