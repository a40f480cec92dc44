//! Helpers: a project on GitHub with its repository, and functions that run verbs.

use std::fs;
use std::path::Path;

use jetway_tests::github::{GitHub, PullRequest, REPOSITORY, TOKEN};
use jetway_tests::http_git::HttpGit;
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A stand-in for a repository on GitHub: the API, and git over HTTP with the token as the password.
pub(crate) struct Project {
    pub(crate) github: GitHub,
    pub(crate) repository: Repository,
    pub(crate) server: HttpGit,
}

impl Project {
    /// A project whose `main` has one commit.
    pub(crate) fn new() -> Self {
        let repository = Repository::named("app");
        repository.commit("initial", &[("README.md", "one\ntwo\nthree\n")]);
        let server = HttpGit::builder(repository.root()).credentials("x-access-token", TOKEN).start();
        Self { github: GitHub::start(), repository, server }
    }

    pub(crate) fn source(&self) -> Value {
        with(source(&self.github), json!({ "uri": self.server.url("app.git") }))
    }

    /// Opens a pull request with one commit of these files on top of `main`. No branch has the commit, as for a pull request from
    /// a fork.
    pub(crate) fn open(&self, number: u64, files: &[(&str, &str)]) -> String {
        let main = self.repository.tip("main");
        self.push_from(number, &main, files)
    }

    /// Pushes a commit on top of `parent` to a pull request, which is opened if it does not exist.
    pub(crate) fn push_from(&self, number: u64, parent: &str, files: &[(&str, &str)]) -> String {
        let change = self.repository.change(&format!("change {number}\n\nin two paragraphs")).on("temporary");
        let head =
            files.iter().fold(change.from(parent), |change, (path, content)| change.write(path, content)).commit();
        self.repository.git(&["update-ref", &format!("refs/pull/{number}/head"), &head]);
        self.repository.delete_branch("temporary");
        let mut pull = PullRequest::new(number, &head);
        pull.base_sha = self.repository.tip("main");
        pull.files = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        self.github.put_pull(pull);
        head
    }

    /// Runs a get into a new directory.
    pub(crate) fn get(&self, number: u64, commit: &str, params: Value) -> (TempDir, Outcome) {
        let directory = scratch::directory();
        let outcome = get(&self.source(), &version(number, commit), params, directory.path());
        (directory, outcome)
    }
}

/// `value` with the entries of `more`, which override its own.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let (Some(entries), Value::Object(more)) = (value.as_object_mut(), more) else { panic!("objects are merged") };
    entries.extend(more);
    value
}

/// A source for the stand-in's repository.
pub(crate) fn source(github: &GitHub) -> Value {
    json!({ "repository": REPOSITORY, "access_token": TOKEN, "v3_endpoint": github.url() })
}

/// The version of a pull request whose commit has the time that [`PullRequest::new`] sets.
pub(crate) fn version(number: u64, commit: &str) -> Value {
    json!({ "pr": number.to_string(), "commit": commit, "committed": "2026-01-01T09:00:00Z" })
}

/// Runs a check in a new container.
pub(crate) fn check(source: &Value, version: Option<&Value>) -> Outcome {
    check_in(&Container::new(), source, version)
}

/// Runs a check in this container, which an earlier check may have used.
pub(crate) fn check_in(container: &Container, source: &Value, version: Option<&Value>) -> Outcome {
    Verb::check("github-pr").container(container).request(&json!({ "source": source, "version": version })).run()
}

/// The numbers of the pull requests that a check returned.
#[track_caller]
pub(crate) fn numbers(outcome: &Outcome) -> Vec<u64> {
    let versions = outcome.json();
    versions.as_array().unwrap().iter().map(|version| version["pr"].as_str().unwrap().parse().unwrap()).collect()
}

/// Runs a get into `destination`.
pub(crate) fn get(source: &Value, version: &Value, params: Value, destination: &Path) -> Outcome {
    let request = json!({ "source": source, "version": version, "params": params });
    Verb::get("github-pr").dir(destination).request(&request).run()
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
    Verb::put("github-pr").dir(inputs).request(&json!({ "source": source, "params": params }))
}

/// Runs a put.
pub(crate) fn put(source: &Value, params: Value, inputs: &Path) -> Outcome {
    put_step(source, params, inputs).run()
}

/// The content of a file that a get wrote into `.git/resource`.
#[track_caller]
pub(crate) fn file(directory: &Path, name: &str) -> String {
    let path = directory.join(".git/resource").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The output on standard error, without colours, ports and temporary paths.
pub(crate) fn messages(outcome: &Outcome) -> String {
    let rendered = outcome.view().render();
    let (_, messages) = rendered.split_once("----- stderr -----\n").expect("a rendered outcome");
    messages.to_owned()
}
