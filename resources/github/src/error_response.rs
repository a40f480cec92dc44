//! GitHub's error responses: their messages, and a hint for each.

use anyhow::anyhow;
use jetway::http::{HttpResponse, StatusCode, StatusError};
use jetway::{Advise as _, Error, Result};
use serde_json::Value;

use crate::access::Hints;

/// An error response from GitHub.
#[derive(Debug)]
pub struct ErrorResponse {
    /// The status.
    pub status: StatusCode,
    text: String,
    /// Whether the body is a JSON object, as in the responses of an API.
    pub(crate) is_of_api: bool,
}

impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The response does not come from the API, but for example from a web page or a proxy.
#[derive(Debug)]
pub struct NotApiResponse;

impl std::fmt::Display for NotApiResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the response does not come from GitHub's API")
    }
}

/// The status of GitHub's error response, if the error contains one.
pub fn error_status(error: &Error) -> Option<StatusCode> {
    error.downcast_ref::<ErrorResponse>().map(|response| response.status)
}

/// Whether the error is GitHub's response with this status and a message that contains `part`.
pub fn has_status_and_message(error: &Error, status: StatusCode, part: &str) -> bool {
    error_status(error) == Some(status) && error.chain().any(|cause| cause.to_string().contains(part))
}

/// Whether GitHub reports that the object does not exist.
pub fn is_gone(error: &Error) -> bool {
    // GitHub responds with 422 for an unknown commit.
    matches!(error_status(error), Some(StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY))
}

/// Adds GitHub's message and a hint to an error response.
pub(crate) fn explained(response: Result<HttpResponse>, hints: Hints) -> Result<HttpResponse> {
    response.map_err(|error| explain(error, hints))
}

/// Replaces the JSON body in an error with GitHub's message, and adds a hint.
fn explain(error: Error, hints: Hints) -> Error {
    let Some(response) = error.downcast_ref::<StatusError>() else { return error };
    let (status, text) = (response.status(), response.to_string());
    let body = response.json::<Value>();
    let is_of_api = body.as_ref().is_some_and(Value::is_object);
    let message = body.as_ref().and_then(api_message);
    let mut causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if let Some(message) = &message {
        // The last cause is the raw body.
        causes.pop();
        causes.push(message.clone());
    }
    let innermost = anyhow!(causes.pop().unwrap_or_else(|| text.clone()));
    let inner = causes.into_iter().rev().fold(innermost, Error::context);
    let inner = match hint(hints, status, message.as_deref().unwrap_or_default()) {
        Some(hint) => inner.hint(hint),
        None => inner,
    };
    inner.context(ErrorResponse { status, text, is_of_api })
}

/// Extracts GitHub's message: `message`, and the details in `errors`.
fn api_message(body: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut message = body.get("message").and_then(text).filter(|message| !message.is_empty())?;
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| error.get(name).and_then(text);
        let detail = text(error)
            .or_else(|| failed_contexts(error))
            .or_else(|| field("message"))
            .or_else(|| Some([field("resource")?, field("field")?, field("code")?].join(" ")));
        if let Some(detail) = detail.filter(|detail| !message.contains(detail.as_str())) {
            message.push_str("; ");
            message.push_str(&detail);
        }
    }
    Some(message.chars().filter(|character| !character.is_control()).take(1000).collect())
}

/// The contexts that block a deployment of the commit, and their states.
fn failed_contexts(error: &Value) -> Option<String> {
    let contexts = error.get("contexts")?.as_array()?;
    let text = |context: &Value, key: &str| context.get(key).and_then(Value::as_str).map(str::to_owned);
    let named = contexts.iter().filter_map(|context| {
        let state = text(context, "state").unwrap_or_else(|| "missing".to_owned());
        Some(format!("`{}` is {state}", text(context, "context")?))
    });
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// A hint for an error response.
fn hint(hints: Hints, status: StatusCode, message: &str) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("the token or the App's private key is wrong, expired or revoked"),
        StatusCode::NOT_FOUND => Some(hints.not_found),
        StatusCode::CONFLICT => Some(
            "GitHub deploys a commit only if all `required_contexts` have succeeded and the commit merges with the default branch",
        ),
        StatusCode::FORBIDDEN if message.contains("not accessible") || message.contains("required scope") => {
            Some(hints.forbidden)
        }
        StatusCode::UNPROCESSABLE_ENTITY if message.contains("No commit found") => {
            Some("check that the commit was pushed to this repository")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_message_includes_the_details_of_errors() {
        let message = |body: Value| api_message(&body);
        assert_eq!(message(serde_json::json!({ "message": "Bad credentials" })).as_deref(), Some("Bad credentials"));
        let body = serde_json::json!({
            "message": "Validation Failed",
            "errors": [
                { "resource": "Status", "code": "custom", "field": "description", "message": "description is too long" },
                { "resource": "Status", "field": "sha", "code": "invalid" }, "and a text", 7,
            ],
        });
        assert_eq!(
            message(body).as_deref(),
            Some("Validation Failed; description is too long; Status sha invalid; and a text")
        );
        assert_eq!(message(serde_json::json!([])), None);
        let conflict = serde_json::json!({
            "message": "Conflict: Commit status checks failed for main.",
            "errors": [{
                "contexts": [{ "context": "ci/unit", "state": "pending" }, { "context": "ci/lint", "state": "failure" }],
                "resource": "Deployment", "field": "required_contexts", "code": "invalid",
            }],
        });
        assert_eq!(
            message(conflict).as_deref(),
            Some("Conflict: Commit status checks failed for main.; `ci/unit` is pending, `ci/lint` is failure")
        );
    }
}
