//! Validates requests and responses against GitHub's official `OpenAPI` description.
//!
//! `openapi.json` contains the operations that are used; `openapi.py` wrote it from the npm package `@octokit/openapi`.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::stand_in::{RecordedRequest, Response};

struct Operation {
    method: String,
    /// The segments of the path; `{name}` is a parameter, and `{ref}` may be several segments.
    path: Vec<String>,
    query: Map<String, Value>,
    request: Option<Validator>,
    /// By status: the schema and its validator.
    responses: Vec<(u16, Option<(Value, Validator)>)>,
}

/// The violations of GitHub's description in a request.
pub(super) fn problems_of_request(request: &RecordedRequest) -> Vec<String> {
    // The description covers only the REST API.
    if request.path() == "/graphql" {
        return Vec::new();
    }
    let Some(operation) = find(request) else {
        return vec!["GitHub's description has no such operation".to_owned()];
    };
    let mut problems = Vec::new();
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        if !operation.query.contains_key(name) {
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

/// Completes a response with required properties that the stand-in does not set.
///
/// # Panics
/// If the response does not match the description.
pub(super) fn conforming(request: &RecordedRequest, answer: Response) -> Response {
    let Some(operation) = find(request) else { return answer };
    let Some((_, schema)) = operation.responses.iter().find(|(status, _)| *status == answer.status) else {
        return answer;
    };
    let (Some((schema, validator)), Ok(body)) = (schema, serde_json::from_slice::<Value>(&answer.body)) else {
        return answer;
    };
    let body = complete(schema, Some(body));
    let errors: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(
        errors.is_empty(),
        "{} {}: GitHub does not answer so: {errors:#?}\n{body:#}",
        request.method,
        request.target
    );
    Response { body: body.to_string().into_bytes(), ..answer }
}

/// `value` with every required property of `schema`, at any depth.
fn complete(schema: &Value, value: Option<Value>) -> Value {
    if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let kind = value.as_ref().map(kind_of);
        let fits = |choice: &&Value| match kind {
            Some(kind) => choice["type"] == kind || choice.get("type").is_none(),
            None => true,
        };
        return choices
            .iter()
            .find(fits)
            .map_or_else(|| value.clone().unwrap_or_default(), |choice| complete(choice, value.clone()));
    }
    match (schema["type"].as_str(), value) {
        (Some("object"), value) => {
            let Value::Object(mut object) = value.unwrap_or_else(|| json!({})) else { return Value::Null };
            let no_properties = Map::new();
            let properties = schema["properties"].as_object().unwrap_or(&no_properties);
            for (name, inner) in properties {
                let is_required =
                    schema["required"].as_array().is_some_and(|required| required.iter().any(|known| known == name));
                match object.get(name).cloned() {
                    Some(found) => {
                        object.insert(name.clone(), complete(inner, Some(found)));
                    }
                    None if is_required => {
                        object.insert(name.clone(), complete(inner, None));
                    }
                    None => {}
                }
            }
            Value::Object(object)
        }
        (Some("array"), Some(Value::Array(items))) => {
            items.into_iter().map(|item| complete(&schema["items"], Some(item))).collect()
        }
        (_, Some(value)) => value,
        (Some("array"), None) => json!([]),
        (Some("string"), None) => match (&schema["enum"], schema["format"].as_str()) {
            (Value::Array(words), _) => words.first().cloned().unwrap_or_default(),
            (_, Some("date-time")) => json!("2026-01-01T00:00:00Z"),
            (_, Some("uri")) => json!("https://api.github.com/x"),
            _ => json!("x"),
        },
        (Some("integer" | "number"), None) => json!(1),
        (Some("boolean"), None) => json!(false),
        (_, None) => Value::Null,
    }
}

/// The JSON type of a value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn find(request: &RecordedRequest) -> Option<&'static Operation> {
    let parts: Vec<&str> = request.path().trim_start_matches('/').split('/').collect();
    operations().iter().find(|operation| operation.method == request.method && matches(&operation.path, &parts))
}

fn matches(path: &[String], parts: &[&str]) -> bool {
    let Some((segment, rest)) = path.split_first() else { return parts.is_empty() };
    // Only a ref's name may have slashes.
    let most = if segment == "{ref}" { parts.len() } else { 1.min(parts.len()) };
    let is_parameter = segment.starts_with('{');
    (1..=most).any(|taken| (is_parameter || parts[0] == segment) && matches(rest, &parts[taken..]))
}

fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let document: Value = serde_json::from_str(include_str!("openapi.json")).expect("openapi.json is JSON");
        let validator = |schema: &Value| jsonschema::validator_for(schema).expect("a schema of openapi.json");
        let operation = |described: &Value| {
            let responses = described["responses"].as_object().expect("responses").iter();
            let response = |(status, schema): (&String, &Value)| {
                let schema = (!schema.is_null()).then(|| (schema.clone(), validator(schema)));
                (status.parse().expect("a status"), schema)
            };
            Operation {
                method: described["method"].as_str().expect("a method").to_owned(),
                path: described["path"]
                    .as_str()
                    .expect("a path")
                    .trim_start_matches('/')
                    .split('/')
                    .map(str::to_owned)
                    .collect(),
                query: described["query"].as_object().expect("parameters").clone(),
                request: (!described["request"].is_null()).then(|| validator(&described["request"])),
                responses: responses.map(response).collect(),
            }
        };
        document["operations"].as_array().expect("operations").iter().map(operation).collect()
    })
}
