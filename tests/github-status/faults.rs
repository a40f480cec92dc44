//! Faults: rate limits, slow, broken and wrong servers, and SIGTERM.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jetway_tests::github::{GitHub, commit};
use jetway_tests::stand_in::{Fault, Response};
use jetway_tests::{github, scratch};
use serde_json::json;

use crate::support::{check, messages, put, put_step, source, with};

fn params() -> serde_json::Value {
    json!({ "commit": commit(1), "state": "success" })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn waits_for_secondary_rate_limit() {
    let github = GitHub::start();
    for (status, part) in [(403, "/statuses/"), (429, "/statuses/")] {
        let body = json!({ "message": "You have exceeded a secondary rate limit." });
        github.answer(1, "POST", part, Response::json(status, &body).with("Retry-After", "1"));
        let outcome = put(&source(&github), params());
        outcome.succeeded();
        assert!(outcome.elapsed >= Duration::from_secs(1));
        assert!(outcome.stderr.contains("retrying in 1 s: `POST"), "{}", outcome.stderr);
    }
    assert_eq!(github.statuses(&commit(1)).len(), 2);
}

#[test]
fn waits_for_primary_rate_limit_that_ends_soon() {
    let github = GitHub::start();
    let limited = Response::json(403, &json!({ "message": "API rate limit exceeded" }))
        .with("X-RateLimit-Limit", "5000")
        .with("X-RateLimit-Remaining", "0")
        .with("X-RateLimit-Reset", &(now() + 1).to_string());
    github.answer(1, "GET", "/statuses", limited);
    check(&source(&github), None).succeeded();
    assert_eq!(github.requests().len(), 2);
}

#[test]
fn fails_at_once_on_long_rate_limit() {
    let github = GitHub::start();
    let limited = Response::json(403, &json!({ "message": "API rate limit exceeded for user ID 1." }))
        .with("X-RateLimit-Remaining", "0")
        .with("X-RateLimit-Reset", &(now() + 2400).to_string());
    github.answer(9, "GET", "/statuses", limited);
    let outcome = check(&source(&github), None);
    outcome.failed();
    let messages = messages(&outcome);
    assert!(messages.contains("  caused by: the server asks to wait 4"), "{messages}");
    assert!(messages.contains("  caused by: API rate limit exceeded for user ID 1.\n"), "{messages}");
    assert!(outcome.elapsed < Duration::from_secs(10));
    assert_eq!(github.requests().len(), 1);
}

#[test]
fn put_warns_about_low_rate_limit() {
    let github = GitHub::start();
    github.rate(5000, 499, 4_102_444_800);
    let outcome = put(&source(&github), params());
    assert!(outcome.succeeded().stderr.contains("rate limit: 499 of 5000 requests are left until 00:00 UTC"));
}

#[test]
fn retries_put_after_cut_connection() {
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        let github = GitHub::start();
        github.fail_next(fault);
        put(&source(&github), params()).succeeded();
        // Setting a status is idempotent, because only the newest one of a context counts.
        assert_eq!(github.statuses(&commit(1))[0]["state"], "success");
    }
}

#[test]
fn retries_after_502() {
    for status in [502, 503, 504] {
        let github = GitHub::start();
        github.answer(1, "POST", "/statuses/", Response::text(status, "bad gateway"));
        put(&source(&github), params()).succeeded();
        assert_eq!(github.statuses(&commit(1)).len(), 1);
    }
}

#[test]
fn waits_for_slow_server() {
    let github = GitHub::start();
    github.fail_next(Fault::Slow(Duration::from_secs(2)));
    put(&source(&github), params()).succeeded();
}

#[test]
fn sigterm_ends_every_wait() {
    let github = GitHub::start();
    for fault in [Fault::Stall, Fault::Response(Response::json(429, &json!({})).with("Retry-After", "60"))] {
        let before = github.requests().len();
        github.fail_next(fault);
        let inputs = scratch::directory();
        let running = put_step(&source(&github), params(), inputs.path()).spawn();
        let request = jetway_tests::process::wait_until(Duration::from_secs(20), || {
            (github.requests().len() > before).then_some(())
        });
        assert!(request.is_some());
        std::thread::sleep(Duration::from_millis(300));
        running.terminate();
        let outcome = running.wait(Duration::from_secs(10));
        assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
        assert!(outcome.stderr.contains("interrupted by SIGTERM"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn sigterm_ends_the_wait_for_the_status_to_be_listed() {
    let github = GitHub::start();
    github.lag(1000);
    let inputs = scratch::directory();
    let running = put_step(&source(&github), params(), inputs.path()).spawn();
    running.wait_for_stderr("set `default`");
    running.terminate();
    assert_eq!(running.wait(Duration::from_secs(5)).code, Some(143));
}

#[test]
fn reports_unreachable_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let source = json!({ "repository": github::REPOSITORY, "access_token": github::TOKEN, "endpoint": endpoint });
    let inputs = scratch::directory();
    let running = put_step(&source, params(), inputs.path()).spawn();
    let outcome = running.wait(Duration::from_mins(2));
    outcome.failed();
    assert!(messages(&outcome).contains("got no complete response"), "{}", outcome.stderr);
}

/// The redirect must not send the token to a server that is not GitHub.
#[test]
fn token_is_not_sent_to_redirect_on_another_host() {
    let (github, other) = (GitHub::start(), GitHub::start());
    let elsewhere = format!("{}/repos/octo/app/commits/main/statuses?per_page=100", other.url());
    github.answer(1, "GET", "/statuses", Response::text(302, "").with("Location", &elsewhere));
    let outcome = check(&source(&github), None);
    outcome.failed();
    assert_eq!(other.recorded_requests().len(), 1);
    assert!(other.recorded_requests()[0].header("authorization").is_none());
}

#[test]
fn follows_redirect_of_renamed_repository() {
    let github = GitHub::start();
    let hash = commit(1);
    let moved = json!({ "message": "Moved Permanently" });
    let new = format!("{}/repos/octo/app/statuses/{hash}", github.url());
    github.answer(1, "POST", "/repos/octo/old/", Response::json(307, &moved).with("Location", &new));
    let list = format!("{}/repos/octo/app/commits/{hash}/statuses?per_page=100", github.url());
    github.answer(1, "GET", "/repos/octo/old/", Response::json(301, &moved).with("Location", &list));
    put(&with(source(&github), json!({ "repository": "octo/old" })), params()).succeeded();
    assert_eq!(github.statuses(&hash).len(), 1);
}

#[test]
fn keeps_path_of_github_enterprise() {
    let github = GitHub::start();
    github.answer(1, "POST", "/api/v3/repos/octo/app/statuses/", Response::json(404, &json!({ "message": "here" })));
    let outcome = put(&with(source(&github), json!({ "endpoint": format!("{}/api/v3/", github.url()) })), params());
    outcome.failed();
    assert!(messages(&outcome).contains("  caused by: here\n"), "{}", outcome.stderr);
}
