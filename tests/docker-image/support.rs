//! Helpers for requests and responses.

use std::path::Path;

use jetway_tests::registry::Registry;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

/// Runs a check.
pub(crate) fn check(kind: &str, source: &Value, version: Option<&Value>) -> Outcome {
    let mut request = json!({ "source": source });
    if let Some(version) = version {
        request["version"] = version.clone();
    }
    Verb::check(kind).request(&request).run()
}

/// Runs a put.
pub(crate) fn put(kind: &str, source: &Value, params: &Value, inputs: &Path) -> Outcome {
    Verb::put(kind).request(&json!({ "source": source, "params": params })).dir(inputs).run()
}

/// Runs a get.
pub(crate) fn get(kind: &str, source: &Value, version: &Value, params: Value, target: &Path) -> Outcome {
    let request = json!({ "source": source, "version": version, "params": params });
    Verb::get(kind).dir(target).request(&request).run()
}

/// The content of a file.
pub(crate) fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("read {name}: {error}"))
}

/// The source of a repository.
pub(crate) fn source(registry: &Registry, path: &str, more: Value) -> Value {
    let mut source = json!({ "repository": registry.repository(path) });
    merge(&mut source, more);
    source
}

/// Adds keys to an object.
pub(crate) fn merge(to: &mut Value, more: Value) {
    let (to, more) = (to.as_object_mut().expect("an object"), more);
    for (key, value) in more.as_object().expect("an object") {
        to.insert(key.clone(), value.clone());
    }
}

/// The tags in a response.
#[track_caller]
pub(crate) fn tags(outcome: &Outcome) -> Vec<String> {
    let answer = outcome.json();
    let versions = answer.as_array().expect("a list").iter();
    versions.map(|version| version["tag"].as_str().expect("a tag").to_owned()).collect()
}

/// The output on standard error, without colours, ports and the digests of this run.
pub(crate) fn messages(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, messages) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    messages.to_owned()
}
