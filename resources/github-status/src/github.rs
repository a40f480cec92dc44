//! GitHub's REST API: requests, pages, and its own words when it refuses.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use anyhow::anyhow;
use jetway::http::header::HeaderMap;
use jetway::http::{HttpClient, HttpRequest, HttpResponse, Method, StatusCode, StatusError, TransportError};
use jetway::{Advise as _, Console, Context, Error, Interrupted, Result, Secret};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credentials::{self, Token};
use crate::lenient;
use crate::log::Log;
use crate::source::Source;
use crate::store::{Answer, Login, Store};

/// The form of the API that is spoken.
const API_VERSION: &str = "2022-11-28";

/// The most items of a page, which is the most that GitHub gives.
const PAGE: &str = "per_page=100";

/// The most pages of one list. GitHub has no list of statuses that is longer; without a bound a server could go on for ever.
const MOST_PAGES: u32 = 100;

/// The most that is read of what an answer says of something that was made, in bytes.
const LARGEST_ANSWER: u64 = 4 * 1024 * 1024;

/// The API of one server, for one repository.
pub(crate) struct GitHub<'c> {
    context: &'c Context,
    source: &'c Source,
    /// The address of the REST API without a slash at its end.
    api: RefCell<String>,
    /// Whether any request was answered with success.
    has_answered: Cell<bool>,
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
#[serde(from = "StatusAnswer")]
pub(crate) struct Status {
    /// On Gitea, statuses are numbered anew for each commit. 0 when the answer has none.
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

/// A status as servers write it: GitHub calls its state `state`, Gitea and Forgejo call it `status`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusAnswer {
    #[serde(deserialize_with = "lenient::number")]
    id: u64,
    #[serde(deserialize_with = "lenient::text")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    state: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    context: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    target_url: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    created_at: String,
    #[serde(deserialize_with = "lenient::text_or_empty")]
    updated_at: String,
    #[serde(deserialize_with = "lenient::user")]
    creator: Option<User>,
}

impl From<StatusAnswer> for Status {
    fn from(answer: StatusAnswer) -> Self {
        Self {
            id: answer.id,
            url: answer.url,
            state: answer.state.or(answer.status).unwrap_or_default(),
            context: answer.context,
            description: answer.description,
            target_url: answer.target_url,
            created_at: answer.created_at,
            updated_at: answer.updated_at,
            creator: answer.creator,
        }
    }
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
    #[serde(default, deserialize_with = "lenient::text")]
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
    /// Whether the body is a JSON object, as that of an API is.
    is_of_api: bool,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// An answer that is not what the API answers.
#[derive(Debug)]
struct NotUnderstood;

impl std::fmt::Display for NotUnderstood {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the server does not answer as GitHub's API does")
    }
}

/// The status of GitHub's refusal, when the error is one.
pub(crate) fn refusal(error: &Error) -> Option<StatusCode> {
    error.downcast_ref::<Refused>().map(|refused| refused.status)
}

/// Whether the error is GitHub's refusal of this status whose words contain `part`.
pub(crate) fn refusal_says(error: &Error, status: StatusCode, part: &str) -> bool {
    refusal(error) == Some(status) && error.chain().any(|cause| cause.to_string().contains(part))
}

/// Runs a verb; once more for each other place where the API of the server may be, as long as the server does not answer as an API.
pub(crate) async fn with_api<T>(github: &GitHub<'_>, verb: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut error = match verb().await {
        Err(error) if github.may_be_elsewhere(&error) => error,
        outcome => return outcome,
    };
    for api in github.source.possible_apis().into_iter().skip(1) {
        github.api.replace(api.clone());
        match verb().await {
            Err(another) if github.may_be_elsewhere(&another) => {}
            outcome => {
                github.log().warn(format_args!("the API of the server is at `{api}`; write this as `endpoint`"));
                return outcome;
            }
        }
    }
    error = error.hint("`endpoint` of GitHub Enterprise ends in `/api/v3`, that of Gitea and Forgejo in `/api/v1`");
    Err(error)
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
    pub(crate) fn commit(&self) -> Option<&str> {
        let last = self.url.as_deref().and_then(|url| url.trim_end_matches('/').rsplit('/').next());
        last.filter(|hash| crate::checkout::is_commit_hash(hash))
    }

    /// When it was set, for an order: numbers alone have none on Gitea.
    pub(crate) fn order(&self) -> (i64, u64) {
        let time = self.created_at.parse::<Timestamp>().map_or(0, Timestamp::as_second);
        (time, self.id)
    }
}

impl<'c> GitHub<'c> {
    /// For a verb whose container is used once.
    pub(crate) fn new(context: &'c Context, source: &'c Source) -> Result<Self> {
        let client = context.http(source.http())?;
        Ok(Self {
            context,
            source,
            api: RefCell::new(source.api().to_owned()),
            has_answered: Cell::default(),
            client,
            token: RefCell::default(),
            store: None,
            budget: Cell::default(),
        })
    }

    /// For a check, whose container may be used again.
    pub(crate) fn for_check(context: &'c Context, source: &'c Source) -> Result<Self> {
        let store = Store::open(context.temporary(), source.api(), &source.repository());
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

    pub(crate) fn log(&self) -> Log<'c> {
        self.source.log(self.context.console())
    }

    /// The address of the GraphQL API that belongs to the REST API.
    pub(crate) fn graphql(&self) -> String {
        self.source.graphql().unwrap_or_else(|| graphql(&self.api.borrow()))
    }

    /// Whether the API may be at another address of the server: nothing has succeeded yet, and the server answers that there is no such
    /// thing, or not as an API does.
    fn may_be_elsewhere(&self, error: &Error) -> bool {
        if self.has_answered.get() || self.source.possible_apis().len() == 1 {
            return false;
        }
        match error.downcast_ref::<Refused>() {
            Some(refused) => {
                refused.status == StatusCode::NOT_FOUND || (refused.status.is_client_error() && !refused.is_of_api)
            }
            None => error.downcast_ref::<NotUnderstood>().is_some(),
        }
    }

    /// The path of something of the repository's.
    pub(crate) fn of_repository(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.source.repository())
    }

    /// The path of the statuses of a commit, which a ref may name.
    pub(crate) fn statuses_path(&self, reference: &str) -> String {
        self.of_repository(&format!("commits/{}/statuses", escape_path(reference)))
    }

    /// A request that nobody has logged in for yet.
    pub(crate) fn request(&self, method: &Method, path: &str) -> HttpRequest {
        self.request_to(method, &format!("{}{path}", self.api.borrow()))
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
        let response = self.send(self.request(&Method::GET, path)).await?;
        self.decode(response).await
    }

    async fn decode<T: DeserializeOwned>(&self, response: HttpResponse) -> Result<T> {
        match response.json().await {
            Ok(answer) => {
                self.has_answered.set(true);
                Ok(answer)
            }
            Err(error) if error.downcast_ref::<TransportError>().is_some() || Interrupted::caused(&error) => Err(error),
            Err(error) => Err(error.context(NotUnderstood)),
        }
    }

    /// Sends a request that makes something. After 201 it is made: what the answer says of it is empty where it cannot be read.
    pub(crate) async fn created<T: DeserializeOwned>(&self, request: HttpRequest) -> Result<T> {
        let response = self.send(request).await?;
        if response.status() != StatusCode::CREATED {
            return self.decode(response).await;
        }
        self.has_answered.set(true);
        let body = match response.bytes(LARGEST_ANSWER).await {
            Ok(body) => body,
            Err(error) if Interrupted::caused(&error) => return Err(error),
            Err(error) => {
                self.log().warn(format_args!("GitHub did what was asked for, but its answer was cut off: {error}"));
                Vec::new()
            }
        };
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(answer),
            Err(_) => Ok(serde_json::from_str("{}")?),
        }
    }

    /// The hash of the commit that a ref names.
    pub(crate) async fn commit_of(&self, reference: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct CombinedStatus {
            sha: String,
        }
        if crate::checkout::is_commit_hash(reference) {
            return Ok(reference.to_owned());
        }
        let path = self.of_repository(&format!("commits/{}/status", escape_path(reference)));
        let combined: CombinedStatus = self.read(&path).await?;
        Ok(combined.sha)
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
        let items: Vec<T> = self.decode(response).await?;
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
            self.log().step(budget);
        }
    }

    /// Ends a put: people see what is left of the rate limit when that is little.
    pub(crate) fn finish(&self) {
        if let Some(budget) = self.budget.get().filter(|budget| budget.left < budget.limit / 10) {
            self.log().warn(budget);
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
    let (_, query) = address.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    Some(query.to_owned()).filter(|query| !query.is_empty() && !query.contains(char::is_whitespace))
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

fn graphql(api: &str) -> String {
    match api.strip_suffix("/api/v3") {
        Some(host) => format!("{host}/api/graphql"),
        None => format!("{api}/graphql"),
    }
}

/// GitHub's own words in place of the JSON that they came in, and a hint.
fn explain(error: Error) -> Error {
    let Some(answer) = error.downcast_ref::<StatusError>() else { return error };
    let (status, text) = (answer.status(), answer.to_string());
    let body = answer.json::<Value>();
    let is_of_api = body.as_ref().is_some_and(Value::is_object);
    let said = body.as_ref().and_then(words);
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
    inner.context(Refused { status, text, is_of_api })
}

/// `message`, and what `errors` adds to it.
fn words(body: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut said = body.get("message").and_then(text).filter(|message| !message.is_empty())?;
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| error.get(name).and_then(text);
        let detail = text(error)
            .or_else(|| failed_contexts(error))
            .or_else(|| field("message"))
            .or_else(|| Some([field("resource")?, field("field")?, field("code")?].join(" ")));
        if let Some(detail) = detail.filter(|detail| !said.contains(detail.as_str())) {
            said.push_str("; ");
            said.push_str(&detail);
        }
    }
    Some(said.chars().filter(|character| !character.is_control()).take(1000).collect())
}

/// The contexts that keep a commit from being deployed, and their states.
fn failed_contexts(error: &Value) -> Option<String> {
    let contexts = error.get("contexts")?.as_array()?;
    let text = |context: &Value, key: &str| context.get(key).and_then(Value::as_str).map(str::to_owned);
    let named = contexts.iter().filter_map(|context| {
        let state = text(context, "state").unwrap_or_else(|| "missing".to_owned());
        Some(format!("`{}` is {state}", text(context, "context")?))
    });
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// What to do about a refusal.
fn hint(status: StatusCode, said: &str) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("the token, or the App's key, is wrong, expired or revoked"),
        StatusCode::NOT_FOUND => Some(
            "the repository or the commit is not there, or the token may not see it: it needs `repo:status`, or `Commit statuses` of a \
             fine-grained token or App",
        ),
        StatusCode::CONFLICT => Some(
            "GitHub deploys a commit once `required_contexts` have succeeded on it, and when it merges with the default branch",
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
        assert_eq!(next_query(&headers("</x?page=2>; rel=\"next\"")).as_deref(), Some("page=2"));
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
        let conflict = serde_json::json!({
            "message": "Conflict: Commit status checks failed for main.",
            "errors": [{
                "contexts": [{ "context": "ci/unit", "state": "pending" }, { "context": "ci/lint", "state": "failure" }],
                "resource": "Deployment", "field": "required_contexts", "code": "invalid",
            }],
        });
        assert_eq!(
            said(conflict).as_deref(),
            Some("Conflict: Commit status checks failed for main.; `ci/unit` is pending, `ci/lint` is failure")
        );
    }

    #[test]
    fn graphql_is_beside_the_rest_api() {
        assert_eq!(graphql("https://api.github.com"), "https://api.github.com/graphql");
        assert_eq!(graphql("https://ghe.example/api/v3"), "https://ghe.example/api/graphql");
    }

    #[test]
    fn paths_hold_nothing_but_paths() {
        assert_eq!(escape_path("feature/ü?#%2e"), "feature/%C3%BC%3F%23%252e");
        assert_eq!(escape_value("a&b=c/d"), "a%26b%3Dc%2Fd");
    }
}
