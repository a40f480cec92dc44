//! Credentials never appear in output, files, arguments or the environment.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::jira::{API_TOKEN, EDITIONS, EMAIL, Edition, Jira, TOKEN, refuse};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Fault, Response};
use jetway_tests::verb::{Outcome, Runner};
use serde_json::json;

use crate::support::{approved, check, gate, get, inputs, put, put_step, with};

#[track_caller]
fn keeps(outcome: &Outcome) {
    let basic = STANDARD.encode(format!("{EMAIL}:{API_TOKEN}"));
    let mut seen = vec![outcome.stderr.clone(), String::from_utf8_lossy(&outcome.stdout).into_owned()];
    for file in outcome.leftovers().into_iter().filter(|path| path.is_file()) {
        seen.push(String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
    }
    for text in seen {
        for secret in [API_TOKEN, TOKEN, "SECRET", basic.as_str()] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// A response that repeats the credentials of the request, as some proxies send it.
fn talkative(edition: Edition, status: u16) -> Response {
    let header = match edition {
        Edition::Cloud => format!("Basic {}, {API_TOKEN}", STANDARD.encode(format!("{EMAIL}:{API_TOKEN}"))),
        Edition::DataCenter => format!("Bearer {TOKEN}"),
    };
    refuse(status, &format!("your header was `{header}`"))
}

#[test]
fn are_not_shown_on_success() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create_in(5, "x", "Approved");
        keeps(check(&gate(&jira), None).succeeded());
        keeps(get(&gate(&jira), &approved(&key, 5), json!({}), scratch::directory().path()).succeeded());
        keeps(
            put(
                &jira.source(),
                json!({ "issue": key, "comment": format!("a {API_TOKEN} {TOKEN}"), "transition": "Done" }),
            )
            .succeeded(),
        );
    }
}

#[test]
fn are_not_shown_on_failure() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create_in(5, "x", "Approved");
        let secret = if edition == Edition::Cloud { API_TOKEN } else { TOKEN };
        for status in [400, 401, 403, 404, 422, 500] {
            // A server error is retried.
            let times = if status == 500 { 5 } else { 1 };
            jira.answer(times, "POST", "/search", talkative(edition, status));
            let outcome = check(&gate(&jira), None);
            assert!(outcome.failed().stderr.contains("your header was"), "{}", outcome.stderr);
            keeps(&outcome);
            jira.answer(times, "GET", "/issue/", talkative(edition, status));
            keeps(put(&jira.source(), json!({ "issue": key, "comment": "x" })).failed());
        }
        jira.answer(1, "GET", "/issue/", Response::text(200, format!("no json but {secret}")));
        keeps(get(&gate(&jira), &approved(&key, 5), json!({}), scratch::directory().path()).failed());
    }
}

#[test]
fn are_not_shown_for_invalid_requests() {
    for source in [
        json!({ "url": format!("https://x/{TOKEN}?"), "token": TOKEN, "tokn": TOKEN }),
        json!({ "url": "https://x", "token": [TOKEN] }),
        json!({ "url": "https://x", "token": TOKEN, "email": EMAIL, "api_token": API_TOKEN }),
        json!({ "url": "https://x", "email": "a", "api_token": format!("{API_TOKEN} {API_TOKEN}") }),
    ] {
        keeps(check(&source, None).failed());
    }
}

#[test]
fn are_not_in_arguments_or_environment() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "x");
    jira.fail_next(Fault::Slow(Duration::from_secs(2)));
    let inputs = inputs(&[]);
    let running =
        put_step(&jira.source(), json!({ "issue": key, "comment": "x" }), inputs.path()).runner(Runner::Binary).spawn();
    jetway_tests::process::wait_until(Duration::from_secs(20), || (!jira.recorded_requests().is_empty()).then_some(()));
    for file in ["cmdline", "environ"] {
        let content = fs::read(format!("/proc/{}/{file}", running.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("SECRET"));
    }
    assert!(running.children().is_empty());
    running.wait(Duration::from_secs(20)).succeeded();
}

#[test]
fn proxy_password_is_masked() {
    let source = json!({
        "url": "http://jira.example", "token": TOKEN, "proxy": "http://user:hunter2hunter2@127.0.0.1:1", "connect_timeout": 1,
    });
    let inputs = inputs(&[]);
    let running =
        put_step(&with(source, json!({})), json!({ "issue": "OPS-1", "comment": "x" }), inputs.path()).spawn();
    running.wait_for_stderr("retrying");
    running.terminate();
    let outcome = running.wait(Duration::from_secs(20));
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    keeps(&outcome);
}
