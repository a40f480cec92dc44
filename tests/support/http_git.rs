//! A git server over smart HTTP that records requests and injects faults on demand.
//!
//! `git http-backend` handles git's requests, with bodies streamed both ways, so that tests measure and disturb a real
//! server. The 401 without a login follows RFC 7617 (2). Requests of git-lfs are handled by [`lfs`]. Each test starts its own server.

mod backend;
mod body;
mod faults;
mod lfs;
mod log;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use base64::Engine as _;
use hyper::header::{AUTHORIZATION, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::body::{Body, Manner};
pub use self::faults::Fault;
use self::faults::Faults;
use self::log::Log;
pub use self::log::LoggedRequest;

/// A running server. It stops, with every `git` that it started, when it is dropped.
pub struct HttpGit {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The configuration of a server.
#[must_use = "nothing is served before `start`"]
pub struct Builder {
    root: PathBuf,
    credentials: Option<(String, String)>,
}

struct State {
    root: PathBuf,
    /// The user's name, and the only `Authorization` header that is accepted.
    credentials: Option<(String, String)>,
    log: Log,
    faults: Mutex<Faults>,
}

impl HttpGit {
    /// Serves every repository below `root` without authentication, for reading and writing.
    pub fn serve(root: &Path) -> Self {
        Self::builder(root).start()
    }

    /// Configures a server before it starts.
    pub fn builder(root: &Path) -> Builder {
        Builder { root: root.to_owned(), credentials: None }
    }

    /// The URL of a repository: its path below the server's root.
    pub fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}", self.address)
    }

    /// The URL with credentials in it, as some pipelines use it.
    pub fn url_with_credentials(&self, repository: &str, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}/{repository}", self.address)
    }

    /// The server's port on loopback.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request since the start or the last [`reset`](Self::reset), in the order of arrival.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.state.log.requests()
    }

    /// The requests whose path and query contain `part`: `info/refs`, `git-upload-pack`, a repository's name.
    pub fn requests_to(&self, part: &str) -> Vec<LoggedRequest> {
        self.requests().into_iter().filter(|seen| seen.target.contains(part)).collect()
    }

    /// The number of accepted connections since the start or the last reset.
    pub fn connections(&self) -> usize {
        self.state.log.connections()
    }

    /// The total size of all bodies sent to clients, in bytes.
    pub fn bytes_sent(&self) -> u64 {
        self.requests().iter().map(|seen| seen.sent).sum()
    }

    /// The total size of all bodies that clients sent, in bytes.
    pub fn bytes_received(&self) -> u64 {
        self.requests().iter().map(|seen| seen.received).sum()
    }

    /// Clears the recorded requests and connections. Faults stay.
    pub fn reset(&self) {
        self.state.log.reset();
    }

    /// Applies a fault to the next request.
    pub fn fail_next(&self, fault: Fault) {
        self.fail(1, "", fault);
    }

    /// Applies a fault to the next `times` requests whose path and query contain `part` (all, if it is empty). Faults apply in the
    /// order in which they were added.
    pub fn fail(&self, times: usize, part: &str, fault: Fault) {
        self.faults().add(0, Some(times), part, fault);
    }

    /// Applies a fault to one request whose path and query contain `part`, after `skipped` such requests succeeded. (Of a fetch's
    /// requests that contain `upload-pack`, two list refs and the third one returns the pack.)
    pub fn fail_after(&self, skipped: usize, part: &str, fault: Fault) {
        self.faults().add(skipped, Some(1), part, fault);
    }

    /// Applies a fault to every request whose path and query contain `part`, until [`recover`](Self::recover).
    pub fn fail_always(&self, part: &str, fault: Fault) {
        self.faults().add(0, None, part, fault);
    }

    /// Removes all faults.
    pub fn recover(&self) {
        self.faults().clear();
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.state.faults.lock().expect("no request panicked")
    }
}

impl Builder {
    /// Requires this user and password.
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Starts the server on a port that the system picks.
    pub fn start(self) -> HttpGit {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind a port on loopback");
        listener.set_nonblocking(true).expect("make the listener asynchronous");
        let address = listener.local_addr().expect("the listener's address");
        let credentials = self.credentials.map(|(user, password)| {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            (user, format!("Basic {pair}"))
        });
        let state = Arc::new(State { root: self.root, credentials, log: Log::default(), faults: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("http-git".to_owned())
            .spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start a runtime");
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).expect("register the listener");
                    tokio::select! {
                        () = accept(listener, served) => {}
                        _ = stopped => {}
                    }
                });
                // Dropping the runtime drops the connections, and with them their process groups.
            })
            .expect("start the server's thread");
        HttpGit { address, state, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for HttpGit {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the HTTP server's thread panicked");
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        state.log.connected();
        // Many responses are small. Without TCP_NODELAY each waits for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(Arc::clone(&state), request));
            // A connection that the client or a fault cuts is part of the test, not an error of the server.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(state: Arc<State>, request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Infallible> {
    let entry = state.log.begin(&request);
    let fault = state.faults.lock().expect("no request panicked").take(entry.target());
    let manner = match fault {
        None => Manner::Plain,
        Some(Fault::Status { status, retry_after, body }) => {
            let mut response = Response::new(Body::text(body, &entry));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status of HTTP");
            if let Some(retry_after) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, retry_after.parse().expect("a header's value"));
            }
            return Ok(entry.answered(response));
        }
        Some(Fault::Redirect { to }) => {
            let mut response = Response::new(Body::text(String::new(), &entry));
            *response.status_mut() = StatusCode::FOUND;
            let location = format!("{}{}", to.trim_end_matches('/'), entry.target());
            response.headers_mut().insert(LOCATION, location.parse().expect("a header's value"));
            return Ok(entry.answered(response));
        }
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::StallAfter { bytes }) => Manner::StallAfter(bytes),
        Some(Fault::CutAfter { bytes }) => Manner::CutAfter(bytes),
        Some(Fault::Slow { first_byte, bytes_per_second }) => {
            tokio::time::sleep(first_byte).await;
            Manner::Slow(bytes_per_second)
        }
    };
    let user = match &state.credentials {
        None => None,
        Some((user, expected)) => {
            if request.headers().get(AUTHORIZATION).is_none_or(|given| given != expected.as_str()) {
                let mut response = Response::new(Body::text("who are you?\n".to_owned(), &entry));
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response
                    .headers_mut()
                    .insert(WWW_AUTHENTICATE, "Basic realm=\"fixture\"".parse().expect("a header's value"));
                return Ok(entry.answered(response));
            }
            Some(user.as_str())
        }
    };
    if let Some(lfs_request) = lfs::LfsRequest::of(&request) {
        let response = lfs::answer(&state.root, lfs_request, request, &entry).await;
        return Ok(entry.answered(response));
    }
    let response = backend::run(&state.root, user, request, &entry, manner).await.unwrap_or_else(|error| {
        let mut response = Response::new(Body::text(format!("git http-backend: {error}\n"), &entry));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    Ok(entry.answered(response))
}
