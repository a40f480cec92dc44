//! Registry authentication: basic credentials, or a bearer token from a token server.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use jetway::http::{HttpClient, HttpRequest, Method, Retry, StatusCode, Url};
use jetway::{Error, Interrupted, Line, Result, Secret};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::any_case::AnyCase;
use crate::login::Login;
use crate::registry::challenge::Challenge;
use crate::registry::host::{Host, host_of};

/// The largest response of a token server that is read, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// The access that a token is requested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Pull only.
    Pull,
    /// Pull and push.
    PullAndPush,
}

/// Authentication for one repository.
pub(crate) struct Auth {
    login: Login,
    /// The scope that every token request has, whatever the challenge says.
    scope: String,
    state: Mutex<State>,
    /// Whether the credentials were sent to the registry or its token server.
    has_shown: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Counts changes of `header`, so that concurrent requests ask for one new token and not for many.
    generation: u64,
    header: Option<Header>,
    /// The refresh token, if the token server returned one.
    refresh: Option<Secret>,
    /// Whether `log_in_unasked` has run.
    has_offered: bool,
    /// Whether `header` comes from `log_in_unasked`, not from a challenge.
    is_unasked: bool,
}

/// The credentials in a request's `Authorization` header.
#[derive(Clone)]
pub(crate) enum Header {
    Basic(String, Secret),
    Bearer(Secret),
}

impl Header {
    pub(crate) fn apply(&self, request: HttpRequest) -> HttpRequest {
        match self {
            Self::Basic(user, password) => request.basic(user, password),
            Self::Bearer(token) => request.bearer(token),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "token")]
    plain: Option<Secret>,
    #[serde(rename = "access_token")]
    access: Option<Secret>,
    #[serde(rename = "refresh_token")]
    refresh: Option<Secret>,
}

impl Auth {
    pub(crate) fn new(login: Login, access: Access, path: &str) -> Self {
        let actions = match access {
            Access::Pull => "pull",
            Access::PullAndPush => "pull,push",
        };
        Self {
            login,
            scope: format!("repository:{path}:{actions}"),
            state: Mutex::default(),
            has_shown: AtomicBool::new(false),
        }
    }

    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self.login, Login::Anonymous)
    }

    /// The current `Authorization` header with its generation.
    pub(crate) async fn current(&self) -> (u64, Option<Header>) {
        let state = self.state.lock().await;
        (state.generation, state.header.clone())
    }

    /// Whether the credentials were sent to any server. Only then can they be wrong.
    pub(crate) fn has_shown(&self) -> bool {
        self.has_shown.load(Ordering::Relaxed)
    }

    /// Answers one of the challenges, unless the header has changed since `generation`, with which the request was
    /// sent. `base` is the URL that sent the challenges. Returns whether the request can be sent again.
    pub(crate) async fn answer(
        &self,
        host: &Host<'_>,
        challenges: &[Challenge],
        generation: u64,
        base: &Url,
    ) -> Result<bool> {
        let mut state = self.state.lock().await;
        self.answer_in(&mut state, host, challenges, generation, base, Retry::default()).await
    }

    /// Answers a 401 without a usable challenge: uses the challenge of `/v2/`, or else basic authentication.
    pub(crate) async fn answer_without_challenge(&self, host: &Host<'_>, generation: u64) -> Result<bool> {
        let mut state = self.state.lock().await;
        if state.generation != generation {
            return Ok(true);
        }
        if state.has_offered {
            return Ok(false);
        }
        state.has_offered = true;
        let Some((challenges, base)) = challenges_of_root(host).await? else { return Ok(false) };
        self.answer_in(&mut state, host, &challenges, generation, &base, Retry::default()).await
    }

    /// Logs in without a challenge, if there are credentials: once, with the challenge of `/v2/`, or else with basic
    /// authentication. Returns whether the request can be sent again.
    ///
    /// Other requests to the registry wait for the result, and the caller already has a response. So no request is
    /// retried, and a failed login is only logged.
    pub(crate) async fn log_in_unasked(&self, host: &Host<'_>, generation: u64) -> Result<bool> {
        if self.is_anonymous() {
            return Ok(false);
        }
        let mut state = self.state.lock().await;
        if state.generation != generation || state.has_offered {
            return Ok(state.generation != generation);
        }
        state.has_offered = true;
        let Some((challenges, base)) = challenges_of_root(host).await? else { return Ok(false) };
        match self.answer_in(&mut state, host, &challenges, generation, &base, Retry::never()).await {
            Ok(is_in) => {
                state.is_unasked = is_in;
                Ok(is_in)
            }
            Err(error) if Interrupted::caused(&error) => Err(error),
            Err(error) => {
                warn_of_refusal(host, &error);
                Ok(false)
            }
        }
    }

    /// Drops a login made without a challenge, because the registry rejected it for the reason `why`. Returns whether
    /// the request can be sent again without it.
    pub(crate) async fn withdraw(&self, host: &Host<'_>, generation: u64, why: &Error) -> bool {
        let mut state = self.state.lock().await;
        if state.generation != generation {
            return state.header.is_none();
        }
        if !state.is_unasked {
            return false;
        }
        warn_of_refusal(host, why);
        state.header = None;
        state.is_unasked = false;
        state.generation += 1;
        true
    }

    async fn answer_in(
        &self,
        state: &mut State,
        host: &Host<'_>,
        challenges: &[Challenge],
        generation: u64,
        base: &Url,
        retry: Retry,
    ) -> Result<bool> {
        if state.generation != generation {
            return Ok(true);
        }
        let mut failure = None;
        for challenge in challenges {
            let header = match (challenge, &self.login) {
                (Challenge::Basic, Login::Password { user, password }) => {
                    if matches!(state.header, Some(Header::Basic(..))) {
                        continue;
                    }
                    self.has_shown.store(true, Ordering::Relaxed);
                    Header::Basic(user.clone(), password.clone())
                }
                (Challenge::Basic, _) => continue,
                (Challenge::Bearer { realm, service, scope }, _) => {
                    // A rejected token is replaced once; if basic authentication is possible, that is tried instead.
                    let is_last = !challenges.contains(&Challenge::Basic) || self.is_anonymous();
                    if matches!(state.header, Some(Header::Bearer(_))) && !is_last {
                        continue;
                    }
                    let got = async {
                        let realm = allowed(realm, host, base)?;
                        self.token(host, &realm, service, scope.as_deref(), state, retry).await
                    };
                    match got.await {
                        Ok(token) => Header::Bearer(token),
                        Err(error) if Interrupted::caused(&error) => return Err(error),
                        Err(error) => {
                            failure
                                .get_or_insert(error.context(format!("cannot get a token for `{}`", host.repository)));
                            continue;
                        }
                    }
                }
            };
            state.header = Some(header);
            state.generation += 1;
            return Ok(true);
        }
        failure.map_or(Ok(false), Err)
    }

    async fn token(
        &self,
        host: &Host<'_>,
        realm: &Url,
        service: &str,
        scope: Option<&str>,
        state: &mut State,
        retry: Retry,
    ) -> Result<Secret> {
        let http = client_for(host, realm)?;
        self.has_shown.fetch_or(!self.is_anonymous(), Ordering::Relaxed);
        let mut scopes = vec![self.scope.as_str()];
        // The challenge may name more scopes, for example the source of a blob mount.
        scopes.extend(scope.into_iter().flat_map(str::split_whitespace).filter(|scope| *scope != self.scope));
        if host.source.debug {
            let (server, scopes) = (host_of(realm), scopes.join(" "));
            host.context.console().step(format_args!("requesting a token for `{scopes}` from `{server}`"));
        }
        let refresh = match &self.login {
            Login::Refresh(token) => Some(token.clone()),
            _ => state.refresh.clone(),
        };
        let answer = match refresh {
            Some(refresh) => match by_refresh(&http, realm, service, &scopes, &refresh, retry).await? {
                Some(answer) => answer,
                None => self.by_get(&http, realm, service, &scopes, retry).await?,
            },
            None => self.by_get(&http, realm, service, &scopes, retry).await?,
        };
        let redactor = host.context.console().redactor();
        if let Some(refresh) = answer.refresh.filter(|token| !token.is_empty()) {
            redactor.add(refresh.expose());
            state.refresh = Some(refresh);
        }
        let token = answer.access.filter(|token| !token.is_empty()).or(answer.plain.filter(|token| !token.is_empty()));
        let token = token.ok_or_else(|| anyhow!("the token server's response contains no token"))?;
        redactor.add(token.expose());
        Ok(token)
    }

    async fn by_get(
        &self,
        http: &HttpClient,
        realm: &Url,
        service: &str,
        scopes: &[&str],
        retry: Retry,
    ) -> Result<Token> {
        let mut request = http.get(realm).query("service", service).retry(retry);
        for scope in scopes {
            request = request.query("scope", scope);
        }
        if let Login::Password { user, password } = &self.login {
            request = request.basic(user, password);
        }
        read(request.send().await?).await
    }
}

/// The challenge of `/v2/` with the URL that sent it; basic authentication if there is no challenge. `None` when `/v2/`
/// does not answer: the error of the first request says more.
async fn challenges_of_root(host: &Host<'_>) -> Result<Option<(Vec<Challenge>, Url)>> {
    let once = |request: HttpRequest| request.allow(StatusCode::UNAUTHORIZED).retry(Retry::never());
    let response = match host.send_to_host(Method::GET, "/v2/", once).await {
        Ok(response) => response,
        Err(error) if Interrupted::caused(&error) => return Err(error),
        Err(_) => return Ok(None),
    };
    if !host.is_own(response.url()) {
        return Ok(None);
    }
    let mut challenges = Challenge::all(&response);
    if challenges.is_empty() {
        challenges.push(Challenge::Basic);
    }
    Ok(Some((challenges, response.url().clone())))
}

fn warn_of_refusal(host: &Host<'_>, why: &Error) {
    let lines = jetway::lines(why);
    let causes = lines.iter().filter(|line| !matches!(line, Line::Hint(_))).map(|line| line.text().to_owned());
    let causes: Vec<String> = causes.collect();
    host.context.console().warn(format_args!(
        "`{}` rejected the credentials, which it did not request; falling back to anonymous access: {}",
        host.repository.registry(),
        causes.join(": ")
    ));
}

/// Requests a token by OAuth 2. `None` when the token server does not support it.
async fn by_refresh(
    http: &HttpClient,
    realm: &Url,
    service: &str,
    scopes: &[&str],
    refresh: &Secret,
    retry: Retry,
) -> Result<Option<Token>> {
    let scope = scopes.join(" ");
    let fields = [
        ("grant_type", "refresh_token"),
        ("service", service),
        ("scope", &scope),
        ("client_id", "jetway"),
        ("refresh_token", refresh.expose()),
    ];
    let asked = http.post(realm).form(fields).repeatable().retry(retry);
    let response = asked.allow(StatusCode::NOT_FOUND).allow(StatusCode::METHOD_NOT_ALLOWED).send().await?;
    if response.status().is_success() { read(response).await.map(Some) } else { Ok(None) }
}

async fn read(response: jetway::http::HttpResponse) -> Result<Token> {
    let body = response.bytes(MAX_RESPONSE_BYTES).await?;
    // The body may hold a token, and the parser's error would repeat it.
    let read = serde_json::from_slice(&body).map(|AnyCase(token)| token);
    read.map_err(|_| anyhow!("cannot parse the token server's response"))
}

/// A client for the token server. The registry's client certificate is for the registry's own host only.
fn client_for(host: &Host<'_>, realm: &Url) -> Result<HttpClient> {
    if host.is_own(realm) {
        return Ok(host.http.clone());
    }
    host.context.http(host.source.http(&host_of(realm)))
}

/// Resolves the realm and checks that credentials may be sent there: not unencrypted if the registry is encrypted, and
/// not to a private address if the registry is on the internet.
///
/// A realm may be relative to `base`, the URL that sent the challenge.
fn allowed(realm: &str, host: &Host<'_>, base: &Url) -> Result<Url> {
    let refuse = |why: &str| {
        anyhow!("refusing to contact the token server `{realm}` of `{}`: {why}", host.repository.registry())
    };
    let url = base.join(realm).map_err(|_| refuse("it is not a valid URL"))?;
    if url.scheme() != "https" && (url.scheme() != "http" || base.scheme() == "https") {
        return Err(refuse("the credentials would be sent unencrypted"));
    }
    if url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it must be a URL with a host and without a user or password"));
    }
    if host.must_not_name(&url) {
        return Err(refuse("it has a private address"));
    }
    Ok(url)
}
