//! Helpers for requests and messages.

use std::fs;
use std::path::Path;

use jetway_tests::scratch;
use jetway_tests::slack::{BOT, SlackApi, Webhook};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `value` with the entries of `more`, which override its own.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let (Some(entries), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects are merged") };
    entries.extend(more);
    value
}

/// The source of a webhook.
pub(crate) fn source(webhook: &Webhook) -> Value {
    json!({ "url": webhook.url() })
}

/// The source of a bot.
pub(crate) fn bot(api: &SlackApi) -> Value {
    json!({ "token": BOT, "api_url": api.url() })
}

/// A directory of inputs with these files.
pub(crate) fn inputs(files: &[(&str, &str)]) -> TempDir {
    let inputs = scratch::directory();
    for (path, content) in files {
        let path = inputs.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("make a directory");
        fs::write(path, content).expect("write an input");
    }
    inputs
}

/// A put, not started yet.
pub(crate) fn put_step(source: &Value, params: Value, inputs: &Path) -> Verb {
    Verb::put("slack").dir(inputs).request(&json!({ "source": source, "params": params }))
}

/// Runs a put without inputs.
pub(crate) fn put(source: &Value, params: Value) -> Outcome {
    put_with(source, params, &[])
}

/// Runs a put with inputs.
pub(crate) fn put_with(source: &Value, params: Value, files: &[(&str, &str)]) -> Outcome {
    let inputs = inputs(files);
    put_step(source, params, inputs.path()).run()
}

/// The message that a webhook gets from a successful put.
#[track_caller]
pub(crate) fn message(params: Value, files: &[(&str, &str)]) -> Value {
    let webhook = Webhook::start();
    let outcome = put_with(&source(&webhook), params, files);
    outcome.succeeded();
    let messages = webhook.messages();
    assert_eq!(messages.len(), 1, "{messages:?}\n{}", outcome.stderr);
    messages[0].clone()
}

/// The output on standard error, without colours, ports and temporary paths.
pub(crate) fn messages(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, messages) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    messages.to_owned()
}

/// The metadata of a put, by name.
#[track_caller]
pub(crate) fn metadata(outcome: &Outcome) -> Vec<(String, String)> {
    let answer = outcome.json();
    let lines = answer["metadata"].as_array().expect("metadata").iter();
    let text = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    lines.map(|line| (text(line, "name"), text(line, "value"))).collect()
}
