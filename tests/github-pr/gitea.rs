//! What a check of Gitea's pull requests costs, and what it refuses.
//!
//! The answers have the fields of `PullRequest`, `Commit`, `PullReview` and `ChangedFile` in Gitea's API description
//! (`templates/swagger/v1_json.tmpl`). `real_gitea.rs` has the cases that a real Gitea can show.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard};

use jetway_tests::github::commit;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{check, check_in, file, get, messages, numbers, version, with};

/// The most pull requests in a page, Gitea's default.
const PAGE: usize = 50;

#[derive(Default)]
struct State {
    pulls: Vec<Value>,
    /// The number of the pull request that is closed after the first page was sent.
    closes_after_a_page: Option<u64>,
    approved: Vec<u64>,
    /// The second of the last update.
    clock: u64,
}

struct Gitea {
    server: StandIn,
    state: Arc<Mutex<State>>,
}

impl Gitea {
    fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = StandIn::start(move |request| answer(request, &mut shared.lock().expect("no panic")));
        Self { server, state }
    }

    fn source(&self) -> Value {
        json!({
            "repository": "octo/app", "access_token": "gitea-token-0123456789",
            "v3_endpoint": format!("{}/api/v1", self.server.url()),
        })
    }

    fn open(&self, number: u64) {
        let branch = |name: &str, sha: &str| json!({ "label": name, "ref": name, "sha": sha, "repo_id": 1 });
        let pull = json!({
            "number": number, "title": format!("Change {number}"), "state": "open", "merged": false, "draft": false,
            "html_url": format!("https://gitea.example/octo/app/pulls/{number}"), "user": { "login": "octo" },
            "labels": [], "created_at": "2026-01-01T01:00:00+01:00", "updated_at": "",
            "head": branch("topic", &hash(number)), "base": branch("main", &commit(1)),
        });
        self.state().pulls.push(pull);
        self.update(number);
    }

    /// Updates a pull request as a comment does.
    fn update(&self, number: u64) {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let time = format!("2026-01-02T{:02}:{:02}:{:02}Z", clock / 3600, clock / 60 % 60, clock % 60);
        let pull = state.pulls.iter_mut().find(|pull| pull["number"] == number).expect("it was opened");
        pull["updated_at"] = json!(time);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// The requests since the last call, without their queries.
    fn requests(&self, seen: &mut usize) -> Vec<String> {
        let requests = self.server.recorded_requests();
        let new = requests.iter().skip(*seen).map(|request| {
            let path = request.path().strip_prefix("/api/v1/repos/octo/app/").unwrap_or(request.path());
            format!("{} {path}", request.method)
        });
        let new = new.collect();
        *seen = requests.len();
        new
    }
}

fn answer(request: &RecordedRequest, state: &mut State) -> Response {
    let Some(path) = request.path().strip_prefix("/api/v1/repos/octo/app/") else {
        return Response::bytes(404, "text/html; charset=UTF-8", "<!DOCTYPE html><title>Page Not Found</title>");
    };
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["pulls"] => {
            assert_eq!(request.query("sort").as_deref(), Some("recentupdate"));
            let wanted = request.query("state").unwrap();
            let mut pulls: Vec<Value> = state.pulls.iter().filter(|pull| pull["state"] == wanted).cloned().collect();
            pulls.sort_by_key(|pull| Reverse(pull["updated_at"].as_str().unwrap().to_owned()));
            let page: usize = request.query("page").unwrap().parse().unwrap();
            let items: Vec<&Value> = pulls.iter().skip((page - 1) * PAGE).take(PAGE).collect();
            if let Some(number) = state.closes_after_a_page.take() {
                let pull = state.pulls.iter_mut().find(|pull| pull["number"] == number).unwrap();
                pull["state"] = json!("closed");
            }
            Response::json(200, &json!(items)).with("X-Total-Count", &pulls.len().to_string())
        }
        ["pulls", number] => {
            let number: u64 = number.parse().unwrap();
            let pull = state.pulls.iter().find(|pull| pull["number"] == number).expect("it was opened");
            Response::json(200, pull)
        }
        ["pulls", number, "reviews"] => {
            let is_approved = state.approved.contains(&number.parse().unwrap());
            let review = json!({ "id": 1, "user": { "login": "ada" }, "state": "APPROVED", "dismissed": false });
            Response::json(200, &if is_approved { json!([review]) } else { json!([]) })
        }
        ["pulls", number, "files"] => Response::json(200, &json!([{ "filename": format!("src/{number}") }])),
        ["git", "commits", hash] => {
            let person = json!({ "name": "A", "email": "a@example.com", "date": "2026-01-01T10:00:00+01:00" });
            let text = json!({ "message": "change", "author": person, "committer": person });
            Response::json(200, &json!({ "sha": hash, "commit": text, "author": null }))
        }
        _ => Response::json(404, &json!({ "message": "Not Found", "url": "http://gitea.example/api/swagger" })),
    }
}

/// The hash of the head of a pull request.
fn hash(number: u64) -> String {
    commit(1000 + u32::try_from(number).unwrap())
}

fn head(number: u64) -> Value {
    version(number, &hash(number))
}

#[test]
fn check_sends_one_request_and_one_for_each_new_head() {
    let gitea = Gitea::start();
    let (container, mut seen) = (Container::new(), 0);
    for number in 1..=3 {
        gitea.open(number);
    }
    assert_eq!(check_in(&container, &gitea.source(), None).json(), json!([head(3)]));
    assert_eq!(gitea.requests(&mut seen), ["GET pulls".to_owned(), format!("GET git/commits/{}", hash(3))]);
    assert_eq!(check_in(&container, &gitea.source(), Some(&head(3))).json(), json!([head(3)]));
    assert_eq!(gitea.requests(&mut seen), ["GET pulls"]);
    gitea.open(4);
    gitea.open(5);
    assert_eq!(numbers(&check_in(&container, &gitea.source(), Some(&head(3)))), [3, 4, 5]);
    assert_eq!(gitea.requests(&mut seen).len(), 3);
    // Without its memory, a check asks for the one doubtful head that it returns.
    assert_eq!(numbers(&check(&gitea.source(), Some(&head(5)))), [5, 4]);
    assert_eq!(gitea.requests(&mut seen).len(), 2);
}

#[test]
fn list_of_500_is_read_once_and_then_back_to_what_was_seen() {
    let gitea = Gitea::start();
    let (container, mut seen) = (Container::new(), 0);
    for number in 1..=500 {
        gitea.open(number);
    }
    let known = check_in(&container, &gitea.source(), None).json()[0].clone();
    assert_eq!(gitea.requests(&mut seen).len(), 10 + 1);
    gitea.state().clock += 600;
    gitea.state().pulls[76]["head"]["sha"] = json!(commit(7777));
    gitea.update(77);
    assert_eq!(numbers(&check_in(&container, &gitea.source(), Some(&known))), [500, 77]);
    gitea.requests(&mut seen);
    gitea.update(7);
    let known = version(77, &commit(7777));
    assert_eq!(numbers(&check_in(&container, &gitea.source(), Some(&known))), [77]);
    assert_eq!(gitea.requests(&mut seen), ["GET pulls"]);
}

#[test]
fn pull_request_that_is_closed_meanwhile_hides_no_other() {
    let gitea = Gitea::start();
    let container = Container::new();
    gitea.open(1);
    let known = check_in(&container, &gitea.source(), None).json()[0].clone();
    for number in 2..=80 {
        gitea.open(number);
    }
    // It is in the first page, so that the second one begins a pull request later.
    gitea.state().closes_after_a_page = Some(60);
    let found = numbers(&check_in(&container, &gitea.source(), Some(&known)));
    assert_eq!(found, (1..=80).filter(|number| *number != 60).collect::<Vec<u64>>());
}

#[test]
fn reviews_are_read_of_what_was_updated() {
    let gitea = Gitea::start();
    let (container, mut seen) = (Container::new(), 0);
    let source = with(gitea.source(), json!({ "required_review_approvals": 1 }));
    for number in 1..=5 {
        gitea.open(number);
    }
    assert_eq!(check_in(&container, &source, None).json(), json!([]));
    assert_eq!(gitea.requests(&mut seen).len(), 6);
    // Another review may have come in the second of the newest update.
    assert_eq!(check_in(&container, &source, None).json(), json!([]));
    assert_eq!(gitea.requests(&mut seen), ["GET pulls", "GET pulls/5/reviews"]);
    gitea.state().approved.push(2);
    gitea.update(2);
    assert_eq!(check_in(&container, &source, None).json(), json!([head(2)]));
    let of_commit = format!("GET git/commits/{}", hash(2));
    let expected = ["GET pulls", "GET pulls/2/reviews", "GET pulls/5/reviews", of_commit.as_str()];
    assert_eq!(gitea.requests(&mut seen), expected);
}

#[test]
fn files_are_read_of_new_heads() {
    let gitea = Gitea::start();
    let (container, mut seen) = (Container::new(), 0);
    let source = with(gitea.source(), json!({ "paths": ["src/[13]"] }));
    for number in 1..=4 {
        gitea.open(number);
    }
    assert_eq!(check_in(&container, &source, None).json(), json!([head(3)]));
    assert_eq!(gitea.requests(&mut seen).len(), 5);
    assert_eq!(check_in(&container, &source, Some(&head(3))).json(), json!([head(3)]));
    assert_eq!(gitea.requests(&mut seen), ["GET pulls"]);
}

#[test]
fn keys_of_what_gitea_does_not_have_are_refused() {
    let gitea = Gitea::start();
    for (more, expected) in [
        (
            json!({ "v4_endpoint": "https://gitea.example/graphql" }),
            "`source.v4_endpoint`: does not work with Gitea, which has no GraphQL API",
        ),
        (
            json!({ "authorship_restriction": true }),
            "`source.authorship_restriction`: does not work with Gitea, whose API does not report the role of an author",
        ),
        (
            json!({ "access_token": "", "app_id": "1" }),
            "`source.app_id`: does not work with Gitea, which has no GitHub Apps: set `access_token`",
        ),
    ] {
        let outcome = check(&with(gitea.source(), more), None);
        outcome.failed();
        assert!(messages(&outcome).contains(expected), "{}", outcome.stderr);
    }
    assert_eq!(gitea.requests(&mut 0), Vec::<String>::new());
}

#[test]
fn get_without_download_sends_two_requests() {
    let gitea = Gitea::start();
    gitea.open(1);
    let directory = scratch::directory();
    let params = json!({ "skip_download": true });
    get(&gitea.source(), &head(1), params, directory.path()).succeeded();
    assert_eq!((file(directory.path(), "author_name"), file(directory.path(), "author")), ("A".into(), "octo".into()));
    assert_eq!(gitea.requests(&mut 0).len(), 2);
}
