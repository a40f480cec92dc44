//! Request bodies.
//!
//! A body may be sent more than once, since a request may be retried or redirected: bytes are kept in memory, and a reader is
//! opened again for each attempt. Every piece that is sent counts as activity.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;
use tokio_util::io::ReaderStream;

/// The size of the pieces that a body is sent in.
const PIECE: usize = 128 * 1024;

type Reader = Pin<Box<dyn AsyncRead + Send>>;
type Open = Arc<dyn Fn() -> io::Result<Reader> + Send + Sync>;

/// A request body.
#[derive(Clone)]
pub(crate) enum Upload {
    Nothing,
    Bytes(Bytes),
    Opened { length: Option<u64>, open: Open },
}

impl Upload {
    pub(crate) fn opened<R: AsyncRead + Send + 'static>(
        length: Option<u64>,
        open: impl Fn() -> io::Result<R> + Send + Sync + 'static,
    ) -> Self {
        Self::Opened { length, open: Arc::new(move || open().map(|reader| Box::pin(reader) as Reader)) }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// The length, if it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Nothing => None,
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Opened { length, .. } => *length,
        }
    }

    /// The body for one attempt.
    pub(crate) fn body(&self, activity: &Activity) -> io::Result<Option<reqwest::Body>> {
        let reader: Reader = match self {
            Self::Nothing => return Ok(None),
            Self::Bytes(bytes) if bytes.len() <= PIECE => return Ok(Some(bytes.clone().into())),
            Self::Bytes(bytes) => Box::pin(Cursor::new(bytes.clone())),
            Self::Opened { open, .. } => open()?,
        };
        let watched = Watched { reader, activity: activity.clone() };
        Ok(Some(reqwest::Body::wrap_stream(ReaderStream::with_capacity(watched, PIECE))))
    }
}

/// The time of the last activity, and a counter of sent bytes.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    last: Arc<Mutex<Instant>>,
    sent: Option<Arc<AtomicU64>>,
}

impl Activity {
    /// Begins now. `sent` counts the bytes of the request body.
    pub(crate) fn start(sent: Option<Arc<AtomicU64>>) -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())), sent }
    }

    fn record(&self, bytes: usize) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if let Some(sent) = &self.sent {
            sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Returns after no activity for `limit`.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            // A limit beyond the range of the clock is no limit.
            let Some(until) = last.checked_add(limit) else { return std::future::pending().await };
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A reader that records every read as activity, and wraps its errors in [`Unreadable`].
struct Watched {
    reader: Reader,
    activity: Activity,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.reader.as_mut().poll_read(context, buffer);
        if read.is_ready() {
            self.activity.record(buffer.filled().len() - before);
        }
        read.map_err(|error| io::Error::other(Unreadable(error)))
    }
}

/// The error of a request body that could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) io::Error);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot read the request body: {}", self.0)
    }
}

// No `source`: an I/O error in the chain would look like one of the connection.
impl StdError for Unreadable {}
