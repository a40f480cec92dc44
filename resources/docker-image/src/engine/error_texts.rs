//! The texts by which errors of a container engine are recognised.
//!
//! Engines pass on the errors of Go's HTTP client and resolver, and the statuses and errors of registries. The suite
//! `docker-image` provokes the texts from the installed engine.

use jetway::ErrorText;
use jetway::Evidence::{OneOf, Source, Test};

use self::Meaning::{Refused, Transient};

/// What an error text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A registry was slow, busy or unreachable.
    Transient,
    /// The registry refuses the credentials.
    Refused,
}

/// All texts.
pub const TABLE: &[ErrorText<Meaning>] = &[
    // Registries: the names of errors in the distribution specification, and what the engine says without one.
    ErrorText::new(&["unauthorized"], &[Refused], Test),
    ErrorText::new(&["denied"], &[Refused], Test),
    ErrorText::new(&["authentication required"], &[Refused], Test),
    ErrorText::new(&["no basic auth"], &[Refused], Test),
    ErrorText::new(&["toomanyrequests"], &[Transient], Test),
    ErrorText::new(
        &["http 429 response body"],
        &[Transient],
        OneOf("429 without a body", "distribution, registry/client/errors.go: UnexpectedHTTPResponseError"),
    ),
    ErrorText::new(
        &["too many requests"],
        &[Transient],
        OneOf("429 without a body", "containerd and BuildKit: the name of the status 429"),
    ),
    ErrorText::new(&["500 internal server error"], &[Transient], Test),
    ErrorText::new(&["502 bad gateway"], &[Transient], Test),
    ErrorText::new(&["503 service unavailable"], &[Transient], Test),
    ErrorText::new(&["504 gateway timeout"], &[Transient], Test),
    // Go's net/http and context.
    ErrorText::new(&["client.timeout"], &[Transient], OneOf("timeout", "Go, net/http/client.go: httpError")),
    ErrorText::new(&["context deadline exceeded"], &[Transient], OneOf("timeout", "Go, context/context.go")),
    ErrorText::new(&["timeout awaiting response headers"], &[Transient], Source("Go, net/http/transport.go")),
    ErrorText::new(&["tls handshake timeout"], &[Transient], Source("Go, net/http/transport.go")),
    ErrorText::new(&["unexpected eof"], &[Transient], Source("Go, io/io.go: ErrUnexpectedEOF")),
    // Go's net and the texts of the kernel's errors.
    ErrorText::new(&["i/o timeout"], &[Transient], Source("Go, internal/poll/fd.go: DeadlineExceededError")),
    ErrorText::new(&["connection reset by peer"], &[Transient], Test),
    ErrorText::new(&["connection refused"], &[Transient], Test),
    ErrorText::new(&["broken pipe"], &[Transient], Source("Go, syscall/zerrors_linux_amd64.go: EPIPE")),
    ErrorText::new(&["no route to host"], &[Transient], Source("Go, syscall/zerrors_linux_amd64.go: EHOSTUNREACH")),
    ErrorText::new(
        &["network is unreachable"],
        &[Transient],
        Source("Go, syscall/zerrors_linux_amd64.go: ENETUNREACH"),
    ),
    ErrorText::new(&["server misbehaving"], &[Transient], Source("Go, net/dnsclient_unix.go: errServerMisbehaving")),
    ErrorText::new(
        &["temporary failure in name resolution"],
        &[Transient],
        Source("glibc, resolv/gai_strerror: EAI_AGAIN"),
    ),
];

/// Whether an error, in lower case, is transient.
pub fn is_transient(message: &str) -> bool {
    let means = |meaning| ErrorText::means(TABLE, message, &meaning);
    !means(Refused) && (means(Transient) || has_transient_status(message) || message.ends_with(": eof"))
}

/// Whether the registry refuses the credentials, by an error in lower case.
pub fn is_refusal(message: &str) -> bool {
    ErrorText::means(TABLE, message, &Refused)
}

/// Whether a text has a status 429, 500, 502, 503 or 504, whatever name the server gives to it: `unexpected HTTP status: 503
/// Service Temporarily Unavailable`, `unexpected status code [manifests latest]: 502`.
fn has_transient_status(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("status") else { return false };
    rest.split([' ', ':']).any(|word| ["429", "500", "502", "503", "504"].contains(&word))
}
