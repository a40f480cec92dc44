//! The HTTP client: connections by the settings and the environment.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Url;

use super::environment::Environment;
use super::settings::HttpSettings;
use super::trust::{self, Identity};
use crate::console::Console;
use crate::error::Result;
use crate::interrupt::Interrupt;

/// An HTTP client. Clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

struct Shared {
    settings: HttpSettings,
    environment: Environment,
    user_agent: String,
    console: Console,
    interrupt: Interrupt,
    client: reqwest::Client,
    /// The client without the client certificate, for redirects to other hosts.
    anonymous: OnceLock<reqwest::Client>,
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
        let environment = Environment::from_environment();
        for password in settings.hidden_secrets().into_iter().chain(environment.proxy_passwords()) {
            console.redactor().add(&password);
        }
        if let Some(problem) = environment.trust.problem() {
            console.warn(problem);
        }
        let client = build(&settings, &environment, &user_agent, Identity::Shown)?;
        let anonymous = OnceLock::new();
        Ok(Self {
            shared: Arc::new(Shared { settings, environment, user_agent, console, interrupt, client, anonymous }),
        })
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

    /// The proxy for requests to `url`, for messages.
    pub(crate) fn proxy_for(&self, url: &Url) -> Option<String> {
        self.shared.settings.shown_proxy(&self.shared.environment, url.scheme())
    }

    /// The client that shows or hides the client certificate.
    pub(crate) fn connections(&self, identity: Identity) -> Result<&reqwest::Client> {
        let shared = &self.shared;
        if identity == Identity::Shown || shared.settings.client_certificate.is_none() {
            return Ok(&shared.client);
        }
        if let Some(client) = shared.anonymous.get() {
            return Ok(client);
        }
        let client = build(&shared.settings, &shared.environment, &shared.user_agent, Identity::Hidden)?;
        Ok(shared.anonymous.get_or_init(|| client))
    }
}

/// How long an idle connection is kept for the next request.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The pause before and between the keepalive probes of a silent connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long sent data may stay unacknowledged by the server's machine.
const GONE: Duration = Duration::from_mins(1);

fn build(
    settings: &HttpSettings,
    environment: &Environment,
    user_agent: &str,
    identity: Identity,
) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(trust::tls(settings, environment, identity)?)
        .user_agent(user_agent)
        // The `redirect` module follows redirects, and keeps credentials from other hosts.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        // A response may take minutes, but a server that is gone is detected earlier.
        .tcp_keepalive(KEEPALIVE_INTERVAL)
        .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(3)
        .tcp_user_timeout(GONE)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .no_proxy();
    for proxy in settings.proxies(environment)? {
        builder = builder.proxy(proxy);
    }
    builder.build().context("cannot set up the HTTP client")
}
