//! One HTTP request on one connection to the engine, and its response.
//!
//! Engines are mostly local, on a socket, so a connection for each request costs nothing. Dropping a response closes
//! its connection, which makes the engine cancel the build.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jetway::http::tls_problem;
use jetway::{Advise as _, Interrupt, Result};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::engine::failure::engine_error;

/// The connect timeout.
const CONNECT: Duration = Duration::from_secs(15);

/// The timeout for requests that need no work: ping, inspect, tag.
pub(crate) const PROMPTLY: Duration = Duration::from_secs(30);

/// The largest response that is read into memory, in bytes.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request without a body.
pub(crate) fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that another task sends in pieces; it ends when the sender is dropped.
pub(crate) struct Pieces(pub(crate) mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Makes a TLS error readable; returns other errors unchanged.
fn in_words(error: jetway::Error) -> jetway::Error {
    match tls_problem(error.as_ref()) {
        Some(problem) => anyhow!(problem).hint(
            "if the engine uses its own CA or client certificates, set `ca_cert`, `client_cert` and `client_key` in `docker_host`",
        ),
        None => error,
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The engine's address.
#[derive(Clone)]
pub(crate) enum Endpoint {
    /// A local socket.
    Unix(PathBuf),
    /// A remote host, with TLS if there is a configuration.
    Tcp { host: String, port: u16, tls: Option<Arc<ClientConfig>> },
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Endpoint({self})")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => write!(formatter, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(formatter, "tcp://{host}:{port}"),
        }
    }
}

impl Endpoint {
    async fn open(&self) -> Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match tls {
                    None => Box::new(stream),
                    Some(config) => {
                        let name = ServerName::try_from(host.clone()).context("its host name is not valid for TLS")?;
                        Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
                    }
                }
            }
        })
    }

    /// Sends a request on a new connection. `limit` is the timeout for the response's headers, if the request needs no
    /// long work.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
        limit: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<EngineResponse> {
        let connect = async {
            let stream = timeout(CONNECT, self.open()).await;
            let stream = stream.map_err(|_| anyhow!("no connection after {} s", CONNECT.as_secs()))??;
            Ok::<_, jetway::Error>(http1::handshake(TokioIo::new(stream)).await?)
        };
        let exchange = async {
            let (mut sender, connection) = connect
                .await
                .map_err(in_words)
                .with_context(|| format!("cannot connect to the container engine at `{self}`"))?;
            let connection = tokio::spawn(async move {
                // The request itself returns the connection's error.
                let _ = connection.with_upgrades().await;
            });
            let connection = Connection(connection.abort_handle());
            let response = within(limit, sender.send_request(request)).await;
            // With TLS 1.3 an engine rejects our certificate only now.
            let response = response.and_then(|response| response.map_err(|error| in_words(error.into())));
            let response = response.with_context(|| format!("the container engine at `{self}` did not respond"))?;
            Ok(EngineResponse { response, connection })
        };
        tokio::select! {
            interrupted = interrupt.wait() => Err(interrupted.into()),
            answer = exchange => answer,
        }
    }
}

/// Waits for the work, with a timeout if `limit` is set.
async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Result<T> {
    match limit {
        Some(limit) => timeout(limit, work).await.map_err(|_| anyhow!("no response after {} s", limit.as_secs_f32())),
        None => Ok(work.await),
    }
}

/// A connection that is closed on drop.
#[derive(Debug)]
pub(crate) struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The engine's response.
pub(crate) struct EngineResponse {
    pub(crate) response: Response<Incoming>,
    connection: Connection,
}

impl EngineResponse {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns the response, or the engine's error if the status is no success.
    pub(crate) async fn success(self, what: &str, interrupt: &Interrupt) -> Result<Self> {
        let status = self.response.status();
        if status.is_success() || status.is_informational() {
            return Ok(self);
        }
        let body = self.whole(interrupt).await.unwrap_or_default();
        let message = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_else(|| String::from_utf8_lossy(&body).chars().take(300).collect());
        Err(engine_error(message.trim()).context(format!("{what}: the container engine answered {status}")))
    }

    /// The raw connection, after the engine has agreed to another protocol.
    pub(crate) async fn upgrade(self) -> Result<(hyper::upgrade::Upgraded, Connection)> {
        let upgraded =
            hyper::upgrade::on(self.response).await.context("the container engine does not upgrade the connection")?;
        Ok((upgraded, self.connection))
    }

    /// Reads a small response, with a timeout.
    pub(crate) async fn whole(self, interrupt: &Interrupt) -> Result<Vec<u8>> {
        within(Some(PROMPTLY), self.read(interrupt)).await?
    }

    async fn read(self, interrupt: &Interrupt) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        let mut body = self.response.into_body();
        while let Some(piece) = next_piece(&mut body, interrupt).await? {
            whole.extend_from_slice(&piece);
            if whole.len() > MAX_RESPONSE_BYTES {
                return Err(anyhow!("the response is larger than {} MiB", MAX_RESPONSE_BYTES / 1024 / 1024));
            }
        }
        Ok(whole)
    }

    /// Passes each JSON message of a stream to `take`, as it arrives.
    pub(crate) async fn messages(self, interrupt: &Interrupt, mut take: impl FnMut(Value) -> Result<()>) -> Result<()> {
        let mut pending: Vec<u8> = Vec::new();
        let mut body = self.response.into_body();
        loop {
            let piece = next_piece(&mut body, interrupt).await?;
            let ended = piece.is_none();
            // Only the new bytes can hold a newline.
            let mut searched = pending.len();
            pending.extend_from_slice(&piece.unwrap_or_default());
            while let Some(end) = pending.iter().skip(searched).position(|byte| *byte == b'\n') {
                let rest = pending.split_off(searched + end + 1);
                let line = std::mem::replace(&mut pending, rest);
                searched = 0;
                take_line(&line, &mut take)?;
            }
            if ended {
                return take_line(&pending, &mut take);
            }
            if pending.len() > MAX_RESPONSE_BYTES {
                return Err(anyhow!(
                    "a message of the container engine is larger than {} MiB",
                    MAX_RESPONSE_BYTES / 1024 / 1024
                ));
            }
        }
    }
}

fn take_line(line: &[u8], take: &mut impl FnMut(Value) -> Result<()>) -> Result<()> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    take(serde_json::from_slice(line).context("cannot parse a message of the container engine")?)
}

async fn next_piece(body: &mut Incoming, interrupt: &Interrupt) -> Result<Option<Bytes>> {
    loop {
        let frame = tokio::select! {
            interrupted = interrupt.wait() => return Err(interrupted.into()),
            frame = body.frame() => frame,
        };
        match frame {
            None => return Ok(None),
            Some(frame) => {
                let frame = frame
                    .context("the container engine's response was cut off")
                    .hint("the engine may have stopped or restarted; see its log")?;
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A short name for the type of a stored future.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fails_when_engine_sends_no_response() {
        let house = tempfile::tempdir().unwrap();
        let socket = house.path().join("engine.sock");
        // The kernel accepts connections, but the test reads none.
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let mut request = Request::new(nothing());
        *request.uri_mut() = "/_ping".parse().unwrap();
        let limit = Some(Duration::from_millis(50));
        let sent = Endpoint::Unix(socket).send(request, limit, &Interrupt::default()).await;
        let problem = format!("{:#}", sent.err().expect("nobody answers"));
        assert!(problem.contains("did not respond: no response after 0.05 s"), "{problem}");
    }
}
