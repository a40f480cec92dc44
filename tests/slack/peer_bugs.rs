//! Regression tests for bugs of the established resources.

use jetway_tests::slack::{Webhook, from_slack};
use jetway_tests::stand_in::{Fault, Response};
use serde_json::{Value, json};

use crate::support::{inputs, message, messages, metadata, put, put_step, put_with, source, with};

/// slack-notification-resource: any entry in `ca_certs` failed with "Cannot index array with string".
#[test]
fn accepts_both_forms_of_ca_certs() {
    let webhook = Webhook::start();
    let certificate = include_str!("authority.pem");
    for entry in [json!(certificate), json!({ "domain": "slack.example.com", "cert": certificate })] {
        put(&with(source(&webhook), json!({ "ca_certs": [entry] })), json!({ "text": "x" })).succeeded();
    }
    let outcome = put(
        &with(source(&webhook), json!({ "ca_certs": [{ "domain": "x", "cert": "none" }] })),
        json!({ "text": "x" }),
    );
    outcome.failed();
    assert!(
        messages(&outcome).contains("`source.ca_certs[0]`: expected certificates in PEM form"),
        "{}",
        messages(&outcome)
    );
}

/// slack-notification-resource: without `url`, the host was `null`.
#[test]
fn reports_missing_url() {
    let outcome = put(&json!({}), json!({ "text": "x" }));
    outcome.failed();
    assert!(messages(&outcome).contains("`source.url`: required, but missing"), "{}", messages(&outcome));
}

/// slack-notification-resource: `redact_hook_url: "false"` sent the message, showed the URL, and failed the put.
#[test]
fn redact_hook_url_false_shows_nothing_and_fails_nothing() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "text": "x", "redact_hook_url": "false" }));
    outcome.succeeded();
    assert_eq!(
        messages(&outcome),
        "warning: the webhook URL is a secret and is always redacted\nsent to the webhook's channel\n"
    );
}

/// slack-notification-resource: a name lost everything after a space, and an icon's URL after `&`.
#[test]
fn names_and_urls_are_not_truncated() {
    let sent = message(json!({ "text": "x", "username": "a b & c %s", "icon_url": "https://x/?a=1&b=%20" }), &[]);
    assert_eq!((&sent["username"], &sent["icon_url"]), (&json!("a b & c %s"), &json!("https://x/?a=1&b=%20")));
}

/// slack-notification-resource: `channel: "*"` posted to a channel named after each file of the inputs.
#[test]
fn star_is_not_expanded() {
    let webhook = Webhook::start();
    put_with(&source(&webhook), json!({ "text": "x", "channel": "*" }), &[("secret-plans", "")]).succeeded();
    assert_eq!(webhook.messages(), [json!({ "channel": "*", "text": "x\n" })]);
}

/// slack-notification-resource: a quote in a variable broke the JSON of attachments, or rewrote it.
#[test]
fn quote_in_a_variable_is_kept() {
    let webhook = Webhook::start();
    let inputs = inputs(&[("a", r#"[{"text": "$BUILD_JOB_NAME"}]"#)]);
    let step = put_step(&source(&webhook), json!({ "attachments_file": "a" }), inputs.path());
    step.env("BUILD_JOB_NAME", r#"a", "image_url": "https://evil.example"#).run().succeeded();
    assert_eq!(
        webhook.messages(),
        [json!({ "attachments": [{ "text": r#"a", "image_url": "https://evil.example"# }] })]
    );
}

/// slack-notification-resource: `A="q d"` in an `env_file` became `q`; `PATH=x` broke the resource; `$(cmd)` was
/// executed.
#[test]
fn env_file_is_not_executed() {
    let files = [("e", "A=\"q d\"\nPATH=/nowhere\nB=$(id -un) `id`\n")];
    assert_eq!(
        message(json!({ "text": "$A|$PATH|$B", "env_file": "e" }), &files)["text"],
        "q d|/nowhere|$(id -un) `id`\n"
    );
}

/// slack-notification-resource: a suppressed message with `metadata: true` printed invalid JSON.
#[test]
fn suppressed_message_has_metadata() {
    let webhook = Webhook::start();
    let outcome = put_with(&source(&webhook), json!({ "text_file": "f", "metadata": true }), &[("f", "")]);
    let lines = metadata(&outcome);
    assert_eq!(lines[5], ("text_file_exists".to_owned(), "Yes".to_owned()));
    assert!(webhook.messages().is_empty());
}

/// slack-notification-resource: a redirect lost the message, and the put succeeded.
#[test]
fn redirect_fails_the_put() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::Response(Response::text(302, "").with("Location", "/elsewhere")));
    put(&source(&webhook), json!({ "text": "x" })).failed();
    assert_eq!(webhook.server().recorded_requests().len(), 1);
}

/// slack-notification-resource: with `silent`, a failure had no reason, and the other channels got no message.
#[test]
fn silent_put_reports_failure_and_sends_to_other_channels() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "text": "x", "channel": "#nowhere #b", "silent": true }));
    outcome.failed();
    assert!(messages(&outcome).contains("caused by: channel_not_found\n"), "{}", messages(&outcome));
    assert_eq!(webhook.messages().len(), 1);
}

/// slack-notification-resource#96: the webhook answered 403, and the put succeeded.
#[test]
fn rejected_message_fails_the_put_96() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::Response(from_slack("invalid_token")));
    put(&source(&webhook), json!({ "text": "x" })).failed();
}

/// slack-notification-resource: Mattermost rejected every message with `link_names: false`.
#[test]
fn link_names_is_sent_only_if_set() {
    assert_eq!(message(json!({ "text": "x", "link_names": false }), &[]), json!({ "text": "x\n" }));
    assert_eq!(
        message(json!({ "text": "x", "link_names": "true" }), &[]),
        json!({ "text": "x\n", "link_names": true })
    );
}

/// concourse-slack-alert-resource: requests to a deleted webhook were retried for half a minute, and its URL was shown.
#[test]
fn deleted_webhook_is_not_retried() {
    let webhook = Webhook::start();
    webhook.server().fail_next(Fault::Response(from_slack("no_service")));
    let outcome = put(&source(&webhook), json!({ "alert_type": "failed" }));
    outcome.failed();
    assert_eq!(webhook.server().recorded_requests().len(), 1);
    assert!(messages(&outcome).ends_with("hint: the webhook was deleted or disabled, or its URL is incomplete\n"));
    assert!(!outcome.stderr.contains(webhook.secret()));
}

/// concourse-slack-alert-resource: `disable: "true"`, the value of a var, was an error.
#[test]
fn accepts_true_as_text() {
    put(&json!({ "url": "https://x.example/", "disable": "true" }), json!({ "alert_type": "failed" })).succeeded();
}

/// concourse-slack-alert-resource: the content of `../../etc/hostname` was sent to the channel.
#[test]
fn does_not_read_files_outside_the_inputs() {
    let webhook = Webhook::start();
    put(&source(&webhook), json!({ "alert_type": "failed", "text_file": "../../etc/hostname" })).failed();
    assert_eq!(webhook.server().connections(), 0);
}

/// concourse-slack-alert-resource#82: alerts did not expand variables.
#[test]
fn alert_expands_variables_82() {
    let sent = message(json!({ "alert_type": "failed", "message": "$BUILD_PIPELINE_NAME broke" }), &[]);
    assert_eq!(sent["attachments"][0]["author_name"], "delivery broke");
}

/// concourse-slack-alert-resource: `"#a #b"` was the name of a channel that does not exist.
#[test]
fn alert_is_sent_to_several_channels() {
    let webhook = Webhook::start();
    put(&source(&webhook), json!({ "alert_type": "failed", "channel": "#a #b" })).succeeded();
    let channels: Vec<Value> = webhook.messages().iter().map(|message| message["channel"].clone()).collect();
    assert_eq!(channels, ["#a", "#b"]);
}

/// concourse-slack-alert-resource: a typo in `alert_type` sent a grey message.
#[test]
fn reports_unknown_alert_type() {
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), json!({ "alert_type": "failure" }));
    outcome.failed();
    assert!(messages(&outcome).contains("found `failure`; did you mean `failed`?"), "{}", messages(&outcome));
}
