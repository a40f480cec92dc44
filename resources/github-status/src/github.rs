//! GitHub's REST API: requests, pages, and its own words when it refuses.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use anyhow::{Context as _, anyhow};
use jetway::http::header::HeaderMap;
use jetway::http::{HttpClient, HttpRequest, HttpResponse, Method, StatusCode, StatusError, Url};
use jetway::{Advise as _, Console, Context, Error, Result, Secret};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::{self, Token};
use crate::source::Source;
use crate::store::{Answer, Login, Store};

/// The form of the API that is spoken.
const API_VERSION: &str = "2022-11-28";

/// The most items of a page, which is the most that GitHub gives.
const PAGE: &str = "per_page=100";

/// The most pages of one list. GitHub has no list of statuses that is longer; without a bound a server could go on for ever.
const MOST_PAGES: u32 = 100;

/// The API of one server, for one repository.
pub(crate) struct GitHub<'c> {
    context: &'c Context,
    source: &'c Source,
    client: HttpClient,
    token: RefCell<Option<Token>>,
    /// What is kept from one check to the next; `None` for verbs whose container is used once.
    store: Option<RefCell<Store>>,
    budget: Cell<Option<Budget>>,
}

/// How many requests are left.
#[derive(Debug, Clone, Copy)]
struct Budget {
    limit: u64,
    left: u64,
    renewed: i64,
}

/// A status of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) url: Option<String>,
    pub(crate) state: String,
    pub(crate) context: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) creator: Option<User>,
}

/// Whoever said something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) login: String,
}

/// A pull request, as far as it matters here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PullRequest {
    pub(crate) number: u64,
    pub(crate) state: Option<String>,
    pub(crate) head: Head,
}

/// Where a pull request comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) sha: String,
}

/// Something that GitHub did not do.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The status of GitHub's refusal, when the error is one.
pub(crate) fn refusal(error: &Error) -> Option<StatusCode> {
    error.downcast_ref::<Refused>().map(|refused| refused.status)
}

/// Whether GitHub says that there is no such thing.
pub(crate) fn is_gone(error: &Error) -> bool {
    // An unknown commit is no entity that could be processed.
    matches!(refusal(error), Some(StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY))
}

impl Status {
    /// The name of the context.
    pub(crate) fn context(&self) -> &str {
        self.context.as_deref().unwrap_or("default")
    }

    /// The login of whoever set it.
    pub(crate) fn creator(&self) -> &str {
        self.creator.as_ref().map_or("", |creator| creator.login.as_str())
    }

    /// The commit that it is of. A list does not say so in a field of its own, but each status has an address.
    pub(crate) fn commit(&self) -> Result<String> {
        let last = self.url.as_deref().and_then(|url| url.trim_end_matches('/').rsplit('/').next());
        last.filter(|hash| crate::checkout::is_commit_hash(hash))
            .map(str::to_owned)
            .with_context(|| format!("GitHub does not say which commit the status {} is of", self.id))
    }
}

impl<'c> GitHub<'c> {
    /// For a verb whose container is used once.
    pub(crate) fn new(context: &'c Context, source: &'c Source) -> Result<Self> {
        let client = context.http(source.http())?;
        Ok(Self { context, source, client, token: RefCell::default(), store: None, budget: Cell::default() })
    }

    /// For a check, whose container may be used again.
    pub(crate) fn for_check(context: &'c Context, source: &'c Source) -> Result<Self> {
        let store = Store::open(context.temporary(), source.api(), &source.repository);
        Ok(Self { store: Some(RefCell::new(store)), ..Self::new(context, source)? })
    }

    pub(crate) fn source(&self) -> &'c Source {
        self.source
    }

    pub(crate) fn context(&self) -> &'c Context {
        self.context
    }

    pub(crate) fn console(&self) -> &'c Console {
        self.context.console()
    }

    /// The path of something of the repository's.
    pub(crate) fn of_repository(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.source.repository)
    }

    /// The path of the statuses of a commit, which a ref may name.
    pub(crate) fn statuses_path(&self, reference: &str) -> String {
        self.of_repository(&format!("commits/{}/statuses", escape_path(reference)))
    }

    /// A request that nobody has logged in for yet.
    pub(crate) fn request(&self, method: &Method, path: &str) -> HttpRequest {
        self.request_to(method, &format!("{}{path}", self.source.api()))
    }

    /// The same by a whole address.
    pub(crate) fn request_to(&self, method: &Method, url: &str) -> HttpRequest {
        self.client
            .request(method.clone(), url)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION)
    }

    /// Sends a request with the login, once more when a token that was kept turns out to be no good any more.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let token = self.token().await?;
        let answer = Self::explained(request.clone().bearer(&token.secret).send().await);
        let answer = match answer {
            Err(error) if token.is_kept && refusal(&error) == Some(StatusCode::UNAUTHORIZED) => {
                self.forget_token();
                let token = self.token().await?;
                Self::explained(request.bearer(&token.secret).send().await)
            }
            answer => answer,
        };
        if let Ok(answer) = &answer {
            self.budget.set(Budget::of(answer.headers()).or(self.budget.get()));
        }
        answer
    }

    /// Reads one thing.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(self.request(&Method::GET, path)).await?.json().await
    }

    /// The pages of a list, newest first where GitHub orders by time; `query` selects what is in it.
    pub(crate) fn list<T: Listed>(&self, path: String, query: &str) -> Pages<'_, 'c, T> {
        let query = if query.is_empty() { PAGE.to_owned() } else { format!("{query}&{PAGE}") };
        Pages { github: self, path, query: Some(query), page: 0, items: std::marker::PhantomData }
    }

    /// The statuses of a commit, newest first.
    pub(crate) fn statuses(&self, reference: &str) -> Pages<'_, 'c, Status> {
        self.list(self.statuses_path(reference), "")
    }

    /// One page, from what is kept when it is still the same.
    async fn page<T: Listed>(&self, path: &str, query: &str) -> Result<(Vec<T>, Option<String>)> {
        let address = format!("{path}?{query}");
        let kept = self.store.as_ref().and_then(|store| store.borrow().answer(&address).cloned());
        // What cannot be read, since another release kept it, is asked for again.
        let kept = kept.and_then(|kept| Some((serde_json::from_value::<Vec<T>>(kept.items.clone()).ok()?, kept)));
        let mut request = self.request(&Method::GET, &address);
        if let Some((_, kept)) = &kept {
            request = request.header("if-none-match", &kept.etag).allow(StatusCode::NOT_MODIFIED);
        }
        let response = self.send(request).await?;
        if response.status() == StatusCode::NOT_MODIFIED
            && let (Some((items, kept)), Some(store)) = (kept, &self.store)
        {
            let next = kept.next.clone();
            store.borrow_mut().keep(&address, kept);
            return Ok((items, next));
        }
        let etag = response.header("etag").map(str::to_owned);
        let next = next_query(response.headers());
        let items: Vec<T> = response.json().await?;
        if let (Some(store), Some(etag), Ok(items)) = (&self.store, etag, serde_json::to_value(&items)) {
            store.borrow_mut().keep(&address, Answer { etag, next: next.clone(), items });
        }
        Ok((items, next))
    }

    /// Ends a check: what it learnt is kept for the next one, and people see what is left of the rate limit.
    pub(crate) fn finish_check(&self) {
        if let Some(store) = &self.store {
            store.borrow().save();
        }
        if let Some(budget) = self.budget.get() {
            self.console().step(budget);
        }
    }

    /// Ends a put: people see what is left of the rate limit when that is little.
    pub(crate) fn finish(&self) {
        if let Some(budget) = self.budget.get().filter(|budget| budget.left < budget.limit / 10) {
            self.console().warn(budget);
        }
    }

    pub(crate) fn kept_token(&self, login: &Login<'_>) -> Option<(Secret, i64)> {
        self.store.as_ref()?.borrow_mut().token(login)
    }

    pub(crate) fn keep_token(&self, login: &Login<'_>, token: &Secret, ends: i64) {
        if let Some(store) = &self.store {
            store.borrow_mut().keep_token(login, token, ends);
        }
    }

    async fn token(&self) -> Result<Token> {
        if let Some(token) = self.token.borrow().clone() {
            return Ok(token);
        }
        let token = credentials::token(self).await?;
        Ok(self.token.borrow_mut().insert(token).clone())
    }

    fn forget_token(&self) {
        *self.token.borrow_mut() = None;
        if let Some(store) = &self.store {
            store.borrow_mut().forget_token();
        }
    }

    /// The answer, or GitHub's own words and what to do about them.
    pub(crate) fn explained(answer: Result<HttpResponse>) -> Result<HttpResponse> {
        answer.map_err(explain)
    }
}

/// What can stand in a list, and be kept.
pub(crate) trait Listed: DeserializeOwned + Serialize {}

impl<T: DeserializeOwned + Serialize> Listed for T {}

/// The pages of a list.
pub(crate) struct Pages<'g, 'c, T> {
    github: &'g GitHub<'c>,
    path: String,
    query: Option<String>,
    page: u32,
    items: std::marker::PhantomData<T>,
}

impl<T: Listed> Pages<'_, '_, T> {
    /// The next page, `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<T>>> {
        let Some(query) = self.query.take() else { return Ok(None) };
        self.page += 1;
        if self.page > MOST_PAGES {
            return Err(anyhow!("`{}` has more than {MOST_PAGES} pages", self.path));
        }
        let (items, next) = self.github.page(&self.path, &query).await?;
        self.query = next;
        Ok(Some(items))
    }

    /// All of it.
    pub(crate) async fn all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(items) = self.next().await? {
            all.extend(items);
        }
        Ok(all)
    }

    /// The first item that `is_wanted`.
    pub(crate) async fn find(mut self, is_wanted: impl Fn(&T) -> bool) -> Result<Option<T>> {
        while let Some(items) = self.next().await? {
            if let Some(found) = items.into_iter().find(&is_wanted) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The query of the next page, from the `Link` header. Only the query: where to ask is ours to say, since the token goes
/// there.
fn next_query(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
    let mut links = links.flat_map(|value| value.split(','));
    let next = links.find(|link| link.split(';').skip(1).any(|part| part.trim().replace('"', "") == "rel=next"))?;
    let (_, after) = next.split_once('<')?;
    let (address, _) = after.split_once('>')?;
    Url::parse(address).ok()?.query().filter(|query| !query.is_empty()).map(str::to_owned)
}

/// Percent-encodes what a path cannot hold; slashes stay.
pub(crate) fn escape_path(text: &str) -> String {
    escape(text, b"-._~/")
}

/// Percent-encodes what a value in a query cannot hold.
pub(crate) fn escape_value(text: &str) -> String {
    escape(text, b"-._~")
}

fn escape(text: &str, plain: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

impl Budget {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        Some(Self {
            limit: number("x-ratelimit-limit")?,
            left: number("x-ratelimit-remaining")?,
            renewed: i64::try_from(number("x-ratelimit-reset")?).ok()?,
        })
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "rate limit: {} of {} requests are left", self.left, self.limit)?;
        match Timestamp::from_second(self.renewed) {
            Ok(renewed) => write!(formatter, " until {}", renewed.strftime("%H:%M UTC")),
            Err(_) => Ok(()),
        }
    }
}

/// GitHub's own words in place of the JSON that they came in, and a hint.
fn explain(error: Error) -> Error {
    let Some(answer) = error.downcast_ref::<StatusError>() else { return error };
    let (status, text) = (answer.status(), answer.to_string());
    let said = answer.json::<Value>().as_ref().and_then(words);
    let mut causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if let Some(said) = &said {
        // The last cause is the body as it came.
        causes.pop();
        causes.push(said.clone());
    }
    let innermost = anyhow!(causes.pop().unwrap_or_else(|| text.clone()));
    let inner = causes.into_iter().rev().fold(innermost, Error::context);
    let inner = match hint(status, said.as_deref().unwrap_or_default()) {
        Some(hint) => inner.hint(hint),
        None => inner,
    };
    inner.context(Refused { status, text })
}

/// `message`, and what `errors` adds to it.
fn words(body: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut said = body.get("message").and_then(text).filter(|message| !message.is_empty())?;
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| error.get(name).and_then(text);
        let detail = text(error)
            .or_else(|| field("message"))
            .or_else(|| Some([field("resource")?, field("field")?, field("code")?].join(" ")));
        if let Some(detail) = detail.filter(|detail| !said.contains(detail.as_str())) {
            said.push_str("; ");
            said.push_str(&detail);
        }
    }
    Some(said.chars().filter(|character| !character.is_control()).take(1000).collect())
}

/// What to do about a refusal.
fn hint(status: StatusCode, said: &str) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("the token, or the App's key, is wrong, expired or revoked"),
        StatusCode::NOT_FOUND => Some(
            "GitHub says so too when the token may not see the repository: it needs `repo:status`, or `Commit statuses` of a \
             fine-grained token or App",
        ),
        StatusCode::FORBIDDEN if said.contains("not accessible") => Some(
            "the token lacks a permission: `Commit statuses` for statuses, `Pull requests` for comments, `Deployments` for \
             deployments",
        ),
        StatusCode::UNPROCESSABLE_ENTITY if said.contains("No commit found") => {
            Some("is the commit pushed to this repository?")
        }
        _ => None,
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
    fn the_next_page_is_the_query_of_its_link_and_no_more() {
        let link = "<https://elsewhere.example/x?page=1>; rel=\"prev\", <https://elsewhere.example/x?per_page=100&page=3>; rel=\"next\"";
        assert_eq!(next_query(&headers(link)).as_deref(), Some("per_page=100&page=3"));
        assert_eq!(next_query(&headers("<https://a.example/x?page=1>; rel=\"first\"")), None);
        assert_eq!(next_query(&headers("nonsense")), None);
    }

    #[test]
    fn github_s_words_are_told_with_their_details() {
        let said = |body: Value| words(&body);
        assert_eq!(said(serde_json::json!({ "message": "Bad credentials" })).as_deref(), Some("Bad credentials"));
        let body = serde_json::json!({
            "message": "Validation Failed",
            "errors": [
                { "resource": "Status", "code": "custom", "field": "description", "message": "description is too long" },
                { "resource": "Status", "field": "sha", "code": "invalid" }, "and a text", 7,
            ],
        });
        assert_eq!(
            said(body).as_deref(),
            Some("Validation Failed; description is too long; Status sha invalid; and a text")
        );
        assert_eq!(said(serde_json::json!([])), None);
    }

    #[test]
    fn paths_hold_nothing_but_paths() {
        assert_eq!(escape_path("feature/ü?#%2e"), "feature/%C3%BC%3F%23%252e");
        assert_eq!(escape_value("a&b=c/d"), "a%26b%3Dc%2Fd");
    }
}
