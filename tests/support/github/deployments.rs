//! Deployments (<https://docs.github.com/rest/deployments/deployments>) and their statuses
//! (<https://docs.github.com/rest/deployments/statuses>).

use serde_json::{Value, json};

use super::schema::{Kind, body};
use super::{State, is_number, lists, refuse, time_of};
use crate::stand_in::{RecordedRequest, Response};

const STATES: &[&str] = &["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];

impl State {
    pub(super) fn deployments(&mut self, request: &RecordedRequest, path: &[&str]) -> Response {
        match (request.method.as_str(), path) {
            ("GET", ["deployments"]) => {
                let filters: Vec<(&str, String)> = ["sha", "ref", "environment", "task"]
                    .into_iter()
                    .filter_map(|name| Some((name, request.query(name)?)))
                    .collect();
                let is_listed = |found: &&Value| filters.iter().all(|(name, wanted)| found[*name] == wanted.as_str());
                let listed = self.deployments.iter().rev().filter(is_listed).map(shown).collect();
                lists::page(request, listed)
            }
            ("POST", ["deployments"]) => self.post_deployment(request),
            ("GET", ["deployments", id]) => {
                self.deployment(id).map_or_else(|| refuse(404, "Not Found"), |found| Response::json(200, &shown(found)))
            }
            ("GET", ["deployments", id, "statuses"]) => match self.deployment(id) {
                Some(found) => {
                    let statuses = found["statuses"].as_array().expect("a list");
                    lists::page(request, statuses.iter().rev().cloned().collect())
                }
                None => refuse(404, "Not Found"),
            },
            ("POST", ["deployments", id, "statuses"]) => self.post_deployment_status(request, id),
            _ => refuse(404, "Not Found"),
        }
    }

    fn post_deployment(&mut self, request: &RecordedRequest) -> Response {
        let keys = [
            ("ref", Kind::Text),
            ("task", Kind::Text),
            ("auto_merge", Kind::Flag),
            ("required_contexts", Kind::Texts),
            ("environment", Kind::Text),
            ("description", Kind::Short(140)),
            ("transient_environment", Kind::Flag),
            ("production_environment", Kind::Flag),
        ];
        let body = match body(request, "Deployment", &keys, 1, &mut self.problems) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let hash = body["ref"].as_str().expect("text").to_owned();
        if !self.commits.contains(&hash) {
            // GitHub's documentation shows only the status.
            return refuse(422, &format!("No ref found for: {hash}"));
        }
        let required = body["required_contexts"].as_array().cloned().unwrap_or_default();
        let statuses = self.statuses_of(&hash);
        let has_succeeded = |context: &Value| {
            statuses
                .iter()
                .find(|status| status["context"] == *context)
                .is_some_and(|status| status["state"] == "success")
        };
        let lacking: Vec<Value> = required.iter().filter(|context| !has_succeeded(context)).cloned().collect();
        if !lacking.is_empty() {
            // As in "Create a deployment" of GitHub's documentation ("Failed commit status checks").
            let contexts: Vec<Value> =
                lacking.iter().map(|context| json!({ "context": context, "state": "pending" })).collect();
            let body = json!({
                "message": "Conflict: Commit status checks failed for master.",
                "errors": [{
                    "contexts": contexts, "resource": "Deployment", "field": "required_contexts", "code": "invalid",
                }],
            });
            return Response { body: body.to_string().into_bytes(), ..refuse(409, "") };
        }
        let creator = self.asker(request);
        Response::json(201, &self.add_deployment(&body, &creator))
    }

    pub(super) fn add_deployment(&mut self, body: &Value, creator: &str) -> Value {
        let id = self.take_id();
        let deployment = json!({
            "id": id,
            "sha": body["ref"],
            "ref": body["ref"],
            "task": body.get("task").cloned().unwrap_or_else(|| json!("deploy")),
            "environment": body.get("environment").cloned().unwrap_or_else(|| json!("production")),
            "description": body["description"],
            "creator": { "login": creator },
            "created_at": time_of(id),
            "updated_at": time_of(id),
            "statuses": [],
        });
        self.deployments.push(deployment.clone());
        shown(&deployment)
    }

    fn post_deployment_status(&mut self, request: &RecordedRequest, id: &str) -> Response {
        let keys = [
            ("state", Kind::Word(STATES)),
            ("log_url", Kind::Text),
            ("description", Kind::Short(140)),
            ("environment_url", Kind::Text),
            ("auto_inactive", Kind::Flag),
        ];
        let Some(id) = self.deployment(id).and_then(|found| found["id"].as_u64()) else {
            return refuse(404, "Not Found");
        };
        match body(request, "DeploymentStatus", &keys, 1, &mut self.problems) {
            Ok(body) => {
                let creator = self.asker(request);
                Response::json(201, &self.add_deployment_status(id, &body, &creator))
            }
            Err(refused) => refused,
        }
    }

    pub(super) fn add_deployment_status(&mut self, deployment: u64, body: &Value, creator: &str) -> Value {
        let id = self.take_id();
        let status = json!({
            "id": id,
            "state": body["state"],
            "description": body.get("description").cloned().unwrap_or_else(|| json!("")),
            "target_url": body.get("log_url").cloned().unwrap_or_else(|| json!("")),
            "log_url": body.get("log_url").cloned().unwrap_or_else(|| json!("")),
            "environment_url": body.get("environment_url").cloned().unwrap_or_else(|| json!("")),
            "creator": { "login": creator },
            "created_at": time_of(id),
            "updated_at": time_of(id),
        });
        for found in self.deployments.iter_mut().filter(|found| found["id"] == deployment) {
            found["statuses"].as_array_mut().expect("a list").push(status.clone());
        }
        status
    }

    fn deployment(&self, id: &str) -> Option<&Value> {
        self.deployments.iter().find(|found| is_number(&found["id"], id))
    }
}

/// A deployment in GitHub's format, without its statuses, which are a separate list.
fn shown(deployment: &Value) -> Value {
    let mut shown = deployment.clone();
    shown.as_object_mut().expect("an object").remove("statuses");
    shown
}
