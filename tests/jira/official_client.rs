//! A common client (npm `jira.js`), which validates each response with Atlassian's schema, uses the stand-in for Jira
//! Cloud: a wrong response of the stand-in fails here.

use jetway_tests::jira::{API_TOKEN, Call, Edition, Jira, call};
use jetway_tests::layer::{Layer, require};
use serde_json::{Value, json};

use crate::support::put;

const CLIENT: Layer<'_> = Layer::Counterpart("jira-client");

fn document(text: &str) -> Value {
    json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": text }] }] })
}

#[test]
fn creates_edits_comments_links_transitions_and_searches() {
    if !require(CLIENT) {
        return;
    }
    let jira = Jira::start(Edition::Cloud);
    let issue = |more: Value| crate::support::with(json!({ "issueIdOrKey": "OPS-1" }), more);
    let fields = json!({ "project": { "key": "OPS" }, "issuetype": { "name": "Task" }, "summary": "one", "description": document("x") });
    let link = json!({ "globalId": "system=x&id=1", "object": { "url": "https://x.example", "title": "x" } });
    let calls: [Call; 11] = [
        ("myself", "getCurrentUser", json!({})),
        ("issues", "createIssue", json!({ "fields": fields })),
        ("issues", "getIssue", issue(json!({ "fields": ["*all"], "expand": ["names"] }))),
        ("issues", "editIssue", issue(json!({ "fields": { "summary": "two" } }))),
        ("issueComments", "addComment", issue(json!({ "body": document("y") }))),
        ("issueRemoteLinks", "createOrUpdateRemoteIssueLink", issue(link.clone())),
        ("issueRemoteLinks", "createOrUpdateRemoteIssueLink", issue(link)),
        ("issues", "getTransitions", issue(json!({}))),
        ("issues", "doTransition", issue(json!({ "transition": { "id": "31" } }))),
        (
            "issueSearch",
            "searchAndReconsileIssuesUsingJqlPost",
            json!({ "jql": "project = \"OPS\" AND status in (\"Approved\") ORDER BY updated DESC", "fields": ["status", "summary"] }),
        ),
        ("workflowStatuses", "getStatus", json!({ "idOrName": "Approved" })),
    ];
    let outcomes = call(&jira.url(), API_TOKEN, &calls);
    for (outcome, (group, operation, _)) in outcomes.iter().zip(&calls) {
        assert!(outcome.is_ok(), "{group}.{operation}: {outcome:?}");
    }
    let results: Vec<&Value> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap()).collect();
    assert_eq!(results[1]["key"], "OPS-1");
    assert_eq!(results[2]["fields"]["summary"], "one");
    assert_eq!(results[7]["transitions"][1]["to"]["name"], "Approved");
    let found = &results[9]["issues"][0];
    assert_eq!((&found["key"], &found["fields"]["summary"]), (&json!("OPS-1"), &json!("two")));
    assert_eq!(results[10]["statusCategory"]["key"], "indeterminate");
    assert_eq!(
        (jira.status("OPS-1"), jira.comments("OPS-1").len(), jira.links("OPS-1").len()),
        ("Approved".to_owned(), 1, 1)
    );
}

#[test]
fn reads_the_result_of_a_put() {
    if !require(CLIENT) {
        return;
    }
    let jira = Jira::start(Edition::Cloud);
    let create = json!({ "project": "OPS", "summary": "Release", "description": "see https://x.example" });
    put(&jira.source(), json!({ "create": create, "transition": "Done" })).succeeded();
    let seen =
        call(&jira.url(), API_TOKEN, &[("issues", "getIssue", json!({ "issueIdOrKey": "OPS-1" }))]).remove(0).unwrap();
    assert_eq!((&seen["fields"]["summary"], &seen["fields"]["status"]["name"]), (&json!("Release"), &json!("Done")));
    assert_eq!(seen["fields"]["description"]["content"][0]["content"][1]["marks"][0]["type"], "link");
}

#[test]
fn reads_error_messages() {
    if !require(CLIENT) {
        return;
    }
    let jira = Jira::start(Edition::Cloud);
    jira.create(0, "x");
    let calls: [(Call, u16); 4] = [
        (("issues", "getIssue", json!({ "issueIdOrKey": "OPS-9" })), 404),
        (("issues", "createIssue", json!({ "fields": { "project": { "key": "DEV" }, "summary": "x" } })), 400),
        (("issues", "doTransition", json!({ "issueIdOrKey": "OPS-1", "transition": { "id": "11" } })), 400),
        (("issueSearch", "searchAndReconsileIssuesUsingJqlPost", json!({ "jql": "status in (\"Nowhere\")" })), 400),
    ];
    let (calls, statuses): (Vec<Call>, Vec<u16>) = calls.into_iter().unzip();
    for (outcome, status) in call(&jira.url(), API_TOKEN, &calls).into_iter().zip(statuses) {
        assert_eq!(outcome.unwrap_err()["status"], status);
    }
    let wrong = call(&jira.url(), "wrong", &[("myself", "getCurrentUser", json!({}))]).remove(0);
    assert_eq!(wrong.unwrap_err()["status"], 401);
}
