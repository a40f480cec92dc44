//! The variables of the environment that affect connections: proxies and authorities.

use std::env;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Proxy, Url};

use super::proxy::{proxy_origin, proxy_url};
use super::trust_sources::TrustSources;
use crate::address::address_secrets;
use crate::error::{Error, Result};

/// The proxies and the authorities that the environment sets.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) trust: TrustSources,
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: String,
}

impl Environment {
    pub(super) fn from_environment() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    /// Reads the variables by a lookup function. Names in capitals take precedence, as in Go, the language of the established
    /// resources.
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

    pub(super) fn proxy_passwords(&self) -> Vec<String> {
        [&self.http_proxy, &self.https_proxy].into_iter().flatten().flat_map(|proxy| address_secrets(proxy)).collect()
    }

    /// The proxy for a scheme, without its login.
    pub(super) fn shown_proxy(&self, scheme: &str) -> Option<String> {
        let proxy = if scheme == "https" { &self.https_proxy } else { &self.http_proxy };
        proxy.as_deref().and_then(|proxy| Some(proxy_origin(&proxy_url(proxy).ok()?)))
    }

    /// The proxies for reqwest.
    pub(super) fn proxies(&self) -> Result<Vec<Proxy>> {
        let exempt = Arc::new(ExemptHosts::parse(&self.no_proxy));
        let proxy = |name: &str, scheme: &'static str, value: &Option<String>| {
            let Some(value) = value else { return Ok(None) };
            let url = proxy_url(value).map_err(|problem| anyhow!("`{name}` in the environment: {problem}"))?;
            // reqwest parses the URL of a custom proxy when it sends a request, and connects directly if that fails.
            Proxy::all(url.clone()).map_err(reqwest::Error::without_url).context("cannot use the proxy")?;
            let exempt = Arc::clone(&exempt);
            let is_used = move |target: &Url| target.scheme() == scheme && !exempt.contain(target);
            Ok::<_, Error>(Some(Proxy::custom(move |target| is_used(target).then(|| url.clone()))))
        };
        let http = proxy("HTTP_PROXY", "http", &self.http_proxy)?;
        let https = proxy("HTTPS_PROXY", "https", &self.https_proxy)?;
        Ok(http.into_iter().chain(https).collect())
    }
}

/// The hosts that are not connected to by a proxy: lists that reqwest matches, each for one port or for all.
///
/// reqwest has no ports in its list of these hosts. Go, the language of the established resources, has them: `registry.test:5000`
/// (golang.org/x/net/http/httpproxy, `Config.NoProxy`).
struct ExemptHosts(Vec<(Option<u16>, Matcher)>);

impl ExemptHosts {
    /// Parses the value of `NO_PROXY`.
    fn parse(no_proxy: &str) -> Self {
        // Loopback is excluded as in Go: a proxy cannot connect back into the container. Link-local addresses are excluded since
        // a metadata service would answer with credentials of the proxy's machine.
        let mut any_port = vec!["localhost", "127.0.0.0/8", "::1", "169.254.0.0/16"];
        let matcher = |hosts: &str| Matcher::builder().all("http://proxy.invalid").no(hosts).build();
        let mut lists = Vec::new();
        for entry in no_proxy.split(',').map(str::trim) {
            match split_port(entry) {
                Some((host, port)) => lists.push((Some(port), matcher(with_wildcards_as_reqwest(host)))),
                None => any_port.push(with_wildcards_as_reqwest(entry)),
            }
        }
        lists.push((None, matcher(&any_port.join(","))));
        Self(lists)
    }

    /// Whether the host of a URL is one of these.
    fn contain(&self, url: &Url) -> bool {
        let Ok(target) = url.as_str().parse() else { return false };
        let applies = |port: Option<u16>| port.is_none() || port == url.port_or_known_default();
        self.0.iter().any(|(port, matcher)| applies(*port) && matcher.intercept(&target).is_none())
    }
}

/// Splits an entry `HOST:PORT`; `None` if it has no port. An IPv6 address with a port is in brackets.
fn split_port(entry: &str) -> Option<(&str, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .or_else(|| (!host.contains(':')).then_some(host))?;
    Some((host, port.parse().ok()?))
}

/// An entry of `NO_PROXY` in the form that reqwest reads. reqwest takes `*` for names only, and does not know `*.example.com`; Go, git
/// and curl take both for what they look like.
fn with_wildcards_as_reqwest(entry: &str) -> &str {
    match entry.strip_prefix('*') {
        Some("") => "*,0.0.0.0/0,::/0",
        Some(domain) if domain.starts_with('.') => domain,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exempts(no_proxy: &str, url: &str) -> bool {
        ExemptHosts::parse(no_proxy).contain(&Url::parse(url).unwrap())
    }

    #[test]
    fn wildcards_of_no_proxy_exempt_addresses_and_subdomains() {
        for url in ["http://10.1.2.3", "http://[fd00::1]/", "https://registry.test/v2/"] {
            assert!(exempts("*", url), "{url}");
        }
        let list = "10.0.0.0/8, *.example.com ,host";
        for url in ["http://10.1.2.3", "https://a.example.com", "http://host:8080/"] {
            assert!(exempts(list, url), "{url}");
        }
        for url in ["http://11.1.2.3", "https://example.org", "http://another"] {
            assert!(!exempts(list, url), "{url}");
        }
    }

    #[test]
    fn port_in_no_proxy_exempts_this_port_only() {
        let list = "registry.test:5000, 10.1.2.3:8080, [fd00::1]:5000, *.example.com:443";
        for url in [
            "https://registry.test:5000/v2/",
            "http://a.registry.test:5000/",
            "http://10.1.2.3:8080/",
            "http://[fd00::1]:5000/",
            "https://a.example.com/",
        ] {
            assert!(exempts(list, url), "{url}");
        }
        for url in [
            "https://registry.test/",
            "http://10.1.2.3/",
            "http://[fd00::1]/",
            "http://[fd00::2]:5000/",
            "http://a.example.com/",
        ] {
            assert!(!exempts(list, url), "{url}");
        }
    }

    #[test]
    fn loopback_and_metadata_services_are_exempt() {
        for url in ["http://localhost:1", "http://127.0.0.9/", "http://[::1]:5000/", "http://169.254.169.254/latest"] {
            assert!(exempts("", url), "{url}");
        }
        assert!(!exempts("", "http://registry.test/") && !exempts("fd00::1", "http://[fd00::2]/"));
        assert!(exempts("fd00::1", "http://[fd00::1]/"));
    }
}
