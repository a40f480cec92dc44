//! Searches issues page by page, and fetches the changes of their statuses.

use std::collections::BTreeMap;

use anyhow::anyhow;
use jetway::Result;
use jetway::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{Client, UnexpectedResponse};
use crate::responses::{Issue, Move, moves, text_at};
use crate::source::{Api, quoted};

/// The page size: Jira Cloud's maximum for issues with fields.
const PAGE: u64 = 100;

/// The number of issues whose changelogs one search of Data Center requests, because it returns whole changelogs.
const CHANGELOGS: usize = 20;

/// The number of issues of one bulk request of Cloud, and the largest number of its pages.
const BULK: usize = 1000;
const BULK_PAGES: u32 = 20;

/// The pages of a search.
pub(crate) struct Pages<'p, 'c> {
    client: &'p Client<'c>,
    jql: &'p str,
    next: Option<Next>,
}

/// The start of the next page.
enum Next {
    Start,
    /// Cloud's token.
    Token(String),
    /// Data Center's offset.
    Offset(u64),
}

/// A page as Jira sends it.
#[derive(Deserialize)]
struct Page {
    issues: Vec<Value>,
    #[serde(default, rename = "isLast")]
    is_last: Option<bool>,
    #[serde(default, rename = "nextPageToken")]
    next_page_token: Option<String>,
    #[serde(default)]
    total: Option<u64>,
}

impl<'p, 'c> Pages<'p, 'c> {
    pub(crate) fn new(client: &'p Client<'c>, jql: &'p str) -> Self {
        Self { client, jql, next: Some(Next::Start) }
    }

    /// Reads the next page; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Issue>>> {
        let Some(next) = self.next.take() else { return Ok(None) };
        let offset = if let Next::Offset(offset) = next { offset } else { 0 };
        let mut body = Map::from_iter([
            ("jql".to_owned(), json!(self.jql)),
            ("maxResults".to_owned(), json!(PAGE)),
            ("fields".to_owned(), json!(["status", "created", "updated"])),
        ]);
        match (self.client.api(), next) {
            (Api::Cloud, Next::Token(token)) => drop(body.insert("nextPageToken".to_owned(), json!(token))),
            (Api::Cloud, _) => {}
            (Api::DataCenter, _) => drop(body.insert("startAt".to_owned(), json!(offset))),
        }
        let mut page = search(self.client, &Value::Object(body)).await?;
        let found = page.issues.len() as u64;
        self.next = match self.client.api() {
            _ if page.issues.is_empty() => None,
            Api::Cloud if page.is_last == Some(true) => None,
            Api::Cloud => page.next_page_token.take().map(Next::Token),
            Api::DataCenter => page.total.filter(|total| offset + found < *total).map(|_| Next::Offset(offset + found)),
        };
        issues(&page).map(Some)
    }
}

/// The changes of the statuses of issues, by the issues' keys.
pub(crate) async fn moves_of(client: &Client<'_>, wanted: &[&Issue]) -> Result<BTreeMap<String, Vec<Move>>> {
    let mut found = BTreeMap::new();
    match client.api() {
        Api::Cloud => {
            for some in wanted.chunks(BULK) {
                bulk(client, some, &mut found).await?;
            }
        }
        Api::DataCenter => {
            for some in wanted.chunks(CHANGELOGS) {
                let keys: Vec<String> = some.iter().map(|issue| quoted(&issue.key)).collect();
                let body = json!({
                    "jql": format!("key in ({})", keys.join(", ")),
                    "startAt": 0,
                    "maxResults": CHANGELOGS,
                    "fields": ["status"],
                    "expand": ["changelog"],
                });
                let page = search(client, &body).await?;
                found.extend(issues(&page)?.into_iter().map(|issue| (issue.key.clone(), issue.moves())));
                // Without its changelog, an issue would count as created in its status.
                if let Some(missing) = some.iter().find(|issue| !found.contains_key(&issue.key)) {
                    return Err(anyhow!("Jira did not return the changelog of {}", missing.key));
                }
            }
        }
    }
    Ok(found)
}

/// Fetches the changes of Cloud's issues, which refers to them by their numbers.
async fn bulk(client: &Client<'_>, wanted: &[&Issue], found: &mut BTreeMap<String, Vec<Move>>) -> Result<()> {
    #[derive(Deserialize)]
    struct Changelogs {
        #[serde(rename = "issueChangeLogs")]
        logs: Vec<Value>,
        #[serde(default, rename = "nextPageToken")]
        next_page_token: Option<String>,
    }
    let keys: BTreeMap<&str, &str> = wanted.iter().map(|issue| (issue.id.as_str(), issue.key.as_str())).collect();
    let ids: Vec<&str> = keys.keys().copied().collect();
    let mut token: Option<String> = None;
    for _ in 0..BULK_PAGES {
        let mut body = Map::from_iter([
            ("issueIdsOrKeys".to_owned(), json!(ids)),
            ("fieldIds".to_owned(), json!(["status"])),
            ("maxResults".to_owned(), json!(1000)),
        ]);
        if let Some(token) = token {
            body.insert("nextPageToken".to_owned(), json!(token));
        }
        let request = client.request(&Method::POST, "/changelog/bulkfetch").json(&body).repeatable();
        let page: Changelogs = client.read(request).await?;
        for log in &page.logs {
            let id = text_at(log, &["issueId"]);
            let Some(key) = keys.get(id.as_str()) else { continue };
            let entry: &mut Vec<Move> = found.entry((*key).to_owned()).or_default();
            entry.extend(moves(log.get("changeHistories").unwrap_or(&Value::Null)));
            entry.sort_by_key(|change| change.at);
        }
        token = page.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(());
        }
    }
    Err(anyhow!("the changelogs of {} issues have more than {BULK_PAGES} pages", wanted.len()))
}

/// Sends a search. It is retried, because a search changes nothing.
async fn search(client: &Client<'_>, body: &Value) -> Result<Page> {
    let path = match client.api() {
        Api::Cloud => "/search/jql",
        Api::DataCenter => "/search",
    };
    client.read(client.request(&Method::POST, path).json(body).repeatable()).await
}

/// The issues of a page. An unreadable issue fails the search, because it would be lost otherwise.
fn issues(page: &Page) -> Result<Vec<Issue>> {
    let read = |value: &Value| {
        Issue::read(value).ok_or_else(|| {
            anyhow!("an issue in the search results has no key or no status").context(UnexpectedResponse)
        })
    };
    page.issues.iter().map(read).collect()
}
