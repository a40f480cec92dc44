//! Messages with a bot token: ids, threads, updates, reactions, mentions.

use std::path::Path;

use jetway_tests::scratch;
use jetway_tests::slack::{SlackApi, Webhook};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{bot, messages, metadata, put, put_step, put_with, source, with};

/// Gets the message of a put into the inputs of a later put, as Concourse does after each put.
fn get_into(inputs: &Path, name: &str, source: &Value, put: &Outcome) {
    let directory = inputs.join(name);
    std::fs::create_dir(&directory).expect("make a directory");
    let request = json!({ "source": source, "version": put.json()["version"] });
    let get = Verb::get("slack").dir(&directory).request(&request).run();
    assert_eq!(get.json()["version"], put.json()["version"]);
}

#[test]
fn put_returns_channel_and_ts_as_version() {
    let api = SlackApi::start();
    let outcome =
        put(&bot(&api), json!({ "text": "x", "channel": "#builds", "username": "ci", "icon_emoji": ":tada:" }));
    assert_eq!(outcome.json()["version"], json!({ "channel": "C0BUILDS", "ts": "1700000000.000001" }));
    assert_eq!(messages(&outcome), "sent to `#builds`\n");
    // Without a charset, Slack answers with the warning `missing_charset`.
    assert_eq!(api.server().recorded_requests()[0].header("content-type"), Some("application/json; charset=utf-8"));
    let message = &api.messages()[0];
    assert_eq!(Value::Object(message.body.clone()), json!({ "text": "x\n", "username": "ci", "icon_emoji": ":tada:" }));
}

#[test]
fn reply_broadcast_shows_reply_in_channel() {
    let api = SlackApi::start();
    put(&bot(&api), json!({ "text": "one", "channel": "#builds" })).succeeded();
    let thread = json!({ "channel": "C0BUILDS", "ts": "1700000000.000001" });
    put(&bot(&api), json!({ "text": "two", "thread": thread, "reply_broadcast": true })).succeeded();
    let body = Value::Object(api.messages()[1].body.clone());
    assert_eq!(body, json!({ "text": "two\n", "thread_ts": "1700000000.000001", "reply_broadcast": true }));
}

#[test]
fn unfurl_keys_disable_previews() {
    let api = SlackApi::start();
    let params = json!({ "text": "x", "channel": "#builds", "unfurl_links": false, "unfurl_media": false });
    put(&bot(&api), params).succeeded();
    let body = Value::Object(api.messages()[0].body.clone());
    assert_eq!((&body["unfurl_links"], &body["unfurl_media"]), (&json!(false), &json!(false)));
}

#[test]
fn version_lists_messages_of_all_channels() {
    let api = SlackApi::start();
    let outcome = put(&bot(&api), json!({ "text": "x", "channel": "#builds #alerts" }));
    assert_eq!(
        outcome.json()["version"],
        json!({ "channel": "C0BUILDS C0ALERTS", "ts": "1700000000.000001 1700000000.000002" })
    );
}

#[test]
fn put_of_alert_returns_channel_and_ts() {
    let api = SlackApi::start();
    let source = with(bot(&api), json!({ "channel": "#alerts" }));
    let outcome = put(&source, json!({ "alert_type": "failed" }));
    assert_eq!(outcome.json()["version"]["channel"], "C0ALERTS");
    assert_eq!(metadata(&outcome)[2], ("alerted".to_owned(), "true".to_owned()));
    assert_eq!(api.messages()[0].body["attachments"][0]["author_name"], "Failed");
}

#[test]
fn fails_without_a_channel() {
    let api = SlackApi::start();
    let outcome = put(&bot(&api), json!({ "text": "x" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: there is no channel to send to\nhint: set `channel` in the source or in the put's params\n"
    );
    assert_eq!(api.server().connections(), 0);
}

mod threads {
    use super::*;

    #[test]
    fn reply_to_an_earlier_put() {
        let api = SlackApi::start();
        let inputs = scratch::directory();
        let first = put(&bot(&api), json!({ "text": "one", "channel": "#builds" }));
        get_into(inputs.path(), "announce", &bot(&api), &first);
        // The channel of the message overrides the source's channel.
        let source = with(bot(&api), json!({ "channel": "#alerts" }));
        let second = put_step(&source, json!({ "text": "two", "thread": "announce" }), inputs.path()).run();
        assert_eq!(second.json()["version"], json!({ "channel": "C0BUILDS", "ts": "1700000000.000002" }));
        assert_eq!(api.messages()[1].body["thread_ts"], "1700000000.000001");
    }

    #[test]
    fn reply_in_each_channel_of_the_message() {
        let api = SlackApi::start();
        let inputs = scratch::directory();
        let first = put(&bot(&api), json!({ "text": "one", "channel": "#builds #alerts" }));
        get_into(inputs.path(), "announce", &bot(&api), &first);
        put_step(&bot(&api), json!({ "text": "two", "thread": "announce" }), inputs.path()).run().succeeded();
        let threads: Vec<(String, Value)> = api.messages()[2..]
            .iter()
            .map(|message| (message.channel.clone(), message.body["thread_ts"].clone()))
            .collect();
        assert_eq!(
            threads,
            [("C0BUILDS".to_owned(), json!("1700000000.000001")), ("C0ALERTS".to_owned(), json!("1700000000.000002"))]
        );
    }

    #[test]
    fn accept_a_file_or_a_version() {
        let api = SlackApi::start();
        put(&bot(&api), json!({ "text": "one", "channel": "#builds" })).succeeded();
        let version = r#"{"channel": "C0BUILDS", "ts": "1700000000.000001"}"#;
        let files = [("m/version.json", version), ("m/id", "1700000000.000001\n")];
        for thread in [
            json!("m/version.json"),
            json!("m/id"),
            json!("1700000000.000001"),
            json!({ "channel": "C0BUILDS", "ts": "1700000000.000001" }),
            json!({ "ts": "1700000000.000001" }),
        ] {
            let params = json!({ "text": "two", "thread": thread, "channel": "C0BUILDS" });
            put_with(&bot(&api), params, &files).succeeded();
        }
        assert_eq!(api.messages().len(), 6);
        assert!(api.messages()[1..].iter().all(|message| message.body["thread_ts"] == "1700000000.000001"));
    }

    #[test]
    fn accept_a_webhook_of_the_same_channel() {
        let webhook = Webhook::start();
        put(&source(&webhook), json!({ "text": "x", "thread": "1700000000.000001" })).succeeded();
        assert_eq!(webhook.messages(), [json!({ "text": "x\n", "thread_ts": "1700000000.000001" })]);
    }

    #[test]
    fn reject_messages_without_an_id() {
        let (api, webhook) = (SlackApi::start(), Webhook::start());
        let inputs = scratch::directory();
        let first = put(&source(&webhook), json!({ "text": "x" }));
        get_into(inputs.path(), "announce", &source(&webhook), &first);
        let params = json!({ "text": "x", "thread": "announce" });
        let outcome = put_step(&bot(&api), params, inputs.path()).run();
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: `announce` (`thread`) does not identify a message\n  caused by: it has no file `ts`\n\
             hint: only messages that were sent with `token` have an id; webhooks do not return one\n"
        );
        let outcome = put_step(&bot(&api), json!({ "text": "x", "thread": "nothing" }), inputs.path()).run();
        assert_eq!(
            messages(&outcome),
            "error: `nothing` (`thread`) is not in the inputs\n\
             hint: set the name of an earlier put or get of a message, or a file with its `ts`\n"
        );
        assert_eq!(api.server().connections(), 0);
    }
}

#[test]
fn update_replaces_the_message() {
    let api = SlackApi::start();
    let inputs = scratch::directory();
    let first = put(&bot(&api), json!({ "text": "one", "channel": "#builds", "username": "ci" }));
    get_into(inputs.path(), "announce", &bot(&api), &first);
    let params = json!({ "text": "two", "update": "announce", "username": "ci" });
    let second = put_step(&bot(&api), params, inputs.path()).run();
    assert_eq!(second.json()["version"], first.json()["version"]);
    let messages = api.messages();
    assert_eq!((messages.len(), messages[0].edits, &messages[0].body["text"]), (1, 1, &json!("two\n")));
}

mod reactions {
    use super::*;

    fn under(api: &SlackApi, index: usize) -> Vec<String> {
        api.messages()[index].reactions.iter().cloned().collect()
    }

    #[test]
    fn are_added_to_and_removed_from_new_and_existing_messages() {
        let api = SlackApi::start();
        let inputs = scratch::directory();
        let first =
            put(&bot(&api), json!({ "text": "one", "channel": "#builds", "reactions": ["hourglass", ":eyes:"] }));
        assert_eq!(under(&api, 0), ["eyes", "hourglass"]);
        get_into(inputs.path(), "announce", &bot(&api), &first);
        // The put changes the reactions of the old message, and replies to it.
        let params = json!({ "text": "two", "thread": "announce", "reactions": ["-hourglass", "white_check_mark"] });
        put_step(&bot(&api), params, inputs.path()).run().succeeded();
        assert_eq!(
            (under(&api, 0), under(&api, 1)),
            (vec!["eyes".to_owned(), "white_check_mark".to_owned()], Vec::new())
        );
        // A put with only reactions is idempotent.
        for _ in 0..2 {
            let params = json!({ "update": "announce", "reactions": ["-eyes", "tada"] });
            let outcome = put_step(&bot(&api), params, inputs.path()).run();
            assert_eq!(outcome.json()["version"], first.json()["version"]);
            assert_eq!(messages(&outcome), "updated reactions: -eyes, tada\n");
        }
        assert_eq!(under(&api, 0), ["tada", "white_check_mark"]);
        assert_eq!(api.messages().len(), 2);
    }

    #[test]
    fn fail_for_unknown_emoji() {
        let api = SlackApi::start();
        let outcome = put(&bot(&api), json!({ "text": "x", "channel": "#builds", "reactions": ["no_such_emoji"] }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "sent to `#builds`\n\
             error: cannot apply the reaction `no_such_emoji` to message 1700000000.000001 in `#builds`\n  \
             caused by: Slack answered `invalid_name` to `reactions.add`: there is no emoji with this name\n"
        );
    }
}

mod mentions {
    use super::*;

    #[test]
    fn precede_the_text_or_replace_the_variable() {
        let api = SlackApi::start();
        let source = with(bot(&api), json!({ "channel": "#builds" }));
        put(&source, json!({ "text": "broke it", "mentions": ["ada@example.com"] })).succeeded();
        let params = json!({ "text": "Look, $MENTIONS!", "mentions_file": "code/.git/committer", "escape": true });
        put_with(&source, params, &[("code/.git/committer", "Ada <ada@example.com>\n")]).succeeded();
        put(&source, json!({ "alert_type": "failed", "mentions": ["ada@example.com"] })).succeeded();
        let texts: Vec<Value> = api.messages().iter().map(|message| message.body["text"].clone()).collect();
        assert_eq!(texts, ["<@U0ADA> broke it\n", "Look, <@U0ADA>!\n", "<@U0ADA>"]);
    }

    #[test]
    fn fall_back_to_the_address_of_an_unknown_user() {
        let api = SlackApi::start();
        let source = with(bot(&api), json!({ "channel": "#builds" }));
        let outcome = put(&source, json!({ "text": "x", "mentions": ["bob+<!channel>@example.com"] }));
        outcome.succeeded();
        assert_eq!(api.messages()[0].body["text"], "bob+!channel@example.com x\n");
        assert_eq!(
            messages(&outcome),
            "warning: no Slack user has the e-mail address `bob+<!channel>@example.com`\nsent to `#builds`\n"
        );
    }

    #[test]
    fn fail_before_sending_without_lookup_permission() {
        let api = SlackApi::start();
        api.without_scope("users:read.email");
        let params = json!({ "text": "x", "channel": "#builds", "mentions": ["ada@example.com"] });
        let outcome = put(&bot(&api), params);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: cannot look up the user with the e-mail address `ada@example.com`\n  \
             caused by: Slack answered `missing_scope` to `users.lookupByEmail`: the app lacks a scope; add the scope and reinstall the app\n    needed: users:read.email; the token has: chat:write,reactions:write,users:read\n"
        );
        assert!(api.messages().is_empty());
    }
}

#[test]
fn explains_slacks_error_codes() {
    let api = SlackApi::start();
    for (channel, reason) in [
        (
            "#nowhere",
            "`channel_not_found` to `chat.postMessage`: the channel does not exist, or it is private and the bot is not a member",
        ),
        ("#archived", "`is_archived` to `chat.postMessage`: the channel is archived"),
        (
            "#private",
            "`not_in_channel` to `chat.postMessage`: the bot is not a member of the channel; invite it, or give the app the scope `chat:write.public`",
        ),
    ] {
        let outcome = put(&bot(&api), json!({ "text": "x", "channel": channel }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!("error: cannot send the message to `{channel}`\n  caused by: Slack answered {reason}\n")
        );
    }
    let outcome =
        put(&with(bot(&api), json!({ "token": "xoxb-wrong-t0k3n" })), json!({ "text": "x", "channel": "#builds" }));
    outcome.failed();
    assert!(
        messages(&outcome).contains("`invalid_auth` to `chat.postMessage`: the token is not valid"),
        "{}",
        messages(&outcome)
    );
    let params = json!({ "text": "x", "channel": "#builds", "attachments": [{ "colour": "good" }] });
    let outcome = put(&bot(&api), params);
    outcome.failed();
    assert!(
        messages(&outcome).contains("`attachments` are not valid\n    unknown key `colour`\n"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn rejects_token_params_with_a_webhook_before_sending() {
    let webhook = Webhook::start();
    for (key, params) in [
        ("update", json!({ "text": "x", "update": "1700000000.000001" })),
        ("reactions", json!({ "text": "x", "reactions": ["tada"] })),
        ("mentions", json!({ "text": "x", "mentions": ["ada@example.com"] })),
        ("mentions_file", json!({ "text": "x", "mentions_file": "f" })),
    ] {
        let outcome = put(&source(&webhook), params);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!(
                "error: `{key}` requires a bot token; a webhook can only post messages\n\
                 hint: replace `url` in the source by `token` with a bot token\n"
            )
        );
    }
    assert_eq!(webhook.server().connections(), 0);
}
