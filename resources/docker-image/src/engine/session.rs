//! BuildKit's session: a connection on which the engine asks us, by gRPC, for what a build needs and must not have beforehand.
//!
//! The engine hands out a connection for `POST /session`, and from then on it is the client and we serve HTTP/2 on it: files
//! ([`sync`]), secrets, credentials of registries, an ssh agent. The services are those of BuildKit's `session` packages; what a build does not offer
//! is not announced, and not answered. See <https://github.com/moby/buildkit/tree/master/session>.

pub(crate) mod sync;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioExecutor;
use jetway::{Result, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::connection::{Body, Boxed, Connection, PROMPTLY, Pieces, nothing};
use super::protobuf::{Fields, Message};
use super::{Engine, RegistryLogin};

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const AGENT: &str = "/moby.sshforward.v1.SSH/CheckAgent";
const FORWARD: &str = "/moby.sshforward.v1.SSH/ForwardAgent";

/// gRPC's codes, as far as they are answered here.
const NOT_FOUND: u8 = 5;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;

/// The largest message that is taken, in bytes. BuildKit's own limit is 16 MiB.
const LARGEST: usize = 16 * 1024 * 1024;

/// How many messages may wait to be sent.
const AHEAD: usize = 8;

/// How much of an agent's answer is passed on at once, in bytes.
const PIECE: usize = 32 * 1024;

/// What a build may ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offer {
    /// Directories by the name that the builder has for them: `context`, `dockerfile`.
    pub(crate) directories: BTreeMap<&'static str, sync::Directory>,
    /// Secrets by their ids.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Sockets of ssh agents by their ids.
    pub(crate) agents: BTreeMap<String, PathBuf>,
    /// Credentials by registry.
    pub(crate) logins: BTreeMap<String, RegistryLogin>,
}

impl Offer {
    fn methods(&self) -> Vec<&'static str> {
        let mut methods = vec![HEALTH, FILES, CREDENTIALS];
        if !self.secrets.is_empty() {
            methods.push(SECRET);
        }
        if !self.agents.is_empty() {
            methods.extend([AGENT, FORWARD]);
        }
        methods
    }
}

/// A session that is open; dropping it ends it.
pub(crate) struct Session {
    /// What the build names it by.
    pub(crate) id: String,
    _connection: Connection,
    server: tokio::task::AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Session {
    /// Opens a session for a build.
    pub(crate) async fn open(engine: &Engine, id: String, offer: Offer) -> Result<Self> {
        let mut request = engine.prepare(Method::POST, "/session", &Vec::new(), nothing(), &[])?;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
        for (name, value) in [("uuid", id.as_str()), ("name", "jetway"), ("sharedkey", "")] {
            let name = HeaderName::from_bytes(format!("x-docker-expose-session-{name}").as_bytes())?;
            headers.insert(name, HeaderValue::from_str(value)?);
        }
        for method in offer.methods() {
            headers.append("x-docker-expose-session-grpc-method", HeaderValue::from_static(method));
        }
        let answer = engine.endpoint.send(request, Some(PROMPTLY), &engine.interrupt).await?;
        let answer = answer.success("POST /session", &engine.interrupt).await;
        let answer = answer.context("the container engine opens no session; does it know BuildKit?")?;
        let (upgraded, connection) = answer.upgrade().await?;
        let offer = Arc::new(offer);
        let server = tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer_call(Arc::clone(&offer), request);
                async { Ok::<_, Infallible>(response) }
            });
            // The engine closes the session when the build is over, however it went.
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(upgraded, service).await;
        });
        Ok(Self { id, _connection: connection, server: server.abort_handle() })
    }
}

fn answer_call(offer: Arc<Offer>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let (sender, receiver) = mpsc::channel(AHEAD);
    let sender = Sender(sender);
    let calls = Calls { body, pending: BytesMut::new() };
    let call: Boxed<Result<(), Status>> = match path.as_str() {
        FILES => Box::pin(sync::serve(offer, parts.headers, calls, sender.clone())),
        FORWARD => Box::pin(forward(offer, parts.headers, calls, sender.clone())),
        _ => Box::pin(single(offer, path, calls, sender.clone())),
    };
    tokio::spawn(async move {
        let status = call.await.err().unwrap_or_default();
        sender.end(&status).await;
    });
    let mut response = Response::new(Pieces(receiver).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// How a call ended; well, by default.
#[derive(Debug, Default)]
pub(crate) struct Status {
    code: u8,
    message: String,
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

/// The messages of a call, as they come.
pub(crate) struct Calls {
    body: Incoming,
    pending: BytesMut,
}

impl Calls {
    /// The next message; `None` when the caller has said all.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            // A byte that says whether it is compressed, and four for the length.
            if let Some((header, _)) = self.pending.split_first_chunk::<5>() {
                let [compressed, length @ ..] = *header;
                let length = usize::try_from(u32::from_be_bytes(length))?;
                if compressed != 0 || length > LARGEST {
                    return Err(anyhow!("a message that is compressed or larger than {LARGEST} bytes"));
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

/// Where a call's answers go.
#[derive(Debug, Clone)]
pub(crate) struct Sender(mpsc::Sender<io::Result<Frame<Bytes>>>);

impl Sender {
    pub(crate) async fn send(&self, message: &[u8]) -> io::Result<()> {
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        let mut framed = BytesMut::with_capacity(5 + message.len());
        framed.extend_from_slice(&[0]);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        self.push(Frame::data(framed.freeze())).await
    }

    async fn end(&self, status: &Status) {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(u16::from(status.code)));
        if !status.message.is_empty()
            && let Ok(message) = HeaderValue::from_str(&super::percent_encoded(&status.message))
        {
            trailers.insert("grpc-message", message);
        }
        // Nobody is there to be told when the caller has gone.
        let _ = self.push(Frame::trailers(trailers)).await;
    }

    async fn push(&self, frame: Frame<Bytes>) -> io::Result<()> {
        self.0.send(Ok(frame)).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// A call with one message and one answer.
async fn single(offer: Arc<Offer>, path: String, mut calls: Calls, sender: Sender) -> Result<(), Status> {
    let request = calls.next().await?.unwrap_or_default();
    // What is asked for is mostly the first field, a name.
    let name = Fields(&request).get(1).text();
    let answer = match path.as_str() {
        HEALTH => Message::default().number(1, 1),
        CREDENTIALS => match offer.login(&name) {
            Some(RegistryLogin::Password { user, password }) => {
                Message::default().bytes(1, user.as_bytes()).bytes(2, password.expose().as_bytes())
            }
            // A token goes without a user.
            Some(RegistryLogin::Identity(token)) => Message::default().bytes(2, token.expose().as_bytes()),
            None => Message::default(),
        },
        SECRET => {
            let secret = offer.secrets.get(&name);
            let missing = || Status { code: NOT_FOUND, message: format!("no secret `{name}` in `secrets`") };
            Message::default().bytes(1, secret.ok_or_else(missing)?.expose().as_bytes())
        }
        AGENT => {
            offer.agent(&name)?;
            Message::default()
        }
        _ => return Err(Status { code: UNIMPLEMENTED, message: format!("`{path}` is not served") }),
    };
    Ok(sender.send(&answer.into_bytes()).await?)
}

impl Offer {
    fn login(&self, host: &str) -> Option<&RegistryLogin> {
        let (host, _) = crate::reference::registry_of(host).ok()?;
        self.logins
            .iter()
            .find(|(registry, _)| crate::reference::registry_of(registry).is_ok_and(|(registry, _)| registry == host))
            .map(|(_, login)| login)
    }

    fn agent(&self, id: &str) -> Result<&PathBuf, Status> {
        let id = if id.is_empty() { "default" } else { id };
        self.agents.get(id).ok_or_else(|| Status { code: NOT_FOUND, message: format!("no ssh agent `{id}` in `ssh`") })
    }
}

/// Passes bytes between the builder and an agent, until either has said all.
async fn forward(offer: Arc<Offer>, headers: HeaderMap, mut calls: Calls, sender: Sender) -> Result<(), Status> {
    let id = headers.get("buildkit.ssh.id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let agent = UnixStream::connect(offer.agent(id)?).await?;
    let (mut answers, mut questions) = agent.into_split();
    let ask = async {
        while let Some(message) = calls.next().await? {
            questions.write_all(Fields(&message).get(1).bytes()).await?;
        }
        questions.shutdown().await?;
        Ok::<_, jetway::Error>(())
    };
    let answer = async {
        let mut buffer = vec![0; PIECE];
        loop {
            let count = answers.read(&mut buffer).await?;
            if count == 0 {
                return Ok::<_, jetway::Error>(());
            }
            let piece = buffer.get(..count).unwrap_or_default();
            sender.send(&Message::default().bytes(1, piece).into_bytes()).await?;
        }
    };
    tokio::try_join!(ask, answer)?;
    Ok(())
}
