//! A repository in a registry, spoken to by HTTP (the distribution specification of the OCI).
//!
//! [`Registry::send`] is how every request goes out: it finds the scheme, logs in when the registry asks for that, and shows
//! what the registry says of its limits. Beside it: [`manifests`](self), tags, blobs, each a module that adds its requests.

mod auth;
pub(crate) mod blobs;
pub(crate) mod challenge;
mod elsewhere;
mod manifests;
mod problem;
mod quota;
mod referrers;
mod tags;
pub(crate) mod uploads;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jetway::http::{
    HttpClient, HttpRequest, HttpResponse, Method, Retry, StatusCode, TransportError, TransportKind, Url,
};
use jetway::{Context, Error, Interrupted, Result};

use crate::layer::content::Allowance;
use crate::login::Login;
use crate::reference::Repository;
use crate::source::Source;
use crate::source::connection::Schemes;
use auth::Auth;
use challenge::Challenge;
use elsewhere::Other;
use quota::Quota;

pub(crate) use auth::Access;
pub(crate) use manifests::Asked;
pub(crate) use problem::{nonsense, status_of};

/// How often a small answer that is cut is asked for, in all.
const MOST_READS: u32 = 3;

/// The pause before it is asked for again, the second time twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// The pauses before a registry is asked again for what must be there, and is not seen yet: a registry whose parts do not agree at
/// once, or a proxy that is still fetching. What has been deleted is reported after all of them.
pub(super) const UNTIL_SEEN: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// A repository in a registry. Requests may run side by side.
pub(crate) struct Registry<'c> {
    context: &'c Context,
    source: &'c Source,
    repository: Repository,
    http: HttpClient,
    /// The scheme that has worked.
    scheme: Mutex<Option<&'static str>>,
    auth: Arc<Auth>,
    access: Access,
    quota: Quota,
    /// The hosts that this one redirects to and that ask for a login of their own.
    others: Mutex<Vec<Other>>,
    /// Whether what is not there yet is waited for.
    waits: bool,
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
            auth: Arc::new(Auth::new(login, access, repository.path())),
            access,
            quota: Quota::default(),
            others: Mutex::default(),
            waits: true,
            repository,
        })
    }

    /// The same, spoken to without encryption: its address was given as `http://`.
    pub(crate) fn without_encryption(self) -> Self {
        self.found("http");
        self
    }

    /// The same, which is not waited for: another place is asked for what this one does not have.
    pub(crate) fn without_waiting(self) -> Self {
        Self { waits: false, ..self }
    }

    /// How much layers may hold of which so many bytes are downloaded or on disk.
    pub(crate) fn allowance(&self, packed: u64) -> Allowance {
        self.source.allowance(packed)
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
        self.send_with(method, target, &prepare).await
    }

    async fn send_with(
        &self,
        method: Method,
        target: &str,
        prepare: &dyn Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        // A login, and one more when the first one's scope does not reach or its time is over.
        let mut logins = 0;
        let is_ours = Url::parse(target).map_or(true, |url| self.is_own(&url));
        loop {
            let (generation, header) = self.auth.current().await;
            let answered = self
                .send_by_some_scheme(&method, target, |request| {
                    let request = prepare(request).allow(StatusCode::UNAUTHORIZED);
                    match &header {
                        Some(header) if is_ours => header.apply(request),
                        _ => request,
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
            let challenges = Challenge::all(&response);
            if !self.is_own(response.url()) {
                if challenges.is_empty() {
                    return Err(self.refused(response).await);
                }
                return self.send_to_other(method, response.url(), prepare).await;
            }
            let answered = if logins >= 2 {
                Ok(false)
            } else if challenges.is_empty() {
                logins += 1;
                self.auth.answer_without_challenge(self, generation).await
            } else {
                logins += 1;
                self.auth.answer(self, &challenges, generation, response.url()).await
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

    /// Asks for something until it is there, for a short while: it was there for somebody else already.
    pub(crate) async fn until_seen<T>(
        &self,
        what: &str,
        ask: impl AsyncFn() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        for pause in UNTIL_SEEN {
            let found = ask().await?;
            if found.is_some() || !self.waits {
                return Ok(found);
            }
            self.context
                .console()
                .step(format_args!("`{}` does not have {what} (yet); it is asked again", self.repository));
            self.context.interrupt().sleep(pause).await?;
        }
        ask().await
    }

    /// Whether an address is one of this registry's.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        let host = host_of(url);
        // `host:443` and `host` are the same by `https`; a URL leaves the usual port out.
        let own = self.repository.registry();
        host == own || own.strip_suffix(":443").or(own.strip_suffix(":80")).is_some_and(|own| own == host)
    }

    /// With `debug`: shows a request and its answer. A query may hold a signature, so that the path alone is shown.
    fn show(&self, method: &Method, answered: &Result<HttpResponse>) {
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

    async fn send_by_some_scheme(
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
}

/// The host of an address, with its port unless that is the usual one.
pub(super) fn host_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
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
