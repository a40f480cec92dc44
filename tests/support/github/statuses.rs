//! Statuses of commits, as in "REST API endpoints for commit statuses" (<https://docs.github.com/rest/commits/statuses>).

use serde_json::{Value, json};

use super::schema::{Kind, body};
use super::{REPOSITORY, State, Status, lists, refuse, time_of};
use crate::stand_in::{RecordedRequest, Response};

impl State {
    pub(super) fn post_status(&mut self, request: &RecordedRequest, hash: &str) -> Response {
        if !self.commits.iter().any(|known| known == hash) {
            return refuse(422, &format!("No commit found for SHA: {hash}"));
        }
        let keys = [
            ("state", Kind::Word(&["error", "failure", "pending", "success"])),
            ("context", Kind::Short(255)),
            ("description", Kind::Short(140)),
            ("target_url", Kind::Text),
        ];
        let body = match body(request, "Status", &keys, 1, &mut self.problems) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let creator = self.asker(request);
        Response::json(201, &self.add_status(hash, &body, &creator))
    }

    pub(super) fn add_status(&mut self, hash: &str, body: &Value, creator: &str) -> Value {
        let id = self.take_id();
        let text = |name: &str| body.get(name).cloned().unwrap_or_default();
        let context = body.get("context").cloned().unwrap_or_else(|| json!("default"));
        let value = json!({
            "url": format!("https://api.github.com/repos/{REPOSITORY}/statuses/{hash}"),
            "avatar_url": "https://avatars.example/u/1",
            "id": id,
            "node_id": "SC_x",
            "state": text("state"),
            "description": text("description"),
            "target_url": text("target_url"),
            "context": context,
            "created_at": time_of(id),
            "updated_at": time_of(id),
            "creator": { "login": creator, "id": 1, "type": "User" },
        });
        self.statuses.push(Status { commit: hash.to_owned(), value: value.clone() });
        value
    }

    /// The statuses of a commit, newest first.
    pub(super) fn statuses_of(&self, hash: &str) -> Vec<Value> {
        self.statuses.iter().rev().filter(|status| status.commit == hash).map(|status| status.value.clone()).collect()
    }

    /// Resolves a ref or a hash to a commit. The error is the one that rust-lang/homu issue 141 and yegor256/rultor issue 1344
    /// quote.
    fn commit_of(&self, reference: &str) -> Result<String, Response> {
        let named = self.refs.iter().find(|(name, _)| name == reference).map(|(_, hash)| hash.clone());
        let hash = named.or_else(|| self.commits.iter().find(|hash| *hash == reference).cloned());
        hash.ok_or_else(|| refuse(422, &format!("No commit found for SHA: {reference}")))
    }

    /// "Get the combined status for a specific reference": the newest status of each context.
    pub(super) fn combined_status(&self, reference: &str) -> Response {
        let hash = match self.commit_of(reference) {
            Ok(hash) => hash,
            Err(refused) => return refused,
        };
        let mut newest: Vec<Value> = Vec::new();
        for status in self.statuses_of(&hash) {
            if newest.iter().all(|known| known["context"] != status["context"]) {
                newest.push(status);
            }
        }
        let is = |state: &str| newest.iter().any(|status| status["state"] == state);
        let state = if is("failure") || is("error") {
            "failure"
        } else if is("pending") || newest.is_empty() {
            "pending"
        } else {
            "success"
        };
        let body = json!({ "state": state, "statuses": newest, "sha": hash, "total_count": newest.len() });
        Response::json(200, &body)
    }

    pub(super) fn list_statuses(&mut self, request: &RecordedRequest, reference: &str) -> Response {
        let hash = match self.commit_of(reference) {
            Ok(hash) => hash,
            Err(refused) => return refused,
        };
        let mut statuses = self.statuses_of(&hash);
        if self.lag > 0 {
            self.lag -= 1;
            statuses.drain(..1.min(statuses.len()));
        }
        lists::page(request, statuses)
    }
}
