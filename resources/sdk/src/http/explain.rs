//! Messages and hints for the errors of the HTTP library.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use anyhow::anyhow;

use super::display::{RequestLine, display_duration, one_line};
use super::error_texts::{self, PrivateError};
use super::settings::TimeoutKeys;
use super::transport_error::{TransportError, TransportKind};
use super::{tls_error, upload};
use crate::error::Advise as _;

/// The limits and the route of a request, for its error message.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) host: String,
    pub(crate) connect: Duration,
    /// How long the body may be slower than [`super::response::MIN_BYTES_PER_TIMEOUT`].
    pub(crate) read: Duration,
    pub(crate) keys: TimeoutKeys,
    pub(crate) proxy: Option<String>,
}

impl TransportError {
    /// Explains an error of the HTTP library. The library's own text is never shown, since it contains the whole URL.
    pub(crate) fn explain(request: RequestLine, error: &reqwest::Error, limits: &Limits) -> Self {
        let (kind, text, hint) = explain(error, limits);
        let mut cause = anyhow!(text);
        if let Some(hint) = hint {
            cause = cause.hint(hint);
        }
        if kind == TransportKind::Connection
            && let Some(proxy) = &limits.proxy
        {
            cause = cause.hint(format!("the request goes through the proxy `{proxy}`"));
        }
        Self::new(request, kind, cause)
    }
}

/// The kind of a failure, its message, and its hint.
type Explained = (TransportKind, String, Option<String>);

/// Explains an error by its chain of causes.
fn explain(error: &reqwest::Error, limits: &Limits) -> Explained {
    let mut unknown = String::new();
    let mut found = None;
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    // The innermost known error is the most precise one: a refused connection is also a failed request.
    while let Some(cause) = next {
        if let Some(explained) = explain_one(cause, limits) {
            found = Some(explained);
        }
        // The `source` of an I/O error skips the error that it wraps, which may itself be an I/O error.
        let mut carried = carried_by(cause);
        while let Some(inner) = carried {
            found = explain_one(inner, limits).or(found);
            carried = carried_by(inner);
        }
        unknown = cause.to_string();
        next = cause.source();
    }
    match found {
        // Some servers without TLS close the connection when a client starts the handshake.
        Some((TransportKind::Cut, ..)) if error.is_connect() => {
            let text = format!("{} closed the connection before the request was sent", limits.host);
            return (TransportKind::Connection, text, None);
        }
        // The kernel reports the same errors for a connection on which the request may have been sent.
        Some((TransportKind::Connection | TransportKind::Name, ..)) if !error.is_connect() => {
            return (TransportKind::Cut, format!("the connection to {} was lost", limits.host), None);
        }
        Some((TransportKind::Tls, text, hint)) if !error.is_connect() => return (TransportKind::Cut, text, hint),
        Some(found) => return found,
        None => {}
    }
    if error.is_connect() {
        if error.is_timeout() {
            let text = format!("no connection to {} within {}", limits.host, display_duration(limits.connect));
            return (TransportKind::Connection, text, Some(limits.keys.connect_hint()));
        }
        return (TransportKind::Connection, format!("no connection to {}: {unknown}", limits.host), None);
    }
    (TransportKind::Cut, one_line(unknown.as_bytes()), None)
}

/// The message for an error that TLS caused; `None` for any other error. For protocols other than HTTP.
pub fn tls_problem(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(cause) = next {
        let mut carried = Some(cause);
        while let Some(inner) = carried {
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return Some(tls_error::explain(tls, "the server").1);
            }
            carried = carried_by(inner);
        }
        next = cause.source();
    }
    None
}

/// The error that an I/O error wraps.
fn carried_by<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let carried = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(carried)
}

/// Explains one error of the chain, if it is a known one.
fn explain_one(cause: &(dyn StdError + 'static), limits: &Limits) -> Option<Explained> {
    use TransportKind::{Alert, Connection, Cut, Name, Proxy, Upload};
    let host = &limits.host;
    let plain = |kind, text: String| Some((kind, text, None));
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls_error::explain(tls, host));
    }
    if let Some(upload) = cause.downcast_ref::<upload::Unreadable>() {
        return plain(Upload, upload.to_string());
    }
    if let Some(io) = cause.downcast_ref::<io::Error>() {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => plain(Connection, format!("{host} refused the connection")),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                plain(Connection, format!("{host} is unreachable"))
            }
            io::ErrorKind::TimedOut => plain(Connection, format!("no connection to {host} within the system's limit")),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                plain(Cut, "the connection was reset".to_owned())
            }
            io::ErrorKind::UnexpectedEof => plain(Cut, CLOSED.to_owned()),
            _ => None,
        };
    }
    let text = cause.to_string();
    match error_texts::identify(&text)? {
        PrivateError::UnknownName => plain(Name, format!("the name of {host} cannot be resolved")),
        PrivateError::Closed => plain(Cut, CLOSED.to_owned()),
        PrivateError::Alert => {
            let name = tls_error::alert_name(text.trim_start_matches(error_texts::ALERT));
            let hint = "does it require a client certificate, or reject the one that it got?";
            Some((Alert, format!("the server ended TLS with the alert {name}"), Some(hint.to_owned())))
        }
        PrivateError::ProxyLogin => Some((
            Proxy,
            "the proxy requires a user and password, or rejects the given ones".to_owned(),
            Some("put them into the proxy's URL: `http://user:password@host:port`".to_owned()),
        )),
        PrivateError::ProxyRefusal => plain(Proxy, format!("the proxy cannot connect to {host}")),
        PrivateError::ProxyClosed => {
            plain(Proxy, format!("the proxy closed the connection instead of connecting to {host}"))
        }
        PrivateError::SocksLogin => Some((
            Proxy,
            "the SOCKS proxy requires a user and password, or rejects the given ones".to_owned(),
            Some("put them into the proxy's URL: `socks5://user:password@host:port`".to_owned()),
        )),
        PrivateError::NotSocks => plain(Proxy, "the proxy does not speak SOCKS".to_owned()),
        PrivateError::SocksRefusal => plain(Proxy, format!("the SOCKS proxy cannot connect to {host}")),
    }
}

const CLOSED: &str = "the connection was closed before the response was complete";

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use reqwest::Method;
    use tokio::io::{AsyncRead, ReadBuf};
    use tokio_util::io::ReaderStream;

    use super::*;
    use crate::http::environment::Environment;
    use crate::http::settings::HttpSettings;
    use crate::http::trust::{self, Identity};

    /// A body whose read fails with this kind of error, as after a lost connection.
    struct Lost(io::ErrorKind);

    impl AsyncRead for Lost {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(self.0.into()))
        }
    }

    /// A message that is sent twice is worse than one whose delivery is unknown: the kernel reports a timeout or an unreachable
    /// host also for a connection on which the request was sent.
    #[tokio::test]
    async fn connection_lost_after_the_request_does_not_count_as_unsent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let tls = trust::tls(&HttpSettings::default(), &Environment::from_environment(), Identity::Shown).unwrap();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        let limits = Limits {
            host: "`h`".to_owned(),
            connect: Duration::from_secs(1),
            read: Duration::from_secs(1),
            keys: TimeoutKeys::default(),
            proxy: None,
        };
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable] {
            let body = reqwest::Body::wrap_stream(ReaderStream::new(Lost(kind)));
            let error = client.post(&url).body(body).send().await.unwrap_err();
            let request = RequestLine { method: Method::POST, url: url.clone() };
            let error = TransportError::explain(request, &error, &limits);
            assert_eq!((error.kind(), error.is_unsent()), (TransportKind::Cut, false), "{kind}");
            assert_eq!(error.cause().to_string(), "the connection to `h` was lost");
        }
    }
}
