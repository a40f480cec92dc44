//! Queries of GitHub's GraphQL API.

use std::time::Duration;

use anyhow::anyhow;
use jetway::http::header::HeaderMap;
use jetway::http::{Method, Retry, TransportError};
use jetway::{Advise as _, Error, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::access::Hints;
use crate::error_response::NotApiResponse;
use crate::github::GitHub;

/// The maximum number of attempts, if the response is cut off or the rate limit is used up.
const MAX_ATTEMPTS: u32 = 3;

/// The longest wait if the server does not say when the rate limit is renewed.
const UNKNOWN_WAIT: Duration = Duration::from_mins(1);

/// The response to a query: errors may come with the rest of the data.
#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

/// An error in a response.
#[derive(Debug, Deserialize)]
struct GraphqlError {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Option<Vec<Value>>,
}

impl GraphqlError {
    fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// Whether the error only reports that the object of this field does not exist.
    fn is_missing(&self, optional: &str) -> bool {
        let last = self.path.as_ref().and_then(|path| path.last()).and_then(Value::as_str);
        self.is("NOT_FOUND") && !optional.is_empty() && last == Some(optional)
    }
}

impl GitHub<'_> {
    /// Sends a query, and decodes its data. The object of the field `optional` need not exist.
    ///
    /// A query only reads, so it can be retried. When the rate limit is used up, GitHub responds with status 200 and an error
    /// of the type `RATE_LIMITED`. The query then waits for the reset, at most as long as a REST request would.
    pub async fn graphql<T: DeserializeOwned>(&self, query: &str, variables: &Value, optional: &str) -> Result<T> {
        let mut attempt = 1;
        loop {
            let body = json!({ "query": query, "variables": variables });
            let request = self.server().request_to(&Method::POST, &self.server().graphql()).json(&body).repeatable();
            let response = self.send(request).await?;
            let headers = response.headers().clone();
            let envelope: Envelope = match self.decode(response).await {
                Err(error) if attempt < MAX_ATTEMPTS && error.downcast_ref::<TransportError>().is_some() => {
                    self.context().interrupt().sleep(Retry::default().pause_after(attempt)).await?;
                    attempt += 1;
                    continue;
                }
                decoded => decoded?,
            };
            if envelope.errors.iter().any(|error| error.is("RATE_LIMITED")) {
                self.wait_for_rate_limit(&headers, attempt).await?;
                attempt += 1;
                continue;
            }
            if let Some(error) = envelope.errors.iter().find(|error| !error.is_missing(optional)) {
                return Err(with_hint(error, self.access().hints));
            }
            let data = envelope.data.ok_or_else(|| anyhow!("the response has no `data`").context(NotApiResponse))?;
            let data = serde_json::from_value(data).map_err(|error| Error::new(error).context(NotApiResponse))?;
            self.set_answered();
            return Ok(data);
        }
    }

    async fn wait_for_rate_limit(&self, headers: &HeaderMap, attempt: u32) -> Result<()> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let reset = number("x-ratelimit-reset").and_then(|reset| Timestamp::from_second(reset).ok());
        let wait = match (number("retry-after"), reset) {
            (Some(seconds), _) => Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            // The limit counts in whole seconds, so wait one second more.
            (None, Some(reset)) => {
                let seconds = reset.as_second().saturating_sub(Timestamp::now().as_second()).saturating_add(1);
                Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
            }
            (None, None) => UNKNOWN_WAIT,
        };
        if attempt >= MAX_ATTEMPTS || wait > Retry::default().total {
            let until = reset.map(|reset| format!(" until {}", reset.strftime("%H:%M UTC"))).unwrap_or_default();
            return Err(anyhow!("GitHub's rate limit for GraphQL is used up{until}")
                .hint("check less often (`check_every`), or log in as a GitHub App, which has a limit of its own"));
        }
        self.log().warn(format_args!("GitHub's rate limit is used up; waiting {} s", wait.as_secs()));
        self.context().interrupt().sleep(wait).await?;
        Ok(())
    }
}

/// Turns an error of the response into one with a hint.
fn with_hint(error: &GraphqlError, hints: Hints) -> Error {
    let message: String = error.message.chars().filter(|character| !character.is_control()).take(1000).collect();
    let found = anyhow!("GitHub's GraphQL API responds: {message}");
    match error.kind.as_deref() {
        Some("NOT_FOUND") => found.hint(hints.not_found),
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => found.hint(hints.forbidden),
        _ => found,
    }
}
