//! Chats that fail: the put reports the failure, is bounded in time, and never sends a message twice.

use std::time::Duration;

use jetway_tests::slack::{Chat, SlackApi, Webhook, evidence, from_slack, rate_limited};
use jetway_tests::stand_in::{Fault, Response, StandIn};
use serde_json::{Value, json};

use crate::support::{bot, inputs, messages, put, put_step, source, with};

const SOON: Duration = Duration::from_secs(15);

#[test]
fn explains_slacks_error_codes() {
    let webhook = Webhook::start();
    for (channel, status, word, meaning) in [
        (
            "#nowhere",
            "404 Not Found",
            "channel_not_found",
            "the channel does not exist, or it is private and the bot is not a member",
        ),
        ("#archived", "410 Gone", "channel_is_archived", "the channel is archived"),
        ("#forbidden", "403 Forbidden", "action_prohibited", "an admin of the workspace has disabled this action"),
    ] {
        let outcome = put(&source(&webhook), json!({ "text": "x", "channel": channel }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!(
                "error: cannot send the message to `{channel}`\n  \
                 caused by: `POST http://127.0.0.1:[PORT]/...` answered {status}\n  caused by: {word}\nhint: {meaning}\n"
            )
        );
        assert!(outcome.elapsed < SOON);
    }
    assert_eq!(webhook.server().recorded_requests().len(), 3);
}

const CHATS: [Chat; 5] = [Chat::Slack, Chat::Mattermost, Chat::Discord, Chat::DiscordWithoutWaiting, Chat::RocketChat];

#[test]
fn accepts_the_documented_success_of_each_chat() {
    for chat in CHATS {
        let webhook = Webhook::of(chat);
        for params in
            [json!({ "text": "x" }), json!({ "alert_type": "success" }), json!({ "text": "x", "channel": "#a #b" })]
        {
            put(&source(&webhook), params).succeeded();
        }
        assert_eq!(webhook.messages().len(), 4, "{chat:?}");
    }
}

/// Every rejection in the documentation of the chats, with each of its statuses.
#[test]
fn shows_the_reason_of_each_chats_rejection() {
    for chat in CHATS {
        for refusal in evidence(chat).iter().filter(|refusal| !["ok", "rate_limited", "outage"].contains(&refusal.word))
        {
            for status in refusal.statuses {
                let webhook = Webhook::of(chat);
                webhook.server().fail_next(Fault::Response(refusal.answer(chat, *status, webhook.secret())));
                let outcome = put(&source(&webhook), json!({ "text": "x" }));
                outcome.failed();
                let (messages, case) =
                    (messages(&outcome), format!("{chat:?} {status} {} ({})", refusal.body, refusal.source));
                let reason = match serde_json::from_str::<Value>(refusal.body) {
                    // Rocket.Chat may send no reason.
                    Ok(body) => body["message"].as_str().or(body["error"].as_str()).unwrap_or(" answered ").to_owned(),
                    Err(_) => refusal.body.to_owned(),
                };
                let reason = reason.split('{').next().unwrap();
                assert!(messages.contains(reason), "{case}: {messages}");
                // Each of Slack's error codes has a hint.
                assert!(chat != Chat::Slack || messages.contains("\nhint: "), "{case}: {messages}");
                assert!(!outcome.stderr.contains(webhook.secret()), "{case}: {}", outcome.stderr);
                assert_eq!(webhook.server().recorded_requests().len(), 1, "{case}");
                assert!(outcome.elapsed < SOON, "{case}");
            }
        }
    }
}

#[test]
fn obeys_each_chats_retry_after() {
    for chat in CHATS {
        for limit in evidence(chat).iter().filter(|limit| limit.word == "rate_limited") {
            let webhook = Webhook::of(chat);
            webhook.server().fail_next(Fault::Response(limit.answer(chat, 429, webhook.secret())));
            let outcome = put(&source(&webhook), json!({ "text": "x" }));
            outcome.succeeded();
            assert!(outcome.elapsed >= Duration::from_secs(1), "{chat:?}");
            assert_eq!((webhook.server().recorded_requests().len(), webhook.messages().len()), (2, 1), "{chat:?}");
        }
    }
}

#[test]
fn web_page_of_an_outage_fails_the_put_with_its_status() {
    let outage = evidence(Chat::Slack).iter().find(|answer| answer.word == "outage").unwrap();
    for status in outage.statuses {
        let webhook = Webhook::start();
        let answer = || Fault::Response(outage.answer(Chat::Slack, *status, webhook.secret()));
        // A 503 means that the request was not handled, so it is retried.
        (0..10).for_each(|_| webhook.server().fail_next(answer()));
        let outcome = put(&source(&webhook), json!({ "text": "x" }));
        outcome.failed();
        assert!(messages(&outcome).contains(&format!(" answered {status} ")), "{}", messages(&outcome));
        assert!(messages(&outcome).contains("Server Error | Slack"), "{}", messages(&outcome));
        assert!(webhook.messages().is_empty());
    }
}

#[test]
fn succeeds_with_a_warning_when_the_confirmation_is_cut_off() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::CutBody(1));
    let outcome = put(&source(&webhook), json!({ "text": "x" }));
    outcome.succeeded();
    assert!(
        messages(&outcome).contains("warning: the webhook accepted the message with status 200"),
        "{}",
        messages(&outcome)
    );
    assert_eq!(webhook.messages().len(), 1);
}

#[test]
fn succeeds_with_a_warning_when_slack_returns_no_id() {
    let api = SlackApi::start();
    api.server().fail_next(Fault::Response(Response::json(200, &json!({ "ok": true }))));
    let outcome = put(&bot(&api), json!({ "text": "x", "channel": "#builds" }));
    outcome.succeeded();
    assert!(messages(&outcome).contains("warning: Slack accepted the message, but"), "{}", messages(&outcome));
    assert!(outcome.json()["version"]["timestamp"].is_string());
}

#[test]
fn success_status_with_an_error_body_fails() {
    for (answer, reason) in [
        (
            Response { status: 200, ..from_slack("invalid_token") },
            "`invalid_token`: the webhook URL is no longer valid; create a new webhook",
        ),
        (Response::json(200, &json!({ "ok": false, "error": "no_text" })), "`no_text`: the message has no content"),
        (Response::json(200, &json!({ "success": false })), "the response reports a failure without a reason"),
        (Response::text(200, "Summary or Text is required."), "Summary or Text is required."),
        (
            Response::bytes(200, "text/html", "<!DOCTYPE html><html>Log in"),
            "the response is a web page: check for a proxy or a login page in between",
        ),
        (
            Response::text(200, "<html>Log in"),
            "the response is a web page: check for a proxy or a login page in between",
        ),
    ] {
        let webhook = Webhook::start();
        webhook.server().fail_next(Fault::Response(answer));
        let outcome = put(&source(&webhook), json!({ "text": "x" }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!(
                "error: cannot send the message to the webhook's channel\n  \
                 caused by: the webhook answered 200, but did not accept the message\n  caused by: {reason}\n"
            )
        );
    }
}

#[test]
fn retries_429_after_retry_after() {
    let (webhook, api) = (Webhook::start(), SlackApi::start());
    webhook.server().fail_next(Fault::Response(from_slack("rate_limited")));
    api.server().fail_next(Fault::Response(rate_limited(1)));
    let by_webhook = put(&source(&webhook), json!({ "text": "x" }));
    let by_token = put(&bot(&api), json!({ "text": "x", "channel": "#builds" }));
    for (outcome, requests, arrived) in [
        (by_webhook, webhook.server().recorded_requests().len(), webhook.messages().len()),
        (by_token, api.server().recorded_requests().len(), api.messages().len()),
    ] {
        outcome.succeeded();
        assert!(outcome.elapsed >= Duration::from_secs(1));
        assert!(
            messages(&outcome).starts_with("retrying in [TIME]: `POST http://127.0.0.1:[PORT]/"),
            "{}",
            messages(&outcome)
        );
        assert_eq!((requests, arrived), (2, 1));
    }
}

#[test]
fn fails_at_once_if_retry_after_is_too_long() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::Response(rate_limited(3600)));
    let outcome = put(&source(&webhook), json!({ "text": "x" }));
    outcome.failed();
    assert!(messages(&outcome).contains("caused by: the server asks to wait 60 min, but"), "{}", messages(&outcome));
    assert!(messages(&outcome).ends_with("hint: too many requests in a short time\n"), "{}", messages(&outcome));
    assert!(outcome.elapsed < SOON);
}

#[test]
fn does_not_retry_message_that_may_have_arrived() {
    for fault in [Fault::CutAfter, Fault::Response(Response::text(500, "")), Fault::Response(Response::text(502, ""))] {
        let (webhook, api) = (Webhook::start(), SlackApi::start());
        webhook.server().fail_next(fault.clone());
        api.server().fail_next(fault.clone());
        let cut = matches!(fault, Fault::CutAfter);
        let by_webhook = put(&source(&webhook), json!({ "text": "x" }));
        let by_token = put(&bot(&api), json!({ "text": "x", "channel": "#builds" }));
        for (outcome, requests, arrived) in [
            (by_webhook, webhook.server().recorded_requests().len(), webhook.messages().len()),
            (by_token, api.server().recorded_requests().len(), api.messages().len()),
        ] {
            outcome.failed();
            assert_eq!((requests, arrived), (1, usize::from(cut)), "{fault:?}");
            assert!(messages(&outcome).ends_with(MAY_HAVE_ARRIVED), "{}", messages(&outcome));
        }
    }
}

const MAY_HAVE_ARRIVED: &str = "hint: the message may have arrived; it is not retried, to avoid a duplicate (`delivery: at_least_once` retries it)\n";

#[test]
fn omits_hint_for_message_that_did_not_arrive() {
    let unavailable = Response { status: 503, ..from_slack("outage") };
    for answer in [unavailable, from_slack("invalid_payload"), from_slack("no_service")] {
        let webhook = Webhook::start();
        webhook.server().fail_next(Fault::Response(answer));
        let outcome = put(&source(&webhook), json!({ "text": "x" }));
        outcome.failed();
        assert!(!messages(&outcome).contains("may have arrived"), "{}", messages(&outcome));
    }
}

mod at_least_once {
    use super::*;

    #[test]
    fn retries_message_that_may_have_arrived() {
        let answer = |status: u16| Fault::Response(Response::text(status, ""));
        for fault in [answer(500), answer(502), answer(504), answer(522), Fault::CutAfter] {
            let (webhook, api) = (Webhook::start(), SlackApi::start());
            webhook.server().fail_next(fault.clone());
            api.server().fail_next(fault.clone());
            let more = json!({ "delivery": "at_least_once" });
            put(&with(source(&webhook), more.clone()), json!({ "text": "x" })).succeeded();
            put(&bot(&api), with(json!({ "text": "x", "channel": "#builds" }), more)).succeeded();
            assert_eq!(
                (webhook.server().recorded_requests().len(), api.server().recorded_requests().len()),
                (2, 2),
                "{fault:?}"
            );
            assert!(!webhook.messages().is_empty() && !api.messages().is_empty());
        }
    }

    #[test]
    fn does_not_retry_rejected_message() {
        let webhook = Webhook::start();
        let source = with(source(&webhook), json!({ "delivery": "at_least_once" }));
        put(&source, json!({ "text": "x", "channel": "#nowhere" })).failed();
        assert_eq!(webhook.server().recorded_requests().len(), 1);
    }

    #[test]
    fn is_overridden_by_the_params() {
        let webhook = Webhook::start();
        webhook.server().fail_next(Fault::Response(Response::text(500, "")));
        let source = with(source(&webhook), json!({ "delivery": "at_least_once" }));
        put(&source, json!({ "text": "x", "delivery": "at_most_once" })).failed();
        assert_eq!(webhook.server().recorded_requests().len(), 1);
    }
}

#[test]
fn retries_updates_and_reactions() {
    let api = SlackApi::start();
    put(&bot(&api), json!({ "text": "one", "channel": "#builds" })).succeeded();
    let message = json!({ "channel": "C0BUILDS", "ts": "1700000000.000001" });
    api.server().fail_next(Fault::CutAfter);
    put(&bot(&api), json!({ "text": "two", "update": message })).succeeded();
    api.server().fail_next(Fault::CutAfter);
    put(&bot(&api), json!({ "reactions": ["tada"], "thread": message })).succeeded();
    let messages = api.messages();
    assert_eq!((messages.len(), &messages[0].body["text"], messages[0].reactions.len()), (1, &json!("two\n"), 1));
}

#[test]
fn reports_connection_cut_before_the_request_was_read() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::CutBefore);
    let outcome = put(&source(&webhook), json!({ "text": "x" }));
    outcome.failed();
    assert!(messages(&outcome).starts_with(
        "error: cannot send the message to the webhook's channel\n  \
         caused by: `POST http://127.0.0.1:[PORT]/...` got no complete response\n"
    ));
    assert!(webhook.messages().is_empty());
}

#[test]
fn waits_for_slow_chat_but_not_for_silent_one() {
    let webhook = Webhook::start();
    let source = with(source(&webhook), json!({ "read_timeout": 1 }));
    webhook.server().fail_next(Fault::Slow(Duration::from_millis(300)));
    put(&source, json!({ "text": "slow" })).succeeded();
    webhook.server().fail_next(Fault::Stall);
    let outcome = put(&source, json!({ "text": "silent" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        format!(
            "error: cannot send the message to the webhook's channel\n  \
             caused by: `POST http://127.0.0.1:[PORT]/...` got no complete response\n  caused by: nothing was received for \
             [TIME]\n{MAY_HAVE_ARRIVED}hint: `read_timeout` in the source sets how long a server may stay silent\n"
        )
    );
    assert!(outcome.elapsed < SOON);
    assert_eq!(webhook.messages().len(), 2);
}

#[test]
fn sigterm_ends_every_wait() {
    let limit = Fault::Response(rate_limited(60));
    for (fault, begun) in [(Fault::Stall, ""), (limit, "retrying in")] {
        let webhook = Webhook::start();
        webhook.server().fail_next(fault);
        let inputs = inputs(&[]);
        let running = put_step(&source(&webhook), json!({ "text": "x", "channel": "#a #b" }), inputs.path()).spawn();
        let request = jetway_tests::process::wait_until(SOON, || {
            (!webhook.server().recorded_requests().is_empty() && running.stderr().contains(begun)).then_some(())
        });
        assert!(request.is_some(), "{}", running.stderr());
        running.terminate();
        let outcome = running.wait(SOON);
        assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
        assert!(
            messages(&outcome).contains("error: sending the message to `#a` was interrupted\n"),
            "{}",
            messages(&outcome)
        );
        // While the put waits for a retry, the message has not arrived.
        let may_have_arrived = messages(&outcome).contains("hint: the message may have arrived\n");
        assert_eq!(may_have_arrived, begun.is_empty(), "{}", messages(&outcome));
        // The put sends nothing to the other channel.
        assert_eq!(webhook.server().recorded_requests().len(), 1);
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

mod several_channels {
    use super::*;

    #[test]
    fn report_both_sent_and_failed() {
        let webhook = Webhook::start();
        let outcome = put(&source(&webhook), json!({ "text": "x", "channel": "#a #nowhere #b #archived" }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "warning: cannot send the message to `#nowhere`: `POST http://127.0.0.1:[PORT]/...` answered 404 Not Found\n    \
             channel_not_found\n    the channel does not exist, or it is private and the bot is not a member\n\
             error: cannot send the message to `#archived`\n  \
             caused by: `POST http://127.0.0.1:[PORT]/...` answered 410 Gone\n  caused by: channel_is_archived\n\
             hint: the message was sent to `#a`, `#b`; a retry of the put sends it there again\nhint: the channel is archived\n"
        );
        let channels: Vec<_> = webhook.messages().iter().map(|message| message["channel"].clone()).collect();
        assert_eq!(channels, ["#a", "#b"]);
    }

    #[test]
    fn report_that_no_channel_was_reached() {
        let api = SlackApi::start();
        let outcome = put(&bot(&api), json!({ "text": "x", "channel": "#nowhere #archived" }));
        outcome.failed();
        assert!(
            messages(&outcome).ends_with("hint: the message was not sent to any channel\n"),
            "{}",
            messages(&outcome)
        );
    }
}

#[test]
fn does_not_follow_redirect_or_show_its_path() {
    let elsewhere = StandIn::start(|_| Response::text(200, "ok"));
    for status in [301, 302, 307, 308] {
        let (webhook, api) = (Webhook::start(), SlackApi::start());
        let to = format!("{}/services/T0/s3cretl0cat10n", elsewhere.url());
        for server in [webhook.server(), api.server()] {
            server.fail_next(Fault::Response(Response::text(status, "").with("Location", &to)));
        }
        let outcome = put(&source(&webhook), json!({ "text": "x" }));
        outcome.failed();
        assert!(
            messages(&outcome).ends_with(
                "hint: the webhook redirects to `http://127.0.0.1:[PORT]`; set `url` to the target of the redirect\n"
            ),
            "{}",
            messages(&outcome)
        );
        assert!(!outcome.stderr.contains("s3cretl0cat10n"));
        put(&bot(&api), json!({ "text": "x", "channel": "#builds" })).failed();
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn reports_unknown_host() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a port");
    let port = listener.local_addr().expect("a port").port();
    drop(listener);
    // The put retries, because nothing was sent.
    let inputs = inputs(&[]);
    let source = json!({ "url": format!("http://127.0.0.1:{port}/services/T0/s3cretp4ths3cretp4th") });
    let running = put_step(&source, json!({ "text": "x" }), inputs.path()).spawn();
    running.wait_for_stderr("refused the connection");
    running.terminate();
    let outcome = running.wait(SOON);
    assert!(!outcome.stderr.contains("s3cretp4th"), "{}", outcome.stderr);
}
