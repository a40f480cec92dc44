//! Jira Cloud (version 3 of the REST API), where it differs from Data Center.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::issues::Issue;
use super::responses::{from_jira, no_issue, unauthorized};
use super::server::{State, texts};
use super::{API_TOKEN, EMAIL};
use crate::stand_in::{RecordedRequest, Response};

/// The path of the API.
pub(super) const BASE: &str = "/rest/api/3/";

/// The message about a text that is no document (atlassian-api/atlassian-python-api issues quote it).
pub(super) const NO_TEXT: &str = "Operation value must be an Atlassian Document (see the Atlassian Document Format)";

/// The `Authorization` header of a valid login.
pub(super) fn authorization() -> String {
    format!("Basic {}", STANDARD.encode(format!("{EMAIL}:{API_TOKEN}")))
}

/// The response to an invalid login: Cloud treats the caller as anonymous, which only a header shows (MrRefactoring/jira.js issue
/// 418).
pub(super) fn refuse_login(request: &RecordedRequest, operation: &str) -> Response {
    let answer = match (request.method.as_str(), operation) {
        (_, "search/jql") => from_jira(200, &json!({ "issues": [], "isLast": true })),
        (_, "myself") => unauthorized(),
        _ => no_issue(),
    };
    answer.with("x-seraph-loginreason", "AUTHENTICATED_FAILED")
}

/// Adds the response header that shows a login.
pub(super) fn with_login(answer: Response) -> Response {
    answer.with("X-AACCOUNTID", "5b10a2844c20165700ede21g")
}

/// Whether a text is a document, as the API description requires.
pub(super) fn is_text(value: &Value) -> bool {
    value["type"] == "doc" && value["version"] == 1 && value["content"].is_array()
}

/// A page of a search.
pub(super) fn search_page(state: &State, found: &[&Issue], size: usize, body: &Value) -> Response {
    let start = body["nextPageToken"].as_str().map_or(0, |token| token.parse().expect("a token of ours"));
    let fields = texts(&body["fields"]);
    let page = found.iter().skip(start).take(size).map(|issue| state.shown(issue, &fields, false));
    let page: Vec<Value> = page.collect();
    let end = start + page.len();
    let is_last = end >= found.len();
    let mut answer = json!({ "issues": page, "isLast": is_last });
    if !is_last {
        answer["nextPageToken"] = json!(end.to_string());
    }
    from_jira(200, &answer)
}

/// Bulk changelogs. Their times are numbers, as a site of Jira Cloud answered in October 2026.
pub(super) fn changelogs(state: &State, body: &Value) -> Response {
    let start: usize = body["nextPageToken"].as_str().map_or(0, |token| token.parse().expect("a token of ours"));
    let (wanted, fields) = (texts(&body["issueIdsOrKeys"]), texts(&body["fieldIds"]));
    let mut logs = Vec::new();
    for issue in state.issues.iter().filter(|issue| wanted.iter().any(|id| *id == issue.id || *id == issue.key)) {
        let histories: Vec<Value> = state
            .histories(issue)
            .into_iter()
            .filter(|history| fields.is_empty() || fields.iter().any(|field| history["items"][0]["fieldId"] == **field))
            .collect();
        for mut history in histories {
            let time: jiff::Timestamp = history["created"].as_str().expect("a time").parse().expect("a time");
            history["created"] = json!(time.as_millisecond());
            logs.push((issue.id.clone(), history));
        }
    }
    let page: Vec<Value> = logs
        .iter()
        .skip(start)
        .take(state.page)
        .map(|(id, history)| json!({ "issueId": id, "changeHistories": [history] }))
        .collect();
    let end = start + page.len();
    let mut answer = json!({ "issueChangeLogs": page });
    if end < logs.len() {
        answer["nextPageToken"] = json!(end.to_string());
    }
    from_jira(200, &answer)
}
