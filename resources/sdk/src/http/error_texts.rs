//! The texts by which errors of the HTTP library are recognised: errors whose types are private to their crates.
//!
//! The test `error_texts` of the suite `http` provokes each text, so that it fails if an upgrade of a crate changes one.

use self::PrivateError::{
    Alert, Closed, NotSocks, ProxyClosed, ProxyLogin, ProxyRefusal, SocksLogin, SocksRefusal, UnknownName,
};

/// An error that only its text identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrivateError {
    /// The name of the host cannot be resolved.
    UnknownName,
    /// The connection was closed before the end of the response.
    Closed,
    /// The server ended TLS. The name of the alert follows the text.
    Alert,
    /// The proxy requires another login.
    ProxyLogin,
    /// The proxy does not connect to the host.
    ProxyRefusal,
    /// The proxy closed the connection.
    ProxyClosed,
    /// The SOCKS proxy requires another login.
    SocksLogin,
    /// The proxy does not speak SOCKS.
    NotSocks,
    /// The SOCKS proxy does not connect to the host.
    SocksRefusal,
}

/// The beginning of the text of an alert.
pub(super) const ALERT: &str = "received fatal alert: ";

/// The beginnings of texts. The first one that matches counts.
const TABLE: [(&str, PrivateError); 11] = [
    // hyper-util: `ConnectError` and the errors of its tunnels.
    ("dns error", UnknownName),
    ("tunnel error: proxy authorization required", ProxyLogin),
    ("tunnel error: unsuccessful", ProxyRefusal),
    ("tunnel error: unexpected end of file", ProxyClosed),
    ("SOCKS error: credentials not accepted", SocksLogin),
    ("SOCKS error: server does not support user/pass authentication", SocksLogin),
    ("SOCKS error: failed parsing", NotSocks),
    ("SOCKS error: ", SocksRefusal),
    // hyper.
    ("connection closed before message completed", Closed),
    ("end of file before message length reached", Closed),
    // rustls: with HTTP/2, only the text of its error is left.
    (ALERT, Alert),
];

/// The error with this text; `None` if it is none of the table.
pub(super) fn identify(text: &str) -> Option<PrivateError> {
    TABLE.iter().find(|(beginning, _)| text.starts_with(beginning)).map(|(_, error)| *error)
}
