//! Jira's error responses: their messages, and a hint for each.

use anyhow::anyhow;
use jetway::http::{StatusCode, StatusError, TransportError, TransportKind};
use jetway::{Advise as _, Error};
use serde_json::Value;

use crate::source::Api;

/// An error response from Jira.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) status: StatusCode,
    text: String,
}

impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The hint for a rejected login.
pub(crate) fn login_hint(api: Api) -> &'static str {
    match api {
        Api::Cloud => "`api_token` is wrong, expired or revoked, or does not belong to the account `email`",
        Api::DataCenter => "`token` is wrong, expired or revoked",
    }
}

/// Replaces the JSON body in an error with Jira's messages, and adds a hint.
pub(crate) fn explain(error: Error, api: Api) -> Error {
    let Some(response) = error.downcast_ref::<StatusError>() else { return error };
    let (status, text) = (response.status(), response.to_string());
    let messages = response.json::<Value>().as_ref().and_then(words);
    let mut causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if let Some(messages) = &messages {
        // The last cause is the raw body.
        causes.pop();
        causes.push(messages.clone());
    }
    let hint = hint(response, api, messages.as_deref().unwrap_or_default());
    let innermost = anyhow!(causes.pop().unwrap_or_else(|| text.clone()));
    let inner = causes.into_iter().rev().fold(innermost, Error::context);
    let inner = match hint {
        Some(hint) => inner.hint(hint),
        None => inner,
    };
    inner.context(ErrorResponse { status, text })
}

/// The status of Jira's error response, if the error contains one.
pub(crate) fn status_of(error: &Error) -> Option<StatusCode> {
    error.downcast_ref::<ErrorResponse>().map(|refused| refused.status)
}

/// Whether Jira may have applied the request that failed with this error.
pub(crate) fn may_be_applied(error: &Error) -> bool {
    if let Some(transport) = error.downcast_ref::<TransportError>() {
        return matches!(transport.kind(), TransportKind::Cut | TransportKind::Stalled | TransportKind::TooLarge);
    }
    // A gateway may answer 5xx although Jira processes the request. After 501 and 505, Jira has not read the request.
    status_of(error).is_some_and(|status| status.is_server_error() && ![501, 503, 505].contains(&status.as_u16()))
}

/// The messages of an error: `errorMessages`, the problems of fields in `errors`, or `message`.
fn words(body: &Value) -> Option<String> {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let texts = body.get("errorMessages").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut messages: Vec<String> = texts.map(one_line).collect();
    for (field, problem) in body.get("errors").and_then(Value::as_object).into_iter().flatten() {
        if let Some(text) = problem.as_str() {
            messages.push(format!("`{field}`: {}", one_line(text)));
        }
    }
    for key in ["message", "error", "errorMessage"] {
        messages.extend(body.get(key).and_then(Value::as_str).map(one_line));
    }
    let messages = messages.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    let messages: String = messages.chars().filter(|character| !character.is_control()).take(1000).collect();
    (!messages.is_empty()).then_some(messages)
}

fn hint(response: &StatusError, api: Api, messages: &str) -> Option<&'static str> {
    let reason = |word: &str| {
        let values = response.headers().get_all("x-seraph-loginreason").iter();
        values.filter_map(|value| value.to_str().ok()).any(|value| value.contains(word))
    };
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if reason("AUTHENTICATION_DENIED") => {
            Some("Jira asks this account for a CAPTCHA after failed logins: log in once with a browser")
        }
        StatusCode::UNAUTHORIZED => Some(login_hint(api)),
        StatusCode::FORBIDDEN => Some("the account lacks a permission in the project, or the token lacks a scope"),
        StatusCode::NOT_FOUND => Some(
            "the issue or project does not exist, or the account may not see it; `url` is the address of Jira itself, with its path if it \
             has one",
        ),
        StatusCode::GONE => Some("this Jira uses the other API; set `api` to `cloud` or `data_center`"),
        StatusCode::BAD_REQUEST if messages.contains("JQL") || messages.contains("for the field") => {
            Some("try the query in Jira's issue search; `status` must be a status of the project's workflow")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_and_problems_of_fields_are_told() {
        let body = json!({ "errorMessages": ["No\n  way.", ""], "errors": { "summary": "is required", "x": 7 } });
        assert_eq!(words(&body).as_deref(), Some("No way.; `summary`: is required"));
        let body = json!({ "message": "Client must be authenticated to access this resource.", "status-code": 401 });
        assert_eq!(words(&body).as_deref(), Some("Client must be authenticated to access this resource."));
        for body in [json!([]), json!({ "errorMessages": [], "errors": {} }), json!({ "errors": ["x"] })] {
            assert_eq!(words(&body), None, "{body}");
        }
    }
}
