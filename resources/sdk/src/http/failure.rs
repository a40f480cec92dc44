//! What can go wrong with a request, in types that callers match on and in words that people read.
//!
//! Both kinds are found by `downcast_ref` in an [`crate::Error`], through any context. Neither ever holds a URL's secret
//! parts: the URL is kept as it may be shown.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use anyhow::anyhow;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::retry::words;
use super::shown::one_line;
use super::{tls_error, upload};
use crate::error::{Advise as _, Error};

/// The headers by which a server's own people find a request again.
const REQUEST_IDS: [&str; 6] =
    ["x-github-request-id", "x-amzn-requestid", "x-amz-request-id", "x-slack-req-id", "x-request-id", "cf-ray"];

/// The most that is shown of a body, in bytes.
const EXCERPT: usize = 300;

/// What a request was, as it may be shown.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{} {}`", self.method, self.url)
    }
}

/// An answer that is not the one that was hoped for.
#[derive(Debug)]
pub struct StatusError {
    asked: Asked,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    tries: u32,
    cause: Option<Error>,
}

impl StatusError {
    pub(crate) fn new(asked: Asked, status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        let cause = said(&body);
        Self { asked, status, headers, body, tries: 1, cause }
    }

    /// The same, after several tries.
    pub(crate) fn after(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// The same, when the server asks to come back later than can be waited for.
    pub(crate) fn too_long(mut self, asked: Duration, bound: Duration) -> Self {
        let text = format!(
            "the server asks to wait for {}, and no more than {} in all are waited for",
            words(asked),
            words(bound)
        );
        self.cause = Some(match self.cause {
            Some(body) => body.context(text),
            None => anyhow!(text),
        });
        self
    }

    /// How often the request was sent.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The beginning of the body, 64 KiB of it at most.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON, when it is that.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.asked.method
    }

    /// The URL of the request, without its secrets.
    pub fn url(&self) -> &str {
        &self.asked.url
    }

    /// The name and value of the header by which the server's own people find the request again.
    pub fn request_id(&self) -> Option<(&'static str, String)> {
        REQUEST_IDS.iter().find_map(|name| Some((*name, one_line(self.headers.get(*name)?.as_bytes()))))
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} answered {}", self.asked, status_words(self.status))?;
        let id = self.request_id().map(|(name, value)| format!("{name}: {value}"));
        let tries = (self.tries > 1).then(|| format!("{} tries", self.tries));
        let notes: Vec<String> = id.into_iter().chain(tries).collect();
        if notes.is_empty() { Ok(()) } else { write!(formatter, " ({})", notes.join("; ")) }
    }
}

impl StdError for StatusError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(AsRef::as_ref)
    }
}

/// `404 Not Found`, or the number alone when it has no name.
pub(crate) fn status_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_str()),
        None => status.as_str().to_owned(),
    }
}

/// The beginning of a body as a cause.
fn said(body: &[u8]) -> Option<Error> {
    let text = excerpt(body);
    (!text.is_empty()).then(|| anyhow!(text))
}

/// The beginning of a body on one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    match body.get(..EXCERPT) {
        Some(start) if body.len() > EXCERPT => format!("{}...", one_line(start)),
        _ => one_line(body),
    }
}

/// A request without a whole answer.
#[derive(Debug)]
pub struct TransportError {
    asked: Asked,
    kind: TransportKind,
    tries: u32,
    cause: Error,
}

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportKind {
    /// The host's name could not be resolved.
    Name,
    /// There is no connection: refused, unreachable, or not made in time.
    Connection,
    /// The proxy would not let the request through.
    Proxy,
    /// The server's certificate is not trusted.
    Certificate,
    /// The server speaks TLS, and ended it by an alert: it wants a client certificate, say.
    Alert,
    /// There is no TLS for another reason.
    Tls,
    /// The connection was closed, or the protocol was broken, before the answer was complete.
    Cut,
    /// Nothing was received or sent for too long.
    Stalled,
    /// A redirect cannot be followed.
    Redirect,
    /// The answer is larger than the caller takes.
    TooLarge,
    /// The answer is not the part that was asked for.
    WrongPart,
    /// What was to be sent could not be read.
    Upload,
}

impl TransportError {
    pub(crate) fn new(asked: Asked, kind: TransportKind, cause: Error) -> Self {
        Self { asked, kind, tries: 1, cause }
    }

    /// Tells what an error of the HTTP library means. Its own text is never shown: it names the whole URL.
    pub(crate) fn explain(asked: Asked, error: &reqwest::Error, limits: &Limits) -> Self {
        let (kind, text, hint) = explain(error, limits);
        let mut cause = anyhow!(text);
        if let Some(hint) = hint {
            cause = cause.hint(hint);
        }
        if kind == TransportKind::Connection
            && let Some(proxy) = &limits.proxy
        {
            cause = cause.hint(format!("requests go by way of the proxy `{proxy}`"));
        }
        Self::new(asked, kind, cause)
    }

    pub(crate) fn after(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// How often the request was sent. Who repeats it once more multiplies that.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Why.
    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// Whether the server cannot have seen any of the request.
    pub fn is_unsent(&self) -> bool {
        use TransportKind::{Alert, Certificate, Connection, Name, Proxy, Tls};
        matches!(self.kind, Name | Connection | Proxy | Certificate | Alert | Tls)
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.asked.method
    }

    /// The URL of the request, without its secrets.
    pub fn url(&self) -> &str {
        &self.asked.url
    }

    pub(crate) fn cause(&self) -> &Error {
        &self.cause
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} got no whole answer", self.asked)?;
        if self.tries > 1 { write!(formatter, " ({} tries)", self.tries) } else { Ok(()) }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.cause.as_ref())
    }
}

/// What applied to a request, for the words of its error.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) host: String,
    pub(crate) connect: Duration,
    /// How long the body may bring less than [`super::response::SLOWEST`].
    pub(crate) read: Duration,
    pub(crate) keys: TimeoutKeys,
    pub(crate) proxy: Option<String>,
}

/// The keys of a source that set how long a client waits, for the hints of errors.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutKeys {
    /// The key of [`super::HttpSettings::connect_timeout`].
    pub connect: &'static str,
    /// The key of [`super::HttpSettings::read_timeout`].
    pub read: &'static str,
}

impl Default for TimeoutKeys {
    fn default() -> Self {
        Self { connect: "connect_timeout", read: "read_timeout" }
    }
}

impl TimeoutKeys {
    fn connect_hint(self) -> String {
        format!("`{}` in the source says how long to wait for a connection", self.connect)
    }

    pub(crate) fn read_hint(self) -> String {
        format!("`{}` in the source says how long a server may stay silent", self.read)
    }
}

type Explained = (TransportKind, String, Option<String>);

fn explain(error: &reqwest::Error, limits: &Limits) -> Explained {
    let mut unknown = String::new();
    let mut found = None;
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    // The innermost error that is understood says most: a refused connection is a failed request, too.
    while let Some(cause) = next {
        if let Some(explained) = explain_one(cause, limits) {
            found = Some(explained);
        }
        // An I/O error hides what it carries, which may be another one: its `source` is the source of that.
        let mut carried = carried_by(cause);
        while let Some(inner) = carried {
            found = explain_one(inner, limits).or(found);
            carried = carried_by(inner);
        }
        unknown = cause.to_string();
        next = cause.source();
    }
    match found {
        // Some servers that do not speak TLS just hang up on who does.
        Some((TransportKind::Cut, ..)) if error.is_connect() => {
            let text = format!("{} closed the connection before anything was sent", limits.host);
            return (TransportKind::Connection, text, None);
        }
        Some(found) => return found,
        None => {}
    }
    if error.is_connect() {
        if error.is_timeout() {
            let text = format!("no connection to {} within {}", limits.host, words(limits.connect));
            return (TransportKind::Connection, text, Some(limits.keys.connect_hint()));
        }
        return (TransportKind::Connection, format!("no connection to {}: {unknown}", limits.host), None);
    }
    (TransportKind::Cut, one_line(unknown.as_bytes()), None)
}

/// What went wrong with TLS, in words for people, when an error comes of that: for who speaks something of their own on it.
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

fn carried_by<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let carried = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(carried)
}

fn explain_one(cause: &(dyn StdError + 'static), limits: &Limits) -> Option<Explained> {
    use TransportKind::{Alert, Connection, Cut, Name, Proxy, Upload};
    let host = &limits.host;
    let said = |kind, text: String| Some((kind, text, None));
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls_error::explain(tls, host));
    }
    if let Some(upload) = cause.downcast_ref::<upload::Unreadable>() {
        return said(Upload, upload.to_string());
    }
    if let Some(io) = cause.downcast_ref::<io::Error>() {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => said(Connection, format!("{host} refused the connection")),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                said(Connection, format!("{host} cannot be reached from here"))
            }
            io::ErrorKind::TimedOut => said(Connection, format!("no connection to {host} within the system's limit")),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                said(Cut, "the connection was reset".to_owned())
            }
            io::ErrorKind::UnexpectedEof => said(Cut, CLOSED.to_owned()),
            _ => None,
        };
    }
    // These types are private to their crates; their texts are theirs to change, and the tests notice.
    match cause.to_string().as_str() {
        "dns error" => said(Name, format!("the name of {host} cannot be resolved")),
        "connection closed before message completed" | "end of file before message length reached" => {
            said(Cut, CLOSED.to_owned())
        }
        // HTTP/2 keeps no more of an error of TLS than its text.
        text if text.starts_with("received fatal alert: ") => {
            let name = tls_error::alert_name(text.trim_start_matches("received fatal alert: "));
            let hint = "does it ask for a client certificate, or not take the one that it got?";
            Some((Alert, format!("the server ended TLS by the alert {name}"), Some(hint.to_owned())))
        }
        "tunnel error: proxy authorization required" => Some((
            Proxy,
            "the proxy asks for a user and password, or refuses those that it got".to_owned(),
            Some("they stand in the proxy's URL: `http://user:password@host:port`".to_owned()),
        )),
        "SOCKS error: credentials not accepted" | "SOCKS error: server does not support user/pass authentication" => {
            Some((
                Proxy,
                "the SOCKS proxy asks for a user and password, or refuses those that it got".to_owned(),
                Some("they stand in the proxy's URL: `socks5://user:password@host:port`".to_owned()),
            ))
        }
        text if text.starts_with("SOCKS error: failed parsing") => {
            said(Proxy, "the proxy does not answer as a SOCKS proxy".to_owned())
        }
        text if text.starts_with("SOCKS error: ") => said(Proxy, format!("the SOCKS proxy does not connect to {host}")),
        text if text.starts_with("tunnel error: unsuccessful") => {
            said(Proxy, format!("the proxy does not connect to {host}"))
        }
        text if text.starts_with("tunnel error: unexpected end of file") => {
            said(Proxy, format!("the proxy closed the connection instead of connecting to {host}"))
        }
        _ => None,
    }
}

const CLOSED: &str = "the connection was closed in the middle of the answer";
