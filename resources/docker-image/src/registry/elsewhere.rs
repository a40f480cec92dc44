//! Other hosts that a registry redirects to: a gateway redirects each request, or a registry sends blob uploads to
//! another host.
//!
//! The other host gets no credentials except those that the source has for it.

use std::sync::{Arc, Mutex, PoisonError};

use jetway::Result;
use jetway::http::{HttpRequest, HttpResponse, Method, StatusCode, Url};

use crate::reference::Repository;
use crate::registry::auth::Auth;
use crate::registry::challenge::Challenge;
use crate::registry::client::Registry;
use crate::registry::host::{Host, host_of};
use crate::registry::other::Other;
use crate::registry::quota::Quota;
use crate::registry::status::nonsense;

impl Registry<'_> {
    /// Sends a request to a URL outside of this registry, and logs in there if challenged.
    pub(super) async fn send_elsewhere(
        &self,
        method: Method,
        url: &Url,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        let http = self.host.context.http(self.host.source.http(&host_of(url)))?;
        let answered = prepare(http.request(method.clone(), url)).allow(StatusCode::UNAUTHORIZED).send().await;
        self.host.show(&method, &answered);
        let response = answered?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if Challenge::all(&response).is_empty() {
            return Err(response.into_error().await.into());
        }
        self.send_to_other(method, url, &prepare).await
    }

    /// Sends a request to another registry that has sent a challenge.
    pub(super) async fn send_to_other(
        &self,
        method: Method,
        url: &Url,
        prepare: &dyn Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        let other = self.other(url)?;
        Box::pin(other.send_with(method, url.as_str(), prepare)).await
    }

    fn other(&self, url: &Url) -> Result<Registry<'_>> {
        let path = path_of(url).unwrap_or(self.host.repository.path());
        let repository = Repository::new(&host_of(url), path).map_err(nonsense)?;
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let known = others.iter().find(|other| other.repository == repository);
        let (auth, http) = if let Some(known) = known {
            (Arc::clone(&known.auth), known.http.clone())
        } else {
            let login = self.host.source.login_for(repository.registry(), false);
            let auth = Arc::new(Auth::new(login, self.access, repository.path()));
            let http = self.host.context.http(self.host.source.http(repository.registry()))?;
            others.push(Other { repository: repository.clone(), auth: Arc::clone(&auth), http: http.clone() });
            (auth, http)
        };
        let scheme = if url.scheme() == "http" { "http" } else { "https" };
        let host = Host::new(self.host.context, self.host.source, repository, http, Some(scheme));
        let access = self.access;
        Ok(Registry { host, auth, access, quota: Quota::default(), others: Mutex::default(), waits: false })
    }
}

/// The repository in an API URL.
fn path_of(url: &Url) -> Option<&str> {
    let rest = url.path().strip_prefix("/v2/")?;
    let end = ["/manifests/", "/blobs/", "/tags/", "/referrers/"].iter().filter_map(|part| rest.rfind(part)).max()?;
    let path = rest.get(..end)?;
    // An upload URL contains `blobs`, too.
    Some(path).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_repository_in_a_url() {
        let path = |text: &str| path_of(&Url::parse(text).unwrap()).map(str::to_owned);
        assert_eq!(path("https://h/v2/a/b/manifests/latest").as_deref(), Some("a/b"));
        assert_eq!(path("https://h/v2/a/blobs/uploads/1?x=y").as_deref(), Some("a"));
        assert_eq!(path("https://h/v2/a/blobs/b/blobs/sha256:0").as_deref(), Some("a/blobs/b"));
        assert_eq!(path("https://h/store/x"), None);
    }
}
