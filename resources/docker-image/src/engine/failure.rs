//! Engine errors, and which of them are transient.

use std::fmt;

use anyhow::anyhow;
use serde_json::Value;

use crate::engine::error_texts::is_transient;

/// The error in a message, if it has one.
pub(crate) fn failure(message: &Value) -> Option<jetway::Error> {
    let detail = message.pointer("/errorDetail/message").or_else(|| message.get("error"))?.as_str()?;
    Some(engine_error(detail.trim()))
}

/// A transient engine error: a registry was slow, busy or unreachable.
#[derive(Debug)]
struct TransientError(String);

impl fmt::Display for TransientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TransientError {}

/// Whether an error is transient.
pub(crate) fn is_transient_error(error: &jetway::Error) -> bool {
    error.downcast_ref::<TransientError>().is_some()
}

/// Turns an engine's error text into an error.
pub(super) fn engine_error(text: &str) -> jetway::Error {
    if is_transient(&text.to_lowercase()) { TransientError(text.to_owned()).into() } else { anyhow!("{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_transient_errors() {
        let passes = |text: &str| is_transient_error(&engine_error(text).context("cannot push"));
        for text in [
            "Get \"https://r.example/v2/\": net/http: request canceled while waiting for connection (Client.Timeout \
             exceeded while awaiting headers)",
            "Get \"https://r.example/v2/\": net/http: TLS handshake timeout",
            "read tcp 10.0.0.1:5->10.0.0.2:443: i/o timeout",
            "Head \"https://r.example/v2/x/blobs/y\": EOF",
            "dial tcp 10.0.0.2:443: connect: connection refused",
            "write tcp 10.0.0.1:5->10.0.0.2:443: write: connection reset by peer",
            "received unexpected HTTP status: 503 Service Unavailable",
            "toomanyrequests: You have reached your pull rate limit",
            "received unexpected HTTP status: 503 Service Temporarily Unavailable",
            "unexpected status code [manifests latest]: 502",
            "failed to do request: Head \"http://10.0.0.2:5000/v2/x/manifests/1\": context deadline exceeded",
            "dial tcp 10.0.0.2:443: connect: no route to host",
            "dial tcp 10.0.0.2:443: connect: network is unreachable",
            "dial tcp: lookup r.example on 10.0.0.1:53: server misbehaving",
            "dial tcp: lookup r.example: Temporary failure in name resolution",
            "write tcp 10.0.0.1:5->10.0.0.2:443: write: broken pipe",
        ] {
            assert!(passes(text), "{text}");
        }
        for text in [
            "denied: requested access to the resource is denied",
            "unauthorized: authentication required",
            "no basic auth credentials",
            "received unexpected HTTP status: 503 Service Unavailable: access denied",
            "manifest unknown",
            "dial tcp: lookup r.example on 10.0.0.1:53: no such host",
            "unexpected status code [manifests latest]: 404 Not Found",
            "x509: certificate signed by unknown authority",
            "The command '/bin/sh -c exit 3' returned a non-zero code: 3",
            "",
        ] {
            assert!(!passes(text), "{text}");
        }
    }
}
