//! A repository in a registry, spoken to by HTTP (the distribution specification of the OCI).
//!
//! [`Registry::send`] is how every request goes out: it finds the scheme, logs in when the registry asks for that, and shows
//! what the registry says of its limits. Beside it: [`manifests`](self), tags, blobs, each a module that adds its requests.

mod auth;
pub(crate) mod blobs;
pub(crate) mod challenge;
mod manifests;
mod quota;
mod tags;
pub(crate) mod uploads;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use jetway::http::{
    HttpClient, HttpRequest, HttpResponse, Method, Retry, StatusCode, StatusError, TransportError, TransportKind, Url,
};
use jetway::{Advise as _, Context, Error, Interrupted, Result};

use crate::credentials::Login;
use crate::reference::Repository;
use crate::source::{Schemes, Source};
use auth::Auth;
use challenge::Challenge;
use quota::Quota;

pub(crate) use auth::Access;
pub(crate) use manifests::Asked;

/// How often a small answer that is cut is asked for, in all.
const MOST_READS: u32 = 3;

/// The pause before it is asked for again, the second time twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// A repository in a registry. Requests may run side by side.
pub(crate) struct Registry<'c> {
    context: &'c Context,
    source: &'c Source,
    repository: Repository,
    http: HttpClient,
    /// The scheme that has worked.
    scheme: Mutex<Option<&'static str>>,
    auth: Auth,
    quota: Quota,
}

impl<'c> Registry<'c> {
    /// A repository, to be spoken to as the source says. `is_main` tells the repository of the source from a mirror.
    pub(crate) fn new(
        context: &'c Context,
        source: &'c Source,
        repository: Repository,
        is_main: bool,
        login: Login,
        access: Access,
    ) -> Result<Self> {
        let schemes = source.schemes(repository.registry(), is_main);
        Ok(Self {
            context,
            source,
            http: context.http(source.http(repository.registry()))?,
            scheme: Mutex::new((schemes == Schemes::Encrypted).then_some("https")),
            auth: Auth::new(login, access, repository.path()),
            quota: Quota::default(),
            repository,
        })
    }

    /// The same, spoken to without encryption: its address was given as `http://`.
    pub(crate) fn without_encryption(self) -> Self {
        self.found("http");
        self
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Who asks.
    pub(crate) fn login(&self) -> &Login {
        self.auth.login()
    }

    /// How many blobs are sent at once.
    pub(crate) fn uploads_at_once(&self) -> usize {
        usize::try_from(self.source.uploads_at_once()).unwrap_or(1)
    }

    /// The surroundings of the verb.
    pub(crate) fn context(&self) -> &'c Context {
        self.context
    }

    /// Sends a request for something below the repository, such as `manifests/latest`, or for an address that the registry
    /// gave. Status 401 is answered by logging in; every other status is as the request says.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        // A login, and one more when the first one's scope does not reach or its time is over.
        let mut logins = 0;
        loop {
            let (generation, header) = self.auth.current().await;
            let answered = self
                .send_by_some_scheme(&method, target, |request| {
                    let request = prepare(request).allow(StatusCode::UNAUTHORIZED);
                    match &header {
                        Some(header) => header.apply(request),
                        None => request,
                    }
                })
                .await;
            // Some registries ask nobody for credentials: what takes a login is hidden from who has none.
            if header.is_none() && is_hidden(&answered) && self.auth.log_in_unasked(self, generation).await? {
                continue;
            }
            let response = answered?;
            self.quota.show(self.context.console(), &self.repository, &response);
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            let challenge = Challenge::of(&response).filter(|_| self.is_own(response.url()));
            let answered = match challenge {
                Some(challenge) if logins < 2 => {
                    logins += 1;
                    let encrypted = response.url().scheme() == "https";
                    self.auth.answer(self, &challenge, generation, encrypted).await
                }
                _ => Ok(false),
            };
            let error = match answered {
                Ok(true) => continue,
                Ok(false) => self.refused(response).await,
                Err(error) => error,
            };
            if Interrupted::caused(&error) || !self.auth.withdraw(self, generation, &error).await {
                return Err(error);
            }
        }
    }

    /// Sends a request for a path of the registry's host, such as `/v2/`, without logging in.
    pub(crate) async fn send_to_host(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        self.send_by_some_scheme(&method, path, prepare).await
    }

    /// Reads an answer whole, and asks once more where it was cut on its way or stood still. What fails before an answer has
    /// begun has been tried again by then.
    async fn read_whole<T>(
        &self,
        ask: impl AsyncFn() -> Result<HttpResponse>,
        read: impl AsyncFn(HttpResponse) -> Result<T>,
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            match read(ask().await?).await {
                Err(error) if tries < MOST_READS && is_cut(&error) => {
                    self.context.console().step("the registry's answer was cut; it is asked for again");
                    self.context.interrupt().sleep(PAUSE.saturating_mul(tries)).await?;
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// Whether an address is one of this registry's.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        let port = |url: &Url| url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{}", url.host_str().unwrap_or_default(), port(url));
        // `host:443` and `host` are the same by `https`; a URL leaves the usual port out.
        let own = self.repository.registry();
        host == own || own.strip_suffix(":443").or(own.strip_suffix(":80")).is_some_and(|own| own == host)
    }

    async fn send_by_some_scheme(
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
                self.found("http");
                Ok(response)
            }
            Err(error) if may_pass(&error) => {
                self.found("https");
                request("https").send().await
            }
            other => {
                if other.is_ok() {
                    self.found("https");
                }
                other
            }
        }
    }

    fn found(&self, scheme: &'static str) {
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

    /// The error of an answer 401 that nothing can be done about.
    async fn refused(&self, response: HttpResponse) -> Error {
        let error = Error::new(response.into_error().await);
        if self.auth.is_anonymous() {
            error.hint(format!("`{}` asks for credentials: `username` and `password`", self.repository.registry()))
        } else {
            error.hint(format!("`{}` does not take these credentials", self.repository.registry()))
        }
    }
}

/// Whether a registry says that there is no such thing, or none for this caller.
fn is_hidden(answered: &Result<HttpResponse>) -> bool {
    let status = match answered {
        Ok(response) => Some(response.status()),
        Err(error) => status_of(error),
    };
    matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN))
}

/// Whether a server may be one that speaks plain HTTP. A certificate that is not trusted is no reason to do without one, nor
/// is a server that asks for ours; and a connection that is cut later on had TLS.
fn speaks_no_tls(error: &Error) -> bool {
    use TransportKind::{Connection, Tls};
    let kind = error.downcast_ref::<TransportError>().map(TransportError::kind);
    matches!(kind, Some(Tls | Connection))
}

/// Whether the same request may succeed a little later.
fn may_pass(error: &Error) -> bool {
    let is_busy = |status: StatusCode| status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    is_cut(error) || status_of(error).is_some_and(is_busy)
}

/// Whether a connection was lost, or brought nothing more.
fn is_cut(error: &Error) -> bool {
    use TransportKind::{Cut, Stalled};
    matches!(error.downcast_ref::<TransportError>().map(TransportError::kind), Some(Cut | Stalled))
}

/// The answer of a status that was not allowed, when the error is that.
pub(crate) fn status_of(error: &Error) -> Option<StatusCode> {
    error.downcast_ref::<StatusError>().map(StatusError::status)
}

/// Says why the registry does not hand something out, in the words that people know.
pub(crate) fn explain(error: Error, repository: &Repository) -> Error {
    match status_of(&error) {
        Some(StatusCode::NOT_FOUND) => error.hint(format!("is there a repository `{repository}`, and may it be read?")),
        Some(StatusCode::FORBIDDEN) => error.hint(format!("the credentials do not reach `{repository}`")),
        _ => error,
    }
}

/// An error for what the registry sent.
pub(crate) fn nonsense(problem: impl Into<String>) -> Error {
    let problem: String = problem.into();
    anyhow!(problem)
}
