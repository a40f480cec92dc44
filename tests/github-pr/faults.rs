//! Faults: rate limits, slow and broken servers, and SIGTERM.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jetway_tests::github::{GitHub, PullRequest, commit};
use jetway_tests::http_git;
use jetway_tests::stand_in::{Fault, Response};
use jetway_tests::verb::{Running, Verb};
use jetway_tests::{process, scratch};
use serde_json::{Value, json};

use crate::support::{Project, check, messages, numbers, source, version, with};

fn one() -> GitHub {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    github
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// See "Exceeding the rate limit" in GitHub's guide to the limits of the GraphQL API: status 200, `x-ratelimit-remaining` is 0.
fn limited(reset: u64) -> Response {
    let error = json!({ "type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1." });
    Response::json(200, &json!({ "errors": [error] }))
        .with("X-RateLimit-Remaining", "0")
        .with("X-RateLimit-Reset", &reset.to_string())
}

#[test]
fn waits_for_the_rate_limit_of_graphql() {
    let github = one();
    github.answer(1, "POST", "/graphql", limited(now() + 1));
    let outcome = check(&source(&github), None);
    assert_eq!(numbers(&outcome), [1]);
    assert!(messages(&outcome).contains("GitHub's rate limit is used up; waiting"), "{}", outcome.stderr);
}

#[test]
fn fails_at_once_on_a_long_rate_limit() {
    let github = one();
    github.answer(9, "POST", "/graphql", limited(now() + 2400));
    let outcome = check(&source(&github), None);
    outcome.failed();
    assert!(messages(&outcome).contains("GitHub's rate limit for GraphQL is used up until"), "{}", outcome.stderr);
    assert!(messages(&outcome).contains("hint: check less often"), "{}", outcome.stderr);
    assert!(outcome.elapsed < Duration::from_secs(10));
}

#[test]
fn waits_for_the_secondary_rate_limit() {
    let github = one();
    let body = json!({ "message": "You have exceeded a secondary rate limit." });
    github.answer(1, "POST", "/graphql", Response::json(403, &body).with("Retry-After", "1"));
    let outcome = check(&source(&github), None);
    assert_eq!(numbers(&outcome), [1]);
    assert!(outcome.stderr.contains("retrying in 1 s"), "{}", outcome.stderr);
}

#[test]
fn logs_the_remaining_rate_limit() {
    let outcome = check(&source(&one()), None);
    assert!(messages(&outcome).contains("rate limit: 4999 of 5000 requests are left"), "{}", outcome.stderr);
}

#[test]
fn retries_a_query_after_a_fault() {
    let github = one();
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutBody(20), Fault::Response(Response::text(502, "<html>"))]
    {
        github.fail_next(fault);
        assert_eq!(numbers(&check(&source(&github), None)), [1]);
    }
}

#[test]
fn fails_if_the_response_does_not_come_from_github() {
    let github = one();
    for body in
        [json!([]), json!({}), json!({ "data": null }), json!({ "data": { "repository": { "pullRequests": 7 } } })]
    {
        github.answer(3, "POST", "graphql", Response::json(200, &body));
        let outcome =
            check(&with(source(&github), json!({ "v4_endpoint": format!("{}/graphql", github.url()) })), None);
        outcome.failed();
        assert!(messages(&outcome).contains("the response does not come from GitHub's API"), "{}", outcome.stderr);
        // Uses up the remaining planned responses.
        while !check(&source(&github), None).stdout.starts_with(b"[{") {}
    }
}

#[test]
fn reports_errors_of_graphql() {
    let github = one();
    let errors =
        json!({ "errors": [{ "type": "FORBIDDEN", "message": "Resource not accessible by personal access token" }] });
    github.answer(1, "POST", "/graphql", Response::json(200, &errors));
    let outcome = check(&source(&github), None);
    outcome.failed();
    assert!(
        messages(&outcome).contains("GitHub's GraphQL API responds: Resource not accessible by personal access token"),
        "{}",
        outcome.stderr
    );
    assert!(messages(&outcome).contains("hint: the token lacks a permission"), "{}", outcome.stderr);
}

#[test]
fn reports_wrong_token() {
    let github = one();
    let outcome = check(&with(source(&github), json!({ "access_token": "wrong" })), None);
    outcome.failed();
    assert!(messages(&outcome).contains("Bad credentials"), "{}", outcome.stderr);
}

#[test]
fn git_retries_after_a_fault() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    for fault in [
        http_git::Fault::CutAfter { bytes: 10 },
        http_git::Fault::Status { status: 503, retry_after: None, body: String::new() },
    ] {
        project.server.fail_next(fault);
        project.get(7, &head, json!({})).1.succeeded();
    }
}

fn spawn_get(project: &Project, head: &str, directory: &std::path::Path) -> Running {
    let request: Value = json!({ "source": project.source(), "version": version(7, head), "params": {} });
    Verb::get("github-pr").dir(directory).request(&request).spawn()
}

#[test]
fn sigterm_ends_every_wait() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let github = &project.github;
    for fault in 0..3 {
        let before = github.requests().len();
        let directory = scratch::directory();
        match fault {
            0 => github.fail_next(Fault::Stall),
            1 => github.answer(1, "POST", "/graphql", limited(now() + 60)),
            _ => project.server.fail_next(http_git::Fault::Stall),
        }
        let running = spawn_get(&project, &head, directory.path());
        let is_waiting = || {
            let request = github.requests().len() > before;
            (if fault == 2 { !project.server.requests().is_empty() } else { request }).then_some(())
        };
        assert!(process::wait_until(Duration::from_secs(20), is_waiting).is_some());
        if fault == 1 {
            running.wait_for_stderr("waiting");
        }
        running.terminate();
        let outcome = running.wait(Duration::from_secs(10));
        assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
        assert!(messages(&outcome).contains("interrupted by SIGTERM"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}
