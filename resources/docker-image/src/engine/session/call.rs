//! A gRPC call from BuildKit: its messages, its responses and its status.

use std::io;

use anyhow::anyhow;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use jetway::{Result, percent_encode};
use tokio::sync::mpsc;

/// The gRPC status codes that are used here.
pub(super) const NOT_FOUND: u8 = 5;
pub(super) const UNIMPLEMENTED: u8 = 12;
pub(super) const INTERNAL: u8 = 13;

/// The largest message that is accepted, in bytes. BuildKit's own limit is 16 MiB.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The status of a call; OK by default.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Status {
    pub(crate) fn internal(message: &(impl ToString + ?Sized)) -> Self {
        Self { code: INTERNAL, message: message.to_string() }
    }
}

impl From<io::Error> for Status {
    fn from(error: io::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<jetway::Error> for Status {
    fn from(error: jetway::Error) -> Self {
        Self::internal(&format!("{error:#}"))
    }
}

/// The incoming messages of a call.
pub(crate) struct Calls {
    pub(super) body: Incoming,
    pub(super) pending: BytesMut,
}

impl Calls {
    /// The next message; `None` when the caller has closed its side.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            // A message starts with a compression flag (one byte) and its length (four bytes).
            if let Some((header, _)) = self.pending.split_first_chunk::<5>() {
                let [compressed, length @ ..] = *header;
                let length = usize::try_from(u32::from_be_bytes(length))?;
                if compressed != 0 || length > MAX_MESSAGE_BYTES {
                    return Err(anyhow!("the message is compressed or larger than {MAX_MESSAGE_BYTES} bytes"));
                }
                if self.pending.len() >= 5 + length {
                    self.pending.advance(5);
                    return Ok(Some(self.pending.split_to(length).freeze()));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.pending.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

/// Sends a call's responses.
#[derive(Debug, Clone)]
pub(crate) struct Sender(pub(super) mpsc::Sender<io::Result<Frame<Bytes>>>);

impl Sender {
    pub(crate) async fn send(&self, message: &[u8]) -> io::Result<()> {
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        let mut framed = BytesMut::with_capacity(5 + message.len());
        framed.extend_from_slice(&[0]);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        self.push(Frame::data(framed.freeze())).await
    }

    pub(super) async fn end(&self, status: &Status) {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(u16::from(status.code)));
        if !status.message.is_empty()
            && let Ok(message) = HeaderValue::from_str(&percent_encode(&status.message, ""))
        {
            trailers.insert("grpc-message", message);
        }
        // If the caller has gone, the status cannot be sent.
        let _ = self.push(Frame::trailers(trailers)).await;
    }

    async fn push(&self, frame: Frame<Bytes>) -> io::Result<()> {
        self.0.send(Ok(frame)).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
