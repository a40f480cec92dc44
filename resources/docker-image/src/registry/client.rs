//! A client for one repository in a registry: sends every request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetway::http::{HttpRequest, HttpResponse, Method, StatusCode, Url};
use jetway::{Context, Interrupted, Result};

use crate::layer::content::Allowance;
use crate::login::Login;
use crate::progress::Progress;
use crate::reference::Repository;
use crate::registry::auth::{Access, Auth};
use crate::registry::challenge::Challenge;
use crate::registry::host::{Host, is_cut};
use crate::registry::other::Other;
use crate::registry::quota::Quota;
use crate::registry::status::status_of;
use crate::source::Source;
use crate::source::connection::Schemes;

/// How many times a small response is requested in all, if it is cut off.
const MAX_READS: u32 = 3;

/// The delay before the first retry of a cut response; the second is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// The delays before retries of requests for content that must exist but is not visible yet, because the registry is
/// eventually consistent, or a proxy is still fetching it. If the content was deleted, the request fails after all
/// delays.
pub(super) const UNTIL_SEEN: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// A client for one repository in a registry. Requests may run concurrently.
pub(crate) struct Registry<'c> {
    pub(super) host: Host<'c>,
    pub(super) auth: Arc<Auth>,
    pub(super) access: Access,
    pub(super) quota: Quota,
    /// The hosts that this registry redirects to and that need their own login.
    pub(super) others: Mutex<Vec<Other>>,
    /// Whether requests for content that is not visible yet are retried.
    pub(super) waits: bool,
}

impl<'c> Registry<'c> {
    /// A client for a repository, configured by the source. `is_main` tells the source's repository from a mirror.
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

    /// Uses plain HTTP, because the URL begins with `http://`.
    pub(crate) fn without_encryption(self) -> Self {
        self.host.remember_scheme("http");
        self
    }

    /// Does not retry requests for content that is not visible yet, because the caller tries another registry next.
    pub(crate) fn without_waiting(self) -> Self {
        Self { waits: false, ..self }
    }

    /// The limit for the unpacked size of layers that have so many bytes on disk or in the registry.
    pub(crate) fn allowance(&self, packed: u64) -> Allowance {
        self.host.source.allowance(packed)
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &Repository {
        &self.host.repository
    }

    /// The login for the repository.
    pub(crate) fn login(&self) -> &Login {
        self.auth.login()
    }

    /// How many blobs are uploaded concurrently.
    pub(crate) fn uploads_at_once(&self) -> usize {
        usize::try_from(self.host.source.uploads_at_once()).unwrap_or(1)
    }

    /// The progress of the uploads to this repository.
    pub(crate) fn upload_progress(&self) -> Progress<'c> {
        Progress::of(self.host.context, self.host.uploads.clone())
    }

    /// The verb's context.
    pub(crate) fn context(&self) -> &'c Context {
        self.host.context
    }

    /// Sends a request for a path below the repository, such as `manifests/latest`, or for a URL from the registry. A
    /// 401 is answered with a login; the request decides which other statuses are errors.
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
        // One login, and a second if the first token's scope is too small or the token has expired.
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
            // Some registries never send a challenge: they answer anonymous requests for a private repository as if it
            // did not exist.
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

    /// Reads a whole response, and retries if it was cut off or stalled. The client has already retried errors before
    /// the response.
    pub(super) async fn read_whole<T>(
        &self,
        ask: impl AsyncFn() -> Result<HttpResponse>,
        read: impl AsyncFn(HttpResponse) -> Result<T>,
    ) -> Result<T> {
        let mut attempts = 1;
        loop {
            match read(ask().await?).await {
                Err(error) if attempts < MAX_READS && is_cut(&error) => {
                    self.host.context.console().step("the registry's response was cut off; retrying");
                    self.host.context.interrupt().sleep(PAUSE.saturating_mul(attempts)).await?;
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    /// Retries for a short while until something is visible: it has been seen before.
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
                .step(format_args!("`{}` does not have {what} (yet); retrying", self.host.repository));
            self.host.context.interrupt().sleep(pause).await?;
        }
        ask().await
    }

    /// Sends a request for a path on the registry's host, such as `/v2/`, without logging in.
    pub(crate) async fn send_to_host(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(HttpRequest) -> HttpRequest,
    ) -> Result<HttpResponse> {
        self.host.send_to_host(method, path, prepare).await
    }

    /// Whether a URL is on this registry's host.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        self.host.is_own(url)
    }
}

/// Whether a registry answers that something does not exist, or not for this user.
fn is_hidden(answered: &Result<HttpResponse>) -> bool {
    let status = match answered {
        Ok(response) => Some(response.status()),
        Err(error) => status_of(error),
    };
    matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN))
}
