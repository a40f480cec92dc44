//! What the cases share: requests and messages in a line each.

use jetway_tests::http_git::HttpGit;
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};

/// The source of a repository's `main`, without filters of any kind.
pub(crate) fn source(uri: &str) -> Value {
    json!({ "uri": uri, "branch": "main" })
}

/// `value` with the entries of `more` over its own.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let (Some(entries), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects are merged") };
    entries.extend(more);
    value
}

/// Runs a check.
pub(crate) fn check(source: &Value, version: Option<&str>) -> Outcome {
    check_in(&Container::new(), source, version)
}

/// Runs a check in a container that may have been used before.
pub(crate) fn check_in(container: &Container, source: &Value, version: Option<&str>) -> Outcome {
    let version = version.map(|version| json!({ "ref": version }));
    let request = json!({ "source": source, "version": version });
    Verb::check("git").container(container).request(&request).run()
}

/// The refs that a check printed.
#[track_caller]
pub(crate) fn refs(outcome: &Outcome) -> Vec<String> {
    let versions = outcome.json();
    let versions = versions.as_array().expect("a check prints a list");
    versions.iter().map(|version| version["ref"].as_str().expect("a ref").to_owned()).collect()
}

/// What the verb told people, without colours, ports and temporary paths.
pub(crate) fn said(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, said) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    said.to_owned()
}

/// A repository with one commit for each message, each with a file of its own, oldest first.
pub(crate) fn history(messages: &[&str]) -> (Repository, Vec<String>) {
    let repository = Repository::new();
    let commit = |(index, message): (usize, &&str)| {
        let name = format!("file-{index}");
        repository.commit(message, &[(&name, message)])
    };
    let commits = messages.iter().enumerate().map(commit).collect();
    (repository, commits)
}

/// The repository behind a server of its own, and its address there.
pub(crate) fn serve(repository: &Repository) -> (HttpGit, String) {
    let server = HttpGit::serve(repository.root());
    let url = server.url(repository.name());
    (server, url)
}

/// A request for a get or put.
pub(crate) fn request(source: &Value, version: Option<&str>, params: &Value) -> Value {
    let version = version.map(|version| json!({ "ref": version }));
    json!({ "source": source, "version": version, "params": params })
}
