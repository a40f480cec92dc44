//! Servers that are busy, slow, broken or not Jira; interrupted verbs.

use std::time::Duration;

use jetway_tests::jira::{EDITIONS, Edition, Jira, from_jira, rate_limited, refuse};
use jetway_tests::stand_in::{Fault, Response, StandIn};
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{approved, check, gate, get, inputs, messages, put, put_step, with};

const SOON: Duration = Duration::from_secs(20);

fn server(edition: Edition) -> (Jira, Value) {
    let jira = Jira::start(edition);
    jira.create_in(5, "x", "Approved");
    let version = approved("OPS-1", 5);
    (jira, version)
}

#[test]
fn retries_after_rate_limit_and_shows_the_pause() {
    for edition in EDITIONS {
        let (jira, version) = server(edition);
        jira.fail_next(Fault::Response(rate_limited(1)));
        let outcome = check(&gate(&jira), None);
        assert_eq!(outcome.json(), json!([version]));
        assert!(outcome.elapsed >= Duration::from_secs(1));
        assert!(outcome.stderr.contains("retrying in 1 s: `POST"), "{}", outcome.stderr);
    }
}

#[test]
fn fails_at_once_when_retry_after_is_too_long() {
    let (jira, _) = server(Edition::Cloud);
    jira.fail_next(Fault::Response(rate_limited(2400)));
    let outcome = check(&gate(&jira), None);
    outcome.failed();
    assert!(messages(&outcome).contains("  caused by: the server asks to wait 40 min"), "{}", messages(&outcome));
    assert!(messages(&outcome).contains("  caused by: Rate limit exceeded.\n"), "{}", messages(&outcome));
    assert!(outcome.elapsed < SOON);
    assert_eq!(jira.requests().len(), 1);
}

#[test]
fn warns_when_rate_limit_is_near() {
    let (jira, _) = server(Edition::Cloud);
    let issue = json!({ "issues": [], "isLast": true });
    jira.answer(1, "POST", "/search/jql", from_jira(200, &issue).with("X-RateLimit-NearLimit", "true"));
    let outcome = check(&gate(&jira), None);
    assert_eq!(messages(&outcome), "warning: Jira's rate limit is nearly reached; check less often\n");
}

#[test]
fn retries_search() {
    for edition in EDITIONS {
        for fault in [
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::Response(Response::text(500, "")),
            Fault::Response(Response::text(502, "<html>bad gateway")),
            Fault::Response(Response::text(504, "")),
        ] {
            let (jira, version) = server(edition);
            jira.fail_next(fault.clone());
            assert_eq!(check(&gate(&jira), None).json(), json!([version]), "{fault:?}");
        }
    }
}

#[test]
fn check_fails_with_jiras_message_and_a_hint() {
    for edition in EDITIONS {
        for (status, hint) in [
            (400, None),
            (401, Some("is wrong, expired or revoked")),
            (403, Some("hint: the account lacks a permission in the project, or the token lacks a scope\n")),
            (404, Some("hint: the issue or project does not exist, or the account may not see it;")),
            (410, Some("hint: this Jira uses the other API; set `api` to `cloud` or `data_center`\n")),
        ] {
            let (jira, _) = server(edition);
            jira.fail_next(Fault::Response(refuse(status, "Thus spoke Jira.")));
            let outcome = check(&gate(&jira), None);
            outcome.failed();
            let messages = messages(&outcome);
            assert!(messages.contains(&format!("answered {status} ")), "{messages}");
            assert!(messages.contains("  caused by: Thus spoke Jira.\n"), "{messages}");
            assert!(hint.is_none_or(|hint| messages.contains(hint)), "{messages}");
            assert_eq!(jira.requests().len(), 1);
        }
    }
}

#[test]
fn reports_captcha() {
    let (jira, _) = server(Edition::DataCenter);
    let answer = Response::bytes(401, "text/html", "<html>401").with("X-Seraph-LoginReason", "AUTHENTICATION_DENIED");
    jira.fail_next(Fault::Response(answer));
    let outcome = check(&gate(&jira), None);
    outcome.failed();
    assert!(
        messages(&outcome)
            .ends_with("hint: Jira asks this account for a CAPTCHA after failed logins: log in once with a browser\n"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn reports_invalid_query() {
    let (jira, _) = server(Edition::Cloud);
    for (more, reason) in [
        (json!({ "jql": "nonsense" }), "Error in the JQL Query: Expecting operator but got '(nonsense)'."),
        (json!({ "status": "Aproved" }), "The value 'Aproved' does not exist for the field 'status'."),
    ] {
        let outcome = check(&with(gate(&jira), more), None);
        outcome.failed();
        assert!(messages(&outcome).contains(&format!("  caused by: {reason}")), "{}", messages(&outcome));
        let hint = "hint: try the query in Jira's issue search; `status` must be a status of the project's workflow\n";
        assert!(messages(&outcome).ends_with(hint), "{}", messages(&outcome));
    }
}

#[test]
fn reports_other_edition_of_jira() {
    let jira = Jira::start(Edition::Cloud);
    let source = json!({ "url": jira.url(), "token": "x", "project": "OPS", "status": "Approved" });
    let outcome = check(&source, None);
    outcome.failed();
    assert!(messages(&outcome).contains("answered 404 Not Found"), "{}", messages(&outcome));
}

#[test]
fn rejects_responses_that_are_not_from_jira() {
    let (jira, version) = server(Edition::Cloud);
    for answer in [
        Response::bytes(200, "text/html", "<!DOCTYPE html><html>Log in"),
        Response::text(200, ""),
        Response::text(200, "[]"),
        Response::text(200, "{}"),
        Response::text(200, "{\"issues\": 7}"),
        Response::text(200, "{\"issues\": [{}]}"),
        Response::text(200, "{\"issues\": [{\"key\": \"OPS-1\", \"fields\": {\"status\": 7}}]}"),
    ] {
        jira.fail_next(Fault::Response(answer.clone()));
        let outcome = check(&gate(&jira), None);
        outcome.failed();
        assert!(
            messages(&outcome).contains("the response does not come from Jira's API"),
            "{answer:?}: {}",
            messages(&outcome)
        );
        jira.fail_next(Fault::Response(answer));
        get(&jira.source(), &version, json!({}), jetway_tests::scratch::directory().path()).failed();
    }
}

#[test]
fn limits_the_size_and_the_pages_of_responses() {
    let (jira, _) = server(Edition::Cloud);
    let huge = format!("{{\"issues\": [\"{}\"]}}", "x".repeat(17 * 1024 * 1024));
    jira.fail_next(Fault::Response(Response::bytes(200, "application/json", huge)));
    let outcome = check(&gate(&jira), None);
    outcome.failed();
    assert!(messages(&outcome).contains("the response is larger than 16777216 bytes"), "{}", messages(&outcome));
    // An endless list of pages.
    let endless = json!({ "issues": [{ "id": "1", "key": "OPS-1", "fields": {
        "status": { "id": "10002", "name": "Approved" }, "created": "2030-01-01T00:00:00.000+0000", "updated": "2030-01-01T00:00:00.000+0000",
    } }], "nextPageToken": "again" });
    jira.answer(1000, "POST", "/search/jql", from_jira(200, &endless));
    check(&gate(&jira), Some(&approved("OPS-1", 5))).failed();
    assert!(jira.requests().len() < 30, "{}", jira.requests().len());
    let changelogs = json!({ "issueChangeLogs": [], "nextPageToken": "again" });
    jira.answer(1000, "POST", "/changelog/bulkfetch", from_jira(200, &changelogs));
    let before = jira.requests().len();
    check(&gate(&jira), None).failed();
    assert!(jira.requests().len() - before < 30, "{}", jira.requests().len());
}

#[test]
fn check_fails_when_body_is_cut_or_stalls() {
    let (jira, _) = server(Edition::Cloud);
    jira.fail_next(Fault::CutBody(10));
    check(&gate(&jira), None).failed();
    jira.fail_next(Fault::StallBody(10));
    let outcome = check(&with(gate(&jira), json!({ "read_timeout": 1 })), None);
    outcome.failed();
    assert!(messages(&outcome).contains("`read_timeout`"), "{}", messages(&outcome));
    assert!(outcome.elapsed < SOON);
}

#[test]
fn waits_for_slow_server() {
    let (jira, version) = server(Edition::DataCenter);
    jira.fail_next(Fault::Slow(Duration::from_secs(2)));
    assert_eq!(check(&gate(&jira), None).json(), json!([version]));
}

#[test]
fn does_not_follow_redirect_or_show_its_path() {
    let elsewhere = StandIn::start(|_| Response::text(200, "{}"));
    let (jira, _) = server(Edition::DataCenter);
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/login?os_destination=s3cretl0cat10n", elsewhere.url());
        jira.fail_next(Fault::Response(Response::text(status, "").with("Location", &to)));
        let outcome = check(&gate(&jira), None);
        outcome.failed();
        assert!(
            messages(&outcome).ends_with(
                "hint: the server redirects to `http://127.0.0.1:[PORT]`; set `url` to the URL of Jira on that server\n"
            ),
            "{}",
            messages(&outcome)
        );
        assert!(!outcome.stderr.contains("s3cretl0cat10n"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn sigterm_ends_every_wait() {
    for (fault, begun) in [(Fault::Stall, ""), (Fault::Response(rate_limited(60)), "retrying in")] {
        let (jira, _) = server(Edition::Cloud);
        let before = jira.requests().len();
        jira.fail_next(fault.clone());
        let inputs = inputs(&[]);
        let create = json!({ "create": { "project": "OPS", "summary": "x" } });
        let running = put_step(&jira.source(), create, inputs.path()).spawn();
        let request = jetway_tests::process::wait_until(SOON, || {
            (jira.requests().len() > before && running.stderr().contains(begun)).then_some(())
        });
        assert!(request.is_some(), "{}", running.stderr());
        running.terminate();
        let outcome = running.wait(Duration::from_secs(10));
        assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
        assert!(outcome.stderr.contains("interrupted by SIGTERM"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());

        jira.fail_next(fault);
        let before = jira.requests().len();
        let running = Verb::check("jira").request(&json!({ "source": gate(&jira), "version": null })).spawn();
        let request = jetway_tests::process::wait_until(SOON, || (jira.requests().len() > before).then_some(()));
        assert!(request.is_some());
        running.terminate();
        assert_eq!(running.wait(Duration::from_secs(10)).code, Some(143));
    }
}

#[test]
fn reports_refused_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let inputs = inputs(&[]);
    let source = json!({ "url": url, "token": "hunter2hunter2" });
    let running = put_step(&source, json!({ "issue": "OPS-1", "comment": "x" }), inputs.path()).spawn();
    running.wait_for_stderr("refused the connection");
    running.terminate();
    let outcome = running.wait(SOON);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn failed_put_returns_no_version() {
    let (jira, _) = server(Edition::Cloud);
    jira.answer(5, "PUT", "/issue/", Response::text(500, "oops"));
    let outcome = put(&jira.source(), json!({ "issue": "OPS-1", "fields": { "labels": [] } }));
    outcome.failed();
    assert!(outcome.stdout.is_empty());
    assert!(messages(&outcome).contains("(5 attempts)"), "{}", messages(&outcome));
}
