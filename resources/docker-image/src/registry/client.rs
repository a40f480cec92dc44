//! A repository in a registry: how every request goes out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetway::http::{HttpRequest, HttpResponse, Method, StatusCode, Url};
use jetway::{Context, Interrupted, Result};

use crate::layer::content::Allowance;
use crate::login::Login;
use crate::reference::Repository;
use crate::registry::auth::{Access, Auth};
use crate::registry::challenge::Challenge;
use crate::registry::host::{Host, is_cut};
use crate::registry::other::Other;
use crate::registry::quota::Quota;
use crate::registry::status::status_of;
use crate::source::Source;
use crate::source::connection::Schemes;

/// How often a small answer that is cut is asked for, in all.
const MOST_READS: u32 = 3;

/// The pause before it is asked for again, the second time twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// The pauses before a registry is asked again for what must be there, and is not seen yet: a registry whose parts do not agree at
/// once, or a proxy that is still fetching. What has been deleted is reported after all of them.
pub(super) const UNTIL_SEEN: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// A repository in a registry. Requests may run side by side.
pub(crate) struct Registry<'c> {
    pub(super) host: Host<'c>,
    pub(super) auth: Arc<Auth>,
    pub(super) access: Access,
    pub(super) quota: Quota,
    /// The hosts that this one redirects to and that ask for a login of their own.
    pub(super) others: Mutex<Vec<Other>>,
    /// Whether what is not there yet is waited for.
    pub(super) waits: bool,
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
        let http = context.http(source.http(repository.registry()))?;
        let auth = Arc::new(Auth::new(login, access, repository.path()));
        let host = Host::new(context, source, repository, http, (schemes == Schemes::Encrypted).then_some("https"));
        Ok(Self { host, auth, access, quota: Quota::default(), others: Mutex::default(), waits: true })
    }

    /// The same, spoken to without encryption: its address was given as `http://`.
    pub(crate) fn without_encryption(self) -> Self {
        self.host.found("http");
        self
    }

    /// The same, which is not waited for: another place is asked for what this one does not have.
    pub(crate) fn without_waiting(self) -> Self {
        Self { waits: false, ..self }
    }

    /// How much layers may hold of which so many bytes are downloaded or on disk.
    pub(crate) fn allowance(&self, packed: u64) -> Allowance {
        self.host.source.allowance(packed)
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &Repository {
        &self.host.repository
    }

    /// Who asks.
    pub(crate) fn login(&self) -> &Login {
        self.auth.login()
    }

    /// How many blobs are sent at once.
    pub(crate) fn uploads_at_once(&self) -> usize {
        usize::try_from(self.host.source.uploads_at_once()).unwrap_or(1)
    }

    /// The surroundings of the verb.
    pub(crate) fn context(&self) -> &'c Context {
        self.host.context
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

    pub(super) async fn send_with(
        &self,
        method: Method,
        target: &str,
        prepare: &dyn Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        // A login, and one more when the first one's scope does not reach or its time is over.
        let mut logins = 0;
        let is_ours = Url::parse(target).map_or(true, |url| self.host.is_own(&url));
        loop {
            let (generation, header) = self.auth.current().await;
            let answered = self
                .host
                .send_by_some_scheme(&method, target, |request| {
                    let request = prepare(request).allow(StatusCode::UNAUTHORIZED);
                    match &header {
                        Some(header) if is_ours => header.apply(request),
                        _ => request,
                    }
                })
                .await;
            // Some registries ask nobody for credentials: what takes a login is hidden from who has none.
            if header.is_none() && is_hidden(&answered) && self.auth.log_in_unasked(&self.host, generation).await? {
                continue;
            }
            let response = answered?;
            self.quota.show(self.host.context.console(), &self.host.repository, &response);
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            let challenges = Challenge::all(&response);
            if !self.host.is_own(response.url()) {
                if challenges.is_empty() {
                    return Err(self.refused(response).await);
                }
                return self.send_to_other(method, response.url(), prepare).await;
            }
            let answered = if logins >= 2 {
                Ok(false)
            } else if challenges.is_empty() {
                logins += 1;
                self.auth.answer_without_challenge(&self.host, generation).await
            } else {
                logins += 1;
                self.auth.answer(&self.host, &challenges, generation, response.url()).await
            };
            let error = match answered {
                Ok(true) => continue,
                Ok(false) => self.refused(response).await,
                Err(error) => error,
            };
            if Interrupted::caused(&error) || !self.auth.withdraw(&self.host, generation, &error).await {
                return Err(error);
            }
        }
    }

    /// Reads an answer whole, and asks once more where it was cut on its way or stood still. What fails before an answer has
    /// begun has been tried again by then.
    pub(super) async fn read_whole<T>(
        &self,
        ask: impl AsyncFn() -> Result<HttpResponse>,
        read: impl AsyncFn(HttpResponse) -> Result<T>,
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            match read(ask().await?).await {
                Err(error) if tries < MOST_READS && is_cut(&error) => {
                    self.host.context.console().step("the registry's answer was cut; it is asked for again");
                    self.host.context.interrupt().sleep(PAUSE.saturating_mul(tries)).await?;
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
            self.host
                .context
                .console()
                .step(format_args!("`{}` does not have {what} (yet); it is asked again", self.host.repository));
            self.host.context.interrupt().sleep(pause).await?;
        }
        ask().await
    }

    /// Sends a request for a path of the registry's host, such as `/v2/`, without logging in.
    pub(crate) async fn send_to_host(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        self.host.send_by_some_scheme(&method, path, prepare).await
    }

    /// Whether an address is one of this registry's.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        self.host.is_own(url)
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
