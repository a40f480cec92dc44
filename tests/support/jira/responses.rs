//! The responses of both editions, and their errors.

use serde_json::{Value, json};

use crate::stand_in::Response;

/// A response with JSON and Jira's media type.
pub fn from_jira(status: u16, body: &Value) -> Response {
    Response::bytes(status, "application/json;charset=UTF-8", body.to_string())
}

/// An error: `ErrorCollection` in Atlassian's description.
pub fn refuse(status: u16, message: &str) -> Response {
    from_jira(status, &json!({ "errorMessages": [message], "errors": {} }))
}

/// A rate limit: "Rate limiting" in Jira Cloud's documentation
/// (<https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>).
pub fn rate_limited(seconds: u64) -> Response {
    refuse(429, "Rate limit exceeded.")
        .with("Retry-After", &seconds.to_string())
        .with("X-RateLimit-Limit", "350")
        .with("X-RateLimit-Remaining", "0")
        .with("RateLimit-Reason", "jira-burst-based")
}

/// The message for an issue that does not exist, or that the caller has no permission to see (quoted by
/// mattermost/mattermost-plugin-jira and others).
const NO_ISSUE: &str = "Issue does not exist or you do not have permission to see it.";

/// The response for an issue that does not exist.
pub(super) fn no_issue() -> Response {
    refuse(404, NO_ISSUE)
}

/// The page for an unknown path (cristibaluta/Jit issue 10).
pub(super) fn no_page() -> Response {
    let page = "<!DOCTYPE html><title>Oops, you&#39;ve found a dead link.</title>";
    Response::bytes(404, "text/html;charset=UTF-8", page)
}

/// An error of a field: `ErrorCollection` in Atlassian's description.
pub(super) fn refuse_field(field: &str, message: &str) -> Response {
    from_jira(400, &json!({ "errorMessages": [], "errors": { field: message } }))
}

/// The response to a request without a valid login.
pub(super) fn unauthorized() -> Response {
    let message = "Client must be authenticated to access this resource.";
    from_jira(401, &json!({ "message": message, "status-code": 401 }))
}
