//! The examples of the README, run against the stand-ins.

use std::path::Path;
use std::process::Command;

use jetway_tests::concourse::{Concourse, USER};
use jetway_tests::slack::{BOT, SlackApi, Webhook};
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};

use crate::support::inputs;

const README: &str = include_str!("../../resources/slack/README.md");

/// The YAML blocks, in order.
fn examples() -> Vec<String> {
    let mut examples = Vec::new();
    let mut rest = README;
    while let Some((_, after)) = rest.split_once("```yaml\n") {
        let (block, after) = after.split_once("```").expect("a block ends");
        examples.push(block.to_owned());
        rest = after;
    }
    examples
}

/// A pipeline with a step of the README.
fn pipeline(block: &str) -> String {
    let plan = block.trim_end().replace('\n', "\n  ");
    format!(
        "resources:\n- {{name: slack, type: slack, source: {{url: ((slack_webhook))}}}}\njobs:\n- name: build\n  plan:\n  {plan}\n"
    )
}

/// Runs a put of a pipeline's job with the `jetway` command, with the environment of a build, and returns the version.
#[track_caller]
fn put(pipeline: &str, arguments: &[&str], vars: &[(&str, &str)], inputs: &Path) -> Value {
    let directory = scratch::directory();
    let file = directory.path().join("pipeline.yml");
    std::fs::write(&file, pipeline).expect("write the pipeline");
    let mut command = Command::new(binaries::named("jetway"));
    command.args(["put", "--pipeline"]).arg(&file).args(arguments);
    for (name, value) in vars {
        command.arg("--var").arg(format!("{name}={value}"));
    }
    let build = [
        ("ATC_EXTERNAL_URL", "https://ci.example.com"),
        ("BUILD_ID", "4242"),
        ("BUILD_JOB_NAME", "build"),
        ("BUILD_NAME", "42"),
        ("BUILD_PIPELINE_NAME", "delivery"),
        ("BUILD_TEAM_NAME", "main"),
        ("BUILD_URL", "https://ci.example.com/builds/4242"),
        ("BUILD_CREATED_BY", "ada"),
    ];
    let output = command.arg(inputs).env_clear().envs(build).output().expect("run jetway");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    answer["version"].clone()
}

/// The message that the webhook of an example gets.
#[track_caller]
fn message(pipeline: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let webhook = Webhook::start();
    let inputs = inputs(files);
    let arguments = ["--resource", "slack", "--job", "build"];
    put(pipeline, &arguments, &[("slack_webhook", &webhook.url())], inputs.path());
    webhook.messages()
}

#[test]
fn all_examples_are_covered() {
    assert_eq!(examples().len(), 6, "an example has come or gone: its case belongs here");
}

#[test]
fn first_message_is_sent() {
    let text = "delivery/build #42: https://ci.example.com/builds/4242\n";
    assert_eq!(message(&examples()[0], &[]), [json!({ "channel": "#builds", "text": text })]);
}

#[test]
fn texts_and_variables_are_sent() {
    let files = [("result/message.txt", "All 12 tests pass.\n"), ("result/variables", "VERSION=1.2.3\n")];
    let message_to = |channel: &str| {
        json!({
            "channel": channel, "text": "*build* #42 of version 1.2.3\nAll 12 tests pass.\n", "username": "main bot",
            "icon_emoji": ":rocket:",
            "attachments": [{
                "color": "good", "fields": [{ "title": "Version", "value": "1.2.3", "short": true }],
            }],
        })
    };
    assert_eq!(message(&pipeline(&examples()[1]), &files), [message_to("#builds"), message_to("@ada")]);
}

#[test]
fn blocks_of_a_file_are_sent() {
    let files = [
        ("result/channels", "#releases\n"),
        ("result/blocks.json", r#"[{"type": "header", "text": {"type": "plain_text", "text": "Build $BUILD_NAME"}}]"#),
    ];
    let message_to = |channel: &str| {
        json!({
            "channel": channel,
            "text": "A notification for those who see no blocks: https://ci.example.com/builds/4242\n",
            "blocks": [{ "type": "header", "text": { "type": "plain_text", "text": "Build 42" } }],
        })
    };
    assert_eq!(message(&pipeline(&examples()[2]), &files), [message_to("#builds"), message_to("#releases")]);
}

#[test]
fn untrusted_texts_are_escaped() {
    let files = [("code/.git/commit_message", "Mend <!channel> for $BUILD_NAME\n")];
    assert_eq!(
        message(&pipeline(&examples()[3]), &files),
        [json!({ "text": "Mend &lt;!channel&gt; for $BUILD_NAME\n" })]
    );
}

#[test]
fn alerts_are_sent() {
    let concourse = Concourse::private("8.2.5", jetway_tests::concourse::Era::Issuer);
    let example = examples()[4].replace("https://ci.example.com", &concourse.url());
    let put = |step: &str| {
        let webhook = Webhook::start();
        let inputs = inputs(&[]);
        let vars = [("slack_webhook", webhook.url()), ("ci_bot_password", USER.1.to_owned())];
        let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
        let arguments = ["--resource", "slack", "--job", "build", "--step", step];
        assert_eq!(super::readme::put(&example, &arguments, &vars, inputs.path()), json!({ "ver": "static" }));
        let messages = webhook.messages();
        messages.first().map(|message| {
            let alert = &message["attachments"][0];
            (message["channel"].clone(), alert["author_name"].clone(), alert["text"].clone())
        })
    };
    let sent = |channel: &str, headline: &str, text: &str| Some((json!(channel), json!(headline), json!(text)));
    concourse.ended("41", "succeeded");
    assert_eq!(put("1"), sent("#builds", "Started", "Ordered by ada"));
    assert_eq!(put("2"), None);
    assert_eq!(put("3"), sent("#alerts", "Main is broken", ""));
    concourse.ended("41", "failed");
    assert_eq!(put("2"), sent("#builds", "Fixed", ""));
    assert_eq!(put("3"), None);
}

#[test]
fn threads_updates_and_reactions_are_sent() {
    let api = SlackApi::start();
    let example = examples()[5]
        .replace(
            "    token: ((slack_bot_token))\n",
            &format!("    token: ((slack_bot_token))\n    api_url: {}\n", api.url()),
        )
        // The channel in the stand-in's workspace.
        .replace("#releases", "#builds");
    let inputs = inputs(&[]);
    let put = |step: &str| {
        let arguments = ["--resource", "deployment", "--job", "deploy", "--step", step];
        super::readme::put(&example, &arguments, &[("slack_bot_token", BOT)], inputs.path())
    };
    let reactions = || api.messages()[0].reactions.iter().cloned().collect::<Vec<_>>();
    let version = put("deployment");
    assert_eq!(version, json!({ "channel": "C0BUILDS", "ts": "1700000000.000001" }));
    assert_eq!(reactions(), ["hourglass"]);
    std::fs::create_dir(inputs.path().join("deployment")).expect("make a directory");
    for name in ["channel", "ts"] {
        let path = inputs.path().join("deployment").join(name);
        std::fs::write(path, version[name].as_str().expect("text")).expect("write a file");
    }
    put("details");
    assert_eq!(api.messages()[1].body["text"], "<@U0ADA> Logs: https://ci.example.com/builds/4242\n");
    assert_eq!(api.messages()[1].body["thread_ts"], "1700000000.000001");
    assert_eq!(put("failed"), version);
    assert_eq!(reactions(), ["x"]);
    assert_eq!(put("done"), version);
    assert_eq!(api.messages()[0].body["text"], "Deployed 42\n");
    assert_eq!(reactions(), ["white_check_mark", "x"]);
    assert_eq!(api.messages().len(), 2);
}
