//! The error of a response with an unwanted status.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::display::{RequestLine, display_duration, display_status, excerpt, one_line};
use crate::error::Error;

/// The response headers with a request id, with which operators of a server can find a request in their logs.
const REQUEST_IDS: [&str; 6] =
    ["x-github-request-id", "x-amzn-requestid", "x-amz-request-id", "x-slack-req-id", "x-request-id", "cf-ray"];

/// The error of a response whose status is neither 2xx nor allowed by the request.
#[derive(Debug)]
pub struct StatusError {
    request: RequestLine,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    attempts: u32,
    cause: Option<Error>,
}

impl StatusError {
    pub(crate) fn new(request: RequestLine, status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        let cause = body_cause(&body);
        Self { request, status, headers, body, attempts: 1, cause }
    }

    /// Sets the number of attempts.
    pub(crate) fn after(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Adds that the requested pause exceeds the limit of the retries.
    pub(crate) fn too_long(mut self, requested: Duration, bound: Duration) -> Self {
        let text = format!(
            "the server asks to wait {}, but retries end after {}",
            display_duration(requested),
            display_duration(bound)
        );
        self.cause = Some(match self.cause {
            Some(body) => body.context(text),
            None => anyhow!(text),
        });
        self
    }

    /// The number of attempts.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The beginning of the body, at most 64 KiB.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON; `None` if it is not valid.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// The URL of the request, without its secrets.
    pub fn url(&self) -> &str {
        &self.request.url
    }

    /// The name and value of the header with the request's id at the server.
    pub fn request_id(&self) -> Option<(&'static str, String)> {
        REQUEST_IDS.iter().find_map(|name| Some((*name, one_line(self.headers.get(*name)?.as_bytes()))))
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} answered {}", self.request, display_status(self.status))?;
        let id = self.request_id().map(|(name, value)| format!("{name}: {value}"));
        let attempts = (self.attempts > 1).then(|| format!("{} attempts", self.attempts));
        let notes: Vec<String> = id.into_iter().chain(attempts).collect();
        if notes.is_empty() { Ok(()) } else { write!(formatter, " ({})", notes.join("; ")) }
    }
}

impl StdError for StatusError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(AsRef::as_ref)
    }
}

/// The beginning of a body, as a cause.
fn body_cause(body: &[u8]) -> Option<Error> {
    let text = excerpt(body);
    (!text.is_empty()).then(|| anyhow!(text))
}
