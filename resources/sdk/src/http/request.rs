//! Requests: what is asked, and the way to an answer by tries and redirects.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::failure::{Asked, Limits, TransportError, TransportKind, status_words};
use super::redirect::{self, Redirects, Refused};
use super::response::{HttpResponse, Pace};
use super::retry::{self, Again, Retry, after_answer, is_idempotent, words};
use super::shown::{Shown, shown};
use super::upload::{Activity, Unreadable, Upload};
use super::{HttpClient, Identity};
use crate::address::{address_secrets, percent_decode};
use crate::error::{Advise as _, Error, Result};
use crate::secret::Secret;

/// A request to be. Made by [`HttpClient`]; a mistake in its making (a URL that is none) is told when it is sent.
#[derive(Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct HttpRequest {
    client: HttpClient,
    method: Method,
    url: Result<Url, String>,
    headers: HeaderMap,
    upload: Upload,
    allowed: Vec<StatusCode>,
    redirects: Redirects,
    retry: Retry,
    answer_timeout: Duration,
    read_timeout: Duration,
    shown: Shown,
    repeatable: bool,
    resume_at: u64,
    mistake: Option<String>,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.url.as_ref().map(|url| shown(url, self.shown));
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
            shown: Shown::Path,
            resume_at: 0,
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

    /// Adds one more value to a header that may have several.
    pub fn add_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match header(name.as_ref(), value.as_ref()) {
            Ok((name, value)) => drop(self.headers.append(name, value)),
            Err(mistake) => self.mistake = Some(mistake),
        }
        self
    }

    /// Sets a header whose value is a secret: it goes to the host of the URL only, whatever redirects say. White space
    /// around it, such as the line's end that a file gave it, is left out.
    pub fn secret_header(self, name: impl AsRef<str>, value: &Secret) -> Self {
        self.client.console().redactor().add(value.expose());
        self.with_header(name.as_ref(), value.expose().trim(), true)
    }

    /// Logs in with a token: `Authorization: Bearer ...`. White space around it is left out.
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
                self.mistake = Some(format!("its body cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sends names and values as a form (`application/x-www-form-urlencoded`).
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        // A URL's query has the same form; it is the one encoder at hand.
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

    /// Sends a part of a file, read piece by piece; the file is opened anew for every try.
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

    /// Sends what a reader gives, piece by piece; `open` is called for every try. Without a length the body goes out in
    /// chunks, which some servers refuse.
    pub fn reader<R: AsyncRead + Send + 'static>(
        mut self,
        length: Option<u64>,
        open: impl Fn() -> io::Result<R> + Send + Sync + 'static,
    ) -> Self {
        self.upload = Upload::opened(length, open);
        self
    }

    /// Takes answers of this status as answers, not as errors; such an answer is never a reason to try again.
    pub fn allow(mut self, status: StatusCode) -> Self {
        self.allowed.push(status);
        self
    }

    /// What becomes of a redirect; it is followed when not told otherwise.
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// When it is tried again, in place of the client's rule.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Says that doing the request twice does no harm, though its method (POST, PATCH) does not promise that.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The longest time in which nothing is received or sent, in place of the client's: a server may need its time to
    /// take in what it was sent.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.answer_timeout = limit;
        self.read_timeout = limit;
        self
    }

    /// Says that the URL's path is itself a secret, as a webhook's is: only scheme and host are shown.
    pub fn secret_url(mut self) -> Self {
        self.shown = Shown::Origin;
        if let Ok(url) = &self.url {
            // A server may repeat the path in what it says. A short one is no secret, and masking it would hide much.
            let path = url.path().trim_matches('/');
            if path.len() >= 8 {
                self.client.console().redactor().add(path);
            }
        }
        self
    }

    /// Asks for the body from this byte on, to go on with a download that was cut. A server may answer with the whole
    /// all the same: [`HttpResponse::offset`] tells where the body begins, and anything but this byte or 0 is an error.
    pub fn resume_at(mut self, offset: u64) -> Self {
        self.resume_at = offset;
        if offset == 0 { self } else { self.with_header(RANGE.as_str(), &format!("bytes={offset}-"), false) }
    }

    /// What a signature covers: the method, the URL, the headers that Amazon's services look at, and the body.
    #[cfg(feature = "aws")]
    pub(crate) fn signed_parts(&self) -> Result<crate::aws::Parts<'_>> {
        let url = self.url.as_ref().map_err(|problem| anyhow!("a URL cannot be used: {problem}"))?;
        let body = match &self.upload {
            Upload::Nothing => &[][..],
            Upload::Bytes(bytes) => bytes,
            Upload::Opened { .. } => return Err(anyhow!("{} cannot be signed: its body is a stream", self.asked(url))),
        };
        let is_signed = |name: &str| name == "content-type" || name.starts_with("x-amz-");
        let headers = self.headers.iter().filter(|(name, _)| is_signed(name.as_str()));
        let headers = headers.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(crate::aws::Parts { method: self.method.as_str(), url, headers: headers.collect(), body })
    }

    /// Sends the request, again where that helps and does no harm (see [`crate::http`]), and returns the answer once its
    /// head is there. An answer other than 2xx is a [`super::StatusError`] unless it was allowed.
    pub async fn send(self) -> Result<HttpResponse> {
        let url = match (&self.url, &self.mistake) {
            (Ok(url), None) => without_user(url.clone()),
            (Err(problem), _) => return Err(anyhow!("a URL cannot be used: {problem}")),
            (Ok(url), Some(mistake)) => return Err(anyhow!("{} cannot be sent: {mistake}", self.asked(url))),
        };
        let begin = Instant::now();
        let mut tries = 1;
        loop {
            let (again, outcome) = match self.follow(url.clone()).await {
                Ok(response) if self.is_wanted(&response) => return self.checked(response),
                Ok(response) => {
                    let (status, headers) = (response.status(), response.headers());
                    (after_answer(status, headers, self.repeatable, SystemTime::now()), Ok(response))
                }
                Err(error) => (self.after_failure(&error), Err(error)),
            };
            let wait = match again {
                Again::No => return Err(fail(outcome, tries, None).await),
                Again::Paused => self.retry.pause(tries, retry::random()),
                Again::Asked(wait) => wait,
            };
            let too_late = begin.elapsed().saturating_add(wait) > self.retry.total;
            if too_late || tries >= self.retry.tries {
                let asked = matches!(again, Again::Asked(_)) && too_late;
                return Err(fail(outcome, tries, asked.then_some((wait, self.retry.total))).await);
            }
            tries += 1;
            self.client.console().step(format_args!("waiting {}: {}", words(wait), summary(&outcome)));
            drop(outcome);
            self.client.interrupt().sleep(wait).await?;
        }
    }

    /// One try: the request, and where its redirects lead.
    async fn follow(&self, mut url: Url) -> Result<HttpResponse> {
        let mut method = self.method.clone();
        let mut headers = self.headers.clone();
        let mut upload = self.upload.clone();
        let mut identity = Identity::Shown;
        for _ in 0..=redirect::MOST {
            let response = self.once(&method, &url, &headers, &upload, identity).await?;
            let (status, answered) = (response.status(), response.headers());
            if self.redirects == Redirects::Return || !redirect::is_redirect(status, answered) {
                return Ok(response);
            }
            let next = redirect::next(&url, &method, !upload.is_nothing(), status, answered, self.redirects)
                .map_err(|refused| self.not_followed(&method, &url, &refused))?;
            redirect::strip(&mut headers, &next);
            if !next.body {
                upload = Upload::Nothing;
            }
            if !next.same_origin {
                identity = Identity::Hidden;
            }
            (url, method) = (next.url, next.method);
        }
        let cause = anyhow!("more than {} redirects in a row", redirect::MOST);
        Err(TransportError::new(self.asked(&url), TransportKind::Redirect, cause).into())
    }

    /// One request and the head of its answer.
    async fn once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        upload: &Upload,
        identity: Identity,
    ) -> Result<HttpResponse> {
        let asked = Asked { method: method.clone(), url: shown(url, self.shown) };
        let limits = Limits {
            host: format!("`{}`", url.host_str().unwrap_or_default()),
            connect: self.client.settings().connect_timeout,
            read: self.read_timeout,
            keys: self.client.settings().timeout_keys,
            proxy: self.client.proxy_for(url),
        };
        let activity = Activity::begins();
        let mut request = reqwest::Request::new(method.clone(), url.clone());
        request.headers_mut().clone_from(headers);
        let unreadable = |error| TransportError::new(asked.clone(), TransportKind::Upload, anyhow!(Unreadable(error)));
        if let Some(length) = upload.length() {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *request.body_mut() = upload.body(&activity).map_err(unreadable)?;
        let answered = tokio::select! {
            interrupted = self.client.interrupt().wait() => {
                return Err(Error::new(interrupted).context(format!("{asked} did not finish")));
            }
            () = activity.silence(self.answer_timeout) => {
                let cause = anyhow!("nothing was received for {}", words(self.answer_timeout));
                let cause = cause.hint(limits.keys.read_hint());
                return Err(TransportError::new(asked, TransportKind::Stalled, cause).into());
            }
            answered = self.client.connections(identity)?.execute(request) => answered,
        };
        match answered {
            Ok(response) => Ok(HttpResponse {
                asked,
                response,
                limits,
                pace: Pace::default(),
                interrupt: self.client.interrupt().clone(),
            }),
            Err(error) => Err(TransportError::explain(asked, &error, &limits).into()),
        }
    }

    fn is_wanted(&self, response: &HttpResponse) -> bool {
        let status = response.status();
        status.is_success()
            || self.allowed.contains(&status)
            || (self.redirects == Redirects::Return && redirect::is_redirect(status, response.headers()))
    }

    /// The response, when it is the part of the whole that was asked for.
    fn checked(&self, response: HttpResponse) -> Result<HttpResponse> {
        let offset = response.offset();
        let is_partial = response.status() == StatusCode::PARTIAL_CONTENT;
        if self.resume_at == 0 || !is_partial || offset == self.resume_at {
            return Ok(response);
        }
        let cause = anyhow!("asked for the part from byte {}, the server sends that from {offset}", self.resume_at);
        Err(TransportError::new(response.asked, TransportKind::WrongPart, cause).into())
    }

    fn after_failure(&self, error: &Error) -> Again {
        use TransportKind::{Connection, Cut, Name, Stalled};
        match error.downcast_ref::<TransportError>().map(TransportError::kind) {
            Some(Name | Connection) => Again::Paused,
            Some(Cut | Stalled) if self.repeatable => Again::Paused,
            _ => Again::No,
        }
    }

    fn not_followed(&self, method: &Method, from: &Url, refused: &Refused) -> TransportError {
        let cause = match refused {
            Refused::Location => anyhow!("it redirects to something that is no `http` or `https` URL"),
            Refused::Downgrade(to) => {
                anyhow!("it redirects from `https` to `{}`, which is not encrypted", shown(to, self.shown))
            }
            Refused::Body(to) => {
                anyhow!("it redirects to another host, `{}`, and would take the body there", shown(to, self.shown))
            }
        };
        let asked = Asked { method: method.clone(), url: shown(from, self.shown) };
        TransportError::new(asked, TransportKind::Redirect, cause)
    }

    fn asked(&self, url: &Url) -> Asked {
        Asked { method: self.method.clone(), url: shown(url, self.shown) }
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

/// A header, or why there cannot be such a header. The value is not shown.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = name.parse::<HeaderName>().map_err(|_| format!("`{name}` is no name of a header"))?;
    // A line break in a value would begin another header.
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the header `{parsed}` has a line break or the like in it"))?;
    Ok((parsed, value))
}

/// The URL, or what is wrong with it, in words that do not repeat it.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() {
        Ok(url)
    } else {
        Err(format!("expected `https://...`, found the scheme `{}`", url.scheme()))
    }
}

fn without_user(mut url: Url) -> Url {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The error of the last try.
async fn fail(outcome: Result<HttpResponse>, tries: u32, too_long: Option<(Duration, Duration)>) -> Error {
    match outcome {
        Ok(response) => {
            let error = response.into_error().await.after(tries);
            match too_long {
                Some((asked, bound)) => error.too_long(asked, bound).into(),
                None => error.into(),
            }
        }
        Err(error) => match error.downcast::<TransportError>() {
            Ok(error) => error.after(tries).into(),
            Err(error) => error,
        },
    }
}

/// Why there is a pause.
fn summary(outcome: &Result<HttpResponse>) -> String {
    match outcome {
        Ok(response) => format!("{} answered {}", response.asked, status_words(response.status())),
        Err(error) => match error.downcast_ref::<TransportError>() {
            Some(transport) => format!("`{} {}`: {}", transport.method(), transport.url(), transport.cause()),
            None => error.to_string(),
        },
    }
}
