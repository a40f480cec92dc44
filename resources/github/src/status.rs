//! Sets a status of a commit.

use jetway::http::{Method, StatusCode};
use jetway::{Error, Result};
use serde_json::{Map, Value, json};

use crate::error_response::has_status_and_message;
use crate::github::GitHub;
use crate::responses::Status;
use crate::state::State;

/// A status to set.
#[derive(Debug, Clone)]
pub struct PlannedStatus {
    /// The context.
    pub context: String,
    /// The state.
    pub state: State,
    /// A short text; it may be empty.
    pub description: String,
    /// The page that the status links to.
    pub target_url: Option<String>,
}

impl PlannedStatus {
    /// Sets the status. If GitHub rejects the description or the URL, sets it without them.
    pub async fn set(&self, github: &GitHub<'_>, commit: &str) -> Result<Status> {
        let mut planned = self.clone();
        loop {
            let error = match planned.post(github, commit).await {
                Ok(status) => return Ok(status),
                Err(error) => error,
            };
            let Some(key) = planned.drop_rejected_field(&error) else { return Err(error) };
            github.log().warn(format_args!("retrying without `{key}`, which GitHub rejected: {}", last_cause(&error)));
        }
    }

    /// Drops the optional field that GitHub rejected, and returns its key. Returns `None` if the error has another cause.
    fn drop_rejected_field(&mut self, error: &Error) -> Option<&'static str> {
        let is_about = |key: &str| has_status_and_message(error, StatusCode::UNPROCESSABLE_ENTITY, key);
        if is_about("target_url") && self.target_url.take().is_some() {
            return Some("target_url");
        }
        if is_about("description") && !std::mem::take(&mut self.description).is_empty() {
            return Some("description");
        }
        None
    }

    async fn post(&self, github: &GitHub<'_>, commit: &str) -> Result<Status> {
        let mut body = Map::new();
        body.insert("state".to_owned(), json!(self.state.word()));
        body.insert("context".to_owned(), json!(self.context));
        if !self.description.is_empty() {
            body.insert("description".to_owned(), json!(self.description));
        }
        if let Some(url) = &self.target_url {
            body.insert("target_url".to_owned(), json!(url));
        }
        // Only the newest status of a context counts, so the request is idempotent.
        let request = github
            .request(&Method::POST, &github.of_repository(&format!("statuses/{commit}")))
            .json(&Value::Object(body))
            .repeatable();
        let mut status: Status = github.created(request).await?;
        if status.id == 0 {
            github.log().warn("the status is set, but the response has no `id`: the version contains only the commit");
        }
        // If the response omits a field, use the one of the request.
        if status.state.is_empty() {
            self.state.word().clone_into(&mut status.state);
        }
        status.context.get_or_insert_with(|| self.context.clone());
        status.description.get_or_insert_with(|| self.description.clone());
        if status.target_url.is_none() {
            status.target_url.clone_from(&self.target_url);
        }
        Ok(status)
    }
}

/// The last cause of an error, which is GitHub's message.
fn last_cause(error: &Error) -> String {
    error.chain().last().map(ToString::to_string).unwrap_or_default()
}
