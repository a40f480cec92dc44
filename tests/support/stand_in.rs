//! An HTTP server for stand-ins: it passes each request to a function, records it, and injects faults on demand.
//!
//! Each connection has a thread with blocking sockets, so that any point can be cut. As HTTP/1.1 has it (RFC 9112, 9.3), a connection
//! serves requests until one of the two sides closes it. Nothing is compressed: the HTTP client of the resources sends no
//! `Accept-Encoding`, so that no service would compress its answers (RFC 9110, 12.5.3).

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};
use serde_json::Value;

use crate::certificates::{Authority, Identity};

/// A recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// `GET`, `POST`...
    pub method: String,
    /// The path and query as they were sent.
    pub target: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers besides `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A fault to inject in place of, or in addition to, a good response.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Sends this response without processing the request.
    Response(Response),
    /// Closes the connection instead of reading the request.
    CutBefore,
    /// Processes the request, then closes the connection without a response.
    CutAfter,
    /// Processes the request and never responds.
    Stall,
    /// Sends a good response after a delay.
    Slow(Duration),
    /// Sends a good response and closes the connection after this many bytes of the body.
    CutBody(usize),
    /// Sends a good response and stalls after this many bytes of the body.
    StallBody(usize),
    /// Sends a good response with its body even to a HEAD, which must not have one (RFC 9110, 9.3.2).
    BodyToHead,
}

/// A running server. It stops when it is dropped.
pub struct StandIn {
    address: SocketAddr,
    authority: Option<String>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

type Handler = dyn Fn(&RecordedRequest) -> Response + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    tls: Option<Arc<ServerConfig>>,
    requests: Mutex<Vec<RecordedRequest>>,
    faults: Mutex<Vec<Fault>>,
    connections: AtomicUsize,
    ends: AtomicBool,
}

impl RecordedRequest {
    /// The path without the query, as it was sent.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The segments of the path, each decoded.
    pub fn parts(&self) -> Vec<String> {
        self.path().trim_start_matches('/').split('/').map(decoded).collect()
    }

    /// A value of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        field(query, name)
    }

    /// A value of a form in the body, decoded.
    pub fn form(&self, name: &str) -> Option<String> {
        field(&String::from_utf8_lossy(&self.body), name)
    }

    /// All fields of a form in the body, decoded.
    pub fn fields(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.body);
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let plain = |text: &str| decoded(&text.replace('+', " "));
        pairs.map(|(name, value)| (plain(name), plain(value))).collect()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not valid JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Response {
    /// Plain text, with the type that Go's `http.Error` gives it (<https://pkg.go.dev/net/http#Error>): most servers here are written in Go.
    /// An empty body has no type.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        if body.is_empty() {
            return Self { status, headers: Vec::new(), body: Vec::new() };
        }
        Self::bytes(status, "text/plain; charset=utf-8", body)
    }

    /// Bytes.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body: body.into() }
    }

    /// JSON, with the type that GitHub (`github/recordings.json`), Slack (errbotio/err-backend-slackv3 pull request 11) and CNCF's registry
    /// (moby/moby issue 17317) send.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// The same with a chunked body (RFC 9112, 7.1) instead of `Content-Length`.
    #[must_use]
    pub fn chunked(self) -> Self {
        self.with("Transfer-Encoding", "chunked")
    }

    /// The same without a length: the body ends with the connection (RFC 9112, 6.3).
    #[must_use]
    pub fn until_close(self) -> Self {
        self.with("Connection", "close")
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl StandIn {
    /// Starts a server on a port that the system picks.
    pub fn start(handler: impl Fn(&RecordedRequest) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(IpAddr::V4(Ipv4Addr::LOCALHOST), Box::new(handler), None)
    }

    /// Starts a server on `[::1]`.
    pub fn start_ipv6(handler: impl Fn(&RecordedRequest) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(IpAddr::V6(Ipv6Addr::LOCALHOST), Box::new(handler), None)
    }

    /// Starts a TLS server with a certificate for `localhost`, signed by its own CA.
    pub fn start_tls(handler: impl Fn(&RecordedRequest) -> Response + Send + Sync + 'static) -> Self {
        Self::start_tls_for("localhost", handler)
    }

    /// Starts a TLS server with a certificate for another name.
    pub fn start_tls_for(name: &str, handler: impl Fn(&RecordedRequest) -> Response + Send + Sync + 'static) -> Self {
        let authority = Authority::new();
        Self::start_tls_with(authority.pem(), &authority.server(&[name]), handler)
    }

    /// Starts a TLS server with a certificate of this CA, whose own certificate is in PEM form.
    pub fn start_tls_with(
        authority: &str,
        identity: &Identity,
        handler: impl Fn(&RecordedRequest) -> Response + Send + Sync + 'static,
    ) -> Self {
        let config = tls(identity);
        let mut server = Self::serve(IpAddr::V4(Ipv4Addr::LOCALHOST), Box::new(handler), Some(Arc::new(config)));
        server.authority = Some(authority.to_owned());
        server
    }

    fn serve(host: IpAddr, handler: Box<Handler>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("bind a port on loopback");
        let address = listener.local_addr().expect("the listener's address");
        let shared = Arc::new(Shared {
            handler,
            tls,
            requests: Mutex::default(),
            faults: Mutex::default(),
            connections: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ends.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), served) = (stream, Arc::clone(&served)) else { continue };
                served.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || served.accepted(&stream));
            }
        });
        Self { address, authority: None, shared, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`, without a trailing slash.
    pub fn url(&self) -> String {
        match self.authority {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The CA of its certificate, in PEM form.
    ///
    /// # Panics
    /// If it serves plain HTTP.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().expect("a server over TLS")
    }

    /// Every request since the start, in the order of arrival.
    pub fn recorded_requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// The bodies of the requests with this method to a path that contains `part`.
    pub fn bodies(&self, method: &str, part: &str) -> Vec<Value> {
        let requests = lock(&self.shared.requests);
        let matching = requests.iter().filter(|request| request.method == method && request.target.contains(part));
        matching.map(RecordedRequest::json).collect()
    }

    /// The number of accepted connections.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Queues a fault for the next request that no queued fault applies to.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the listener, which checks the stop flag only after a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn accepted(&self, stream: &TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_mins(1)));
        // Many responses are small. Without TCP_NODELAY each waits for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.serve(&mut &*stream, stream),
            Some(config) => {
                let Ok(connection) = ServerConnection::new(Arc::clone(config)) else { return };
                self.serve(&mut StreamOwned::new(connection, stream), stream);
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
    }

    /// Responds to the requests of a connection; `socket` is the TCP socket below `stream`.
    fn serve(&self, stream: &mut (impl Read + Write), socket: &TcpStream) {
        let mut reader = BufReader::new(stream);
        // A fault belongs to the next request, and not to a connection that a client opens and does not use.
        while reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
            let fault = {
                let mut faults = lock(&self.faults);
                if faults.is_empty() { None } else { Some(faults.remove(0)) }
            };
            if matches!(fault, Some(Fault::CutBefore)) || self.ends.load(Ordering::SeqCst) {
                let _ = socket.shutdown(Shutdown::Both);
                return;
            }
            let Some(request) = read(&mut reader) else { return };
            if self.answer(&request, reader.get_mut(), socket, fault.as_ref()) == Last::Yes {
                return;
            }
        }
    }

    /// Responds to one request, and says whether it was the last one of its connection.
    fn answer(
        &self,
        request: &RecordedRequest,
        stream: &mut impl Write,
        socket: &TcpStream,
        fault: Option<&Fault>,
    ) -> Last {
        lock(&self.requests).push(request.clone());
        let answer = match fault {
            Some(Fault::Response(answer)) => answer.clone(),
            Some(Fault::CutAfter) => {
                (self.handler)(request);
                let _ = socket.shutdown(Shutdown::Both);
                return Last::Yes;
            }
            Some(Fault::Stall) => {
                (self.handler)(request);
                self.stand_still(socket);
                return Last::Yes;
            }
            Some(Fault::Slow(time)) => {
                std::thread::sleep(*time);
                (self.handler)(request)
            }
            Some(Fault::CutBefore | Fault::CutBody(_) | Fault::StallBody(_) | Fault::BodyToHead) | None => {
                (self.handler)(request)
            }
        };
        let most = match fault {
            Some(Fault::CutBody(most) | Fault::StallBody(most)) => *most,
            // A response to HEAD has no body.
            _ if request.method == "HEAD" && !matches!(fault, Some(Fault::BodyToHead)) => 0,
            _ => usize::MAX,
        };
        let last = if closes(&request.headers) { Last::Yes } else { Last::No };
        write(stream, &answer, most, last);
        if matches!(fault, Some(Fault::StallBody(_))) {
            self.stand_still(socket);
        }
        let is_cut = matches!(fault, Some(Fault::CutBody(_) | Fault::StallBody(_)));
        if is_cut || closes(&answer.headers) { Last::Yes } else { last }
    }

    /// Sends nothing until the client disconnects or the test ends.
    fn stand_still(&self, socket: &TcpStream) {
        while !self.ends.load(Ordering::SeqCst) && socket.peek(&mut [0]).is_ok_and(|bytes| bytes > 0) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The TLS configuration for a certificate.
fn tls(identity: &Identity) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key")
}

/// Whether a request is the last one of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

/// Whether the headers close the connection (RFC 9112, 9.6).
fn closes(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close"))
}

fn read(reader: &mut impl BufRead) -> Option<RecordedRequest> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = RecordedRequest { method, target, headers, body: Vec::new() };
    if request.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        request.body = chunks(reader)?;
        return Some(request);
    }
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    reader.by_ref().take(length).read_to_end(&mut request.body).ok()?;
    (request.body.len() as u64 == length).then_some(request)
}

/// Reads a chunked body.
fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = u64::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        let before = body.len() as u64;
        reader.by_ref().take(length).read_to_end(&mut body).ok()?;
        // The newline after a chunk, or after the last one.
        reader.read_line(&mut String::new()).ok()?;
        if length == 0 || (body.len() as u64) < before + length {
            return (length == 0).then_some(body);
        }
    }
}

/// Sends a response, with at most `most` bytes of its body. A server that a client asks to close the connection says that it does
/// (RFC 9112, 9.6).
fn write(stream: &mut impl Write, answer: &Response, most: usize, last: Last) {
    let mut text = format!("HTTP/1.1 {} x\r\n", answer.status);
    if last == Last::Yes {
        text.push_str("Connection: close\r\n");
    }
    let has = |name: &str| answer.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let is_chunked = has("transfer-encoding");
    // RFC 9110 (8.6): 204 has no length, and that of 304 would be the length of the 200.
    if ![204, 304].contains(&answer.status) && !is_chunked && !closes(&answer.headers) {
        write!(text, "Content-Length: {}\r\n", answer.body.len()).expect("text takes everything");
    }
    for (name, value) in &answer.headers {
        for piece in [name, ": ", value, "\r\n"] {
            text.push_str(piece);
        }
    }
    text.push_str("\r\n");
    let body = match most {
        0 => Vec::new(),
        most if is_chunked => in_chunks(&answer.body, most),
        most => answer.body[..answer.body.len().min(most)].to_vec(),
    };
    // A client may disconnect as part of the test, so errors are ignored.
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&body)).and_then(|()| stream.flush());
}

/// A body in small chunks, without its end if it has more than `most` bytes.
fn in_chunks(body: &[u8], most: usize) -> Vec<u8> {
    let mut chunked = Vec::new();
    for chunk in body[..body.len().min(most)].chunks(1000) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    if body.len() <= most {
        chunked.extend_from_slice(b"0\r\n\r\n");
    }
    chunked
}

fn field(text: &str, name: &str) -> Option<String> {
    let pair = text.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| decoded(known) == name);
    pair.map(|(_, value)| decoded(&value.replace('+', " ")))
}

/// Percent-decodes `text`.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Vec<u8> = if byte == b'%' { rest.clone().take(2).collect() } else { Vec::new() };
        let value = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (Some(value), 2) = (value, digits.len()) {
            bytes.push(value);
            rest.nth(1);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
