//! A client for the methods of Slack's Web API that messages need.

use anyhow::anyhow;
use jetway::http::{HttpClient, HttpRequest, HttpResponse, Redirects, StatusError};
use jetway::{Advise as _, Error, Result, Secret};
use serde_json::{Map, Value, json};

use crate::error_codes;

/// The Web API, authenticated as one bot.
pub(crate) struct WebApi<'s> {
    pub(crate) client: HttpClient,
    /// The base URL, without a trailing slash.
    pub(crate) base: &'s str,
    pub(crate) token: &'s Secret,
}

/// Whether a call is idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// A second call has a visible effect.
    NotIdempotent,
    /// A second call changes nothing.
    Idempotent,
}

/// An error response from Slack.
#[derive(Debug)]
pub(crate) struct ApiError {
    method: String,
    /// Slack's error code.
    pub(crate) code: String,
    details: Vec<String>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Slack answered `{}` to `{}`", self.code, self.method)?;
        if let Some(meaning) = error_codes::explanation(&self.code) {
            write!(formatter, ": {meaning}")?;
        }
        self.details.iter().try_for_each(|detail| write!(formatter, "\n{detail}"))
    }
}

impl std::error::Error for ApiError {}

impl WebApi<'_> {
    /// Calls a method with a JSON body.
    pub(crate) async fn call(
        &self,
        method: &str,
        body: &Map<String, Value>,
        idempotency: Idempotency,
    ) -> Result<Map<String, Value>> {
        // Without the charset, Slack adds a warning to its response.
        let request = self
            .client
            .post(format!("{}/{method}", self.base))
            .header("content-type", "application/json; charset=utf-8")
            .json(body);
        self.send(method, if idempotency == Idempotency::Idempotent { request.repeatable() } else { request }).await
    }

    /// Finds the id of the user with this e-mail address; `None` if there is no such user.
    pub(crate) async fn user_by_email(&self, email: &str) -> Result<Option<String>> {
        let method = "users.lookupByEmail";
        let request = self.client.get(format!("{}/{method}", self.base)).query("email", email);
        let answer = match self.send(method, request).await {
            Ok(answer) => answer,
            Err(error) if error.downcast_ref::<ApiError>().is_some_and(|error| error.code == "users_not_found") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let id = answer.get("user").and_then(|user| user.get("id")).and_then(Value::as_str);
        id.map(|id| Some(id.to_owned())).ok_or_else(|| anyhow!("Slack's response to `{method}` contains no user"))
    }

    /// Adds or removes a reaction. It is not an error if the reaction is already there or already gone.
    pub(crate) async fn react(&self, method: &str, name: &str, channel: &str, ts: &str) -> Result<()> {
        let Value::Object(body) = json!({ "channel": channel, "timestamp": ts, "name": name }) else { return Ok(()) };
        match self.call(method, &body, Idempotency::Idempotent).await {
            Err(error)
                if error
                    .downcast_ref::<ApiError>()
                    .is_some_and(|error| ["already_reacted", "no_reaction"].contains(&error.code.as_str())) =>
            {
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    async fn send(&self, method: &str, request: HttpRequest) -> Result<Map<String, Value>> {
        let response = match request.bearer(self.token).redirects(Redirects::Return).send().await {
            Ok(response) => response,
            Err(error) => return Err(explain(method, error)),
        };
        if response.status().is_redirection() {
            return Err(Error::new(response.into_error().await)
                .hint("set `api_url` to the URL of the Web API, `https://slack.com/api`"));
        }
        read(method, response).await
    }
}

/// Parses a response, and returns an error unless it reports success.
async fn read(method: &str, response: HttpResponse) -> Result<Map<String, Value>> {
    let answer: Map<String, Value> = response.json().await?;
    match answer.get("ok") {
        Some(Value::Bool(true)) => Ok(answer),
        _ => Err(api_error(method, &answer).into()),
    }
}

fn api_error(method: &str, answer: &Map<String, Value>) -> ApiError {
    let code = answer.get("error").and_then(Value::as_str).unwrap_or("no reason").to_owned();
    let text = |key: &str| answer.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut details = Vec::new();
    if let Some(needed) = text("needed") {
        let provided = text("provided").unwrap_or("none");
        details.push(format!("needed: {needed}; the token has: {provided}"));
    }
    let messages = answer.get("response_metadata").and_then(|more| more.get("messages")).and_then(Value::as_array);
    let messages = messages.into_iter().flatten().filter_map(Value::as_str);
    details.extend(messages.map(|text| text.strip_prefix("[ERROR] ").unwrap_or(text).to_owned()));
    ApiError { method: method.to_owned(), code, details }
}

/// Adds Slack's error from the body of a response with an error status.
fn explain(method: &str, error: Error) -> Error {
    let answer = error.downcast_ref::<StatusError>().and_then(StatusError::json::<Map<String, Value>>);
    match answer.filter(|answer| answer.contains_key("error")) {
        // The error reports both the status and Slack's error code with its meaning.
        Some(answer) => error.hint(api_error(method, &answer).to_string()),
        None => error,
    }
}
