//! Records the server's requests, so that a test can assert the cost of a verb.

use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::header::{AUTHORIZATION, HeaderName};
use hyper::{Request, Response};

/// One request, complete or in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// Whether the client sent an `Authorization` header. Its value is not recorded.
    pub authorized: bool,
    /// The `Git-Protocol` header: `version=2` from any git of this decade.
    pub protocol: Option<String>,
    /// The status of the response; 0 until there is one.
    pub status: u16,
    /// The bytes of the request's body that have arrived, compressed if the client compressed them.
    pub received: u64,
    /// The bytes of the answer's body that have been handed to the connection.
    pub sent: u64,
}

#[derive(Default)]
pub(super) struct Log {
    connections: AtomicUsize,
    entries: Mutex<Vec<Arc<Entry>>>,
}

pub(super) struct Entry {
    method: String,
    target: String,
    authorized: bool,
    protocol: Option<String>,
    status: AtomicU16,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Log {
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn begin<B>(&self, request: &Request<B>) -> Arc<Entry> {
        let header = |name: HeaderName| {
            request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let entry = Arc::new(Entry {
            method: request.method().to_string(),
            target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            authorized: request.headers().contains_key(AUTHORIZATION),
            protocol: header(HeaderName::from_static("git-protocol")),
            status: AtomicU16::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        self.entries.lock().expect("no request panicked").push(Arc::clone(&entry));
        entry
    }

    pub(super) fn requests(&self) -> Vec<LoggedRequest> {
        self.entries.lock().expect("no request panicked").iter().map(|entry| entry.seen()).collect()
    }

    pub(super) fn reset(&self) {
        self.entries.lock().expect("no request panicked").clear();
        self.connections.store(0, Ordering::Relaxed);
    }
}

impl Entry {
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn answered<B>(&self, response: Response<B>) -> Response<B> {
        self.status.store(response.status().as_u16(), Ordering::Relaxed);
        response
    }

    fn seen(&self) -> LoggedRequest {
        LoggedRequest {
            method: self.method.clone(),
            target: self.target.clone(),
            authorized: self.authorized,
            protocol: self.protocol.clone(),
            status: self.status.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}
