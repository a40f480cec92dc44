//! put with `create`.

use jetway_tests::jira::{EDITIONS, Edition, Jira, at, from_jira};
use jetway_tests::stand_in::{Fault, Response};
use serde_json::{Value, json};

use crate::support::{messages, put, put_with, with};

/// The text of a description, which is a document in Jira Cloud.
fn rich(edition: Edition, text: &str) -> Value {
    match edition {
        Edition::Cloud => json!({ "type": "doc", "version": 1, "content": [
            { "type": "paragraph", "content": [{ "type": "text", "text": text }] },
        ] }),
        Edition::DataCenter => json!(text),
    }
}

#[test]
fn creates_issue_from_texts_files_and_fields() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let source = with(jira.source(), json!({ "project": "OPS" }));
        let outcome = put_with(
            &source,
            json!({ "create": {
                "issuetype": "Change", "summary": "Deploy of $BUILD_JOB_NAME ${NOPE}", "description_file": "notes/text",
                "fields": { "labels": ["go", "b-$BUILD_NAME"], "priority": { "name": "High" }, "customfield_10042": 1.50 },
            } }),
            &[("notes/text", "all of $BUILD_ID\n")],
        );
        outcome.succeeded();
        let expected = json!({ "issue": "OPS-1", "status": "To Do", "changed": at(1) });
        assert_eq!(outcome.json()["version"], expected, "{edition:?}");
        let job = "Deploy of build ${NOPE}";
        assert_eq!(jira.field("OPS-1", "summary"), job);
        // Texts from files are not expanded.
        assert_eq!(jira.field("OPS-1", "description"), rich(edition, "all of $BUILD_ID"));
        assert_eq!(jira.field("OPS-1", "issuetype"), json!({ "name": "Change" }));
        assert_eq!(jira.field("OPS-1", "priority"), json!({ "name": "High" }));
        assert_eq!(jira.field("OPS-1", "labels"), json!(["go", "b-42"]));
        assert_eq!(
            messages(&outcome),
            "warning: `create.summary`: `$NOPE` is not a variable of the build and is kept\ncreated OPS-1\n"
        );
        assert_eq!(jira.bodies("POST", "/issue").len(), 1);
    }
}

#[test]
fn creates_task_in_the_project_of_the_params() {
    let jira = Jira::start(Edition::Cloud);
    let source = with(jira.source(), json!({ "project": "DEV" }));
    put(&source, json!({ "create": { "project": "OPS", "summary": "x" } })).succeeded();
    assert_eq!(jira.field("OPS-1", "issuetype"), json!({ "name": "Task" }));
    assert!(jira.field("OPS-1", "description").is_null());
}

#[test]
fn comments_links_and_transitions_the_new_issue() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let create = json!({ "project": "OPS", "summary": "x" });
        let outcome = put(
            &jira.source(),
            json!({ "create": create, "comment": "hello", "link": true, "transition": "In Review" }),
        );
        outcome.succeeded();
        assert_eq!(outcome.json()["version"]["status"], "In Review");
        assert_eq!((jira.comments("OPS-1").len(), jira.links("OPS-1").len()), (1, 1));
    }
}

#[test]
fn truncates_long_summary_and_joins_its_lines() {
    let jira = Jira::start(Edition::Cloud);
    let outcome =
        put(&jira.source(), json!({ "create": { "project": "OPS", "summary": format!("a\n b {}", "ü".repeat(300)) } }));
    outcome.succeeded();
    let summary = jira.field("OPS-1", "summary").as_str().unwrap().to_owned();
    assert!(summary.starts_with("a b üü") && summary.ends_with("ü…") && summary.chars().count() == 254, "{summary}");
    assert!(
        messages(&outcome).contains("warning: the summary is truncated to 254 characters"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn fails_with_jiras_message() {
    let jira = Jira::start(Edition::Cloud);
    for (create, reason) in [
        (json!({ "project": "OPS", "summary": "x", "issuetype": "Epos" }), "`issuetype`: Specify a valid issue type"),
        (json!({ "project": "DEV", "summary": "x" }), "`project`: valid project is required"),
        (
            json!({ "project": "OPS", "summary": "x", "fields": { "nonsense": 1 } }),
            "`nonsense`: Field 'nonsense' cannot be set. It is not on the appropriate screen, or unknown.",
        ),
    ] {
        let outcome = put(&jira.source(), json!({ "create": create }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!(
                "error: cannot create an issue\n  caused by: `POST http://127.0.0.1:[PORT]/rest/api/3/issue` answered 400 Bad Request\n  \
                 caused by: {reason}\n"
            )
        );
    }
    assert_eq!(jira.keys(), Vec::<String>::new());
}

#[test]
fn never_creates_issue_twice_after_a_lost_response() {
    for edition in EDITIONS {
        for (fault, issues) in [
            (Fault::CutAfter, 1),
            (Fault::CutBody(5), 1),
            (Fault::Response(Response::text(500, "oops")), 0),
            (Fault::Response(Response::text(502, "")), 0),
            (Fault::Response(Response::text(504, "")), 0),
        ] {
            let jira = Jira::start(edition);
            jira.fail_next(fault.clone());
            let outcome = put(&jira.source(), json!({ "create": { "project": "OPS", "summary": "x" } }));
            outcome.failed();
            assert_eq!((jira.requests().len(), jira.keys().len()), (1, issues), "{fault:?}");
            let hint = "hint: the issue may have been created; it is not sent again, to avoid a duplicate: search for it in Jira before the next put\n";
            assert!(messages(&outcome).contains(hint), "{}", messages(&outcome));
        }
        // Jira did not apply these requests.
        let unavailable = Response::text(503, "").with("Retry-After", "1");
        for fault in [Fault::Response(jetway_tests::jira::rate_limited(1)), Fault::Response(unavailable)] {
            let jira = Jira::start(edition);
            jira.fail_next(fault);
            put(&jira.source(), json!({ "create": { "project": "OPS", "summary": "x" } })).succeeded();
            assert_eq!(jira.keys().len(), 1);
        }
    }
}

#[test]
fn error_names_new_issue_when_a_later_request_fails() {
    let jira = Jira::start(Edition::Cloud);
    let create = json!({ "project": "OPS", "summary": "x" });
    let outcome = put(&jira.source(), json!({ "create": create, "transition": "Released", "comment": "x" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "created OPS-1\nerror: OPS-1 has no transition `Released` from `To Do`\n\
         hint: the possible transitions are `Ask for a review` (to `In Review`), `Approve` (to `Approved`), `Close` (to `Done`)\n\
         hint: the issue OPS-1 was created before\n"
    );
    assert_eq!(jira.comments("OPS-1"), Vec::<Value>::new());
    // An account may create issues that it may not read.
    jira.answer(1, "GET", "/issue/OPS-2", from_jira(404, &json!({ "errorMessages": ["no"], "errors": {} })));
    let outcome = put(&jira.source(), json!({ "create": create }));
    outcome.failed();
    assert!(messages(&outcome).contains("hint: the issue OPS-2 was created before\n"), "{}", messages(&outcome));
}
