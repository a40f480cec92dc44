//! Validates requests by GitHub's documentation: "Getting started with the REST API" for the headers, "Validation failed" in
//! "Troubleshooting the REST API" for 400 and 422, which `recordings.json` (scenario `errors`) contains.

use serde_json::Value;

use crate::stand_in::{RecordedRequest, Response};

/// Records the problems of a request to any endpoint.
pub(super) fn of_request(request: &RecordedRequest, problems: &mut Vec<String>) {
    let mut note = |text: String| problems.push(format!("{} {}: {text}", request.method, request.target));
    let expected = [("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];
    for (name, value) in expected {
        if request.header(name) != Some(value) {
            note(format!("`{name}` is {:?}, not `{value}`", request.header(name)));
        }
    }
    if request.header("user-agent").is_none_or(|agent| !agent.starts_with("jetway-github-")) {
        note(format!("`user-agent` is {:?}", request.header("user-agent")));
    }
    if request.method == "POST" && request.header("content-type") != Some("application/json") {
        note(format!("`content-type` is {:?}", request.header("content-type")));
    }
    if request.method != "POST" && !request.body.is_empty() {
        note("it has a body".to_owned());
    }
    // GitHub's default page size is 30. Gitea, whose API a verb may look for at this address, has another parameter.
    let size = request.query(if request.target.starts_with("/api/v1/") { "limit" } else { "per_page" });
    let is_list = ["statuses", "/pulls", "/comments", "deployments?"].iter().any(|part| request.target.contains(part));
    if request.method == "GET" && is_list && request.target.contains('?') && size.as_deref() != Some("100") {
        note("it does not ask for full pages".to_owned());
    }
}

/// The types of values in request bodies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text of at most this many characters.
    Short(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    Flag,
    Texts,
}

/// Parses a request body with these keys, the first `required` of which are mandatory; the error is GitHub's response.
pub(super) fn body(
    request: &RecordedRequest,
    resource: &str,
    keys: &[(&str, Kind)],
    required: usize,
    problems: &mut Vec<String>,
) -> Result<Value, Response> {
    let Ok(value) = serde_json::from_slice::<Value>(&request.body) else {
        return Err(super::refuse(400, "Problems parsing JSON"));
    };
    let Some(object) = value.as_object() else {
        return Err(super::refuse(400, "Body should be a JSON object"));
    };
    for name in object.keys().filter(|name| !keys.iter().any(|(known, _)| known == name)) {
        problems.push(format!("{} {}: `{name}` is not documented", request.method, request.target));
    }
    for (index, (name, kind)) in keys.iter().enumerate() {
        let invalid = |message: String| {
            let error =
                serde_json::json!({ "resource": resource, "code": "custom", "field": name, "message": message });
            let body = serde_json::json!({
                "message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.github.com/rest",
            });
            Err(Response::json(422, &body))
        };
        let Some(found) = object.get(*name) else {
            if index < required {
                return invalid(format!("{name} is missing"));
            }
            continue;
        };
        let fits = match kind {
            Kind::Text | Kind::Short(_) | Kind::Word(_) => found.is_string(),
            Kind::Flag => found.is_boolean(),
            Kind::Texts => found.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        };
        if !fits {
            return invalid(format!("{name} is of the wrong type"));
        }
        let text = found.as_str().unwrap_or_default();
        match kind {
            Kind::Short(most) if text.chars().count() > *most => {
                return invalid(format!("{name} is too long (maximum is {most} characters)"));
            }
            Kind::Word(words) if !words.contains(&text) => {
                return invalid(format!("{name} is not included in the list"));
            }
            _ => {}
        }
    }
    Ok(value)
}
