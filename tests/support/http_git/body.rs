//! The bodies of responses: the server's own text or the output of `git http-backend`, with or without faults.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use super::backend::Output;
use super::log::Entry;

/// How a body is sent.
pub(super) enum Manner {
    Plain,
    StallAfter(u64),
    CutAfter(u64),
    Slow(u64),
}

pub(super) struct Body {
    entry: Arc<Entry>,
    content: Content,
}

enum Content {
    Text(Option<Bytes>),
    Stream {
        rest: Bytes,
        output: Box<Output>,
        manner: Manner,
        sent: u64,
        pause: Option<Pin<Box<Sleep>>>,
        /// Whether hyper had a chance to send everything before the cut.
        is_flushed: bool,
    },
}

/// The size of a pipe's buffer.
const CHUNK: usize = 64 * 1024;

impl Body {
    pub(super) fn text(text: impl Into<Bytes>, entry: &Arc<Entry>) -> Self {
        Self { entry: Arc::clone(entry), content: Content::Text(Some(text.into())) }
    }

    /// Reads the bytes that were buffered with the head (`rest`), then the child's further output.
    pub(super) fn stream(rest: Bytes, output: Output, manner: Manner, entry: &Arc<Entry>) -> Self {
        let content =
            Content::Stream { rest, output: Box::new(output), manner, sent: 0, pause: None, is_flushed: false };
        Self { entry: Arc::clone(entry), content }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { entry, content } = &mut *self;
        let (rest, output, manner, sent, pause, is_flushed) = match content {
            Content::Text(text) => {
                let Some(text) = text.take() else { return Poll::Ready(None) };
                entry.sent(text.len());
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            Content::Stream { rest, output, manner, sent, pause, is_flushed } => {
                (rest, output, &*manner, sent, pause, is_flushed)
            }
        };
        if let Some(sleep) = pause {
            std::task::ready!(sleep.as_mut().poll(context));
            *pause = None;
        }
        let most = match manner {
            Manner::Plain => CHUNK,
            Manner::StallAfter(limit) if *sent >= *limit => return Poll::Pending,
            Manner::CutAfter(limit) if *sent >= *limit => {
                // hyper flushes when the body is pending. Without that, a client may receive no byte of the response, and silently
                // retries a request on a reused connection.
                if !std::mem::replace(is_flushed, true) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(Some(Err(io::Error::other("cut, as the test asked"))));
            }
            Manner::StallAfter(limit) | Manner::CutAfter(limit) => {
                usize::try_from(*limit - *sent).unwrap_or(CHUNK).min(CHUNK)
            }
            // Ten chunks a second are smooth enough for progress output.
            Manner::Slow(rate) => usize::try_from((*rate / 10).max(1)).unwrap_or(CHUNK).min(CHUNK),
        };
        let data = if rest.is_empty() {
            let mut buffer = vec![0; most];
            let mut read = ReadBuf::new(&mut buffer);
            if let Err(error) = std::task::ready!(Pin::new(&mut **output).poll_read(context, &mut read)) {
                return Poll::Ready(Some(Err(error)));
            }
            let length = read.filled().len();
            buffer.truncate(length);
            Bytes::from(buffer)
        } else {
            rest.split_to(most.min(rest.len()))
        };
        if data.is_empty() {
            return Poll::Ready(None);
        }
        entry.sent(data.len());
        *sent += data.len() as u64;
        if matches!(manner, Manner::Slow(_)) {
            *pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(100))));
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Stream { .. } => SizeHint::default(),
        }
    }
}
