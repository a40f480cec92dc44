//! Comments on pull requests, by "REST API endpoints for issue comments" (<https://docs.github.com/rest/issues/comments>).

use serde_json::{Value, json};

use super::schema::{Kind, body};
use super::{REPOSITORY, State, is_number, lists, refuse, time_of};
use crate::stand_in::{RecordedRequest, Response};

impl State {
    pub(super) fn issues(&mut self, request: &RecordedRequest, path: &[&str]) -> Response {
        match (request.method.as_str(), path) {
            ("GET", ["issues", number, "comments"]) => {
                let of_it = |comment: &&Value| is_number(&comment["issue"], number);
                lists::page(request, self.comments.iter().filter(of_it).cloned().collect())
            }
            ("POST", ["issues", number, "comments"]) => {
                let Some(number) = number.parse::<u64>().ok().filter(|number| self.is_pull(*number)) else {
                    return refuse(404, "Not Found");
                };
                match body(request, "IssueComment", &[("body", Kind::Short(65_536))], 1, &mut self.problems) {
                    Ok(body) => {
                        let creator = self.asker(request);
                        let text = body["body"].as_str().expect("text").to_owned();
                        Response::json(201, &self.add_comment(number, &creator, &text))
                    }
                    Err(refused) => refused,
                }
            }
            (method, ["issues", "comments", id]) => {
                let Some(index) = self.comments.iter().position(|comment| is_number(&comment["id"], id)) else {
                    return refuse(404, "Not Found");
                };
                match method {
                    "GET" => Response::json(200, &self.comments[index]),
                    "DELETE" => {
                        self.comments.remove(index);
                        Response { status: 204, headers: Vec::new(), body: Vec::new() }
                    }
                    _ => refuse(404, "Not Found"),
                }
            }
            _ => refuse(404, "Not Found"),
        }
    }

    pub(super) fn add_comment(&mut self, number: u64, login: &str, body: &str) -> Value {
        let id = self.take_id();
        let comment = json!({
            "id": id,
            "issue": number,
            "html_url": format!("https://github.example/{REPOSITORY}/pull/{number}#issuecomment-{id}"),
            "body": body,
            "user": { "login": login, "id": 1 },
            "created_at": time_of(id),
            "updated_at": time_of(id),
        });
        self.comments.push(comment.clone());
        comment
    }

    fn is_pull(&self, number: u64) -> bool {
        self.pulls.iter().any(|pull| pull["number"] == number)
    }
}
