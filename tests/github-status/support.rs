//! Helpers for requests and messages.

use std::fs;
use std::path::Path;

use jetway_tests::github::{GitHub, REPOSITORY, TOKEN};
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `value` with the entries of `more`, which override its own.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let (Some(entries), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects are merged") };
    entries.extend(more);
    value
}

/// A source for the stand-in's repository, on `main`.
pub(crate) fn source(github: &GitHub) -> Value {
    json!({ "repository": REPOSITORY, "access_token": TOKEN, "endpoint": github.url(), "branch": "main" })
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
    Verb::put("github-status").dir(inputs).request(&json!({ "source": source, "params": params }))
}

/// Runs a put with inputs.
pub(crate) fn put_with(source: &Value, params: Value, files: &[(&str, &str)]) -> Outcome {
    let inputs = inputs(files);
    put_step(source, params, inputs.path()).run()
}

/// Runs a put without inputs.
pub(crate) fn put(source: &Value, params: Value) -> Outcome {
    put_with(source, params, &[])
}

/// Runs a check.
pub(crate) fn check(source: &Value, version: Option<&Value>) -> Outcome {
    check_in(&Container::new(), source, version)
}

/// Runs a check in this container, which an earlier check may have used.
pub(crate) fn check_in(container: &Container, source: &Value, version: Option<&Value>) -> Outcome {
    Verb::check("github-status").container(container).request(&json!({ "source": source, "version": version })).run()
}

/// Runs a get into `destination`.
pub(crate) fn get(source: &Value, version: &Value, destination: &Path) -> Outcome {
    Verb::get("github-status").dir(destination).request(&json!({ "source": source, "version": version })).run()
}

/// The version of a status.
pub(crate) fn version(commit: &str, status: u64) -> Value {
    json!({ "commit": commit, "status": status.to_string() })
}

/// The output on standard error, without colours, ports and temporary paths.
pub(crate) fn messages(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, messages) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    messages.to_owned()
}

/// The metadata of a get or put, by name.
#[track_caller]
pub(crate) fn metadata(outcome: &Outcome) -> Vec<(String, String)> {
    let answer = outcome.json();
    let lines = answer["metadata"].as_array().expect("metadata").iter();
    let text = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    lines.map(|line| (text(line, "name"), text(line, "value"))).collect()
}
