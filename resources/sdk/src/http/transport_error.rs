//! The error of a request that got no complete response.

use std::error::Error as StdError;
use std::fmt;

use reqwest::Method;

use super::display::RequestLine;
use crate::error::Error;

/// The error of a request that got no complete response.
#[derive(Debug)]
pub struct TransportError {
    request: RequestLine,
    kind: TransportKind,
    attempts: u32,
    cause: Error,
}

/// The reason why a request got no complete response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportKind {
    /// The host name could not be resolved.
    Name,
    /// There is no connection: it was refused, the host is unreachable, or it took too long.
    Connection,
    /// The proxy rejected the request.
    Proxy,
    /// The server's certificate is not trusted.
    Certificate,
    /// The server ended the TLS handshake with an alert, for example because it requires a client certificate.
    Alert,
    /// TLS failed for another reason.
    Tls,
    /// The connection was closed, or the server violated the protocol, before the response was complete.
    Cut,
    /// Nothing was received or sent for too long.
    Stalled,
    /// A redirect was not followed.
    Redirect,
    /// The response is larger than the caller allows.
    TooLarge,
    /// The response is not the requested range.
    WrongPart,
    /// The request body could not be read.
    Upload,
}

impl TransportError {
    pub(crate) fn new(request: RequestLine, kind: TransportKind, cause: Error) -> Self {
        Self { request, kind, attempts: 1, cause }
    }

    /// Sets the number of attempts.
    pub(crate) fn after(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The number of attempts. A caller that retries the request as well multiplies it.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The kind of the failure.
    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// Whether the request failed before the server could have received any of it.
    pub fn is_unsent(&self) -> bool {
        use TransportKind::{Alert, Certificate, Connection, Name, Proxy, Tls};
        matches!(self.kind, Name | Connection | Proxy | Certificate | Alert | Tls)
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// The URL of the request, without its secrets.
    pub fn url(&self) -> &str {
        &self.request.url
    }

    pub(crate) fn cause(&self) -> &Error {
        &self.cause
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} got no complete response", self.request)?;
        if self.attempts > 1 { write!(formatter, " ({} attempts)", self.attempts) } else { Ok(()) }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.cause.as_ref())
    }
}
