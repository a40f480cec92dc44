//! Answers.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::failure::{Asked, Limits, StatusError, TransportError, TransportKind, excerpt};
use super::retry::words;
use crate::error::{Advise as _, Result};
use crate::interrupt::Interrupt;

/// The largest body that [`HttpResponse::json`] and [`HttpResponse::text`] take, in bytes.
const LARGEST_TEXT: u64 = 16 * 1024 * 1024;

/// The most that is read of the body of an error, in bytes.
const LARGEST_ERROR: usize = 64 * 1024;

/// The longest time that the body of an error is waited for: the status says most.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

/// The least that a body has to bring, in bytes per second over the time that silence is allowed for. A body of one byte now and
/// then would have no end.
pub(crate) const SLOWEST: u64 = 1024;

/// How fast a body comes, counted over the time that was spent waiting for it: a reader may take its time.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    received: u64,
}

impl Pace {
    /// Notes a piece, and says whether the body has been too slow for `window`.
    fn is_too_slow(&mut self, waited: Duration, received: usize, window: Duration) -> bool {
        self.waited += waited;
        self.received += received as u64;
        if self.waited < window {
            return false;
        }
        let is_too_slow = u128::from(self.received) * 1000 < self.waited.as_millis() * u128::from(SLOWEST);
        *self = Self::default();
        is_too_slow
    }
}

/// An answer whose head is there.
#[derive(Debug)]
pub struct HttpResponse {
    pub(crate) asked: Asked,
    pub(crate) response: reqwest::Response,
    pub(crate) limits: Limits,
    pub(crate) pace: Pace,
    pub(crate) interrupt: Interrupt,
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

    /// A header's value, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Where the answer came from, after redirects. Not for people to see: it may hold secrets.
    pub fn url(&self) -> &Url {
        self.response.url()
    }

    /// How long the body is (for a HEAD: would be), when the server says.
    pub fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH.as_str())?.parse().ok()
    }

    /// The place in the whole that the body begins at: not 0 for a part (206) that does not begin at its start.
    pub fn offset(&self) -> u64 {
        if self.status() != StatusCode::PARTIAL_CONTENT {
            return 0;
        }
        let range = self.header(CONTENT_RANGE.as_str()).and_then(|range| range.strip_prefix("bytes "));
        range.and_then(|range| range.split_once('-')?.0.trim().parse().ok()).unwrap_or_default()
    }

    /// The next piece of the body, `None` at its end. This is how large bodies are read: nothing is kept.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let begin = Instant::now();
        let next = tokio::select! {
            interrupted = self.interrupt.wait() => {
                return Err(crate::Error::new(interrupted).context(format!("{} did not finish", self.asked)));
            }
            next = timeout(self.limits.read, self.response.chunk()) => next,
        };
        match next {
            Ok(Ok(Some(chunk))) if self.pace.is_too_slow(begin.elapsed(), chunk.len(), self.limits.read) => {
                let (least, window) = (SLOWEST, words(self.limits.read));
                Err(self.stalled(&format!("less than {least} bytes a second were received for {window}")))
            }
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(TransportError::explain(self.asked.clone(), &error, &self.limits).into()),
            Err(_) => Err(self.stalled(&format!("nothing was received for {}", words(self.limits.read)))),
        }
    }

    fn stalled(&self, cause: &str) -> crate::Error {
        let cause = anyhow!("{cause}").hint(self.limits.keys.read_hint());
        TransportError::new(self.asked.clone(), TransportKind::Stalled, cause).into()
    }

    /// Writes the body as it comes, and returns how many bytes it was.
    pub async fn copy_to(mut self, target: &mut (impl AsyncWrite + Unpin)) -> Result<u64> {
        let mut copied = 0;
        while let Some(chunk) = self.chunk().await? {
            let written = target.write_all(&chunk).await;
            written.with_context(|| format!("cannot write what {} brought", self.asked))?;
            copied += chunk.len() as u64;
        }
        target.flush().await.with_context(|| format!("cannot write what {} brought", self.asked))?;
        Ok(copied)
    }

    /// The whole body, which must not be larger than `most` bytes.
    pub async fn bytes(mut self, most: u64) -> Result<Vec<u8>> {
        let too_large = |asked: &Asked| {
            let cause = anyhow!("the answer is larger than {most} bytes");
            TransportError::new(asked.clone(), TransportKind::TooLarge, cause)
        };
        if self.length().is_some_and(|length| length > most) {
            return Err(too_large(&self.asked).into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > most {
                return Err(too_large(&self.asked).into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The whole body as text; what is not UTF-8 in it is replaced.
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(LARGEST_TEXT).await?).into_owned())
    }

    /// The whole body, decoded from JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let asked = self.asked.clone();
        let body = self.bytes(LARGEST_TEXT).await?;
        let mut reader = serde_json::Deserializer::from_slice(&body);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(crate::Error::new)
            .with_context(|| format!("the answer is not the JSON that is expected: {}", excerpt(&body)))
            .with_context(|| format!("{asked} cannot be understood"))
    }

    /// The error that this answer is to the caller, though its status was allowed.
    pub async fn into_error(self) -> StatusError {
        let (asked, status, headers) = (self.asked.clone(), self.status(), self.headers().clone());
        StatusError::new(asked, status, headers, self.beginning().await)
    }

    /// The beginning of the body, as far as it comes within a short time.
    async fn beginning(mut self) -> Vec<u8> {
        let mut body = Vec::new();
        let read = async {
            while body.len() < LARGEST_ERROR
                && let Ok(Some(chunk)) = self.chunk().await
            {
                body.extend_from_slice(&chunk);
            }
        };
        let _ = timeout(ERROR_PATIENCE, read).await;
        body.truncate(LARGEST_ERROR);
        body
    }
}
