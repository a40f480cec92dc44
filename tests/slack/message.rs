//! Messages with `text`, sent to a webhook.

use jetway_tests::slack::{Chat, Webhook};
use serde_json::{Value, json};

use crate::support::{inputs, message, messages, metadata, put, put_step, put_with, source, with};

#[test]
fn sends_text_to_the_webhooks_channel() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "text": "Deployed" }));
    assert_eq!(webhook.messages(), [json!({ "text": "Deployed\n" })]);
    let version = &outcome.json()["version"];
    let timestamp: u64 = version["timestamp"].as_str().expect("a timestamp").parse().expect("seconds");
    assert!(timestamp > 1_700_000_000);
    assert_eq!(version.as_object().expect("a map").len(), 1);
    assert_eq!(outcome.json()["metadata"], json!([]));
    assert_eq!(messages(&outcome), "sent to the webhook's channel\n");
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    let request = &webhook.server().recorded_requests()[0];
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("user-agent"), Some(concat!("jetway-slack/", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn mattermost_and_discord_accept_messages() {
    for chat in [Chat::Mattermost, Chat::Discord, Chat::DiscordWithoutWaiting, Chat::RocketChat] {
        let webhook = Webhook::of(chat);
        put(&source(&webhook), json!({ "text": "x", "username": "ci", "link_names": false })).succeeded();
        assert_eq!(webhook.messages(), [json!({ "text": "x\n", "username": "ci" })], "{chat:?}");
    }
}

mod variables {
    use super::*;

    #[test]
    fn of_the_build_are_expanded_in_both_forms() {
        let text = "$BUILD_TEAM_NAME/${BUILD_PIPELINE_NAME}/$BUILD_JOB_NAME #$BUILD_NAME ($BUILD_ID) $BUILD_URL \
                    $ATC_EXTERNAL_URL";
        let page = "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42";
        assert_eq!(
            message(json!({ "text": text }), &[]),
            json!({ "text": format!("main/delivery/build #42 (4242) {page} https://ci.example.com\n") })
        );
    }

    #[test]
    fn are_expanded_in_all_fields() {
        let params = json!({
            "text": "$V", "channel": "#$V", "username": "$V bot", "icon_url": "https://x/?a=1&b=$V%20", "icon_emoji": ":$V:",
            "attachments": [{ "text": "$V", "fields": [{ "title": "t", "value": "${V}!", "short": true }] }],
            "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": "*$V*" } }],
            "env_file": "env/vars",
        });
        assert_eq!(
            message(params, &[("env/vars", "# mine\nV=v\"1\n")]),
            json!({
                "channel": "#v\"1", "text": "v\"1\n", "username": "v\"1 bot", "icon_url": "https://x/?a=1&b=v\"1%20",
                "icon_emoji": ":v\"1:",
                "attachments": [{ "text": "v\"1", "fields": [{ "title": "t", "value": "v\"1!", "short": true }] }],
                "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": "*v\"1*" } }],
            })
        );
    }

    #[test]
    fn warn_about_missing_build_status() {
        let webhook = Webhook::start();
        let params = json!({ "text": "build $BUILD_NAME: $BUILD_STATUS" });
        let outcome = put(&source(&webhook), params.clone());
        outcome.succeeded();
        assert!(messages(&outcome).contains("warning: `$BUILD_STATUS` is empty: "), "{}", messages(&outcome));
        let directory = inputs(&[]);
        let outcome = put_step(&source(&webhook), params, directory.path()).env("BUILD_STATUS", "failed").run();
        assert!(!messages(&outcome).contains("warning"), "{}", messages(&outcome));
        let texts: Vec<Value> = webhook.messages().iter().map(|message| message["text"].clone()).collect();
        assert_eq!(texts, ["build 42: \n", "build 42: failed\n"]);
    }

    #[test]
    fn without_a_value_become_empty_with_one_warning() {
        let webhook = Webhook::start();
        let outcome = put(&source(&webhook), json!({ "text": "[$NOPE][${HOME}][$NOPE]", "username": "$NOPE" }));
        outcome.succeeded();
        assert_eq!(webhook.messages(), [json!({ "text": "[][][]\n" })]);
        assert_eq!(
            messages(&outcome),
            "warning: `$HOME`, `$NOPE` have no value; the known variables are those of the build and of `env_file`\n\
             sent to the webhook's channel\n"
        );
    }

    #[test]
    fn are_not_expanded_with_expand_false() {
        let params = json!({ "text": "$BUILD_ID", "username": "$BUILD_ID", "expand": false });
        assert_eq!(message(params, &[]), json!({ "text": "$BUILD_ID\n", "username": "$BUILD_ID" }));
        let params = json!({ "text_file": "f", "expand": false });
        assert_eq!(message(params, &[("f", "cost: $BUILD_ID\n")]), json!({ "text": "cost: $BUILD_ID\n" }));
    }

    #[test]
    fn other_dollar_signs_are_kept() {
        let text = r"$$ $1 ${BUILD_ID:-x} \$BUILD_ID 5$ $(id)";
        assert_eq!(message(json!({ "text": text }), &[])["text"], "$$ $1 ${BUILD_ID:-x} \\4242 5$ $(id)\n");
    }

    #[test]
    fn warn_about_missing_or_invalid_env_file() {
        let webhook = Webhook::start();
        let outcome = put(&source(&webhook), json!({ "text": "x", "env_file": "none" }));
        assert_eq!(
            messages(&outcome),
            "warning: file `none` (`env_file`) does not exist\nsent to the webhook's channel\n"
        );
        let params = json!({ "text": "$A", "env_file": "env", "silent": true });
        let outcome = put_with(&source(&webhook), params, &[("env", "A=1\nrm -rf /\n")]);
        assert_eq!(messages(&outcome), "warning: line 2 of `env` is not `NAME=value`; the line is ignored\n");
    }
}

mod text_file {
    use super::*;

    #[test]
    fn is_the_text_if_text_is_absent() {
        let files = [("out/message", "one $BUILD_NAME\ntwo\n\n")];
        assert_eq!(message(json!({ "text_file": "out/message" }), &files), json!({ "text": "one 42\ntwo\n" }));
    }

    #[test]
    fn is_a_variable_of_texts_attachments_and_blocks() {
        let params = json!({
            "text_file": "m", "text": "Result: $TEXT_FILE_CONTENT.",
            "attachments": [{ "text": "${TEXT_FILE_CONTENT}" }],
        });
        assert_eq!(
            message(params, &[("m", "a \"quote\"\n$BUILD_ID\n")]),
            json!({
                "text": "Result: a \"quote\"\n4242.\n", "attachments": [{ "text": "a \"quote\"\n4242" }],
            })
        );
    }

    #[test]
    fn empty_file_sends_nothing() {
        for params in [json!({ "text_file": "m" }), json!({ "text_file": "m", "text": "static" })] {
            let webhook = Webhook::start();
            let outcome = put_with(&source(&webhook), params, &[("m", "\n\n")]);
            assert!(outcome.json()["version"]["timestamp"].is_string());
            assert_eq!(messages(&outcome), "`text_file` is empty: nothing is sent\n");
            assert_eq!(webhook.server().connections(), 0);
        }
    }

    #[test]
    fn always_notify_sends_despite_empty_file() {
        let params = json!({ "text_file": "m", "always_notify": "true", "text": "x: $TEXT_FILE_CONTENT" });
        assert_eq!(message(params, &[("m", "")]), json!({ "text": "x: _(no notification provided)_\n" }));
    }

    #[test]
    fn missing_file_is_ignored_with_a_warning() {
        let webhook = Webhook::start();
        let outcome = put(&source(&webhook), json!({ "text_file": "m" }));
        assert_eq!(webhook.messages(), [json!({ "text": "_(no notification provided)_\n" })]);
        assert_eq!(
            messages(&outcome),
            "warning: file `m` (`text_file`) does not exist\nsent to the webhook's channel\n"
        );
    }

    #[test]
    fn has_no_placeholder_with_attachments() {
        let params = json!({ "text_file": "m", "attachments": [{ "text": "a$TEXT_FILE_CONTENT" }] });
        assert_eq!(message(params, &[]), json!({ "attachments": [{ "text": "a" }] }));
    }
}

mod json_parts {
    use super::*;

    #[test]
    fn may_come_from_files() {
        let params = json!({ "attachments_file": "a", "blocks_file": "b", "text": 12 });
        let files = [
            ("a", r#"[{"text": "build $BUILD_NAME", "ts": 1700000000.000100}]"#),
            ("b", r#"{"blocks": [{"type": "divider"}]}"#),
        ];
        let expected = r#"{"text":"12\n","attachments":[{"text":"build 42","ts":1700000000.000100}],"blocks":[{"type":"divider"}]}"#;
        assert_eq!(message(params, &files), serde_json::from_str::<Value>(expected).expect("JSON"));
    }

    /// Slack's documentation shows attachments as a list, as a list in a message, and as a single object.
    #[test]
    fn are_sent_as_lists_and_a_single_object_is_rejected() {
        let one = r#"{"text": "build $BUILD_NAME"}"#;
        for text in [format!("[{one}]"), format!(r#"{{"text": "x", "attachments": [{one}]}}"#)] {
            let sent = message(json!({ "attachments_file": "a", "text": "t" }), &[("a", &text)]);
            assert_eq!(sent["attachments"], json!([{ "text": "build 42" }]), "{text}");
        }
        let webhook = Webhook::start();
        let params = json!({ "attachments_file": "a", "text": "t" });
        let outcome = put_with(&source(&webhook), params, &[("a", one)]);
        outcome.failed();
        assert!(
            messages(&outcome).contains("attachments") && messages(&outcome).contains("list"),
            "{}",
            messages(&outcome)
        );
        assert!(webhook.messages().is_empty());
    }

    #[test]
    fn params_override_files() {
        let params = json!({ "attachments": [{ "text": "here" }], "attachments_file": "a" });
        assert_eq!(message(params, &[("a", "[]")])["attachments"], json!([{ "text": "here" }]));
    }

    #[test]
    fn missing_or_empty_file_adds_none() {
        let params = json!({ "attachments_file": "a", "text": "x" });
        assert_eq!(message(params.clone(), &[]), json!({ "text": "x\n" }));
        assert_eq!(message(params, &[("a", "\n")]), json!({ "text": "x\n" }));
    }
}

mod list_as_json_text {
    use super::*;

    #[test]
    fn is_parsed() {
        let params = json!({
            "text": "t", "attachments": "[{\"color\": \"danger\", \"text\": \"build $BUILD_NAME\"}]",
            "blocks": "{\"blocks\": [{\"type\": \"divider\"}]}",
        });
        assert_eq!(
            message(params, &[]),
            json!({
                "text": "t\n", "attachments": [{ "color": "danger", "text": "build 42" }], "blocks": [{ "type": "divider" }],
            })
        );
    }

    #[test]
    fn may_come_from_a_variable() {
        let params = json!({ "text": "t", "attachments": "$LIST", "env_file": "e" });
        assert_eq!(message(params, &[("e", "LIST=[{\"text\": \"x\"}]\n")])["attachments"], json!([{ "text": "x" }]));
        assert_eq!(message(json!({ "text": "t", "attachments": "" }), &[]), json!({ "text": "t\n" }));
    }

    #[test]
    fn fails_before_sending_if_it_is_not_a_list() {
        let webhook = Webhook::start();
        let outcome = put(&source(&webhook), json!({ "text": "t", "attachments": "a text" }));
        outcome.failed();
        assert!(messages(&outcome).contains("the text in `attachments` is not valid JSON"), "{}", messages(&outcome));
        assert_eq!(webhook.server().connections(), 0);
    }
}

#[test]
fn escaped_newline_of_a_file_is_a_newline_in_attachments() {
    let params =
        json!({ "text_file": "m", "attachments": [{ "text": "$TEXT_FILE_CONTENT" }], "text": "$TEXT_FILE_CONTENT" });
    assert_eq!(
        message(params, &[("m", "one\\ntwo")]),
        json!({ "text": "one\\ntwo\n", "attachments": [{ "text": "one\ntwo" }] })
    );
}

#[test]
fn unfurl_keys_control_previews() {
    let params = json!({ "text": "x", "unfurl_links": false, "unfurl_media": true });
    assert_eq!(message(params, &[]), json!({ "text": "x\n", "unfurl_links": false, "unfurl_media": true }));
}

#[test]
fn terminal_colours_of_a_text_file_are_removed() {
    let files = [("log", "\u{1b}[31merror\u{1b}[0m: 2 failed\u{7}\n")];
    assert_eq!(message(json!({ "text_file": "log" }), &files), json!({ "text": "error: 2 failed\n" }));
    let alert = message(json!({ "alert_type": "failed", "text_file": "log", "message_file": "log" }), &files);
    assert_eq!(alert["attachments"][0]["text"], "error: 2 failed");
    assert_eq!(alert["attachments"][0]["author_name"], "error: 2 failed");
    let kept = message(json!({ "text_file": "log", "strip_ansi": false }), &files);
    assert_eq!(kept, json!({ "text": "\u{1b}[31merror\u{1b}[0m: 2 failed\u{7}\n" }));
}

#[test]
fn username_with_a_space_is_kept() {
    assert_eq!(message(json!({ "text": "x", "username": "build bot 2" }), &[])["username"], "build bot 2");
}

mod channels {
    use super::*;

    fn reached(source_more: Value, params: Value, files: &[(&str, &str)]) -> Vec<Value> {
        let webhook = Webhook::start();
        put_with(&with(source(&webhook), source_more), with(json!({ "text": "x" }), params), files).succeeded();
        webhook.messages().iter().map(|message| message["channel"].clone()).collect()
    }

    #[test]
    fn get_the_message_once_and_in_order() {
        let params = json!({ "channel": "#a  @b\n#a", "channels": ["#c"], "channel_file": "f" });
        assert_eq!(reached(json!({}), params, &[("f", "#d-$BUILD_NAME #a\n#e\n")]), ["#a", "@b", "#c", "#d-42", "#e"]);
    }

    #[test]
    fn in_channel_file_are_added_to_the_webhooks_channel() {
        let of_file = |source, params| reached(source, with(params, json!({ "channel_file": "f" })), &[("f", "#d\n")]);
        assert_eq!(of_file(json!({}), json!({})), [Value::Null, json!("#d")]);
        assert_eq!(of_file(json!({}), json!({ "channels": ["#c"] })), ["#c", "#d"]);
        assert_eq!(of_file(json!({ "channel": "#s" }), json!({})), ["#d"]);
    }

    #[test]
    fn of_the_source_are_the_default() {
        assert_eq!(reached(json!({ "channel": "#s" }), json!({}), &[]), ["#s"]);
        assert_eq!(reached(json!({ "channel": "#s" }), json!({ "channel": "#p" }), &[]), ["#p"]);
        assert_eq!(reached(json!({ "channel": "#s" }), json!({ "channel_file": "none" }), &[]), ["#s"]);
    }
}

#[test]
fn disabled_put_sends_nothing_and_succeeds() {
    let webhook = Webhook::start();
    for (source, params) in [
        (with(source(&webhook), json!({ "disable": "true" })), json!({ "text": "x" })),
        (json!({ "disable": true }), json!({ "text_file": "none", "attachments_file": "none" })),
        (source(&webhook), json!({ "text": "x", "disable": true })),
    ] {
        let outcome = put(&source, params);
        assert!(outcome.json()["version"]["timestamp"].is_string());
        assert_eq!(messages(&outcome), "disabled: nothing is sent\n");
    }
    assert_eq!(webhook.server().connections(), 0);
}

#[test]
fn silent_put_logs_nothing() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "text": "x", "silent": "true" }));
    outcome.succeeded();
    assert_eq!(messages(&outcome), "");
    assert_eq!(webhook.messages().len(), 1);
}

#[test]
fn debug_shows_every_message_and_sends_none() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "text": "x", "channel": "#a #b", "debug": true }));
    assert!(outcome.json()["version"]["timestamp"].is_string());
    assert_eq!(
        messages(&outcome),
        "debug: nothing is sent; the request would be:\n\
         {\"channel\":\"#a\",\"text\":\"x\\n\"}\n\
         {\"channel\":\"#b\",\"text\":\"x\\n\"}\n"
    );
    assert_eq!(webhook.server().connections(), 0);
}

#[test]
fn metadata_shows_what_was_sent() {
    let webhook = Webhook::start();
    let params = json!({
        "text": "x $TEXT_FILE_CONTENT", "text_file": "m", "channel": "#a #b", "username": "ci", "metadata": true,
        "payload_in_metadata": true,
    });
    let outcome = put_with(&source(&webhook), params, &[("m", "content\n")]);
    let expected = [
        ("url", format!("{}/…", webhook.server().url())),
        ("channel", "#a #b".to_owned()),
        ("username", "ci".to_owned()),
        ("text", "x content\n".to_owned()),
        ("text_file", "m".to_owned()),
        ("text_file_exists", "Yes".to_owned()),
        ("text_file_content", "content".to_owned()),
        ("payload", json!(webhook.messages()).to_string()),
    ];
    assert_eq!(metadata(&outcome), expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn fails_when_text_expands_to_nothing() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "text": "$NOPE" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: the message is empty: it has no text, no attachments and no blocks\n\
         hint: check the variables in `text`: one of them may have no value\n"
    );
    assert_eq!(webhook.server().connections(), 0);
}
