//! Pagination, as in "Using pagination in the REST API" of GitHub's documentation.

use serde_json::Value;

use crate::stand_in::{RecordedRequest, Response};

/// Returns one page of a list, with links to the other pages.
///
/// The links are in the recorded order and contain the repository's number, as the recorded ones do. Their host is
/// not this server, so a client can use only their queries.
pub(super) fn page(request: &RecordedRequest, all: Vec<Value>) -> Response {
    let number = |name: &str, default: usize| {
        request.query(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0).unwrap_or(default)
    };
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    let pages = all.len().div_ceil(size).max(1);
    let items: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
    let answer = Response::json(200, &Value::Array(items));
    let others: Vec<String> = request
        .target
        .split_once('?')
        .map(|(_, query)| query.split('&').filter(|pair| !pair.starts_with("page=")).map(str::to_owned).collect())
        .unwrap_or_default();
    let link = |page: usize, relation: &str| {
        let query = [others.join("&"), format!("page={page}")].join("&");
        format!("<https://elsewhere.example/repositories/1/list?{query}>; rel=\"{relation}\"")
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(page - 1, "prev"));
    }
    if page < pages {
        links.extend([link(page + 1, "next"), link(pages, "last")]);
    }
    if page > 1 {
        links.push(link(1, "first"));
    }
    if links.is_empty() { answer } else { answer.with("Link", &links.join(", ")) }
}
