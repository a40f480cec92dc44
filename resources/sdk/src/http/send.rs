//! Sends requests: attempts, redirects and timeouts.

use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::time::Instant;

use super::display::{RequestLine, display_duration, display_status, display_url};
use super::explain::Limits;
use super::redirect::{self, RedirectError, Redirects};
use super::request::HttpRequest;
use super::response::{HttpResponse, Pace};
use super::retry::{self, RetryDecision, after_response};
use super::transport_error::{TransportError, TransportKind};
use super::trust::Identity;
use super::upload::{Activity, Unreadable, Upload};
use crate::error::{Advise as _, Error, Result};

impl HttpRequest {
    /// Sends the request, with retries (see [`crate::http`]), and returns the response once its head has arrived. A status other
    /// than 2xx is a [`super::StatusError`] unless the request allows it.
    pub async fn send(self) -> Result<HttpResponse> {
        let url = match (&self.url, &self.mistake) {
            (Ok(url), None) => without_user(url.clone()),
            (Err(problem), _) => return Err(anyhow!("the URL is invalid: {problem}")),
            (Ok(url), Some(mistake)) => return Err(anyhow!("{} cannot be sent: {mistake}", self.request_line(url))),
        };
        let begin = Instant::now();
        let mut attempts = 1;
        loop {
            let (again, outcome) = match self.follow(url.clone()).await {
                Ok(response) if self.is_wanted(&response) => return self.checked(response),
                Ok(response) => {
                    let (status, headers) = (response.status(), response.headers());
                    (after_response(status, headers, self.repeatable, SystemTime::now()), Ok(response))
                }
                Err(error) => (self.after_failure(&error), Err(error)),
            };
            let wait = match again {
                RetryDecision::No => return Err(fail(outcome, attempts, None).await),
                RetryDecision::AfterPause => self.retry.pause(attempts, retry::random()),
                RetryDecision::After(wait) => wait,
            };
            let too_late = begin.elapsed().saturating_add(wait) > self.retry.total;
            if too_late || attempts >= self.retry.attempts {
                let is_requested = matches!(again, RetryDecision::After(_)) && too_late;
                return Err(fail(outcome, attempts, is_requested.then_some((wait, self.retry.total))).await);
            }
            attempts += 1;
            self.client.console().step(format_args!("retrying in {}: {}", display_duration(wait), summary(&outcome)));
            drop(outcome);
            self.client.interrupt().sleep(wait).await?;
        }
    }

    /// One attempt: the request and the redirects that follow it.
    async fn follow(&self, mut url: Url) -> Result<HttpResponse> {
        let mut method = self.method.clone();
        let mut headers = self.headers.clone();
        let mut upload = self.upload.clone();
        let mut identity = Identity::Shown;
        for _ in 0..=redirect::MAX_REDIRECTS {
            let response = self.once(&method, &url, &headers, &upload, identity).await?;
            let (status, answered) = (response.status(), response.headers());
            if self.redirects == Redirects::Return || !redirect::is_redirect(status, answered) {
                return Ok(response);
            }
            let next = redirect::next(&url, &method, !upload.is_nothing(), status, answered, self.redirects)
                .map_err(|error| self.not_followed(&method, &url, &error))?;
            redirect::strip(&mut headers, &next);
            if !next.body {
                upload = Upload::Nothing;
            }
            if !next.same_origin {
                identity = Identity::Hidden;
            }
            (url, method) = (next.url, next.method);
        }
        let cause = anyhow!("more than {} redirects in a row", redirect::MAX_REDIRECTS);
        Err(TransportError::new(self.request_line(&url), TransportKind::Redirect, cause).into())
    }

    /// One request, and the head of its response.
    async fn once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        upload: &Upload,
        identity: Identity,
    ) -> Result<HttpResponse> {
        let request_line = RequestLine { method: method.clone(), url: display_url(url, self.shown_url) };
        let limits = Limits {
            host: format!("`{}`", url.host_str().unwrap_or_default()),
            connect: self.client.settings().connect_timeout,
            read: self.read_timeout,
            keys: self.client.settings().timeout_keys,
            proxy: self.client.proxy_for(url),
        };
        let activity = Activity::start(self.sent.clone());
        let mut request = reqwest::Request::new(method.clone(), url.clone());
        request.headers_mut().clone_from(headers);
        let unreadable =
            |error| TransportError::new(request_line.clone(), TransportKind::Upload, anyhow!(Unreadable(error)));
        if let Some(length) = upload.length() {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *request.body_mut() = upload.body(&activity).map_err(unreadable)?;
        let answered = tokio::select! {
            interrupted = self.client.interrupt().wait() => {
                return Err(Error::new(interrupted).context(format!("{request_line} did not finish")));
            }
            () = activity.silence(self.answer_timeout) => {
                let cause = anyhow!("nothing was received for {}", display_duration(self.answer_timeout));
                let cause = cause.hint(limits.keys.read_hint());
                return Err(TransportError::new(request_line, TransportKind::Stalled, cause).into());
            }
            answered = self.client.connections(identity)?.execute(request) => answered,
        };
        match answered {
            Ok(response) => Ok(HttpResponse {
                request: request_line,
                response,
                limits,
                pace: Pace::default(),
                interrupt: self.client.interrupt().clone(),
            }),
            Err(error) => Err(TransportError::explain(request_line, &error, &limits).into()),
        }
    }

    /// Whether the response is a success, or its status is allowed.
    fn is_wanted(&self, response: &HttpResponse) -> bool {
        let status = response.status();
        status.is_success()
            || self.allowed.contains(&status)
            || (self.redirects == Redirects::Return && redirect::is_redirect(status, response.headers()))
    }

    /// Checks that a partial response has the requested offset.
    fn checked(&self, response: HttpResponse) -> Result<HttpResponse> {
        let offset = response.offset();
        let is_partial = response.status() == StatusCode::PARTIAL_CONTENT;
        if self.resume_at == 0 || !is_partial || offset == self.resume_at {
            return Ok(response);
        }
        let cause =
            anyhow!("requested the content from byte {}, the server sent it from byte {offset}", self.resume_at);
        Err(TransportError::new(response.request, TransportKind::WrongPart, cause).into())
    }

    /// Whether to retry after a request that got no complete response.
    fn after_failure(&self, error: &Error) -> RetryDecision {
        use TransportKind::{Connection, Cut, Name, Stalled};
        match error.downcast_ref::<TransportError>().map(TransportError::kind) {
            Some(Name | Connection) => RetryDecision::AfterPause,
            Some(Cut | Stalled) if self.repeatable => RetryDecision::AfterPause,
            _ => RetryDecision::No,
        }
    }

    /// The error of a redirect that is not followed.
    fn not_followed(&self, method: &Method, from: &Url, error: &RedirectError) -> TransportError {
        let cause = match error {
            RedirectError::Location => anyhow!("it redirects to something other than an `http` or `https` URL"),
            RedirectError::Downgrade(to) => {
                anyhow!("it redirects from `https` to `{}`, which is not encrypted", display_url(to, self.shown_url))
            }
            RedirectError::Body(to) => {
                anyhow!("it redirects to another host, `{}`, which would get the body", display_url(to, self.shown_url))
            }
        };
        let request_line = RequestLine { method: method.clone(), url: display_url(from, self.shown_url) };
        TransportError::new(request_line, TransportKind::Redirect, cause)
    }
}

/// The URL without user and password.
fn without_user(mut url: Url) -> Url {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The error of the last attempt.
async fn fail(outcome: Result<HttpResponse>, attempts: u32, too_long: Option<(Duration, Duration)>) -> Error {
    match outcome {
        Ok(response) => {
            let error = response.into_error().await.after(attempts);
            match too_long {
                Some((requested, bound)) => error.too_long(requested, bound).into(),
                None => error.into(),
            }
        }
        Err(error) => match error.downcast::<TransportError>() {
            Ok(error) => error.after(attempts).into(),
            Err(error) => error,
        },
    }
}

/// Why the request is retried.
fn summary(outcome: &Result<HttpResponse>) -> String {
    match outcome {
        Ok(response) => format!("{} answered {}", response.request, display_status(response.status())),
        Err(error) => match error.downcast_ref::<TransportError>() {
            Some(transport) => format!("`{} {}`: {}", transport.method(), transport.url(), transport.cause()),
            None => error.to_string(),
        },
    }
}
