//! A registry's host: detects its scheme, and recognizes its own URLs.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jetway::http::{
    HttpClient, HttpRequest, HttpResponse, Method, Retry, StatusCode, TransportError, TransportKind, Url,
};
use jetway::{Context, Error, Result};

use crate::progress::Transfers;
use crate::reference::Repository;
use crate::registry::status::status_of;
use crate::source::Source;
use crate::source::connection::is_nearby;

/// A repository and the client for its host.
pub(super) struct Host<'c> {
    pub(super) context: &'c Context,
    pub(super) source: &'c Source,
    pub(super) repository: Repository,
    pub(super) http: HttpClient,
    /// The uploads of this put.
    pub(super) uploads: Transfers,
    /// The scheme that has worked.
    scheme: Mutex<Option<&'static str>>,
}

impl<'c> Host<'c> {
    pub(super) fn new(
        context: &'c Context,
        source: &'c Source,
        repository: Repository,
        http: HttpClient,
        scheme: Option<&'static str>,
    ) -> Self {
        Self { context, source, repository, http, uploads: Transfers::default(), scheme: Mutex::new(scheme) }
    }

    /// Sends a request for a path on the registry's host, such as `/v2/`, without logging in.
    pub(super) async fn send_to_host(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        self.send_by_some_scheme(&method, path, prepare).await
    }

    /// Whether a URL is on this registry's host.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        let host = host_of(url);
        // With `https`, `host:443` and `host` are the same; a URL omits the default port.
        let own = self.repository.registry();
        host == own || own.strip_suffix(":443").or(own.strip_suffix(":80")).is_some_and(|own| own == host)
    }

    /// Whether the registry must not send this program to a URL: a registry on the internet has no business in the worker's network.
    pub(super) fn must_not_name(&self, url: &Url) -> bool {
        !self.is_own(url) && !is_nearby(self.repository.registry()) && is_private(url)
    }

    /// With `debug`: logs a request and its response. Only the path is logged, since a query may hold a signature.
    pub(super) fn show(&self, method: &Method, answered: &Result<HttpResponse>) {
        if !self.source.debug {
            return;
        }
        let console = self.context.console();
        match answered {
            Ok(response) => {
                let (url, status) = (response.url(), response.status());
                console.step(format_args!(
                    "{method} {}://{}{} answered {status}",
                    url.scheme(),
                    host_of(url),
                    url.path()
                ));
            }
            Err(error) => console.step(error),
        }
    }

    /// Sends a request with the known scheme, or finds the scheme out.
    pub(super) async fn send_by_some_scheme(
        &self,
        method: &Method,
        target: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        let answered = self.try_schemes(method, target, prepare).await;
        self.show(method, &answered);
        answered
    }

    async fn try_schemes(
        &self,
        method: &Method,
        target: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        let known = *self.scheme.lock().unwrap_or_else(PoisonError::into_inner);
        let request = |scheme: &str| prepare(self.http.request(method.clone(), self.url(scheme, target)));
        if let Some(scheme) = known {
            return request(scheme).send().await;
        }
        match request("https").retry(Retry::never()).send().await {
            Err(error) if speaks_no_tls(&error) => {
                let response = request("http").send().await?;
                self.remember_scheme("http");
                Ok(response)
            }
            Err(error) if may_pass(&error) => {
                self.remember_scheme("https");
                request("https").send().await
            }
            other => {
                if other.is_ok() {
                    self.remember_scheme("https");
                }
                other
            }
        }
    }

    /// Remembers the scheme that works.
    pub(super) fn remember_scheme(&self, scheme: &'static str) {
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = Some(scheme);
    }

    fn url(&self, scheme: &str, target: &str) -> String {
        if target.starts_with("http://") || target.starts_with("https://") {
            return target.to_owned();
        }
        if target.starts_with('/') {
            return format!("{scheme}://{}{target}", self.repository.registry());
        }
        format!("{scheme}://{}/v2/{}/{target}", self.repository.registry(), self.repository.path())
    }
}

/// A URL's host, with its port unless that is the default one.
pub(super) fn host_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Whether a URL's host is a private IP address or a name of this machine.
fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()
        }
        Ok(IpAddr::V6(address)) => {
            let mapped = address
                .to_ipv4_mapped()
                .is_some_and(|address| address.is_loopback() || address.is_private() || address.is_link_local());
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || mapped
        }
        Err(_) => false,
    }
}

/// Whether a server may speak plain HTTP only. An untrusted certificate does not justify a fallback to HTTP, nor does a
/// request for a client certificate; and a connection that is cut later had TLS.
fn speaks_no_tls(error: &Error) -> bool {
    use TransportKind::{Connection, Tls};
    let kind = error.downcast_ref::<TransportError>().map(TransportError::kind);
    matches!(kind, Some(Tls | Connection))
}

/// Whether an error is transient.
fn may_pass(error: &Error) -> bool {
    let is_busy = |status: StatusCode| status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    is_cut(error) || status_of(error).is_some_and(is_busy)
}

/// Whether a connection was lost or stalled.
pub(super) fn is_cut(error: &Error) -> bool {
    use TransportKind::{Cut, Stalled};
    matches!(error.downcast_ref::<TransportError>().map(TransportError::kind), Some(Cut | Stalled))
}
