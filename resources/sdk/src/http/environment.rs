//! The variables of the environment that affect connections: proxies and authorities.

use std::env;

use anyhow::{Context as _, anyhow};
use reqwest::{NoProxy, Proxy, Url};

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
        // Loopback is excluded as in Go: a proxy cannot connect back into the container. Link-local addresses are excluded since
        // a metadata service would answer with credentials of the proxy's machine.
        let exempt = exempt_hosts(&self.no_proxy);
        let no_proxy = NoProxy::from_string(&format!("{exempt},localhost,127.0.0.0/8,::1,169.254.0.0/16"));
        let proxy = |name: &str, value: &Option<String>, make: fn(Url) -> reqwest::Result<Proxy>| {
            let Some(value) = value else { return Ok(None) };
            let url = proxy_url(value).map_err(|problem| anyhow!("`{name}` in the environment: {problem}"))?;
            let proxy = make(url).map_err(reqwest::Error::without_url).context("cannot use the proxy")?;
            Ok::<_, Error>(Some(proxy.no_proxy(no_proxy.clone())))
        };
        let http = proxy("HTTP_PROXY", &self.http_proxy, Proxy::http)?;
        let https = proxy("HTTPS_PROXY", &self.https_proxy, Proxy::https)?;
        Ok(http.into_iter().chain(https).collect())
    }
}

/// The hosts of `NO_PROXY` in the form that reqwest reads. reqwest takes `*` for names only, and does not know `*.example.com`; Go, git
/// and curl take both for what they look like.
fn exempt_hosts(no_proxy: &str) -> String {
    let entries = no_proxy.split(',').map(str::trim).map(|entry| match entry.strip_prefix('*') {
        Some("") => "*,0.0.0.0/0,::/0",
        Some(domain) if domain.starts_with('.') => domain,
        _ => entry,
    });
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_no_proxy_exempt_addresses_and_subdomains() {
        assert_eq!(exempt_hosts("*"), "*,0.0.0.0/0,::/0");
        assert_eq!(exempt_hosts("10.0.0.0/8, *.example.com ,host"), "10.0.0.0/8,.example.com,host");
        assert_eq!(exempt_hosts(""), "");
    }
}
