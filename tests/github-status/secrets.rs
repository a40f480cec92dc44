//! Credentials never appear in output, files, process arguments or the environment.

use std::fs;

use jetway_tests::github::{AppKey, GitHub, REPOSITORY, TOKEN, commit};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Fault, Response};
use jetway_tests::verb::{Container, Outcome, Runner};
use serde_json::{Value, json};

use crate::support::{check, check_in, get, inputs, put, put_step, source, version, with};

/// The secrets: the fixed token, the issued tokens and the lines of a key.
fn secrets(key: &AppKey) -> Vec<String> {
    let lines = key.pkcs1.lines().chain(key.pkcs8.lines()).filter(|line| !line.starts_with("-----") && line.len() > 8);
    lines.map(str::to_owned).chain([TOKEN, "SECRET", "eyJ"].map(str::to_owned)).collect()
}

#[track_caller]
fn keeps(outcome: &Outcome) {
    let secrets = secrets(&AppKey::new());
    let mut seen = vec![outcome.stderr.clone(), String::from_utf8_lossy(&outcome.stdout).into_owned()];
    for file in outcome.leftovers().into_iter().filter(|path| path.is_file()) {
        seen.push(String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
    }
    for text in seen {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}

/// A response that repeats the request, as some proxies send it.
fn talkative(status: u16) -> Response {
    let body = json!({ "message": format!("your header was `Authorization: Bearer {TOKEN}`"), "errors": [TOKEN] });
    Response::json(status, &body)
}

fn app(github: &GitHub) -> Value {
    let key = AppKey::new();
    github.install_app("4711", "jetway", &key);
    json!({ "repository": REPOSITORY, "endpoint": github.url(), "branch": "main", "app_id": "4711", "private_key": key.pkcs1 })
}

#[test]
fn are_not_shown_on_success() {
    let github = GitHub::start();
    for source in [source(&github), app(&github)] {
        let done = put(&source, json!({ "commit": commit(1), "state": "success", "description": "x" }));
        keeps(done.succeeded());
        let container = Container::new();
        let version = done.json()["version"].clone();
        keeps(check_in(&container, &source, Some(&version)).succeeded());
        keeps(check_in(&container, &source, Some(&version)).succeeded());
        keeps(get(&source, &version, scratch::directory().path()).succeeded());
    }
}

#[test]
fn are_not_shown_on_failure() {
    let github = GitHub::start();
    for status in [400, 401, 403, 404, 422, 500] {
        // A server error is retried.
        let times = if status == 500 { 5 } else { 1 };
        github.answer(times, "POST", "/statuses/", talkative(status));
        let outcome = put(&source(&github), json!({ "commit": commit(1), "state": "success" }));
        assert!(outcome.failed().stderr.contains("your header was"), "{}", outcome.stderr);
        keeps(&outcome);
        github.answer(times, "GET", "/statuses", talkative(status));
        keeps(check(&source(&github), None).failed());
        // Even if the response contains the key, the output does not.
        let body = json!({ "message": AppKey::new().pkcs1 });
        github.answer(times, "GET", "/installation", Response::json(status, &body));
        keeps(check(&app(&github), None).failed());
    }
    github.answer(9, "GET", "/statuses", Response::text(200, format!("no json but {TOKEN}")));
    keeps(check(&source(&github), None).failed());
    keeps(get(&source(&github), &version(&commit(1), 1), scratch::directory().path()).failed());
}

#[test]
fn are_not_shown_for_invalid_requests() {
    let key = AppKey::new();
    for source in [
        json!({ "repository": TOKEN, "access_token": TOKEN, "acess_token": TOKEN }),
        json!({ "repository": "o/n", "access_token": [TOKEN] }),
        json!({ "repository": "o/n", "app_id": key.pkcs1, "private_key": key.pkcs1.replace('A', "?") }),
        json!({ "repository": "o/n", "access_token": TOKEN, "private_key": key.pkcs1 }),
    ] {
        let outcome = check(&source, None);
        outcome.failed();
        for line in outcome.stderr.lines() {
            assert!(!line.contains(TOKEN), "{line}");
        }
        keeps(&outcome);
    }
}

#[test]
fn are_not_in_process_arguments_or_environment() {
    let github = GitHub::start();
    github.fail_next(Fault::Slow(std::time::Duration::from_secs(2)));
    let inputs = inputs(&[]);
    let running = put_step(&source(&github), json!({ "commit": commit(1), "state": "success" }), inputs.path())
        .runner(Runner::Binary)
        .spawn();
    jetway_tests::process::wait_until(std::time::Duration::from_secs(20), || {
        (!github.recorded_requests().is_empty()).then_some(())
    });
    for file in ["cmdline", "environ"] {
        let content = fs::read(format!("/proc/{}/{file}", running.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("SECRET"));
    }
    assert!(running.children().is_empty());
    running.wait(std::time::Duration::from_secs(20)).succeeded();
}

#[test]
fn are_redacted_in_descriptions_and_urls() {
    let github = GitHub::start();
    let outcome = put(&source(&github), json!({ "commit": commit(1), "state": "success", "context": "a$BUILD_ID" }));
    keeps(outcome.succeeded());
    let source = with(source(&github), json!({ "context": format!("ci-{TOKEN}") }));
    let outcome = put(&source, json!({ "commit": commit(1), "state": "success" }));
    assert!(!outcome.succeeded().stderr.contains(TOKEN), "{}", outcome.stderr);
}
