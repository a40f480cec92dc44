//! Responses: the head, and the body piece by piece or as a whole.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::display::{RequestLine, display_duration, excerpt};
use super::explain::Limits;
use super::status_error::StatusError;
use super::transport_error::{TransportError, TransportKind};
use crate::error::{Advise as _, Error, Result};
use crate::interrupt::Interrupt;

/// The maximum length of a body that [`HttpResponse::json`] and [`HttpResponse::text`] read, in bytes.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// The maximum length of the body of an error response that is read, in bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The timeout for the body of an error response. The status alone is usually enough.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The minimum transfer rate of a body, in bytes per second over one read timeout. Without it, a server could send single bytes
/// for ever.
pub(super) const MIN_BYTES_PER_TIMEOUT: u64 = 1024;

/// The transfer rate of a body. Only the time spent waiting for data counts, so the caller may be slow.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    received: u64,
}

impl Pace {
    /// Adds a piece of the body, and returns whether the body has been too slow over `window`.
    fn is_too_slow(&mut self, waited: Duration, received: usize, window: Duration) -> bool {
        self.waited += waited;
        self.received += received as u64;
        if self.waited < window {
            return false;
        }
        let is_too_slow =
            u128::from(self.received) * 1000 < self.waited.as_millis() * u128::from(MIN_BYTES_PER_TIMEOUT);
        *self = Self::default();
        is_too_slow
    }
}

/// A response whose head has arrived.
#[derive(Debug)]
pub struct HttpResponse {
    pub(super) request: RequestLine,
    pub(super) response: reqwest::Response,
    pub(super) limits: Limits,
    pub(super) pace: Pace,
    pub(super) interrupt: Interrupt,
}

impl HttpResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The value of a header; `None` if it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The URL of the response, after redirects. It must not be shown, since it may contain secrets.
    pub fn url(&self) -> &Url {
        self.response.url()
    }

    /// The length of the body (for a HEAD, of a GET's body), if the server sent it.
    pub fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH.as_str())?.parse().ok()
    }

    /// The offset of the body in the whole content. It is 0 except for a partial response (206).
    pub fn offset(&self) -> u64 {
        if self.status() != StatusCode::PARTIAL_CONTENT {
            return 0;
        }
        let range = self.header(CONTENT_RANGE.as_str()).and_then(|range| range.strip_prefix("bytes "));
        range.and_then(|range| range.split_once('-')?.0.trim().parse().ok()).unwrap_or_default()
    }

    /// Reads the next piece of the body; `None` at its end. This way a large body need not fit into memory.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let begin = Instant::now();
        let next = tokio::select! {
            interrupted = self.interrupt.wait() => {
                return Err(Error::new(interrupted).context(format!("{} did not finish", self.request)));
            }
            next = timeout(self.limits.read, self.response.chunk()) => next,
        };
        match next {
            Ok(Ok(Some(chunk))) if self.pace.is_too_slow(begin.elapsed(), chunk.len(), self.limits.read) => {
                let (least, window) = (MIN_BYTES_PER_TIMEOUT, display_duration(self.limits.read));
                Err(self.stalled(&format!("the body was slower than {least} bytes per second for {window}")))
            }
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(TransportError::explain(self.request.clone(), &error, &self.limits).into()),
            Err(_) => Err(self.stalled(&format!("nothing was received for {}", display_duration(self.limits.read)))),
        }
    }

    fn stalled(&self, cause: &str) -> Error {
        let cause = anyhow!("{cause}").hint(self.limits.keys.read_hint());
        TransportError::new(self.request.clone(), TransportKind::Stalled, cause).into()
    }

    /// Writes the body piece by piece to `target`, and returns its length.
    pub async fn copy_to(mut self, target: &mut (impl AsyncWrite + Unpin)) -> Result<u64> {
        let mut copied = 0;
        while let Some(chunk) = self.chunk().await? {
            let written = target.write_all(&chunk).await;
            written.with_context(|| format!("cannot write the response to {}", self.request))?;
            copied += chunk.len() as u64;
        }
        target.flush().await.with_context(|| format!("cannot write the response to {}", self.request))?;
        Ok(copied)
    }

    /// Reads the whole body. Fails if it is longer than `most` bytes.
    pub async fn bytes(mut self, most: u64) -> Result<Vec<u8>> {
        let too_large = |request: &RequestLine| {
            let cause = anyhow!("the response is larger than {most} bytes");
            TransportError::new(request.clone(), TransportKind::TooLarge, cause)
        };
        if self.length().is_some_and(|length| length > most) {
            return Err(too_large(&self.request).into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > most {
                return Err(too_large(&self.request).into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Reads the whole body as text. Invalid UTF-8 is replaced.
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(MAX_TEXT).await?).into_owned())
    }

    /// Reads the whole body and decodes it from JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let request = self.request.clone();
        let body = self.bytes(MAX_TEXT).await?;
        let mut reader = serde_json::Deserializer::from_slice(&body);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(Error::new)
            .with_context(|| format!("the response is not the expected JSON: {}", excerpt(&body)))
            .with_context(|| format!("cannot use the response to {request}"))
    }

    /// Turns a response into the error of its status, for a status that the request allowed.
    pub async fn into_error(self) -> StatusError {
        let (request, status, headers) = (self.request.clone(), self.status(), self.headers().clone());
        StatusError::new(request, status, headers, self.beginning().await)
    }

    /// Reads the beginning of the body, as far as it arrives within a short time.
    async fn beginning(mut self) -> Vec<u8> {
        let mut body = Vec::new();
        let read = async {
            while body.len() < MAX_ERROR_BODY
                && let Ok(Some(chunk)) = self.chunk().await
            {
                body.extend_from_slice(&chunk);
            }
        };
        let _ = timeout(ERROR_BODY_TIMEOUT, read).await;
        body.truncate(MAX_ERROR_BODY);
        body
    }
}
