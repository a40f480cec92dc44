//! A client for GitHub's REST API: requests, pagination and error messages.

use std::cell::{Cell, RefCell};

use anyhow::anyhow;
use jetway::http::header::HeaderMap;
use jetway::http::{HttpRequest, HttpResponse, HttpSettings, Method, StatusCode, TransportError};
use jetway::{Advise as _, Context, Error, Interrupted, Result, Secret};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::access::{Access, is_commit_hash};
use crate::credentials::{self, Token};
use crate::error_response::{ErrorResponse, NotApiResponse, error_status, explained};
use crate::log::Log;
use crate::responses::Status;
use crate::server::{Server, escape_path};
use crate::store::CachedPage;

/// The page size, which is the maximum that GitHub accepts.
const PAGE: &str = "per_page=100";

/// The same for Gitea and Forgejo. They send fewer items if their configuration says so, 50 by default.
const GITEA_PAGE: &str = "limit=100";

/// The maximum number of pages in a list. GitHub has no longer list of statuses; the limit stops a server that never
/// ends its list.
const MAX_PAGES: u32 = 100;

/// The maximum size of the response to a create request, in bytes.
const MAX_RESPONSE_BYTES: u64 = 4 * 1024 * 1024;

/// The API of one server, for one repository.
pub struct GitHub<'c> {
    server: Server<'c>,
    /// Whether any request has succeeded.
    has_answered: Cell<bool>,
    token: RefCell<Option<Token>>,
    rate_limit: Cell<Option<RateLimit>>,
}

/// The state of the rate limit.
#[derive(Debug, Clone, Copy)]
struct RateLimit {
    limit: u64,
    remaining: u64,
    /// When the limit is reset, in seconds since 1970.
    reset: i64,
}

/// Runs a verb. If the responses do not come from an API, runs it again with each of the other possible API URLs.
pub async fn with_api<T>(github: &GitHub<'_>, verb: impl AsyncFn() -> Result<T>) -> Result<T> {
    let key = github.access().endpoint_key;
    let mut error = match verb().await {
        Err(error) if github.should_try_other_api(&error) => error,
        outcome => return outcome,
    };
    for api in github.access().possible_apis().into_iter().skip(1) {
        github.server.move_to(api.clone());
        match verb().await {
            Err(another) if github.should_try_other_api(&another) => {}
            outcome => {
                github.log().warn(format_args!("the API of the server is at `{api}`; set `{key}` to this URL"));
                return outcome;
            }
        }
    }
    error = error.hint(format!(
        "the `{key}` of GitHub Enterprise ends with `/api/v3`, that of Gitea and Forgejo with `/api/v1`"
    ));
    Err(error)
}

impl<'c> GitHub<'c> {
    /// Creates a client without a cache, for a get or a put.
    pub fn new(context: &'c Context, access: Access, http: HttpSettings) -> Result<Self> {
        Ok(Self::of(Server::new(context, access, http)?))
    }

    /// Creates a client with a cache for the next check in the same container.
    pub fn for_check(context: &'c Context, access: Access, http: HttpSettings) -> Result<Self> {
        Ok(Self::of(Server::for_check(context, access, http)?))
    }

    fn of(server: Server<'c>) -> Self {
        Self { server, has_answered: Cell::default(), token: RefCell::default(), rate_limit: Cell::default() }
    }

    /// The server, for requests without the repository's token.
    pub fn server(&self) -> &Server<'c> {
        &self.server
    }

    /// The repository and the credentials.
    pub fn access(&self) -> &Access {
        self.server.access()
    }

    /// Whether the server is a Gitea or Forgejo, which have no GraphQL API.
    pub fn is_gitea(&self) -> bool {
        self.server.is_gitea()
    }

    /// The context of the verb.
    pub fn context(&self) -> &'c Context {
        self.server.context()
    }

    /// The log of the verb.
    pub fn log(&self) -> Log<'c> {
        self.server.log()
    }

    /// The path of a resource in the repository.
    pub fn of_repository(&self, rest: &str) -> String {
        self.server.of_repository(rest)
    }

    /// Creates an unauthenticated request.
    pub fn request(&self, method: &Method, path: &str) -> HttpRequest {
        self.server.request(method, path)
    }

    /// Whether to try another API URL of the server: no request has succeeded yet, and the response is "not found" or does not
    /// come from an API.
    fn should_try_other_api(&self, error: &Error) -> bool {
        if self.has_answered.get() || self.access().possible_apis().len() == 1 {
            return false;
        }
        match error.downcast_ref::<ErrorResponse>() {
            Some(refused) => {
                refused.status == StatusCode::NOT_FOUND || (refused.status.is_client_error() && !refused.is_of_api)
            }
            None => error.downcast_ref::<NotApiResponse>().is_some(),
        }
    }

    /// Sends an authenticated request. If a cached token turns out to be invalid, sends it again with a new one.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let token = self.token().await?;
        let answer = explained(request.clone().bearer(&token.secret).send().await, self.access().hints);
        let answer = match answer {
            Err(error) if token.is_cached && error_status(&error) == Some(StatusCode::UNAUTHORIZED) => {
                self.forget_token();
                let token = self.token().await?;
                explained(request.bearer(&token.secret).send().await, self.access().hints)
            }
            answer => answer,
        };
        if let Ok(answer) = &answer {
            self.rate_limit.set(RateLimit::of(answer.headers()).or(self.rate_limit.get()));
        }
        answer
    }

    /// Reads one object.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let response = self.send(self.request(&Method::GET, path)).await?;
        self.decode(response).await
    }

    /// Decodes a response of the API.
    pub async fn decode<T: DeserializeOwned>(&self, response: HttpResponse) -> Result<T> {
        match response.json().await {
            Ok(answer) => {
                self.has_answered.set(true);
                Ok(answer)
            }
            Err(error) if error.downcast_ref::<TransportError>().is_some() || Interrupted::caused(&error) => Err(error),
            Err(error) => Err(error.context(NotApiResponse)),
        }
    }

    /// Sends a create request. After 201 the object exists, so a response that cannot be parsed counts as empty.
    pub async fn created<T: DeserializeOwned>(&self, request: HttpRequest) -> Result<T> {
        let response = self.send(request).await?;
        if response.status() != StatusCode::CREATED {
            return self.decode(response).await;
        }
        self.has_answered.set(true);
        let body = match response.bytes(MAX_RESPONSE_BYTES).await {
            Ok(body) => body,
            Err(error) if Interrupted::caused(&error) => return Err(error),
            Err(error) => {
                self.log().warn(format_args!("GitHub accepted the request, but its response was cut off: {error}"));
                Vec::new()
            }
        };
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(answer),
            Err(_) => Ok(serde_json::from_str("{}")?),
        }
    }

    /// Resolves a ref to a commit hash.
    pub async fn commit_of(&self, reference: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct CombinedStatus {
            sha: String,
        }
        if is_commit_hash(reference) {
            return Ok(reference.to_owned());
        }
        let path = self.of_repository(&format!("commits/{}/status", escape_path(reference)));
        let combined: CombinedStatus = self.read(&path).await?;
        Ok(combined.sha)
    }

    /// The pages of a list, newest first if GitHub orders it by time; `query` filters the list.
    pub fn list<T: Listed>(&self, path: String, query: &str) -> Pages<'_, 'c, T> {
        let page = if self.is_gitea() { GITEA_PAGE } else { PAGE };
        let query = if query.is_empty() { page.to_owned() } else { format!("{query}&{page}") };
        Pages { github: self, path, query: Some(query), page: 0, items: std::marker::PhantomData }
    }

    /// The statuses of a commit, newest first.
    pub fn statuses(&self, reference: &str) -> Pages<'_, 'c, Status> {
        self.list(self.server.statuses_path(reference), "")
    }

    /// Reads one page. Uses the cached page if the server reports it as not modified.
    async fn page<T: Listed>(&self, path: &str, query: &str) -> Result<(Vec<T>, Option<String>)> {
        let address = format!("{path}?{query}");
        let kept = self.server.store().and_then(|store| store.borrow().page(&address).cloned());
        // A page that another release cached in another format is requested again.
        let kept = kept.and_then(|kept| Some((serde_json::from_value::<Vec<T>>(kept.items.clone()).ok()?, kept)));
        let mut request = self.request(&Method::GET, &address);
        if let Some((_, kept)) = &kept {
            request = request.header("if-none-match", &kept.etag).allow(StatusCode::NOT_MODIFIED);
        }
        let response = self.send(request).await?;
        if response.status() == StatusCode::NOT_MODIFIED
            && let (Some((items, kept)), Some(store)) = (kept, self.server.store())
        {
            let next = kept.next.clone();
            store.borrow_mut().keep(&address, kept);
            return Ok((items, next));
        }
        let etag = response.header("etag").map(str::to_owned);
        let next = next_query(response.headers());
        let items: Vec<T> = self.decode(response).await?;
        if let (Some(store), Some(etag), Ok(items)) = (self.server.store(), etag, serde_json::to_value(&items)) {
            store.borrow_mut().keep(&address, CachedPage { etag, next: next.clone(), items });
        }
        Ok((items, next))
    }

    /// Ends a check: saves the cache for the next check, and logs the remaining rate limit.
    pub fn finish_check(&self) {
        if let Some(store) = self.server.store() {
            store.borrow().save();
        }
        if let Some(rate_limit) = self.rate_limit.get() {
            self.log().step(rate_limit);
        }
    }

    /// Ends a put: logs the remaining rate limit if it is low.
    pub fn finish(&self) {
        if let Some(rate_limit) = self.rate_limit.get().filter(|limit| limit.remaining < limit.limit / 10) {
            self.log().warn(rate_limit);
        }
    }

    /// The token of the repository, for another program.
    pub async fn secret(&self) -> Result<Secret> {
        Ok(self.token().await?.secret)
    }

    /// Records that a request to the API has succeeded.
    pub(crate) fn set_answered(&self) {
        self.has_answered.set(true);
    }

    async fn token(&self) -> Result<Token> {
        if let Some(token) = self.token.borrow().clone() {
            return Ok(token);
        }
        let token = credentials::token(&self.server).await?;
        Ok(self.token.borrow_mut().insert(token).clone())
    }

    fn forget_token(&self) {
        *self.token.borrow_mut() = None;
        if let Some(store) = self.server.store() {
            store.borrow_mut().forget_token();
        }
    }
}

/// An item of a list that can be cached.
pub trait Listed: DeserializeOwned + Serialize {}

impl<T: DeserializeOwned + Serialize> Listed for T {}

/// The pages of a list.
pub struct Pages<'g, 'c, T> {
    github: &'g GitHub<'c>,
    path: String,
    query: Option<String>,
    page: u32,
    items: std::marker::PhantomData<T>,
}

impl<T: Listed> Pages<'_, '_, T> {
    /// Reads the next page; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>> {
        let Some(query) = self.query.take() else { return Ok(None) };
        self.page += 1;
        if self.page > MAX_PAGES {
            return Err(anyhow!("`{}` has more than {MAX_PAGES} pages", self.path));
        }
        let (items, next) = self.github.page(&self.path, &query).await?;
        self.query = next;
        Ok(Some(items))
    }

    /// Reads all pages.
    pub async fn all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(items) = self.next().await? {
            all.extend(items);
        }
        Ok(all)
    }

    /// Finds the first item for which `is_wanted` returns true.
    pub async fn find(mut self, is_wanted: impl Fn(&T) -> bool) -> Result<Option<T>> {
        while let Some(items) = self.next().await? {
            if let Some(found) = items.into_iter().find(&is_wanted) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The query of the next page, from the `Link` header. The rest of that URL is ignored, because the token must not be
/// sent to a host that the response chooses.
fn next_query(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
    let mut links = links.flat_map(|value| value.split(','));
    let next = links.find(|link| link.split(';').skip(1).any(|part| part.trim().replace('"', "") == "rel=next"))?;
    let (_, after) = next.split_once('<')?;
    let (address, _) = after.split_once('>')?;
    let (_, query) = address.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    Some(query.to_owned()).filter(|query| !query.is_empty() && !query.contains(char::is_whitespace))
}

impl RateLimit {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        Some(Self {
            limit: number("x-ratelimit-limit")?,
            remaining: number("x-ratelimit-remaining")?,
            reset: i64::try_from(number("x-ratelimit-reset")?).ok()?,
        })
    }
}

impl std::fmt::Display for RateLimit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "rate limit: {} of {} requests are left", self.remaining, self.limit)?;
        match Timestamp::from_second(self.reset) {
            Ok(reset) => write!(formatter, " until {}", reset.strftime("%H:%M UTC")),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(link: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("link", link.parse().unwrap());
        headers
    }

    #[test]
    fn next_query_takes_only_the_query_of_the_link() {
        let link = "<https://elsewhere.example/x?page=1>; rel=\"prev\", <https://elsewhere.example/x?per_page=100&page=3>; rel=\"next\"";
        assert_eq!(next_query(&headers(link)).as_deref(), Some("per_page=100&page=3"));
        assert_eq!(next_query(&headers("<https://a.example/x?page=1>; rel=\"first\"")), None);
        assert_eq!(next_query(&headers("</x?page=2>; rel=\"next\"")).as_deref(), Some("page=2"));
        assert_eq!(next_query(&headers("nonsense")), None);
    }
}
