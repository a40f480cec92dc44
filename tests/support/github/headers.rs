//! The headers of GitHub's responses, as in `recordings.json`. A test compares both.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use crate::stand_in::{RecordedRequest, Response};

/// The rate limit, the remaining requests, and the time of the reset in seconds since 1970.
pub(super) type Rate = (u64, u64, u64);

const EXPOSED: &str = "ETag, Link, Location, Retry-After, X-GitHub-OTP, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Used, \
                       X-RateLimit-Resource, X-RateLimit-Reset, X-OAuth-Scopes, X-Accepted-OAuth-Scopes, X-Poll-Interval, \
                       X-GitHub-Media-Type, X-GitHub-SSO, X-GitHub-Request-Id, Deprecation, Sunset";

/// The headers of every response.
const ALWAYS: [(&str, &str); 13] = [
    ("Server", "GitHub.com"),
    ("Date", "Tue, 19 Jul 2022 04:37:32 GMT"),
    ("X-GitHub-Media-Type", "github.v3; format=json"),
    ("Access-Control-Expose-Headers", EXPOSED),
    ("Access-Control-Allow-Origin", "*"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubdomains; preload"),
    ("X-Frame-Options", "deny"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "0"),
    ("Referrer-Policy", "origin-when-cross-origin, strict-origin-when-cross-origin"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Vary", "Accept-Encoding, Accept, X-Requested-With"),
    ("X-GitHub-Request-Id", "0680:45A6:21C5D6C:62D2A4F:62D6350C"),
];

/// Adds GitHub's headers. `scopes` are those of a personal access token; other tokens have no scopes.
pub(super) fn add(request: &RecordedRequest, answer: Response, rate: Option<Rate>, scopes: Option<&str>) -> Response {
    let mut answer = with_etag(request, answer);
    if answer.status == 201
        && let Some(url) =
            serde_json::from_slice::<Value>(&answer.body).ok().and_then(|body| body["url"].as_str().map(str::to_owned))
    {
        answer = answer.with("Location", &url);
    }
    if let Some(scopes) = scopes {
        answer = answer.with("X-OAuth-Scopes", scopes).with("X-Accepted-OAuth-Scopes", "");
    }
    if let Some((limit, left, renewed)) = rate {
        let numbers = [("Limit", limit), ("Remaining", left), ("Reset", renewed), ("Used", limit.saturating_sub(left))];
        answer = numbers
            .into_iter()
            .fold(answer, |answer, (name, number)| answer.with(&format!("X-RateLimit-{name}"), &number.to_string()));
        answer = answer.with("X-RateLimit-Resource", "core");
    }
    ALWAYS.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value))
}

/// Adds an `ETag` to a response, or replaces the response by 304 if the client already has it.
fn with_etag(request: &RecordedRequest, answer: Response) -> Response {
    if !(200..300).contains(&answer.status) || answer.body.is_empty() {
        return answer;
    }
    let mut hasher = DefaultHasher::new();
    answer.body.hash(&mut hasher);
    let etag = format!("\"{:064x}\"", hasher.finish());
    // "Use conditional requests if appropriate" in GitHub's best practices: the comparison is weak, as that of RFC 9110 (13.1.2).
    let is_known = request.header("if-none-match").is_some_and(|known| known.trim_start_matches("W/") == etag);
    let answer = if request.method == "GET" && is_known {
        Response { status: 304, headers: Vec::new(), body: Vec::new() }
    } else {
        answer
    };
    answer
        .with("Cache-Control", "private, max-age=60, s-maxage=60")
        .with("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP")
        .with("ETag", &etag)
}
