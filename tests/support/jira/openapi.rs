//! Validates requests and responses against Atlassian's official `OpenAPI` description of Jira Cloud.
//!
//! `openapi.json` holds the operations that are used; `openapi.py` wrote it, and names its sources. The description does not
//! cover Data Center, whose responses contain the same objects.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::stand_in::{RecordedRequest, Response};

struct Operation {
    method: String,
    /// The segments of the path; `{name}` is a parameter.
    path: Vec<String>,
    query: Vec<String>,
    request: Option<Validator>,
    /// By status: the validator of a body, and an example of one.
    responses: Vec<(u16, Option<Validator>, Value)>,
}

/// The violations of the description in a request.
pub(super) fn problems_of_request(request: &RecordedRequest) -> Vec<String> {
    let Some(operation) = find(request) else {
        return vec!["the description has no such operation".to_owned()];
    };
    let mut problems = Vec::new();
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        if !operation.query.iter().any(|known| known == name) {
            problems.push(format!("`{name}` is no query parameter of the operation"));
        }
    }
    match (&operation.request, serde_json::from_slice::<Value>(&request.body)) {
        (Some(validator), Ok(body)) => problems.extend(validator.iter_errors(&body).map(|error| error.to_string())),
        (Some(_), Err(error)) => problems.push(format!("the body is no JSON: {error}")),
        (None, _) => {}
    }
    problems
}

/// Validates a response.
///
/// # Panics
/// If the response does not match the description.
pub(super) fn require_conforming(request: &RecordedRequest, answer: &Response) {
    let Some(operation) = find(request) else { return };
    let known = operation.responses.iter().find(|(status, _, _)| *status == answer.status);
    let Some((_, validator, _)) = known else {
        // The description does not list all error responses.
        assert!(answer.status >= 400, "{} {}: Jira does not answer {}", request.method, request.target, answer.status);
        return;
    };
    let (Some(validator), Ok(body)) = (validator, serde_json::from_slice::<Value>(&answer.body)) else { return };
    let errors: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{} {}: Jira does not answer so: {errors:#?}\n{body:#}", request.method, request.target);
}

/// The description's example of a response.
pub fn example(method: &str, path: &str, status: u16) -> Value {
    let operation =
        operations().iter().find(|known| known.method == method && format!("/{}", known.path.join("/")) == path);
    let operation = operation.unwrap_or_else(|| panic!("no operation {method} {path}"));
    let response = operation.responses.iter().find(|(known, _, _)| *known == status).expect("a response");
    assert!(!response.2.is_null(), "{method} {path} has no example of {status}");
    response.2.clone()
}

fn find(request: &RecordedRequest) -> Option<&'static Operation> {
    let parts: Vec<&str> = request.path().trim_start_matches('/').split('/').collect();
    operations().iter().find(|operation| {
        operation.method == request.method
            && operation.path.len() == parts.len()
            && operation.path.iter().zip(&parts).all(|(known, part)| known.starts_with('{') || known == part)
    })
}

fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let document: Value = serde_json::from_str(include_str!("openapi.json")).expect("openapi.json is JSON");
        let validator = |schema: &Value| {
            let whole = json!({ "allOf": [schema], "$defs": document["$defs"] });
            jsonschema::validator_for(&whole).expect("a schema of openapi.json")
        };
        let operation = |described: &Value| {
            let responses = described["responses"].as_object().expect("responses").iter();
            let response = |(status, response): (&String, &Value)| {
                let schema = response.get("schema").map(validator);
                (status.parse().expect("a status"), schema, response.get("example").cloned().unwrap_or_default())
            };
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            Operation {
                method: text(&described["method"]),
                path: text(&described["path"]).trim_start_matches('/').split('/').map(str::to_owned).collect(),
                query: described["query"].as_array().expect("parameters").iter().map(text).collect(),
                request: (!described["request"].is_null()).then(|| validator(&described["request"])),
                responses: responses.map(response).collect(),
            }
        };
        document["operations"].as_array().expect("operations").iter().map(operation).collect()
    })
}
