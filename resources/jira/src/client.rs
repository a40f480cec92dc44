//! A client for Jira's REST API: requests, credentials and error messages.

use std::cell::Cell;

use anyhow::anyhow;
use jetway::http::{HttpClient, HttpRequest, HttpResponse, Method, Redirects, StatusCode, TransportError, Url};
use jetway::{Advise as _, Console, Context, Error, Interrupted, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error_response::{explain, login_hint};
use crate::responses::Issue;
use crate::source::{Api, Login, Source};

/// A response that does not come from Jira's API.
#[derive(Debug)]
pub(crate) struct UnexpectedResponse;

impl std::fmt::Display for UnexpectedResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the response does not come from Jira's API")
    }
}

/// Jira's API, logged in.
pub(crate) struct Client<'c> {
    context: &'c Context,
    source: &'c Source,
    http: HttpClient,
    /// Whether a response has shown that the login succeeded.
    is_logged_in: Cell<bool>,
    is_near_limit: Cell<bool>,
}

impl<'c> Client<'c> {
    pub(crate) fn new(context: &'c Context, source: &'c Source) -> Result<Self> {
        let http = context.http(source.http())?;
        Ok(Self { context, source, http, is_logged_in: Cell::default(), is_near_limit: Cell::default() })
    }

    pub(crate) fn source(&self) -> &'c Source {
        self.source
    }

    pub(crate) fn console(&self) -> &'c Console {
        self.context.console()
    }

    pub(crate) fn api(&self) -> Api {
        self.source.api()
    }

    /// Creates a request for a path of the API.
    pub(crate) fn request(&self, method: &Method, path: &str) -> HttpRequest {
        let version = match self.api() {
            Api::Cloud => 3,
            Api::DataCenter => 2,
        };
        let url = format!("{}/rest/api/{version}{path}", self.source.base());
        // The target of a redirect is a login page, or the address of Jira that belongs in the source.
        let request =
            self.http.request(method.clone(), url).header("accept", "application/json").redirects(Redirects::Return);
        match self.source.login() {
            Some(Login::Basic(email, token)) => request.basic(email, &trimmed(token)),
            Some(Login::Bearer(token)) => request.bearer(token),
            None => request,
        }
    }

    /// Sends a request. A response for an anonymous user is an error: with a wrong token, Jira answers some requests as without a
    /// token, and finds nothing.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let response = request.send().await.map_err(|error| explain(error, self.api()))?;
        if response.status().is_redirection() {
            let to = response.header("location").and_then(|to| response.url().join(to).ok());
            let hint = match to.as_ref().and_then(origin) {
                Some(origin) => {
                    format!("the server redirects to `{origin}`; set `url` to the URL of Jira on that server")
                }
                None => "set `url` to the URL of Jira".to_owned(),
            };
            return Err(Error::new(response.into_error().await).hint(hint));
        }
        let values = |name: &str| response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        let failed = ["AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED", "AUTHORISATION_FAILED"];
        let reason = values("x-seraph-loginreason").find(|reason| failed.iter().any(|word| reason.contains(word)));
        let is_anonymous = values("x-ausername").any(|name| name.eq_ignore_ascii_case("anonymous"));
        if reason.is_some() || is_anonymous {
            let messages =
                reason.map_or("X-AUSERNAME: anonymous".to_owned(), |reason| format!("X-Seraph-LoginReason: {reason}"));
            return Err(anyhow!("Jira rejected the login, and answered as for an anonymous user ({messages})")
                .hint(login_hint(self.api())));
        }
        let shows_login = values("x-seraph-loginreason").any(|reason| reason == "OK")
            || values("x-ausername").chain(values("x-aaccountid")).any(|name| !name.is_empty());
        if shows_login {
            self.is_logged_in.set(true);
        }
        if values("x-ratelimit-nearlimit").any(|near| near == "true") {
            self.is_near_limit.set(true);
        }
        Ok(response)
    }

    /// Sends a request and decodes its response.
    pub(crate) async fn read<T: DeserializeOwned>(&self, request: HttpRequest) -> Result<T> {
        let response = self.send(request).await?;
        self.decode(response).await
    }

    async fn decode<T: DeserializeOwned>(&self, response: HttpResponse) -> Result<T> {
        response.json().await.map_err(|error| {
            if error.downcast_ref::<TransportError>().is_some() || Interrupted::caused(&error) {
                return error;
            }
            error
                .context(UnexpectedResponse)
                .hint("check that `url` is the URL of Jira, and that no proxy or login page answers instead")
        })
    }

    /// Sends a request that changes something. Its effect is certain only if the response is Jira's, and not a page of a proxy.
    pub(crate) async fn change(&self, request: HttpRequest) -> Result<()> {
        let response = self.send(request).await?;
        if matches!(response.status(), StatusCode::CREATED | StatusCode::NO_CONTENT) {
            return Ok(());
        }
        self.decode::<Value>(response).await.map(|_| ())
    }

    /// Verifies that Jira accepted the login, because an anonymous user gets an empty result.
    pub(crate) async fn require_login(&self) -> Result<()> {
        if !self.is_logged_in.get() {
            self.read::<Value>(self.request(&Method::GET, "/myself")).await?;
            self.is_logged_in.set(true);
        }
        Ok(())
    }

    /// Reads an issue. `query` names its fields.
    pub(crate) async fn issue(&self, key: &str, query: &[(&str, &str)]) -> Result<Issue> {
        let request = self.request(&Method::GET, &format!("/issue/{key}"));
        let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let value: Value = self.read(request).await?;
        Issue::read(&value)
            .ok_or_else(|| anyhow!("the response for `{key}` has no key or no status").context(UnexpectedResponse))
    }

    /// Ends a verb: warns if requests will soon be refused.
    pub(crate) fn finish(&self) {
        if self.is_near_limit.get() {
            self.console().warn("Jira's rate limit is nearly reached; check less often");
        }
    }
}

fn trimmed(token: &jetway::Secret) -> jetway::Secret {
    jetway::Secret::new(token.expose().trim())
}

/// Scheme, host and port of a URL, which hold no secret.
fn origin(url: &Url) -> Option<String> {
    url.host_str().map(|_| url.origin().ascii_serialization())
}
