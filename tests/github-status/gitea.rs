//! Statuses of Gitea and Forgejo: their state is in the field `status`, and the statuses of each commit are numbered from 1.
//!
//! The responses follow `CommitStatus` in Gitea's API description (`templates/swagger/v1_json.tmpl`); the numbers are the `Index`
//! of `ToCommitStatus` in its `services/convert/status.go`.

use std::sync::{Arc, Mutex};

use jetway_tests::github::commit;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use serde_json::{Value, json};

use crate::support::{check, get, put, version};

struct Gitea {
    server: StandIn,
    head: Arc<Mutex<String>>,
}

impl Gitea {
    fn start() -> Self {
        let head = Arc::new(Mutex::new(commit(1)));
        let (of_main, statuses) = (Arc::clone(&head), Mutex::new(Vec::<(String, Value)>::new()));
        let server = StandIn::start(move |request| {
            answer(request, &of_main.lock().expect("no panic"), &mut statuses.lock().expect("no panic"))
        });
        Self { server, head }
    }

    fn source(&self) -> Value {
        json!({
            "repository": "octo/app", "access_token": "gitea-token-0123456789", "branch": "main",
            "endpoint": format!("{}/api/v1", self.server.url()), "context": "ci/test",
        })
    }

    #[track_caller]
    fn set(&self, number: u32, state: &str) -> Value {
        let outcome = put(&self.source(), json!({ "commit": commit(number), "state": state, "description": "d" }));
        outcome.succeeded();
        outcome.json()["version"].clone()
    }
}

fn answer(request: &RecordedRequest, head: &str, statuses: &mut Vec<(String, Value)>) -> Response {
    let Some(path) = request.path().strip_prefix("/api/v1/repos/octo/app/") else {
        return Response::bytes(404, "text/html; charset=UTF-8", "<!DOCTYPE html><title>Page Not Found</title>");
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["statuses", hash]) => {
            let body = request.json();
            let number = statuses.iter().filter(|(of, _)| of == hash).count() + 1;
            let status = json!({
                "id": number, "status": body["state"], "context": body["context"], "description": body["description"],
                "target_url": body.get("target_url").cloned().unwrap_or(json!("")),
                "url": format!("http://gitea.example/api/v1/repos/octo/app/statuses/{hash}"),
                "creator": { "id": 1, "login": "octo", "username": "octo" },
                "created_at": "2026-01-01T01:00:00+01:00", "updated_at": "2026-01-01T01:00:00+01:00",
            });
            statuses.push(((*hash).to_owned(), status.clone()));
            Response::json(201, &status)
        }
        ("GET", ["commits", reference, "statuses"]) => {
            let hash = if *reference == "main" { head } else { reference };
            // All statuses have the same second, and are not sorted.
            let list: Vec<Value> =
                statuses.iter().filter(|(of, _)| of == hash).map(|(_, status)| status.clone()).collect();
            Response::json(200, &json!(list)).with("X-Total-Count", &list.len().to_string())
        }
        _ => Response::json(404, &json!({ "message": "Not Found", "url": "http://gitea.example/api/swagger" })),
    }
}

#[test]
fn put_returns_the_state_in_gitea_s_response() {
    let gitea = Gitea::start();
    let outcome = put(&gitea.source(), json!({ "commit": commit(1), "state": "failure" }));
    outcome.succeeded();
    assert_eq!(outcome.json()["version"], version(&commit(1), 1));
    let metadata = outcome.json()["metadata"].clone();
    assert!(
        metadata.as_array().expect("metadata").contains(&json!({ "name": "state", "value": "failure" })),
        "{metadata}"
    );
}

#[test]
fn check_distinguishes_statuses_of_different_commits() {
    let gitea = Gitea::start();
    let known = gitea.set(1, "pending");
    assert_eq!(check(&gitea.source(), None).json(), json!([known]));
    let later = gitea.set(1, "success");
    assert_eq!(check(&gitea.source(), Some(&known)).json(), json!([known, later]));
    // A status of the new head has the same number as the known status.
    *gitea.head.lock().expect("no panic") = commit(2);
    let (first, second) = (gitea.set(2, "pending"), gitea.set(2, "failure"));
    assert_eq!(second, version(&commit(2), 2));
    assert_eq!(check(&gitea.source(), Some(&later)).json(), json!([later, first, second]));
}

#[test]
fn get_writes_the_state() {
    let gitea = Gitea::start();
    let version = gitea.set(1, "success");
    let destination = scratch::directory();
    get(&gitea.source(), &version, destination.path()).succeeded();
    let read = |name: &str| std::fs::read_to_string(destination.path().join(name)).expect("a file");
    assert_eq!((read("state"), read("description"), read("creator")), ("success".into(), "d".into(), "octo".into()));
}

#[test]
fn gate_reads_the_state() {
    let gitea = Gitea::start();
    let mut source = gitea.source();
    source["gate"] = json!({ "state": "success" });
    gitea.set(1, "failure");
    assert_eq!(check(&source, None).json(), json!([]));
    let go = gitea.set(1, "success");
    assert_eq!(check(&source, None).json(), json!([go]));
}

#[test]
fn endpoint_may_be_the_url_of_the_server() {
    let gitea = Gitea::start();
    let mut source = gitea.source();
    source["endpoint"] = json!(gitea.server.url());
    let outcome = put(&source, json!({ "commit": commit(1), "state": "success" }));
    outcome.succeeded();
    assert!(outcome.stderr.contains("/api/v1`; set `endpoint` to this URL"), "{}", outcome.stderr);
    assert_eq!(check(&source, None).json(), json!([version(&commit(1), 1)]));
    // For a repository that does not exist, the error contains the server's message.
    source["repository"] = json!("octo/none");
    let outcome = check(&source, None);
    outcome.failed();
    assert!(outcome.stderr.contains("404"), "{}", outcome.stderr);
}
