//! The statuses and error codes of a registry's responses.

use anyhow::anyhow;
use jetway::Error;
use jetway::http::{StatusCode, StatusError};
use serde::Deserialize;

use crate::any_case::AnyCase;

/// The body of an error response (OCI distribution specification, "Error Codes").
#[derive(Deserialize)]
struct Body {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// The rejected response in an error, even if a hint was added to the error.
pub(super) fn refusal(error: &Error) -> Option<&StatusError> {
    error.chain().find_map(|cause| cause.downcast_ref::<StatusError>())
}

/// The status of the rejected response, if the error is one.
pub(crate) fn status_of(error: &Error) -> Option<StatusCode> {
    refusal(error).map(StatusError::status)
}

/// Whether the error response has one of these codes.
pub(super) fn has_code(error: &Error, codes: &[&str]) -> bool {
    refusal(error).is_some_and(|refusal| is_of_code(refusal, codes))
}

pub(super) fn is_of_code(error: &StatusError, codes: &[&str]) -> bool {
    let body: Option<AnyCase<Body>> = error.json();
    body.is_some_and(|AnyCase(body)| body.errors.iter().any(|entry| codes.contains(&entry.code.as_str())))
}

/// The error for an invalid response.
pub(crate) fn nonsense(problem: impl Into<String>) -> Error {
    let problem: String = problem.into();
    anyhow!(problem)
}

/// The messages in the registry's error response.
pub(super) fn messages(error: &StatusError) -> String {
    match error.json::<AnyCase<Body>>() {
        Some(AnyCase(body)) => body.errors.into_iter().filter_map(|entry| entry.message).collect::<Vec<_>>().join("\n"),
        None => String::from_utf8_lossy(error.body()).into_owned(),
    }
}
