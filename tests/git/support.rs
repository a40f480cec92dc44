//! Builds sources, requests and repositories, and reads outcomes.

use jetway_tests::http_git::HttpGit;
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};

/// A source that follows `main`, without filters.
pub(crate) fn source(uri: &str) -> Value {
    json!({ "uri": uri, "branch": "main" })
}

/// Adds the entries of `more` to `value`. They override existing ones.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let (Some(entries), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects are merged") };
    entries.extend(more);
    value
}

/// Runs a check.
pub(crate) fn check(source: &Value, version: Option<&str>) -> Outcome {
    check_in(&Container::new(), source, version)
}

/// Runs a check in a container that may have a cache.
pub(crate) fn check_in(container: &Container, source: &Value, version: Option<&str>) -> Outcome {
    let version = version.map(|version| json!({ "ref": version }));
    let request = json!({ "source": source, "version": version });
    Verb::check("git").container(container).request(&request).run()
}

/// The positions in `commits` of the versions that a first check returns. A check from the first commit must return it and the same
/// newer ones.
#[track_caller]
pub(crate) fn version_positions(source: &Value, commits: &[String]) -> Vec<usize> {
    let found = refs(&check(&with(source.clone(), json!({ "version_depth": 99 })), None));
    let since = refs(&check(source, Some(&commits[0])));
    let newer = found.iter().filter(|commit| **commit != commits[0]);
    assert_eq!(since, [&commits[0]].into_iter().chain(newer).cloned().collect::<Vec<_>>());
    found.iter().map(|found| commits.iter().position(|commit| commit == found).expect("a commit")).collect()
}

/// The refs that a check printed.
#[track_caller]
pub(crate) fn refs(outcome: &Outcome) -> Vec<String> {
    let versions = outcome.json();
    let versions = versions.as_array().expect("a check prints a list");
    versions.iter().map(|version| version["ref"].as_str().expect("a ref").to_owned()).collect()
}

/// The messages of the verb on stderr, without colours, ports and temporary paths.
pub(crate) fn messages(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, messages) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    messages.to_owned()
}

/// Creates a repository with a commit for each message; returns the commits, oldest first. Each commit adds a file.
pub(crate) fn history(messages: &[&str]) -> (Repository, Vec<String>) {
    let repository = Repository::new();
    let commit = |(index, message): (usize, &&str)| {
        let name = format!("file-{index}");
        repository.commit(message, &[(&name, message)])
    };
    let commits = messages.iter().enumerate().map(commit).collect();
    (repository, commits)
}

/// Starts a server for the repository; returns the server and the address.
pub(crate) fn serve(repository: &Repository) -> (HttpGit, String) {
    let server = HttpGit::serve(repository.root());
    let url = server.url(repository.name());
    (server, url)
}

/// Builds the request of a get or put.
pub(crate) fn request(source: &Value, version: Option<&str>, params: &Value) -> Value {
    let version = version.map(|version| json!({ "ref": version }));
    json!({ "source": source, "version": version, "params": params })
}
