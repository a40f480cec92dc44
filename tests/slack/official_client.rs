//! Slack's own client (npm `@slack/web-api`) uses the stand-in for the Web API: a wrong response of the stand-in fails
//! here.

use jetway_tests::layer::{Layer, require};
use jetway_tests::slack::{BOT, Call, CallOutcome, SlackApi, call, from_api, rate_limited};
use jetway_tests::stand_in::{Fault, Response};
use serde_json::{Value, json};

use crate::support::{bot, put};

const CLIENT: Layer<'_> = Layer::Counterpart("slack-client");

/// Calls a method of the API.
fn one(api: &SlackApi, call_: Call) -> CallOutcome {
    call(&api.url(), BOT, 0, &[call_]).remove(0)
}

/// The error code of a rejected request, as the client reports it.
fn word(outcome: &CallOutcome) -> &str {
    let error = outcome.result.as_ref().expect_err("a refusal");
    assert_eq!(error["code"], "slack_webapi_platform_error", "{error}");
    error["data"]["error"].as_str().expect("a word")
}

#[test]
fn posts_updates_reacts_and_finds_users() {
    if !require(CLIENT) {
        return;
    }
    let api = SlackApi::start();
    let attachments = json!([{ "fallback": "Built", "color": "good", "fields": [{ "title": "Job", "value": "a & b", "short": true }] }]);
    let blocks = json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "*two* = 1+1" } }]);
    let message = json!({ "channel": "C0BUILDS", "ts": "1700000000.000001" });
    let reaction = |name: &str| json!({ "channel": "C0BUILDS", "timestamp": "1700000000.000001", "name": name });
    let calls = [
        (
            "chat.postMessage",
            json!({ "channel": "#builds", "text": "one", "attachments": attachments, "link_names": true }),
        ),
        (
            "chat.postMessage",
            json!({ "channel": "#builds", "text": "reply", "thread_ts": "1700000000.000001", "reply_broadcast": true }),
        ),
        ("chat.update", crate::support::with(message, json!({ "text": "two", "blocks": blocks }))),
        ("reactions.add", reaction("tada")),
        ("reactions.add", reaction("eyes")),
        ("reactions.remove", reaction("eyes")),
        ("users.lookupByEmail", json!({ "email": "ada@example.com" })),
    ];
    let outcomes = call(&api.url(), BOT, 0, &calls);
    for (outcome, (method, _)) in outcomes.iter().zip(&calls) {
        let result = outcome.result.as_ref().unwrap_or_else(|error| panic!("{method}: {error}"));
        assert_eq!(result["ok"], true, "{method}");
        assert!(outcome.logged.is_empty(), "{method}: {:?}", outcome.logged);
        // The client takes these from headers.
        let scopes = &result["response_metadata"]["scopes"];
        assert_eq!(*scopes, json!(["chat:write", "reactions:write", "users:read", "users:read.email"]), "{method}");
        assert!(result["response_metadata"]["acceptedScopes"].is_array(), "{method}");
    }
    let results: Vec<&Value> = outcomes.iter().map(|outcome| outcome.result.as_ref().unwrap()).collect();
    assert_eq!((&results[0]["channel"], &results[0]["ts"]), (&json!("C0BUILDS"), &json!("1700000000.000001")));
    assert_eq!((&results[0]["message"]["text"], &results[0]["message"]["type"]), (&json!("one"), &json!("message")));
    assert_eq!((&results[2]["text"], &results[2]["message"]["text"]), (&json!("two"), &json!("two")));
    assert_eq!(
        (&results[6]["user"]["id"], &results[6]["user"]["profile"]["email"]),
        (&json!("U0ADA"), &json!("ada@example.com"))
    );
    let messages = api.messages();
    assert_eq!((messages.len(), messages[0].edits), (2, 1));
    assert_eq!((&messages[0].body["attachments"], &messages[0].body["blocks"]), (&attachments, &blocks));
    assert_eq!(messages[0].reactions.iter().collect::<Vec<_>>(), ["tada"]);
    assert_eq!(messages[1].body["reply_broadcast"], true);
}

#[test]
fn sees_the_message_that_a_put_sent() {
    if !require(CLIENT) {
        return;
    }
    let api = SlackApi::start();
    let outcome = put(&bot(&api), json!({ "text": "x", "channel": "#builds" }));
    let version = &outcome.json()["version"];
    let update = json!({ "channel": version["channel"], "ts": version["ts"], "text": "y" });
    assert_eq!(one(&api, ("chat.update", update)).result.unwrap()["text"], "y");
    assert_eq!(api.messages()[0].body["text"], "y");
}

#[test]
fn reads_each_error() {
    if !require(CLIENT) {
        return;
    }
    let api = SlackApi::start();
    let post = |channel: &str| ("chat.postMessage", json!({ "channel": channel, "text": "x" }));
    let missing = json!({ "channel": "C0BUILDS", "ts": "1.000001", "text": "x" });
    let reaction =
        |name: &str| ("reactions.add", json!({ "channel": "C0BUILDS", "timestamp": "1.000001", "name": name }));
    let cases = [
        (post("#nowhere"), "channel_not_found"),
        (post("#archived"), "is_archived"),
        (post("#private"), "not_in_channel"),
        (("chat.update", missing), "message_not_found"),
        (reaction("tada"), "message_not_found"),
        (reaction("no_such_emoji"), "invalid_name"),
        (("users.lookupByEmail", json!({ "email": "bob@example.com" })), "users_not_found"),
        (("conversations.list", json!({})), "unknown_method"),
    ];
    let (calls, words): (Vec<Call>, Vec<&str>) = cases.into_iter().unzip();
    for (outcome, expected) in call(&api.url(), BOT, 0, &calls).iter().zip(words) {
        assert_eq!(word(outcome), expected);
    }
    assert_eq!(word(&call(&api.url(), "xoxb-wrong", 0, &[post("#builds")])[0]), "invalid_auth");
    api.without_scope("chat:write");
    let outcome = one(&api, post("#builds"));
    assert_eq!(word(&outcome), "missing_scope");
    assert_eq!(outcome.result.unwrap_err()["data"]["needed"], "chat:write");
}

#[test]
fn logs_the_details_of_a_refusal() {
    if !require(CLIENT) {
        return;
    }
    let api = SlackApi::start();
    let call_ = (
        "chat.postMessage",
        json!({ "channel": "#builds", "text": "x", "attachments": [{ "colour": "good", "fallback": "x" }] }),
    );
    let outcome = one(&api, call_);
    assert_eq!(word(&outcome), "invalid_attachments");
    assert_eq!(outcome.logged, ["error: unknown key `colour`"]);
}

#[test]
fn obeys_retry_after() {
    if !require(CLIENT) {
        return;
    }
    let api = SlackApi::start();
    api.server().fail_next(Fault::Response(rate_limited(1)));
    let outcome =
        call(&api.url(), BOT, 1, &[("chat.postMessage", json!({ "channel": "#builds", "text": "x" }))]).remove(0);
    assert_eq!((outcome.result.unwrap()["ok"].clone(), outcome.waits), (json!(true), vec![1]));
    assert_eq!((api.server().recorded_requests().len(), api.messages().len()), (2, 1));
}

#[test]
fn reports_outage() {
    if !require(CLIENT) {
        return;
    }
    let api = SlackApi::start();
    api.server().fail_next(Fault::Response(Response::bytes(
        503,
        "text/html; charset=utf-8",
        "<!DOCTYPE html><title>Server Error</title>",
    )));
    let call_ = || ("chat.postMessage", json!({ "channel": "#builds", "text": "x" }));
    let error = one(&api, call_()).result.unwrap_err();
    assert_eq!((&error["code"], &error["status"]), (&json!("slack_webapi_http_error"), &json!(503)));
    api.server().fail_next(Fault::Response(from_api(200, &json!({ "ok": false, "error": "fatal_error" }))));
    assert_eq!(word(&one(&api, call_())), "fatal_error");
}
