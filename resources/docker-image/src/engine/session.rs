//! BuildKit's session: a connection on which the engine requests, by gRPC, what a build needs from the client.
//!
//! The engine upgrades the connection of `POST /session`. From then on it is the client, and we serve HTTP/2: files
//! ([`sync`]), secrets, registry credentials, an ssh agent. The services are those of BuildKit's `session` packages; a
//! service that the build does not offer is not announced. See <https://github.com/moby/buildkit/tree/master/session>.

mod call;
pub(crate) mod offer;
mod sync;

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioExecutor;
use jetway::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::engine::connection::{Body, Boxed, Connection, PROMPTLY, Pieces, nothing};
use crate::engine::protobuf::{Fields, Message};
use crate::engine::session::call::{Calls, NOT_FOUND, Sender, Status, UNIMPLEMENTED};
use crate::engine::session::offer::{AGENT, CREDENTIALS, FILES, FORWARD, HEALTH, Offer, SECRET};
use crate::engine::{Engine, RegistryLogin};

/// The capacity of the queue of outgoing messages.
const AHEAD: usize = 8;

/// The size of the buffer for an agent's response, in bytes.
const PIECE: usize = 32 * 1024;

/// An open session; it is closed on drop.
pub(crate) struct Session {
    /// The session's id in the build request.
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
        let answer = answer.context("the container engine did not open a session; check that it supports BuildKit")?;
        let (upgraded, connection) = answer.upgrade().await?;
        let offer = Arc::new(offer);
        let server = tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer_call(Arc::clone(&offer), request);
                async { Ok::<_, Infallible>(response) }
            });
            // The engine closes the session when the build has ended or failed.
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

/// A unary call.
async fn single(offer: Arc<Offer>, path: String, mut calls: Calls, sender: Sender) -> Result<(), Status> {
    let request = calls.next().await?.unwrap_or_default();
    // The first field of most requests is a name.
    let name = Fields(&request).get(1).text();
    let answer = match path.as_str() {
        HEALTH => Message::default().number(1, 1),
        CREDENTIALS => match offer.login(&name) {
            Some(RegistryLogin::Password { user, password }) => {
                Message::default().bytes(1, user.as_bytes()).bytes(2, password.expose().as_bytes())
            }
            // A token has no user.
            Some(RegistryLogin::Identity(token)) => Message::default().bytes(2, token.expose().as_bytes()),
            None => Message::default(),
        },
        SECRET => {
            let secret = offer.secrets.get(&name);
            let missing = || Status { code: NOT_FOUND, message: format!("`secrets` has no secret `{name}`") };
            Message::default().bytes(1, secret.ok_or_else(missing)?.expose().as_bytes())
        }
        AGENT => {
            offer.agent(&name)?;
            Message::default()
        }
        _ => return Err(Status { code: UNIMPLEMENTED, message: format!("`{path}` is not available") }),
    };
    Ok(sender.send(&answer.into_bytes()).await?)
}

/// Copies bytes between the builder and an agent, until either side closes.
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
