//! A registry for uploads with behaviour that Debian's lacks: it keeps the data received before a connection was cut,
//! or does not support chunked uploads.
//!
//! Its answers are those of "Pushing a blob in chunks", "Pushing a blob monolithically" and "Pushing manifests" of the distribution
//! specification of the OCI (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>): 202, 204 and 201 with `Location`,
//! the `Range` of what it has, 416 for a chunk out of order.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::image::sha256;

/// The registry. It ends with the process of the tests.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    takes_parts: bool,
    cuts: usize,
    after: usize,
    uploads: Vec<Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, Vec<u8>>,
    requests: Vec<String>,
    /// Overridden responses: a method, a part of the path, a status, and how often.
    failures: Vec<(&'static str, &'static str, u16, usize)>,
    /// The upload URL, and whether uploads require credentials.
    storage: Option<(u16, Arc<Mutex<State>>)>,
    /// The number of requests with credentials.
    logins: usize,
}

impl Receiver {
    /// Starts a registry that cuts this many uploads, each after this many bytes, and keeps the bytes.
    pub fn start(cuts: usize, after: usize) -> Self {
        Self::serve(State { takes_parts: true, cuts, after, ..State::default() })
    }

    /// Responds with a status to the first `times` requests with this method and this part in their path.
    pub fn fail(&self, method: &'static str, path: &'static str, status: u16, times: usize) {
        lock(&self.state).failures.push((method, path, status, times));
    }

    /// Starts a registry without chunked uploads.
    pub fn without_parts() -> Self {
        Self::serve(State::default())
    }

    /// Starts a registry that requires credentials and redirects uploads to another server.
    pub fn with_storage(storage: &Self) -> Self {
        let storage = Some((storage.port, Arc::clone(&storage.state)));
        Self::serve(State { takes_parts: true, storage, ..State::default() })
    }

    /// The number of requests with credentials.
    pub fn logins(&self) -> usize {
        lock(&self.state).logins
    }

    /// The full name of a repository.
    pub fn repository(&self, path: &str) -> String {
        format!("localhost:{}/{path}", self.port)
    }

    /// A blob.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        lock(&self.state).blobs.get(digest).cloned()
    }

    /// The methods of the requests, each with its `Content-Range`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.clone()
    }

    fn serve(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        let port = listener.local_addr().expect("the registry's address").port();
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || while answer(&stream, &state).is_some() {});
            }
        });
        Self { port, state }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads one request and responds to it; `None` to close the connection.
fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let (method, target) = line.split_once(' ')?;
    let target = target.split(' ').next()?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let range = headers.get("content-range").cloned().unwrap_or_default();
    let most = {
        let mut state = lock(state);
        state.requests.push(format!("{method} {range}"));
        let is_cut = method == "PATCH" && state.cuts > 0 && length > state.after;
        state.cuts -= usize::from(is_cut);
        if is_cut { state.after } else { length }
    };
    let mut body = vec![0; most];
    reader.read_exact(&mut body).ok()?;
    let (head, content) = {
        let mut state = lock(state);
        let has_login = headers.contains_key("authorization");
        state.logins += usize::from(has_login);
        if let Some(status) = state.failure(method, &target) {
            // The client would parse a body after a HEAD as the next response.
            (format!("{status} Failure\r\nX-Stand-In: failure"), String::new())
        } else if state.storage.is_some() && !has_login {
            ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"".to_owned(), String::new())
        } else {
            state.respond(method, &target, &range, body)?
        }
    };
    if most < length {
        let _ = stream.shutdown(Shutdown::Both);
        return None;
    }
    let content_length =
        if method == "HEAD" { String::new() } else { format!("Content-Length: {}\r\n", content.len()) };
    stream.write_all(format!("HTTP/1.1 {head}\r\n{content_length}\r\n{content}").as_bytes()).ok()
}

impl State {
    /// The status with which a request fails.
    fn failure(&mut self, method: &str, path: &str) -> Option<u16> {
        let is_it = |(known, part, _, left): &&mut (&str, &str, u16, usize)| {
            *known == method && path.contains(*part) && *left > 0
        };
        let (_, _, status, left) = self.failures.iter_mut().find(is_it)?;
        *left -= 1;
        Some(*status)
    }

    /// Status, headers, and the body.
    fn respond(&mut self, method: &str, target: &str, range: &str, body: Vec<u8>) -> Option<(String, String)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let name = path.rsplit('/').next()?;
        let upload = path.contains("/blobs/uploads/").then(|| name.parse::<usize>().ok()).flatten();
        let plain = |head: &str| Some((head.to_owned(), String::new()));
        match (method, upload) {
            ("POST", _) if let Some((port, storage)) = &self.storage => {
                let mut storage = lock(storage);
                storage.uploads.push(Vec::new());
                plain(&format!("202 Accepted\r\nLocation: http://localhost:{port}{path}{}", storage.uploads.len() - 1))
            }
            ("POST", _) => {
                self.uploads.push(Vec::new());
                plain(&format!("202 Accepted\r\nLocation: {path}{}", self.uploads.len() - 1))
            }
            ("PATCH", _) if !self.takes_parts => plain("405 Method Not Allowed"),
            ("PATCH", Some(id)) => {
                let has = self.uploads.get_mut(id)?;
                let from = range.split('-').next().and_then(|from| from.parse().ok()).unwrap_or(0);
                if from != has.len() {
                    return plain("416 Range Not Satisfiable");
                }
                has.extend_from_slice(&body);
                plain(&format!("202 Accepted\r\nLocation: {path}\r\nRange: 0-{}", has.len().saturating_sub(1)))
            }
            ("GET", Some(id)) => {
                let has = self.uploads.get(id)?.len();
                plain(&format!("204 No Content\r\nLocation: {path}\r\nRange: 0-{}", has.saturating_sub(1)))
            }
            ("PUT", Some(id)) => {
                let has = self.uploads.get_mut(id)?;
                has.extend_from_slice(&body);
                let digest = sha256(has);
                if !query.contains(&digest.replace(':', "%3A")) {
                    return plain("400 Bad Request");
                }
                let has = std::mem::take(has);
                let (repository, _) = path.split_once("/blobs/uploads/")?;
                let place = format!("201 Created\r\nLocation: {repository}/blobs/{digest}");
                self.blobs.insert(digest, has);
                plain(&place)
            }
            ("PUT", None) => {
                let place = format!(
                    "201 Created\r\nLocation: {}/{}",
                    path.strip_suffix(name)?.trim_end_matches('/'),
                    sha256(&body)
                );
                self.manifests.insert(name.to_owned(), body);
                plain(&place)
            }
            ("HEAD", _) => match self.blobs.get(name) {
                Some(blob) => plain(&format!("200 OK\r\nContent-Length: {}", blob.len())),
                None => plain("404 Not Found\r\nContent-Length: 0"),
            },
            _ => plain("404 Not Found"),
        }
    }
}
