//! Jira Data Center (version 2 of the REST API), where it differs from Cloud.

use serde_json::{Value, json};

use super::TOKEN;
use super::issues::Issue;
use super::responses::{from_jira, unauthorized};
use super::server::{State, texts};
use crate::stand_in::Response;

/// The path of the API. Data Center itself often has a path.
pub(super) const BASE: &str = "/jira/rest/api/2/";

/// The message about a text that is not a string.
pub(super) const NO_TEXT: &str = "Operation value must be a string";

/// The `Authorization` header of a valid login.
pub(super) fn authorization() -> String {
    format!("Bearer {TOKEN}")
}

/// The response to an invalid login, which is rejected at once ("Personal access tokens" of Data Center).
pub(super) fn refuse_login() -> Response {
    unauthorized()
}

/// Adds the response headers that show a login (cristibaluta/Jit issue 10).
pub(super) fn with_login(answer: Response) -> Response {
    answer.with("X-AUSERNAME", "ci").with("X-Seraph-LoginReason", "OK")
}

/// Whether a text is a string, and not a document.
pub(super) fn is_text(value: &Value) -> bool {
    value.is_string()
}

/// A page of a search.
pub(super) fn search_page(state: &State, found: &[&Issue], size: usize, body: &Value) -> Response {
    let start = usize::try_from(body["startAt"].as_u64().expect("an offset")).expect("an offset");
    let fields = texts(&body["fields"]);
    let with_changelog = texts(&body["expand"]).iter().any(|name| name == "changelog");
    let page = found.iter().skip(start).take(size).map(|issue| state.shown(issue, &fields, with_changelog));
    let page: Vec<Value> = page.collect();
    let answer = json!({
        "expand": "schema,names", "startAt": start, "maxResults": size, "total": found.len(), "issues": page,
    });
    from_jira(200, &answer)
}
