//! Alerts: the format of the established alert resource, and when `fixed` and `broke` are sent.

use jetway_tests::concourse::{Concourse, Era, USER};
use jetway_tests::slack::Webhook;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{inputs, message, messages, metadata, put, put_step, put_with, source, with};

const PAGE: &str = "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42";

/// The only attachment of an alert.
fn attachment(message: &Value) -> &Value {
    assert_eq!(message["attachments"].as_array().expect("attachments").len(), 1);
    &message["attachments"][0]
}

#[test]
fn alert_type_sets_colour_icon_and_headline() {
    for (kind, colour, icon, headline) in [
        ("default", "#35495c", "pending", ""),
        ("success", "#32cd32", "succeeded", "Success"),
        ("failed", "#d00000", "failed", "Failed"),
        ("started", "#f7cd42", "started", "Started"),
        ("aborted", "#8d4b32", "aborted", "Aborted"),
        ("errored", "#f5a623", "errored", "Errored"),
    ] {
        let webhook = Webhook::start();
        let outcome = put(&source(&webhook), json!({ "alert_type": kind }));
        let expected = json!({ "attachments": [{
            "fallback": format!("{headline}: delivery/build/42 -- {PAGE}"),
            "color": colour,
            "author_name": headline,
            "fields": [
                { "title": "Job", "value": "delivery/build", "short": true },
                { "title": "Build", "value": "42", "short": true },
            ],
            "footer": PAGE,
            "footer_icon": format!("https://ci.concourse-ci.org/public/images/favicon-{icon}.png"),
            "text": "",
        }]});
        assert_eq!(webhook.messages(), [expected], "{kind}");
        assert_eq!(outcome.json()["version"], json!({ "ver": "static" }));
        let lines = [("type", kind), ("channel", ""), ("alerted", "true")];
        assert_eq!(metadata(&outcome), lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

#[test]
fn sends_alert_when_params_are_empty() {
    assert_eq!(attachment(&message(json!({}), &[]))["color"], "#35495c");
    assert_eq!(attachment(&message(json!({ "channel": "#a" }), &[]))["color"], "#35495c");
}

#[test]
fn params_override_headline_text_and_colour() {
    let params = json!({
        "alert_type": "failed", "message": "Oh no: $BUILD_NAME", "text": "job $BUILD_JOB_NAME of $NOBODY", "color": "#123456",
    });
    let message = message(params, &[]);
    let alert = attachment(&message);
    assert_eq!(alert["author_name"], "Oh no: 42");
    assert_eq!(alert["fallback"], format!("Oh no: 42: delivery/build/42 -- {PAGE}"));
    // A name without a value is kept, because the established resource expands no variables.
    assert_eq!((&alert["text"], &alert["color"]), (&json!("job build of $NOBODY"), &json!("#123456")));
}

#[test]
fn files_override_params_and_are_trimmed_but_not_expanded() {
    let params = json!({
        "message": "m", "message_file": "a/message", "text": "t", "text_file": "a/text", "channel": "#c",
        "channel_file": "a/channel",
    });
    let files = [("a/message", " from $BUILD_NAME\n"), ("a/text", "\n\n$BUILD_ID `id`\n"), ("a/channel", "#file\n")];
    let sent = message(params.clone(), &files);
    assert_eq!(sent["channel"], "#file");
    assert_eq!(attachment(&sent)["author_name"], "from $BUILD_NAME");
    assert_eq!(attachment(&sent)["text"], "$BUILD_ID `id`");
    // A missing file is a warning, and the params are used instead.
    let webhook = Webhook::start();
    let outcome = put(&source(&webhook), params);
    outcome.succeeded();
    let sent = &webhook.messages()[0];
    assert_eq!((&sent["channel"], &attachment(sent)["text"]), (&json!("#c"), &json!("t")));
    assert_eq!(attachment(sent)["author_name"], "m");
    assert!(
        messages(&outcome).contains("warning: file `a/message` (`message_file`) does not exist\n"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn text_file_alone_is_an_alert_if_source_has_alert_keys() {
    for more in
        [json!({ "channel": "#a" }), json!({ "concourse_url": "https://ci.example" }), json!({ "username": "u" })]
    {
        for (files, text) in [(&[("t", "some text\n")][..], "some text"), (&[("t", "")], ""), (&[], "")] {
            let webhook = Webhook::start();
            let outcome = put_with(&with(source(&webhook), more.clone()), json!({ "text_file": "t" }), files);
            assert_eq!(outcome.json()["version"], json!({ "ver": "static" }));
            let alert = &webhook.messages()[0]["attachments"][0];
            assert_eq!((&alert["color"], &alert["text"]), (&json!("#35495c"), &json!(text)), "{more}");
        }
    }
    // With `text`, the put sends a message.
    let webhook = Webhook::start();
    put(&with(source(&webhook), json!({ "channel": "#a" })), json!({ "text": "x" })).succeeded();
    assert_eq!(webhook.messages(), [json!({ "channel": "#a", "text": "x\n" })]);
}

#[test]
fn accepts_attachments_and_blocks() {
    let params = json!({
        "alert_type": "success", "attachments": [{ "text": "more $BUILD_NAME" }], "blocks": [{ "type": "divider" }],
        "username": "ci",
    });
    let sent = message(params, &[]);
    assert_eq!(sent["attachments"][1], json!({ "text": "more 42" }));
    assert_eq!((&sent["blocks"], &sent["username"]), (&json!([{ "type": "divider" }]), &json!("ci")));
}

#[test]
fn link_has_instance_vars_and_escaped_names() {
    let webhook = Webhook::start();
    let inputs = inputs(&[]);
    put_step(
        &with(source(&webhook), json!({ "concourse_url": "https://other.example/" })),
        json!({ "alert_type": "success" }),
        inputs.path(),
    )
    .env("BUILD_JOB_NAME", "a/b c")
    .env("BUILD_PIPELINE_INSTANCE_VARS", r#"{"branch":"x & y"}"#)
    .run()
    .succeeded();
    assert_eq!(
        attachment(&webhook.messages()[0])["footer"],
        "https://other.example/teams/main/pipelines/delivery/jobs/a%2Fb%20c/builds/42?vars=%7B%22branch%22%3A%22x+%26+y%22%7D"
    );
    assert_eq!(attachment(&webhook.messages()[0])["fields"][0]["value"], "delivery/a/b c");
}

#[test]
fn sends_alert_for_one_off_build() {
    let webhook = Webhook::start();
    let inputs = inputs(&[]);
    let mut verb = put_step(&source(&webhook), json!({ "alert_type": "failed" }), inputs.path());
    for name in ["BUILD_NAME", "BUILD_JOB_NAME", "BUILD_PIPELINE_NAME", "BUILD_URL"] {
        verb = verb.without_env(name);
    }
    verb.run().succeeded();
    let sent = &webhook.messages()[0];
    assert_eq!(attachment(sent)["footer"], "https://ci.example.com/builds/4242");
    assert_eq!(attachment(sent)["fields"][0]["value"], "one-off");
}

/// A put of a build with this name.
fn by_build(concourse: &Concourse, webhook: &Webhook, more: Value, kind: &str, name: &str) -> Outcome {
    let source = with(with(source(webhook), json!({ "concourse_url": concourse.url() })), more);
    let inputs = inputs(&[]);
    put_step(&source, json!({ "alert_type": kind, "channel": "#a" }), inputs.path()).env("BUILD_NAME", name).run()
}

#[track_caller]
fn alerted(outcome: &Outcome) -> bool {
    let lines = metadata(outcome);
    let (_, value) = lines.iter().find(|(name, _)| name == "alerted").expect("a line of metadata");
    assert_eq!(outcome.json()["version"], json!({ "ver": "static" }));
    value == "true"
}

mod fixed_and_broke {
    use super::*;

    #[test]
    fn depend_on_the_outcome_of_the_previous_build() {
        for (status, fixed, broke) in [
            ("succeeded", false, true),
            ("failed", true, false),
            ("errored", true, false),
            ("aborted", true, false),
            ("started", true, false),
            ("pending", true, false),
        ] {
            for (kind, due) in [("fixed", fixed), ("broke", broke)] {
                let (concourse, webhook) = (Concourse::public(), Webhook::start());
                concourse.ended("41", status);
                let outcome = by_build(&concourse, &webhook, json!({}), kind, "42");
                assert_eq!(alerted(&outcome), due, "{kind} after {status}");
                assert_eq!(webhook.messages().len(), usize::from(due), "{kind} after {status}");
                assert_eq!(concourse.server().recorded_requests().len(), 1);
                assert!(
                    messages(&outcome).starts_with(&format!("build 41 of this job: {status}\n")),
                    "{}",
                    messages(&outcome)
                );
            }
        }
    }

    #[test]
    fn send_no_request_in_the_first_build() {
        let (concourse, webhook) = (Concourse::public(), Webhook::start());
        assert!(alerted(&by_build(&concourse, &webhook, json!({}), "fixed", "1")));
        let outcome = by_build(&concourse, &webhook, json!({}), "broke", "1");
        assert!(!alerted(&outcome));
        assert_eq!(messages(&outcome), "the status has not changed: no alert is sent\n");
        assert_eq!((concourse.server().connections(), webhook.messages().len()), (0, 1));
    }

    #[test]
    fn find_builds_with_unusual_names_and_instance_vars() {
        let webhook = Webhook::start();
        let concourse = Concourse::public();
        let vars = r#"{"branch":"x & y"}"#;
        concourse.ended_at("main", "delivery", "a/b c", "10", vars, "succeeded");
        let source = with(source(&webhook), json!({ "concourse_url": format!("{}/", concourse.url()) }));
        let inputs = inputs(&[]);
        let outcome = put_step(&source, json!({ "alert_type": "broke" }), inputs.path())
            .env("BUILD_NAME", "10.1")
            .env("BUILD_JOB_NAME", "a/b c")
            .env("BUILD_PIPELINE_INSTANCE_VARS", vars)
            .run();
        assert!(alerted(&outcome));
    }

    #[test]
    fn fail_without_a_message_when_the_previous_build_cannot_be_read() {
        let (concourse, webhook) = (Concourse::private("8.2.5", Era::Issuer), Webhook::start());
        let outcome = by_build(&concourse, &webhook, json!({}), "fixed", "42");
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: cannot get the status of build 41 of this job\n  \
             caused by: `GET http://127.0.0.1:[PORT]/api/v1/teams/main/pipelines/delivery/jobs/build/builds/41` answered 401 \
             Unauthorized\n  caused by: not authorized\n\
             hint: the pipeline is not public: set `username` and `password` of a local Concourse user in the source\n"
        );
        let (concourse, webhook) = (Concourse::public(), webhook);
        let outcome = by_build(&concourse, &webhook, json!({}), "fixed", "42");
        outcome.failed();
        assert!(messages(&outcome).contains("hint: the build does not exist (any more)"), "{}", messages(&outcome));
        assert!(webhook.messages().is_empty());
    }

    #[test]
    fn reject_one_off_builds() {
        let webhook = Webhook::start();
        let inputs = inputs(&[]);
        let step = put_step(&source(&webhook), json!({ "alert_type": "fixed" }), inputs.path());
        let outcome = step.without_env("BUILD_NAME").run();
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: this build has no name, so its previous build is unknown\n\
             hint: `fixed` and `broke` require a build of a job; a one-off build has no job\n"
        );
    }
}

mod logins {
    use super::*;

    fn user() -> Value {
        json!({ "username": USER.0, "password": USER.1 })
    }

    #[test]
    fn use_the_protocol_of_the_concourse_release() {
        for (version, era) in [
            ("3.14.1", Era::Team),
            ("4.2.3", Era::Sky),
            ("5.8.0", Era::Sky),
            ("6.0.0", Era::Sky),
            ("6.1.0", Era::IssuerId),
            ("6.4.1", Era::IssuerId),
            ("6.5.0", Era::Issuer),
            ("7.11.2", Era::Issuer),
            ("8.2.5", Era::Issuer),
        ] {
            let (concourse, webhook) = (Concourse::private(version, era), Webhook::start());
            concourse.ended("41", "failed");
            let outcome = by_build(&concourse, &webhook, user(), "fixed", "42");
            assert!(alerted(&outcome), "{version}");
            assert_eq!(concourse.server().recorded_requests().len(), 3, "{version}");
            // Credentials for Concourse are sent to Concourse only.
            assert!(
                webhook.server().recorded_requests().iter().all(|request| request.header("authorization").is_none())
            );
        }
    }

    #[test]
    fn require_local_users() {
        let (concourse, webhook) = (Concourse::private("8.2.5", Era::Issuer), Webhook::start());
        let of_oidc = json!({ "username": "ada@example.com", "password": "s1ngles1gn0n" });
        let outcome = by_build(&concourse, &webhook, of_oidc, "fixed", "42");
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: cannot get the status of build 41 of this job\n  \
             caused by: cannot log in to Concourse as `ada@example.com`\n  \
             caused by: `POST http://127.0.0.1:[PORT]/sky/issuer/token` answered 401 Unauthorized\n  \
             caused by: {\"error\":\"access_denied\",\"error_description\":\"Invalid username or password\"}\n\
             hint: `username` must be a local Concourse user (`--add-local-user`); users who log in with another service have no password in Concourse\n"
        );
        assert!(webhook.messages().is_empty());
    }

    #[test]
    fn leave_no_secrets() {
        let (concourse, webhook) = (Concourse::private("8.2.5", Era::Issuer), Webhook::start());
        let outcome = by_build(&concourse, &webhook, user(), "fixed", "42");
        outcome.failed();
        for secret in [USER.1, jetway_tests::concourse::ACCESS_TOKEN, webhook.secret()] {
            assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
        }
    }
}

#[test]
fn disabled_alerts_keep_their_version() {
    let outcome = put_with(&json!({ "disable": true }), json!({ "alert_type": "fixed" }), &[]);
    assert!(!alerted(&outcome));
    let outcome = Verb::check("slack").request(&json!({ "source": { "url": "https://x.example/y" } })).run();
    assert_eq!(outcome.json(), json!([]));
}
