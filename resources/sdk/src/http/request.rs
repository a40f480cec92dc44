//! Builds requests: method, URL, headers and body, and how responses, redirects and retries are handled.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use tokio::io::AsyncRead;

use super::client::HttpClient;
use super::display::{RequestLine, UrlParts, display_url};
use super::redirect::Redirects;
use super::retry::{Retry, is_idempotent};
use super::upload::Upload;
use crate::address::address_secrets;
use crate::encoding::percent_decode;
use crate::error::Result;
use crate::secret::Secret;

impl HttpClient {
    /// Builds a GET request.
    pub fn get(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::GET, url)
    }

    /// Builds a HEAD request.
    pub fn head(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::HEAD, url)
    }

    /// Builds a POST request.
    pub fn post(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::POST, url)
    }

    /// Builds a PUT request.
    pub fn put(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::PUT, url)
    }

    /// Builds a PATCH request.
    pub fn patch(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::PATCH, url)
    }

    /// Builds a DELETE request.
    pub fn delete(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::DELETE, url)
    }

    /// Builds a request with any method. A user and password in the URL become a Basic header. An invalid URL is reported when
    /// the request is sent.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> HttpRequest {
        HttpRequest::new(self.clone(), method, url.as_ref())
    }
}

/// A request that has not been sent yet. [`HttpClient`] creates it. A mistake in it, such as an invalid URL, is reported when it
/// is sent.
#[derive(Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct HttpRequest {
    pub(super) client: HttpClient,
    pub(super) method: Method,
    pub(super) url: Result<Url, String>,
    pub(super) headers: HeaderMap,
    pub(super) upload: Upload,
    pub(super) allowed: Vec<StatusCode>,
    pub(super) redirects: Redirects,
    pub(super) retry: Retry,
    pub(super) answer_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) shown_url: UrlParts,
    pub(super) repeatable: bool,
    pub(super) resume_at: u64,
    pub(super) sent: Option<Arc<AtomicU64>>,
    pub(super) mistake: Option<String>,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.url.as_ref().map(|url| display_url(url, self.shown_url));
        formatter.debug_struct("HttpRequest").field("method", &self.method).field("url", &url).finish_non_exhaustive()
    }
}

impl HttpRequest {
    pub(crate) fn new(client: HttpClient, method: Method, url: &str) -> Self {
        let settings = client.settings();
        let mut request = Self {
            repeatable: is_idempotent(&method),
            method,
            url: parse(url),
            headers: HeaderMap::new(),
            upload: Upload::Nothing,
            allowed: Vec::new(),
            redirects: Redirects::Follow,
            retry: settings.retry,
            answer_timeout: settings.answer_timeout(),
            read_timeout: settings.read_timeout,
            shown_url: UrlParts::Path,
            resume_at: 0,
            sent: None,
            mistake: None,
            client,
        };
        let user = request.url.as_ref().ok().filter(|url| !url.username().is_empty() || url.password().is_some());
        if let Some(url) = user {
            for secret in address_secrets(url.as_str()) {
                request.client.console().redactor().add(&secret);
            }
            let name = percent_decode(url.username());
            let password = Secret::new(percent_decode(url.password().unwrap_or_default()));
            request = request.basic(&name, &password);
        }
        request
    }

    /// Sets a header.
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.with_header(name.as_ref(), value.as_ref(), false)
    }

    /// Adds a value to a header that may have several.
    pub fn add_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match header(name.as_ref(), value.as_ref()) {
            Ok((name, value)) => drop(self.headers.append(name, value)),
            Err(mistake) => self.mistake = Some(mistake),
        }
        self
    }

    /// Sets a header whose value is a secret: it is sent only to the host of the URL and not to that of a redirect. White space
    /// around it, such as the line break at the end of a file, is trimmed.
    pub fn secret_header(self, name: impl AsRef<str>, value: &Secret) -> Self {
        self.client.console().redactor().add(value.expose());
        self.with_header(name.as_ref(), value.expose().trim(), true)
    }

    /// Logs in with a token: `Authorization: Bearer ...`. White space around it is trimmed.
    pub fn bearer(self, token: &Secret) -> Self {
        self.client.console().redactor().add(token.expose());
        self.with_header(AUTHORIZATION.as_str(), &format!("Bearer {}", token.expose().trim()), true)
    }

    /// Logs in with a user name and a password: `Authorization: Basic ...`.
    pub fn basic(self, user: &str, password: &Secret) -> Self {
        self.client.console().redactor().add(password.expose());
        let credentials = STANDARD.encode(format!("{user}:{}", password.expose()));
        self.with_header(AUTHORIZATION.as_str(), &format!("Basic {credentials}"), true)
    }

    /// Adds a parameter to the URL's query.
    pub fn query(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name.as_ref(), value.as_ref());
        }
        self
    }

    /// Sends a value as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => self.body(text).default_type("application/json"),
            Err(error) => {
                self.mistake = Some(format!("cannot convert its body to JSON: {error}"));
                self
            }
        }
    }

    /// Sends names and values as a form (`application/x-www-form-urlencoded`).
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        // A URL's query has the same encoding.
        let Ok(mut url) = Url::parse("form:") else { return self };
        url.query_pairs_mut().extend_pairs(fields);
        let text = url.query().unwrap_or_default().to_owned();
        self.body(text).default_type("application/x-www-form-urlencoded")
    }

    /// Sends these bytes.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.upload = Upload::Bytes(body.into());
        self
    }

    /// Sends a part of a file. Each attempt opens the file again and streams it.
    pub fn file(mut self, path: impl AsRef<Path>, part: Range<u64>) -> Self {
        let path: PathBuf = path.as_ref().to_owned();
        let length = part.end.saturating_sub(part.start);
        self.upload = Upload::opened(Some(length), move || {
            use std::io::Seek as _;
            use tokio::io::AsyncReadExt as _;
            let name_it = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
            let mut file = std::fs::File::open(&path).map_err(name_it)?;
            file.seek(io::SeekFrom::Start(part.start)).map_err(name_it)?;
            Ok(tokio::fs::File::from_std(file).take(length))
        });
        self
    }

    /// Adds the bytes of the body to a counter while they are sent, for messages on progress. A retry counts them again.
    pub fn count_sent(mut self, counter: &Arc<AtomicU64>) -> Self {
        self.sent = Some(Arc::clone(counter));
        self
    }

    /// Sends the content of a reader, piece by piece. `open` is called for each attempt. Without a length, the body is sent in
    /// chunked encoding, which some servers refuse.
    pub fn reader<R: AsyncRead + Send + 'static>(
        mut self,
        length: Option<u64>,
        open: impl Fn() -> io::Result<R> + Send + Sync + 'static,
    ) -> Self {
        self.upload = Upload::opened(length, open);
        self
    }

    /// Returns a response with this status as a response, not as an error, and does not retry it.
    pub fn allow(mut self, status: StatusCode) -> Self {
        self.allowed.push(status);
        self
    }

    /// Sets how redirects are handled. The default is [`Redirects::Follow`].
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Sets the bounds of retries, instead of the client's.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Declares that the request may be applied twice, although its method (POST, PATCH) is not idempotent.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Sets the timeout for a read or write without progress, instead of the client's.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.answer_timeout = limit;
        self.read_timeout = limit;
        self
    }

    /// Sets a minimum for the timeout of a read or write without progress, since a server may need longer to process a
    /// body. A longer timeout in the settings has precedence, so that its key always has an effect.
    pub fn min_read_timeout(self, limit: Duration) -> Self {
        let limit = limit.max(self.client.settings().read_timeout);
        self.read_timeout(limit)
    }

    /// Declares that the URL's path is a secret, like a webhook's: messages show only scheme and host.
    pub fn secret_url(mut self) -> Self {
        self.shown_url = UrlParts::Origin;
        if let Ok(url) = &self.url {
            // A server may repeat the path in its response. A short path is a word and not a secret, and masking it would garble
            // messages.
            let path = url.path().trim_matches('/');
            if path.len() >= 8 {
                self.client.console().redactor().add(path);
            }
        }
        self
    }

    /// Requests the body from this byte on, to resume a download. The server may still send the whole body:
    /// [`super::HttpResponse::offset`] is 0 then. Any other offset is an error.
    pub fn resume_at(mut self, offset: u64) -> Self {
        self.resume_at = offset;
        if offset == 0 { self } else { self.with_header(RANGE.as_str(), &format!("bytes={offset}-"), false) }
    }

    /// Method and URL, for messages.
    pub(super) fn request_line(&self, url: &Url) -> RequestLine {
        RequestLine { method: self.method.clone(), url: display_url(url, self.shown_url) }
    }

    fn with_header(mut self, name: &str, value: &str, secret: bool) -> Self {
        match header(name, value) {
            Ok((name, mut value)) => {
                value.set_sensitive(secret);
                self.headers.insert(name, value);
            }
            Err(mistake) => self.mistake = Some(mistake),
        }
        self
    }

    fn default_type(mut self, value: &'static str) -> Self {
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(value));
        self
    }
}

/// Parses a header. The error does not show the value.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = name.parse::<HeaderName>().map_err(|_| format!("`{name}` is not a valid header name"))?;
    // A line break in the value would start another header.
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the header `{parsed}` has a line break or another control character in it"))?;
    Ok((parsed, value))
}

/// Parses a URL. The error does not repeat the text.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() {
        Ok(url)
    } else {
        Err(format!("expected `https://...`, found the scheme `{}`", url.scheme()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::settings::HttpSettings;
    use crate::{BuildMetadata, Colour, Console, Context, Redactor};

    /// The timeouts of a request for the first byte and for the body, in seconds.
    fn timeouts(read_timeout: u64, change: impl Fn(HttpRequest) -> HttpRequest) -> (u64, u64) {
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        let context = Context::new(BuildMetadata::default(), console, std::env::temp_dir());
        let settings = HttpSettings { read_timeout: Duration::from_secs(read_timeout), ..HttpSettings::default() };
        let request = change(context.http(settings).unwrap().get("http://host/"));
        (request.answer_timeout.as_secs(), request.read_timeout.as_secs())
    }

    #[test]
    fn gives_the_first_byte_five_minutes_unless_read_timeout_is_set() {
        assert_eq!(timeouts(60, |request| request), (300, 60));
        assert_eq!(timeouts(7, |request| request), (7, 7));
    }

    #[test]
    fn min_read_timeout_extends_the_timeout_of_the_settings_and_never_shortens_it() {
        let longer = |request: HttpRequest| request.min_read_timeout(Duration::from_mins(10));
        assert_eq!(timeouts(60, longer), (600, 600));
        assert_eq!(timeouts(1800, longer), (1800, 1800));
    }
}
