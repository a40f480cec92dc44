//! How a client connects: what a pipeline may say of it, and what the environment says.

use std::env;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{NoProxy, Proxy, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Identity;
use super::failure::TimeoutKeys;
use super::retry::Retry;
use super::trust::{self, TrustSources};
use crate::address::address_secrets;
use crate::error::Result;
use crate::schema::Problems;
use crate::secret::Secret;

/// How long the beginning of an answer is waited for where `read_timeout` is not set.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);

/// How a client connects. A type's `Source` may take it in with `#[serde(flatten)]`, or fill it from keys of its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct HttpSettings {
    /// Certificates of authorities to trust besides the system's, in PEM form. The certificate of a server that has
    /// signed its own may stand here too.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Accept any certificate. Whoever can reach into the network then reads and changes everything, secrets included.
    #[serde(default)]
    pub insecure: bool,

    /// The proxy for all requests, `http://user:password@host:port`, or `socks5://` (`socks5h://`: the proxy resolves the
    /// names). Without it, `HTTP_PROXY`, `HTTPS_PROXY` and
    /// `NO_PROXY` of the worker are used.
    pub proxy: Option<String>,

    /// The certificate to log in with, where the server asks for one.
    pub client_certificate: Option<ClientCertificate>,

    /// The longest time to wait for a connection, in seconds.
    #[serde(default = "connect_timeout", with = "seconds")]
    #[schemars(with = "u32", range(min = 1))]
    pub connect_timeout: Duration,

    /// The longest time in which nothing is received or sent, in seconds. Unless it is set, a server has 5 minutes for the
    /// beginning of an answer: a cache may have to fetch what it is asked for first.
    #[serde(default = "read_timeout", with = "seconds")]
    #[schemars(with = "u32", range(min = 1))]
    pub read_timeout: Duration,

    /// What the keys of the source are called that set these times.
    #[serde(skip)]
    pub timeout_keys: TimeoutKeys,

    /// When requests are tried again.
    #[serde(skip)]
    pub retry: Retry,

    /// The authorities that count.
    #[serde(skip)]
    pub authorities: Authorities,

    /// The proxies that count.
    #[serde(skip)]
    pub proxies: Proxies,

    /// The name that the server's certificate must be for, where that is not the host of the URL.
    #[serde(skip)]
    pub server_name: Option<String>,
}

/// The authorities whose certificates a server may show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Authorities {
    /// Those of `ca_certs`, and the system's.
    #[default]
    OursAndTheSystems,
    /// Those of `ca_certs` alone: the server has an authority of its own, and nobody else may speak for it.
    Ours,
}

/// The proxies that requests go by way of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proxies {
    /// `proxy`, or else those of the environment.
    #[default]
    Usual,
    /// None: a service of the machine itself is asked, and by way of a proxy another machine's would answer.
    None,
}

/// A certificate to log in with, and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ClientCertificate {
    /// The certificate in PEM form, followed by those of its authorities where the server needs them.
    pub certificate: String,

    /// Its private key in PEM form, without a passphrase.
    pub key: Secret,
}

impl ClientCertificate {
    /// Notes what is wrong with the certificate and its key, under the names that these have in a source.
    pub fn rules(&self, certificate: &str, key: &str, problems: &mut Problems) {
        if let Err(problem) = trust::certificates(&self.certificate) {
            problems.add(certificate, problem);
        }
        if let Err(problem) = trust::private_key(self.key.expose()) {
            problems.add(key, problem);
        }
    }
}

/// What is wrong with the certificates of authorities in a PEM text, in words that do not repeat it.
pub fn authority_problem(pem: &str) -> Option<String> {
    trust::authorities(pem).err()
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
    /// Notes what is wrong with the values, under the names that the keys have here.
    pub fn rules(&self, problems: &mut Problems) {
        for (index, pem) in self.ca_certs.iter().enumerate() {
            if let Err(problem) = trust::authorities(pem) {
                problems.add(format!("ca_certs[{index}]"), problem);
            }
        }
        if let Some(proxy) = &self.proxy
            && let Err(problem) = proxy_url(proxy)
        {
            problems.add("proxy", problem);
        }
        if let Some(name) = &self.server_name
            && let Err(problem) = trust::server_name(name)
        {
            problems.add("server_name", problem);
        }
        if let Some(client) = &self.client_certificate {
            client.rules("client_certificate.certificate", "client_certificate.key", problems);
        }
    }

    /// The longest time to wait for the beginning of an answer.
    pub(crate) fn answer_timeout(&self) -> Duration {
        if self.read_timeout == read_timeout() { ANSWER_TIMEOUT } else { self.read_timeout }
    }

    /// The TLS of these settings, for a server that speaks something of its own on it.
    pub fn tls(&self) -> Result<rustls::ClientConfig> {
        trust::tls(self, &Surroundings::from_environment(), Identity::Shown)
    }

    /// The password inside `proxy`.
    pub fn hidden_secrets(&self) -> Vec<String> {
        self.proxy.iter().flat_map(|proxy| address_secrets(proxy)).collect()
    }

    /// The proxy for that scheme as it may be shown.
    pub(crate) fn shown_proxy(&self, surroundings: &Surroundings, scheme: &str) -> Option<String> {
        if self.proxies == Proxies::None {
            return None;
        }
        let ours = self.proxy.as_deref().and_then(|proxy| Some(origin(&proxy_url(proxy).ok()?)));
        ours.or_else(|| surroundings.shown_proxy(scheme))
    }

    /// The proxies as reqwest takes them.
    pub(crate) fn proxies(&self, surroundings: &Surroundings) -> Result<Vec<Proxy>> {
        if self.proxies == Proxies::None {
            return Ok(Vec::new());
        }
        if let Some(proxy) = &self.proxy {
            let url = proxy_url(proxy).map_err(|problem| anyhow::anyhow!("`proxy`: {problem}"))?;
            return Ok(vec![Proxy::all(url).map_err(reqwest::Error::without_url).context("cannot use the proxy")?]);
        }
        surroundings.proxies()
    }
}

/// What the environment says of connections.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) trust: TrustSources,
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: String,
}

impl Surroundings {
    pub(crate) fn from_environment() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    /// Reads them by a function from a variable's name to its value. Names in capitals come first, as in Go, which the
    /// established resources are written in.
    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            [name.to_owned(), name.to_lowercase()]
                .iter()
                .find_map(|name| lookup(name))
                .filter(|value| !value.trim().is_empty())
        };
        let all = get("ALL_PROXY");
        Self {
            trust: TrustSources::from_lookup(&lookup),
            http_proxy: get("HTTP_PROXY").or_else(|| all.clone()),
            https_proxy: get("HTTPS_PROXY").or(all),
            no_proxy: get("NO_PROXY").unwrap_or_default(),
        }
    }

    pub(crate) fn proxy_passwords(&self) -> Vec<String> {
        [&self.http_proxy, &self.https_proxy].into_iter().flatten().flat_map(|proxy| address_secrets(proxy)).collect()
    }

    fn shown_proxy(&self, scheme: &str) -> Option<String> {
        let proxy = if scheme == "https" { &self.https_proxy } else { &self.http_proxy };
        proxy.as_deref().and_then(|proxy| Some(origin(&proxy_url(proxy).ok()?)))
    }

    fn proxies(&self) -> Result<Vec<Proxy>> {
        // A worker's proxy never leads back into the container, so loopback is left out as Go does it; nor to the services of
        // the machine itself at link-local addresses, which would give it credentials of the proxy's machine.
        let no_proxy = NoProxy::from_string(&format!("{},localhost,127.0.0.0/8,::1,169.254.0.0/16", self.no_proxy));
        let proxy = |name: &str, value: &Option<String>, make: fn(Url) -> reqwest::Result<Proxy>| {
            let Some(value) = value else { return Ok(None) };
            let url = proxy_url(value).map_err(|problem| anyhow::anyhow!("`{name}` of the environment: {problem}"))?;
            let proxy = make(url).map_err(reqwest::Error::without_url).context("cannot use the proxy")?;
            Ok::<_, crate::Error>(Some(proxy.no_proxy(no_proxy.clone())))
        };
        let http = proxy("HTTP_PROXY", &self.http_proxy, Proxy::http)?;
        let https = proxy("HTTPS_PROXY", &self.https_proxy, Proxy::https)?;
        Ok(http.into_iter().chain(https).collect())
    }
}

/// The URL of a proxy; `host:port` is taken as `http://host:port`, as curl takes it.
pub(super) fn proxy_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| format!("expected `http://host:port`: {error}"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        let found = url.scheme();
        return Err(format!("expected `http://host:port` or `socks5://host:port`, found the scheme `{found}`"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("expected `http://host:port`, found no host".to_owned());
    }
    Ok(url)
}

/// Scheme, host and port.
fn origin(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Durations as pipelines write them: whole seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// For the default that the schema names.
    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_first_byte_minutes_unless_the_source_says_otherwise() {
        assert_eq!(HttpSettings::default().answer_timeout(), Duration::from_mins(5));
        let set = HttpSettings { read_timeout: Duration::from_secs(7), ..HttpSettings::default() };
        assert_eq!(set.answer_timeout(), Duration::from_secs(7));
    }

    #[test]
    fn takes_socks_proxies_and_names_them_without_their_login() {
        for (text, shown) in
            [("socks5://u:p@h:1080", "socks5://h:1080"), ("socks5h://h", "socks5h://h"), ("h:3128", "http://h:3128")]
        {
            assert_eq!(origin(&proxy_url(text).unwrap()), shown);
        }
        assert!(proxy_url("socks4://h:1").is_err());
    }
}
