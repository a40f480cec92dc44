//! How a client connects, as a pipeline sets it.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::Proxy;
use schemars::JsonSchema;
use serde::Deserialize;

use super::environment::Environment;
use super::pem;
use super::proxy::{proxy_origin, proxy_url};
use super::retry::Retry;
use crate::address::address_secrets;
use crate::error::Result;
use crate::schema::problem::Problems;
use crate::secret::Secret;

/// The timeout for the first byte of a response if `read_timeout` is not set.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_mins(5);

/// How a client connects. A type's `Source` may include it with `#[serde(flatten)]`, or set it from its own keys.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct HttpSettings {
    /// Additional CA certificates to trust, in PEM format. A self-signed certificate of a server is also accepted.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Accept any certificate. Anyone on the network path can then read and change all data, secrets included.
    #[serde(default)]
    pub insecure: bool,

    /// The proxy for all requests: `http://user:password@host:port`, or `socks5://`, or `socks5h://` if the proxy resolves host
    /// names. Without it, `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the worker are used.
    pub proxy: Option<String>,

    /// The client certificate, for servers that require one.
    pub client_certificate: Option<ClientCertificate>,

    /// The timeout for a connection, in seconds.
    #[serde(default = "connect_timeout", with = "seconds")]
    #[schemars(with = "u32", range(min = 1))]
    pub connect_timeout: Duration,

    /// The timeout for a read or write without progress, in seconds. By default, the first byte of a response may take 5
    /// minutes, because a cache may have to fetch the content first.
    #[serde(default = "read_timeout", with = "seconds")]
    #[schemars(with = "u32", range(min = 1))]
    pub read_timeout: Duration,

    /// The names of the source's keys that set the timeouts.
    #[serde(skip)]
    pub timeout_keys: TimeoutKeys,

    /// When requests are retried.
    #[serde(skip)]
    pub retry: Retry,

    /// Which authorities are trusted.
    #[serde(skip)]
    pub authorities: Authorities,

    /// Which proxies are used.
    #[serde(skip)]
    pub proxies: Proxies,

    /// The name that the server's certificate must have, if it is not the host of the URL.
    #[serde(skip)]
    pub server_name: Option<String>,
}

/// The trusted authorities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Authorities {
    /// Those of `ca_certs` and those of the system.
    #[default]
    CaCertsAndSystem,
    /// Only those of `ca_certs`, for a server with its own authority, such as a Kubernetes cluster.
    CaCertsOnly,
}

/// The proxies that requests use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proxies {
    /// `proxy`, or else the proxies of the environment.
    #[default]
    Usual,
    /// None. For a service of the machine itself: through a proxy, the proxy's machine would answer instead.
    None,
}

/// A client certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ClientCertificate {
    /// The certificate in PEM form, followed by those of its intermediate authorities if the server needs them.
    pub certificate: String,

    /// Its private key in PEM form, without a passphrase.
    pub key: Secret,
}

impl ClientCertificate {
    /// Validates the certificate and its key. Problems are added under these names of their keys in the source.
    pub fn validate(&self, certificate: &str, key: &str, problems: &mut Problems) {
        if let Err(problem) = pem::certificates(&self.certificate) {
            problems.add(certificate, problem);
        }
        if let Err(problem) = pem::private_key(self.key.expose()) {
            problems.add(key, problem);
        }
    }
}

/// Validates a PEM text that must contain certificates of authorities, and returns the problem. It does not repeat the text.
pub fn authority_problem(pem: &str) -> Option<String> {
    pem::authorities(pem).err()
}

/// The names of the source's keys that set the timeouts, for the hints of errors.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutKeys {
    /// The key of [`super::HttpSettings::connect_timeout`].
    pub connect: &'static str,
    /// The key of [`super::HttpSettings::read_timeout`].
    pub read: &'static str,
}

impl Default for TimeoutKeys {
    fn default() -> Self {
        Self { connect: "connect_timeout", read: "read_timeout" }
    }
}

impl TimeoutKeys {
    pub(crate) fn connect_hint(self) -> String {
        format!("`{}` in the source sets how long to wait for a connection", self.connect)
    }

    pub(crate) fn read_hint(self) -> String {
        format!("`{}` in the source sets how long a server may stay silent", self.read)
    }
}

fn connect_timeout() -> Duration {
    Duration::from_secs(15)
}

fn read_timeout() -> Duration {
    Duration::from_mins(1)
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            ca_certs: Vec::new(),
            insecure: false,
            proxy: None,
            client_certificate: None,
            connect_timeout: connect_timeout(),
            read_timeout: read_timeout(),
            timeout_keys: TimeoutKeys::default(),
            retry: Retry::default(),
            authorities: Authorities::default(),
            proxies: Proxies::default(),
            server_name: None,
        }
    }
}

impl HttpSettings {
    /// Validates the values. Problems are added under the names of the fields.
    pub fn validate(&self, problems: &mut Problems) {
        for (index, pem) in self.ca_certs.iter().enumerate() {
            if let Err(problem) = pem::authorities(pem) {
                problems.add(format!("ca_certs[{index}]"), problem);
            }
        }
        if let Some(proxy) = &self.proxy
            && let Err(problem) = proxy_url(proxy)
        {
            problems.add("proxy", problem);
        }
        if let Some(name) = &self.server_name
            && let Err(problem) = pem::server_name(name)
        {
            problems.add("server_name", problem);
        }
        if let Some(client) = &self.client_certificate {
            client.validate("client_certificate.certificate", "client_certificate.key", problems);
        }
    }

    /// The timeout for the first byte of a response.
    pub(crate) fn answer_timeout(&self) -> Duration {
        if self.read_timeout == read_timeout() { FIRST_BYTE_TIMEOUT } else { self.read_timeout }
    }

    /// The password inside `proxy`.
    pub fn hidden_secrets(&self) -> Vec<String> {
        self.proxy.iter().flat_map(|proxy| address_secrets(proxy)).collect()
    }

    /// The proxy for a scheme, without its login.
    pub(super) fn shown_proxy(&self, environment: &Environment, scheme: &str) -> Option<String> {
        if self.proxies == Proxies::None {
            return None;
        }
        let ours = self.proxy.as_deref().and_then(|proxy| Some(proxy_origin(&proxy_url(proxy).ok()?)));
        ours.or_else(|| environment.shown_proxy(scheme))
    }

    /// The proxies for reqwest.
    pub(super) fn proxies(&self, environment: &Environment) -> Result<Vec<Proxy>> {
        if self.proxies == Proxies::None {
            return Ok(Vec::new());
        }
        if let Some(proxy) = &self.proxy {
            let url = proxy_url(proxy).map_err(|problem| anyhow!("`proxy`: {problem}"))?;
            return Ok(vec![Proxy::all(url).map_err(reqwest::Error::without_url).context("cannot use the proxy")?]);
        }
        environment.proxies()
    }
}

/// Durations in whole seconds, as pipelines write them.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// For the default in the schema.
    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_five_minutes_for_a_response_unless_read_timeout_is_set() {
        assert_eq!(HttpSettings::default().answer_timeout(), Duration::from_mins(5));
        let set = HttpSettings { read_timeout: Duration::from_secs(7), ..HttpSettings::default() };
        assert_eq!(set.answer_timeout(), Duration::from_secs(7));
    }
}
