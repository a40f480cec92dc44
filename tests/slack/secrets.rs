//! Secrets: webhook URLs, tokens and proxy passwords reach only their own server.

use jetway_tests::slack::{BOT, SlackApi, Webhook};
use jetway_tests::stand_in::{Fault, Response, StandIn};
use jetway_tests::verb::{Outcome, Runner};
use serde_json::{Value, json};

use crate::support::{bot, inputs, put, put_step, source, with};

#[track_caller]
fn hides(outcome: &Outcome, secrets: &[&str]) {
    let printed = String::from_utf8_lossy(&outcome.stdout);
    for secret in secrets {
        assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
        assert!(!printed.contains(secret), "{printed}");
    }
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

/// All keys that show more output.
fn talkative() -> Value {
    json!({
        "metadata": true, "payload_in_metadata": true, "redact_hook_url": "false", "redact_hook": false, "redact": false,
    })
}

#[test]
fn webhook_url_is_never_shown() {
    let webhook = Webhook::start();
    let url = webhook.url();
    let path = url.splitn(4, '/').nth(3).expect("a path").to_owned();
    let secrets = [webhook.secret(), path.as_str(), url.as_str()];
    // A text may contain the URL by mistake or by a variable: the output masks it.
    let text = json!({ "text": format!("see {url} and {}", webhook.secret()), "username": url });
    let success = put(&source(&webhook), with(talkative(), text.clone()));
    success.succeeded();
    assert!(success.stderr.contains("warning:"), "{}", success.stderr);
    hides(&success, &secrets);
    let debug = put(&source(&webhook), with(with(talkative(), text.clone()), json!({ "debug": true })));
    debug.succeeded();
    hides(&debug, &secrets);
    for params in [
        json!({ "text": "x", "channel": "#nowhere" }),
        json!({ "text": "$EMPTY" }),
        json!({ "txt": url.clone() }),
        json!({ "alert_type": url.clone() }),
    ] {
        let failure = put(&source(&webhook), params);
        failure.failed();
        hides(&failure, &secrets);
    }
    for fault in
        [Fault::CutAfter, Fault::Response(Response::text(500, format!("no {path} at {url}, {}", webhook.secret())))]
    {
        webhook.server().fail_next(fault);
        let failure = put(&source(&webhook), text.clone());
        failure.failed();
        hides(&failure, &secrets);
    }
    // The error names only the host.
    let failure = put(&source(&webhook), json!({ "text": "x", "channel": "#nowhere" }));
    assert!(failure.stderr.contains(&format!("`POST {}/...`", webhook.server().url())), "{}", failure.stderr);
}

#[test]
fn webhook_query_and_user_are_redacted() {
    let server = StandIn::start(|_| Response::text(403, "no"));
    let url = server.url().replace("http://", "http://user:us3rp4ssw0rd@");
    let source = json!({ "url": format!("{url}/hook?key=qu3rys3cretqu3rys3cret") });
    let outcome = put(&source, with(talkative(), json!({ "text": "x" })));
    outcome.failed();
    hides(&outcome, &["us3rp4ssw0rd", "qu3rys3cret"]);
}

#[test]
fn token_is_never_shown_and_sent_to_slack_only() {
    let api = SlackApi::start();
    let source = with(bot(&api), json!({ "channel": "#builds" }));
    let success = put(&source, with(talkative(), json!({ "text": format!("a {BOT}") })));
    success.succeeded();
    hides(&success, &[BOT]);
    let debug = put(&source, with(talkative(), json!({ "text": BOT, "debug": true })));
    hides(&debug, &[BOT]);
    let failure = put(&with(source, json!({ "token": "xoxb-0-wr0ngt0k3n" })), json!({ "text": "x" }));
    failure.failed();
    hides(&failure, &["xoxb-0-wr0ngt0k3n"]);
    let requests = api.server().recorded_requests();
    assert!(requests.iter().all(|request| !request.target.contains("xoxb")));
    assert!(requests.iter().all(|request| !String::from_utf8_lossy(&request.body).contains("token")));
}

#[test]
fn proxy_password_is_never_shown_and_sent_to_the_proxy_only() {
    let webhook = Webhook::start();
    // A proxy for plain HTTP gets the whole URL.
    let proxy = StandIn::start(|request| {
        let let_in = request.header("proxy-authorization") == Some("Basic Ym9iOnByMHh5cDRzc3cwcmQ=");
        if let_in { Response::text(200, "ok") } else { Response::text(407, "who are you?") }
    });
    let address = |password: &str| proxy.url().replace("http://", &format!("http://bob:{password}@"));
    let source = with(source(&webhook), json!({ "proxy": address("pr0xyp4ssw0rd"), "proxy_https_tunnel": true }));
    let success = put(&source, with(talkative(), json!({ "text": "x" })));
    success.succeeded();
    hides(&success, &["pr0xyp4ssw0rd", webhook.secret()]);
    assert_eq!(proxy.recorded_requests()[0].target, webhook.url());
    let failure = put(&with(source, json!({ "proxy": address("wr0ngp4ssw0rd") })), json!({ "text": "x" }));
    failure.failed();
    hides(&failure, &["wr0ngp4ssw0rd", webhook.secret()]);
    assert_eq!(webhook.server().connections(), 0);
}

#[test]
fn secrets_are_not_in_arguments_or_environment_and_no_process_is_started() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::Stall);
    let inputs = inputs(&[]);
    let running = put_step(&source(&webhook), json!({ "text": "x" }), inputs.path()).spawn();
    let request = jetway_tests::process::wait_until(std::time::Duration::from_secs(20), || {
        (!webhook.server().recorded_requests().is_empty()).then_some(())
    });
    assert!(request.is_some(), "{}", running.stderr());
    if Runner::chosen() == Runner::Binary {
        let pid = running.pid();
        for file in ["cmdline", "environ"] {
            let content = std::fs::read(format!("/proc/{pid}/{file}")).expect("look at the process");
            assert!(!String::from_utf8_lossy(&content).contains(webhook.secret()));
        }
        assert_eq!(running.children(), []);
    }
    running.terminate();
    running.wait(std::time::Duration::from_secs(15));
}

#[test]
fn reports_wrong_type_of_secret_without_showing_it() {
    for (source, words) in [
        (
            json!({ "url": "xoxb-1-s3crett0k3n" }),
            "`source.url`: is a token, not a webhook URL; set `token` to a bot token",
        ),
        (
            json!({ "token": "https://hooks.slack.com/services/T0/B0/s3crett0k3n" }),
            "`source.token`: is a URL, not a token; set `url` to a webhook URL",
        ),
        (
            json!({ "token": "xapp-1-s3crett0k3n" }),
            "`source.token`: is an app-level token, which cannot post; use a bot token, which begins with `xoxb-`",
        ),
        (json!({ "url": "hooks.slack.com/services/s3crett0k3n" }), "`source.url`: expected a URL"),
    ] {
        let outcome = put(&source, json!({ "text": "x" }));
        outcome.failed();
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
        hides(&outcome, &["s3crett0k3n"]);
    }
}
