//! get: the files in the destination.

use jetway_tests::jira::{EDITIONS, Edition, Jira, at};
use jetway_tests::scratch;
use serde_json::{Value, json};

use crate::support::{approved, gate, get, messages, metadata};

fn document(text: &str) -> Value {
    json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": text }] }] })
}

#[test]
fn writes_fields_to_files() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create(0, "Release 1.2");
        let text = "Roll out\nat night";
        let description = if edition == Edition::Cloud { document(text) } else { json!(text) };
        for (field, value) in [
            ("description", description),
            ("assignee", json!({ "displayName": "Mia Krystof", "accountId": "5b10a2844c20165700ede21g" })),
            ("customfield_10042", json!({ "id": "1", "value": "Sunday" })),
            ("labels", json!(["go", "now"])),
            ("fixVersions", json!([{ "id": "1", "name": "1.2" }])),
            ("duedate", json!(null)),
        ] {
            jira.edit(5, &key, field, value);
        }
        jira.move_to(10, &key, "Approved");
        let destination = scratch::directory();
        let fields = json!({ "fields": ["change window", "labels", "fixVersions", "duedate"] });
        let outcome = get(&gate(&jira), &approved(&key, 10), fields, destination.path());
        outcome.succeeded();
        assert_eq!(outcome.json()["version"], approved(&key, 10));
        let read = |name: &str| {
            std::fs::read_to_string(destination.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        for (name, content) in [
            ("key", key.as_str()),
            ("summary", "Release 1.2"),
            ("status", "Approved"),
            ("description", text),
            ("assignee", "Mia Krystof"),
            ("changed", &at(10)),
            ("url", &format!("{}/browse/{key}", jira.url())),
            ("fields/change window", "Sunday"),
            ("fields/labels", "go\nnow"),
            ("fields/fixVersions", "1.2"),
            ("fields/duedate", ""),
        ] {
            assert_eq!(read(name), content, "{name}");
        }
        let issue: Value = serde_json::from_str(&read("issue.json")).unwrap();
        assert_eq!((&issue["key"], &issue["fields"]["status"]["name"]), (&json!(key), &json!("Approved")));
        let version: Value = serde_json::from_str(&read("version.json")).unwrap();
        assert_eq!(version, approved(&key, 10));
        let written: Value = serde_json::from_str(&read("metadata.json")).unwrap();
        assert_eq!(written, outcome.json()["metadata"]);
        let expected = [
            ("key", key.clone()),
            ("summary", "Release 1.2".to_owned()),
            ("status", "Approved".to_owned()),
            ("assignee", "Mia Krystof".to_owned()),
            ("url", format!("{}/browse/{key}", jira.url())),
            ("changed", at(10)),
        ];
        assert_eq!(metadata(&outcome), expected.map(|(name, value)| (name.to_owned(), value)));
    }
}

#[test]
fn sends_one_request_without_a_gate() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create(0, "x");
        let destination = scratch::directory();
        let version = json!({ "issue": key, "status": "To Do", "changed": at(0) });
        get(&jira.source(), &version, json!({}), destination.path()).succeeded();
        assert_eq!(jira.requests().len(), 1);
        assert!(
            jira.requests()[0].ends_with("?fields=*all%2C-comment%2C-worklog&expand=names"),
            "{:?}",
            jira.requests()
        );
        assert!(!destination.path().join("fields").exists());
    }
}

#[test]
fn fetches_comments_only_on_request() {
    let jira = Jira::start(Edition::DataCenter);
    let key = jira.create(0, "x");
    let destination = scratch::directory();
    let version = json!({ "issue": key, "status": "To Do", "changed": at(0) });
    get(&jira.source(), &version, json!({ "fields": ["comment"] }), destination.path()).succeeded();
    let comments = std::fs::read_to_string(destination.path().join("fields/comment")).unwrap();
    assert_eq!(comments, r#"{"comments":[]}"#);
}

#[test]
fn fails_when_issue_does_not_have_the_field() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "x");
    let destination = scratch::directory();
    let version = json!({ "issue": key, "status": "To Do", "changed": at(0) });
    let outcome = get(&jira.source(), &version, json!({ "fields": ["Risk"] }), destination.path());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: OPS-1 has no field `Risk`\nhint: use the id of a field, such as `customfield_10042`, or its name in Jira\n"
    );
    assert_eq!(std::fs::read_dir(destination.path()).unwrap().count(), 0);
}

#[test]
fn fails_when_issue_was_deleted() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create_in(0, "x", "Approved");
    jira.delete(&key);
    let outcome = get(&gate(&jira), &approved(&key, 0), json!({}), scratch::directory().path());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot read the issue OPS-1\n  \
         caused by: `GET http://127.0.0.1:[PORT]/rest/api/3/issue/OPS-1?fields=...&expand=...` answered 404 Not Found\n  \
         caused by: Issue does not exist or you do not have permission to see it.\n\
         hint: the issue or project does not exist, or the account may not see it; `url` is the address of Jira itself, with its path \
         if it has one\n"
    );
}
