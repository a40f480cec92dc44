//! A client for the container engine's API: the few requests that a build needs.
//!
//! **Why not bollard** (0.21.1), which has all of that API. A put would lose each of these:
//! - Credentials: it encodes `X-Registry-Auth` with the alphabet of RFC 4648, section 4, while engines decode that of
//!   section 5. A password whose encoding has a `+` or `/` is refused.
//! - Push: the type of its messages has no `aux`, in which the engine reports the pushed digest, our version.
//! - Build: its options have one tag, one extra host, 32 bits for `memory` and `shm_size`, and neither `ulimits` nor
//!   the `buildid` that an abort cancels. It treats `BuildKit`'s reports as errors without its feature `buildkit`,
//!   which adds gRPC and 57 crates.
//! - Session: it serves only credentials, neither files nor secrets nor ssh agents.
//! - Bounds: it reads responses and messages of any length.
//!
//! That leaves ping, inspect and tag. So the requests are made here with the HTTP library of the suite's HTTP client,
//! and the [`session`] is served with that library's server, without an additional crate.

pub(crate) mod agent;
pub(crate) mod build_engine;
mod cgroups;
pub(crate) mod connection;
mod daemon;
pub mod error_texts;
pub(crate) mod failure;
pub(crate) mod protobuf;
pub(crate) mod session;
mod tunnel;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use jetway::{Advise as _, Interrupt, Result, Secret, percent_encode};
use serde_json::{Value, json};

use self::error_texts::is_refusal;
use self::failure::failure;
use connection::{Body, Endpoint, EngineResponse, PROMPTLY, nothing};

/// The newest supported API version. With older engines, the client uses the engine's version; newer engines still
/// support this version.
const NEWEST: (u32, u32) = (1, 47);

/// How long an engine may take to cancel a build after the verb was interrupted.
const LAST: Duration = Duration::from_secs(3);

/// A connected engine.
#[derive(Debug)]
pub(crate) struct Engine {
    endpoint: Endpoint,
    /// `/v1.41`.
    prefix: String,
    /// The engine's newest API version.
    api: (u32, u32),
    /// The engine's name and version: `Docker/26.1.5+dfsg1 (linux)`.
    name: String,
    /// Whether the engine's default builder is `BuildKit`.
    builds_by_buildkit: bool,
    interrupt: Interrupt,
}

/// The credentials that the engine sends to a registry.
#[derive(Debug, Clone)]
pub(crate) enum RegistryLogin {
    /// A user with a password.
    Password { user: String, password: Secret },
    /// An identity (refresh) token.
    Identity(Secret),
}

impl RegistryLogin {
    fn to_json(&self, registry: &str) -> Value {
        match self {
            Self::Password { user, password } => {
                json!({ "username": user, "password": password.expose(), "serveraddress": registry })
            }
            Self::Identity(token) => json!({ "identitytoken": token.expose(), "serveraddress": registry }),
        }
    }
}

/// The engine features that a build needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Features {
    /// The features that every engine has.
    #[default]
    Settled,
    /// Also the experimental features, which the engine must be started with.
    Experimental,
}

/// A query: keys and values, in order.
pub(crate) type Query = Vec<(&'static str, String)>;

impl Engine {
    /// Connects to an engine and asks for its version.
    pub(crate) async fn connect(endpoint: Endpoint, interrupt: Interrupt) -> Result<Self> {
        let mut engine = Self {
            endpoint,
            prefix: String::new(),
            api: NEWEST,
            name: String::new(),
            builds_by_buildkit: false,
            interrupt,
        };
        let request = engine.prepare(Method::GET, "/_ping", &Vec::new(), nothing(), &[])?;
        let response = engine.endpoint.send(request, Some(PROMPTLY), &engine.interrupt).await?;
        let version = response.header("api-version").and_then(api_version);
        let status = response.response.status();
        let no_engine = || anyhow!("the server at this address is not a container engine (status {status})");
        let api = version.ok_or_else(no_engine)?;
        let (major, minor) = api.min(NEWEST);
        let name = response.header("server").unwrap_or_default().to_owned();
        // `2` is BuildKit. Docker sends it since version 23; an older one has BuildKit too, but uses the classic
        // builder by default. See `SystemPing`:
        // <https://docs.docker.com/reference/api/engine/version/v1.45/#tag/System>
        let builds_by_buildkit = response.header("builder-version").is_some_and(|version| version.trim() == "2");
        response.success("GET /_ping", &engine.interrupt).await?;
        engine = Self { prefix: format!("/v{major}.{minor}"), api, name, builds_by_buildkit, ..engine };
        Ok(engine)
    }

    /// Whether the engine's default builder is `BuildKit`.
    pub(crate) fn builds_by_buildkit(&self) -> bool {
        self.builds_by_buildkit
    }

    /// Whether the engine's `BuildKit` is that of Docker 20.10 or older, without here-documents and `COPY --link`.
    pub(crate) fn has_old_buildkit(&self) -> bool {
        self.api < (1, 42)
    }

    /// The engine's name and version.
    pub(crate) fn name(&self) -> &str {
        if self.name.is_empty() { "unknown version" } else { &self.name }
    }

    /// Builds with the classic builder. `messages` gets the engine's progress messages.
    pub(crate) async fn build(
        &self,
        query: &Query,
        context: Body,
        logins: &BTreeMap<String, RegistryLogin>,
        messages: impl FnMut(Value) -> Result<()>,
    ) -> Result<()> {
        let config: serde_json::Map<String, Value> =
            logins.iter().map(|(registry, login)| (registry.clone(), login.to_json(registry))).collect();
        let headers = [("x-registry-config", encoded(&Value::Object(config))?)];
        let response = self.request(Method::POST, "/build", query, context, &headers).await?;
        response.messages(&self.interrupt, messages).await
    }

    /// Loads the images of an archive that `docker save` wrote.
    pub(crate) async fn load(&self, archive: Body, messages: impl FnMut(Value) -> Result<()>) -> Result<()> {
        let query = vec![("quiet", "1".to_owned())];
        let response = self.request(Method::POST, "/images/load", &query, archive, &[]).await?;
        response.messages(&self.interrupt, failing(messages)).await
    }

    /// Pulls an image from its registry.
    pub(crate) async fn pull(
        &self,
        image: &str,
        tag: &str,
        login: Option<&RegistryLogin>,
        messages: impl FnMut(Value) -> Result<()>,
    ) -> Result<()> {
        let query = vec![("fromImage", image.to_owned()), ("tag", tag.to_owned())];
        let response = self.request(Method::POST, "/images/create", &query, nothing(), &registry_auth(login)?).await?;
        response.messages(&self.interrupt, failing(messages)).await
    }

    /// Tags an image.
    pub(crate) async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let query = vec![("repo", repository.to_owned()), ("tag", tag.to_owned())];
        let path = format!("/images/{image}/tag");
        let request = self.prepare(Method::POST, &path, &query, nothing(), &[])?;
        let response = self.endpoint.send(request, Some(PROMPTLY), &self.interrupt).await?;
        response.success(&format!("POST {path}"), &self.interrupt).await.map(|_| ())
    }

    /// Pushes an image to its registry.
    pub(crate) async fn push(
        &self,
        repository: &str,
        tag: &str,
        login: Option<&RegistryLogin>,
        messages: impl FnMut(Value) -> Result<()>,
    ) -> Result<()> {
        let (path, query) = (format!("/images/{repository}/push"), vec![("tag", tag.to_owned())]);
        let mut headers = registry_auth(login)?;
        if headers.is_empty() {
            // The engine requires the header even without credentials.
            headers.push(("x-registry-auth", encoded(&json!({}))?));
        }
        let response = self.request(Method::POST, &path, &query, nothing(), &headers).await?;
        response.messages(&self.interrupt, failing(messages)).await
    }

    /// The id of an image, if the engine has it.
    pub(crate) async fn image_id(&self, image: &str) -> Result<Option<String>> {
        let path = format!("/images/{image}/json");
        let request = self.prepare(Method::GET, &path, &Vec::new(), nothing(), &[])?;
        let response = self.endpoint.send(request, Some(PROMPTLY), &self.interrupt).await?;
        if response.response.status() == hyper::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = response.success(&format!("GET {path}"), &self.interrupt).await?;
        let body: Value = serde_json::from_slice(&response.whole(&self.interrupt).await?)?;
        Ok(body.get("Id").and_then(Value::as_str).map(str::to_owned))
    }

    /// Cancels a BuildKit build, which may outlive the connection that started it.
    pub(crate) async fn cancel(&self, build: &str) -> Result<()> {
        let query = vec![("id", build.to_owned())];
        // The verb is already interrupted at this point, so the interrupt must not end this request.
        let request = self.prepare(Method::POST, "/build/cancel", &query, nothing(), &[])?;
        self.endpoint.send(request, Some(LAST), &Interrupt::default()).await.map(|_| ())
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Body,
        headers: &[(&'static str, String)],
    ) -> Result<EngineResponse> {
        let what = format!("{method} {path}");
        let request = self.prepare(method, path, query, body, headers)?;
        // No time limit: the work may take any time.
        self.endpoint.send(request, None, &self.interrupt).await?.success(&what, &self.interrupt).await
    }

    fn prepare(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Body,
        headers: &[(&'static str, String)],
    ) -> Result<Request<Body>> {
        let mut uri = format!("{}{path}", self.prefix);
        for (index, (key, value)) in query.iter().enumerate() {
            uri.push(if index == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            uri.push_str(&percent_encode(value, ""));
        }
        let mut request = Request::new(body);
        *request.uri_mut() = uri.parse().context("the request to the container engine is too long")?;
        *request.method_mut() = method;
        request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value)?;
            value.set_sensitive(true);
            request.headers_mut().append(*name, value);
        }
        Ok(request)
    }
}

/// Passes messages on until one reports a failure.
fn failing(mut messages: impl FnMut(Value) -> Result<()>) -> impl FnMut(Value) -> Result<()> {
    move |message| match failure(&message) {
        Some(error) => Err(if is_refusal(&error.to_string().to_lowercase()) {
            error.hint("check that `username` and `password` are valid for the registry and have the required access")
        } else {
            error
        }),
        None => messages(message),
    }
}

fn registry_auth(login: Option<&RegistryLogin>) -> Result<Vec<(&'static str, String)>> {
    login.map(|login| Ok(("x-registry-auth", encoded(&login.to_json(""))?))).into_iter().collect()
}

fn encoded(value: &Value) -> Result<String> {
    Ok(URL_SAFE.encode(serde_json::to_vec(value)?))
}

fn api_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
