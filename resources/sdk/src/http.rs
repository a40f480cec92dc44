//! HTTP for resource types: one client that knows the system's certificates, proxies, redirects, rate limits and signals.
//!
//! [`crate::Context::http`] makes an [`HttpClient`]; its requests are built and sent like this:
//!
//! ```no_run
//! # async fn example(context: &jetway::Context, token: jetway::Secret) -> jetway::Result<()> {
//! use jetway::http::{HttpSettings, StatusCode, StatusError};
//!
//! let client = context.http(HttpSettings::default())?;
//! let state: serde_json::Value = client.get("https://api.example/state").bearer(&token).send().await?.json().await?;
//! let made = client.post("https://api.example/state").bearer(&token).json(&state).send().await;
//! if let Err(error) = &made
//!     && let Some(answer) = error.downcast_ref::<StatusError>()
//!     && answer.status() == StatusCode::CONFLICT
//! {
//!     context.console().step("somebody else was faster");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A request is tried again, within the bounds of [`Retry`], when that cannot do anything twice:
//!
//! | what happened | tried again |
//! |---|---|
//! | no connection (name, refused, time-out) | always: nothing was sent |
//! | connection cut or silent before the whole answer's head came | GET, HEAD, OPTIONS, PUT, DELETE |
//! | 429; 403 that says it is a rate limit; 503 with `Retry-After` | always: the server says that it did nothing |
//! | 408, 499, 500, 502, 504, 522; 503 without `Retry-After` | GET, HEAD, OPTIONS, PUT, DELETE |
//!
//! [`HttpRequest::repeatable`] puts another request among those that may be done twice. A certificate that is not
//! trusted, and anything else that will be the same next time, is an error at once. Once the head of an answer is there
//! its body is the caller's: a download that is cut is resumed by [`HttpRequest::resume_at`].

mod failure;
mod provider;
mod proxy_relay;
mod redirect;
mod request;
mod response;
mod retry;
mod settings;
mod shown;
mod tls_error;
mod trust;
mod upload;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;

pub use bytes::Bytes;
pub use reqwest::header::{self, HeaderMap};
pub use reqwest::{Method, StatusCode, Url};

pub use failure::{StatusError, TimeoutKeys, TransportError, TransportKind, tls_problem};
pub use proxy_relay::ProxyRelay;
pub use redirect::Redirects;
pub use request::HttpRequest;
pub use response::HttpResponse;
pub use retry::{Again, Retry, after_answer, is_transient};
pub use settings::{Authorities, ClientCertificate, HttpSettings, Proxies, authority_problem};

use crate::console::Console;
use crate::error::Result;
use crate::interrupt::Interrupt;
use settings::Surroundings;

/// An HTTP client. Clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

struct Shared {
    settings: HttpSettings,
    surroundings: Surroundings,
    user_agent: String,
    console: Console,
    interrupt: Interrupt,
    client: reqwest::Client,
    /// The client without the client certificate, for redirects to other hosts.
    stranger: OnceLock<reqwest::Client>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpClient").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl HttpClient {
    pub(crate) fn new(
        settings: HttpSettings,
        user_agent: String,
        console: Console,
        interrupt: Interrupt,
    ) -> Result<Self> {
        let surroundings = Surroundings::from_environment();
        for password in settings.hidden_secrets().into_iter().chain(surroundings.proxy_passwords()) {
            console.redactor().add(&password);
        }
        if let Some(problem) = surroundings.trust.problem() {
            console.warn(problem);
        }
        let client = build(&settings, &surroundings, &user_agent, Identity::Shown)?;
        let stranger = OnceLock::new();
        Ok(Self {
            shared: Arc::new(Shared { settings, surroundings, user_agent, console, interrupt, client, stranger }),
        })
    }

    /// A GET.
    pub fn get(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::GET, url)
    }

    /// A HEAD: an answer without its body.
    pub fn head(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::HEAD, url)
    }

    /// A POST.
    pub fn post(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::POST, url)
    }

    /// A PUT.
    pub fn put(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::PUT, url)
    }

    /// A PATCH.
    pub fn patch(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::PATCH, url)
    }

    /// A DELETE.
    pub fn delete(&self, url: impl AsRef<str>) -> HttpRequest {
        self.request(Method::DELETE, url)
    }

    /// Any other request. A user and password inside the URL become a Basic header; a URL that is none is an error
    /// when the request is sent.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> HttpRequest {
        HttpRequest::new(self.clone(), method, url.as_ref())
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.shared.settings
    }

    pub(crate) fn console(&self) -> &Console {
        &self.shared.console
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.shared.interrupt
    }

    /// Where requests to `url` go by way of, for messages.
    pub(crate) fn proxy_for(&self, url: &Url) -> Option<String> {
        self.shared.settings.shown_proxy(&self.shared.surroundings, url.scheme())
    }

    /// The client for a host that the caller's credentials are for, or for any other.
    pub(crate) fn connections(&self, identity: Identity) -> Result<&reqwest::Client> {
        let shared = &self.shared;
        if identity == Identity::Shown || shared.settings.client_certificate.is_none() {
            return Ok(&shared.client);
        }
        if let Some(client) = shared.stranger.get() {
            return Ok(client);
        }
        let client = build(&shared.settings, &shared.surroundings, &shared.user_agent, Identity::Hidden)?;
        Ok(shared.stranger.get_or_init(|| client))
    }
}

/// Whether a server gets to see who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    Shown,
    Hidden,
}

/// How long an idle connection is kept for the next request. A verb's requests follow each other closely.
const IDLE: Duration = Duration::from_mins(1);

/// The pause before and between the probes of a silent connection.
const PROBES: Duration = Duration::from_secs(15);

/// How long what was sent may stay without the acknowledgement of the server's machine.
const GONE: Duration = Duration::from_mins(1);

fn build(
    settings: &HttpSettings,
    surroundings: &Surroundings,
    user_agent: &str,
    identity: Identity,
) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(trust::tls(settings, surroundings, identity)?)
        .user_agent(user_agent)
        // Redirects are followed by `redirect`, which knows what must not go to another host.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        // A server may take minutes for an answer; one that is gone is noticed all the same.
        .tcp_keepalive(PROBES)
        .tcp_keepalive_interval(PROBES)
        .tcp_keepalive_retries(3)
        .tcp_user_timeout(GONE)
        .pool_idle_timeout(IDLE)
        .no_proxy();
    for proxy in settings.proxies(surroundings)? {
        builder = builder.proxy(proxy);
    }
    builder.build().context("cannot set up the HTTP client")
}
