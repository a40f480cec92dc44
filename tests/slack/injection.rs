//! Untrusted text is sent unchanged and is never executed.

use std::os::unix::fs::symlink;

use jetway_tests::slack::Webhook;
use serde_json::{Value, json};

use crate::support::{inputs, message, messages, put_step, put_with, source, with};

/// Texts with special characters for a shell, JSON, a URL or an HTTP header.
const NASTY: [&str; 14] = [
    "`touch /tmp/pwned`",
    "$(touch /tmp/pwned)",
    "${IFS}; touch /tmp/pwned; #",
    "\"}, {\"channel\": \"#general\", \"x\": \"",
    "'; DROP TABLE",
    "back\\slash \\n \\\" \\u0041",
    "a & b | c > d < e",
    "100% %s %n %20",
    "one\ntwo\r\nX-Injected: yes\r\n\r\nthree",
    "tab\t and \u{1b}[31mred\u{1b}[0m and \u{0}nul",
    "ünïcödé 🚀 \u{202e}right to left",
    "* ? [a-z] ~ {a,b} !!",
    "-o /tmp/pwned --data @/etc/passwd",
    "<!channel> <https://evil.example|your bank>",
];

#[test]
fn text_file_is_sent_unchanged() {
    for text in NASTY {
        // `expand: false`, because names such as `$HOME` in the texts would be expanded.
        let sent = message(json!({ "text_file": "f", "expand": false, "strip_ansi": false }), &[("f", text)]);
        assert_eq!(sent, json!({ "text": format!("{text}\n") }));
    }
}

/// Logs may end in the middle of a character, and old tools write other encodings.
#[test]
fn invalid_utf_8_is_replaced_in_every_file() {
    for (params, pointer) in [
        (json!({ "text_file": "log" }), "/text"),
        (
            json!({ "text_file": "log", "text": "t", "attachments": [{ "text": "$TEXT_FILE_CONTENT" }] }),
            "/attachments/0/text",
        ),
        (json!({ "env_file": "env", "text": "$NAME" }), "/text"),
        (json!({ "blocks_file": "blocks", "text": "t" }), "/blocks/0/text/text"),
        (json!({ "alert_type": "failed", "text_file": "log" }), "/attachments/0/text"),
    ] {
        let (webhook, inputs) = (Webhook::start(), inputs(&[]));
        for (name, content) in [
            ("log", &b"caf\xe9 failed\n"[..]),
            ("env", &b"NAME='caf\xe9 failed'\n"[..]),
            ("blocks", &b"[{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"caf\xe9 failed\"}}]"[..]),
        ] {
            std::fs::write(inputs.path().join(name), content).expect("write a file");
        }
        put_step(&source(&webhook), params.clone(), inputs.path()).run().succeeded();
        let sent = &webhook.messages()[0];
        let text = sent.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(text.trim_end(), "caf\u{fffd} failed", "{params}: {sent}");
    }
}

#[test]
fn variables_are_sent_unchanged_in_all_fields() {
    for text in NASTY {
        let webhook = Webhook::start();
        let inputs = inputs(&[]);
        let params = json!({
            "text": "t $BUILD_JOB_NAME", "username": "u $BUILD_JOB_NAME", "icon_url": "https://x/?$BUILD_JOB_NAME",
            "icon_emoji": ":$BUILD_JOB_NAME:",
            "attachments": [{ "text": "a ${BUILD_JOB_NAME}" }],
            "blocks": [{ "type": "header", "text": { "type": "plain_text", "text": "b $BUILD_JOB_NAME" } }],
        });
        // A variable of the environment cannot contain NUL.
        let value = text.replace('\0', "");
        put_step(&source(&webhook), params, inputs.path()).env("BUILD_JOB_NAME", &value).run().succeeded();
        let expected = json!({
            "text": format!("t {}\n", value.trim_end_matches('\n')), "username": format!("u {value}"),
            "icon_url": format!("https://x/?{value}"), "icon_emoji": format!(":{value}:"),
            "attachments": [{ "text": format!("a {value}") }],
            "blocks": [{ "type": "header", "text": { "type": "plain_text", "text": format!("b {value}") } }],
        });
        assert_eq!(webhook.messages(), [expected]);
        assert_eq!(webhook.server().recorded_requests().len(), 1);
        assert!(webhook.server().recorded_requests()[0].header("x-injected").is_none());
        assert!(!std::path::Path::new("/tmp/pwned").exists());
    }
}

#[test]
fn env_file_values_are_not_executed() {
    for text in NASTY.iter().filter(|text| !text.contains(['\n', '\0'])) {
        let line = format!("V='{text}'\n");
        let sent = message(json!({ "text": "$V", "env_file": "e" }), &[("e", &line)]);
        assert_eq!(sent, json!({ "text": format!("{text}\n") }));
    }
}

#[test]
fn variables_in_alert_files_are_not_expanded() {
    for text in NASTY.iter().filter(|text| !text.contains('\0')) {
        let sent = message(json!({ "alert_type": "failed", "text_file": "f" }), &[("f", text)]);
        assert_eq!(sent["attachments"][0]["text"], text.trim());
    }
}

#[test]
fn variables_are_expanded_once() {
    let sent = message(json!({ "text": "$A", "env_file": "e" }), &[("e", "B=secret\nA='$B ${B}'\n")]);
    assert_eq!(sent, json!({ "text": "$B ${B}\n" }));
}

mod mentions_and_links {
    use super::*;

    const HARMLESS: &str = "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|bank&gt; a &amp;amp; b";
    const HARMFUL: &str = "<!channel> <@U1> <https://evil.example|bank> a &amp; b";

    #[test]
    fn in_files_work_as_in_the_established_resource() {
        assert_eq!(message(json!({ "text_file": "f" }), &[("f", HARMFUL)]), json!({ "text": format!("{HARMFUL}\n") }));
    }

    #[test]
    fn escape_applies_to_files_and_variables() {
        let params = json!({
            "text": "<!here> $TEXT_FILE_CONTENT $V", "text_file": "f", "env_file": "e", "escape": true,
            "attachments": [{ "text": "$TEXT_FILE_CONTENT" }],
        });
        let sent = message(params, &[("f", HARMFUL), ("e", &format!("V={HARMFUL}\n"))]);
        assert_eq!(
            sent,
            // The pipeline's own text is not escaped.
            json!({ "text": format!("<!here> {HARMLESS} {HARMLESS}\n"), "attachments": [{ "text": HARMLESS }] })
        );
    }

    #[test]
    fn escape_applies_to_alert_files() {
        let params = json!({ "message_file": "m", "text_file": "f", "escape": true });
        let sent = message(params, &[("m", HARMFUL), ("f", HARMFUL)]);
        let alert = &sent["attachments"][0];
        assert_eq!((&alert["author_name"], &alert["text"]), (&json!(HARMLESS), &json!(HARMLESS)));
    }
}

mod channels {
    use super::*;

    #[test]
    fn are_not_expanded_as_patterns() {
        let webhook = Webhook::start();
        let params = json!({ "text": "x", "channel": "* $(id) `id` $BUILD_NAME" });
        put_with(&source(&webhook), params, &[("file", "x")]).succeeded();
        let channels: Vec<Value> = webhook.messages().iter().map(|message| message["channel"].clone()).collect();
        assert_eq!(channels, ["*", "$(id)", "`id`", "42"]);
    }
}

mod paths {
    use super::*;

    #[test]
    fn outside_the_inputs_are_rejected() {
        let webhook = Webhook::start();
        for key in [
            "text_file",
            "attachments_file",
            "blocks_file",
            "channel_file",
            "env_file",
            "message_file",
            "mentions_file",
        ] {
            for path in ["/etc/hostname", "../../etc/hostname", "a/../../x"] {
                let outcome = put_with(&source(&webhook), with(json!({ "text": "x" }), json!({ key: path })), &[]);
                outcome.failed();
                assert!(
                    messages(&outcome)
                        .ends_with(&format!("`params.{key}`: must stay inside the directory of the inputs\n")),
                    "{}",
                    messages(&outcome)
                );
            }
        }
        assert_eq!(webhook.server().connections(), 0);
    }

    #[test]
    fn with_links_outside_the_inputs_are_rejected() {
        let webhook = Webhook::start();
        let inputs = inputs(&[("code/real", "fine")]);
        for (link, target) in [("out", "/etc/passwd"), ("up", "../.."), ("in", "real")] {
            symlink(target, inputs.path().join("code").join(link)).expect("make a link");
        }
        for (key, path) in
            [("text_file", "code/out"), ("attachments_file", "code/up/x/y"), ("message_file", "code/out")]
        {
            let outcome = put_step(&source(&webhook), json!({ key: path }), inputs.path()).run();
            if path == "code/up/x/y" {
                // The file does not exist; the error does not reveal whether the path is outside.
                outcome.succeeded();
                continue;
            }
            outcome.failed();
            assert_eq!(
                messages(&outcome),
                format!(
                    "error: cannot use `{key}`\n  \
                     caused by: cannot use `{path}`\n  \
                     caused by: it is a link to a path outside the directory of the inputs\n"
                )
            );
        }
        put_step(&source(&webhook), json!({ "text_file": "code/in" }), inputs.path()).run().succeeded();
        assert_eq!(webhook.messages().last().expect("a message")["text"], "fine\n");
    }

    #[test]
    fn to_directories_and_devices_are_rejected() {
        let webhook = Webhook::start();
        let outcome = put_with(&source(&webhook), json!({ "text_file": "dir" }), &[("dir/file", "x")]);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: cannot use `text_file`\n  caused by: cannot read the file `dir`\n  caused by: it is not a file\n"
        );
        let large = "x".repeat(1024 * 1024 + 1);
        let outcome = put_with(&source(&webhook), json!({ "text_file": "f" }), &[("f", &large)]);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: cannot use `text_file`\n  caused by: cannot read the file `f`\n  caused by: it is larger than 1 MiB\n"
        );
    }
}

#[test]
fn rejects_token_with_line_break() {
    let source = json!({ "token": "xoxb-1\r\nX-Injected: yes", "api_url": "http://127.0.0.1:9" });
    let outcome = crate::support::put(&source, json!({ "text": "x", "channel": "#a" }));
    outcome.failed();
    assert!(messages(&outcome).contains("`source.token`: contains a space or a line break"), "{}", messages(&outcome));
    assert!(!outcome.stderr.contains("xoxb-1"));
}
