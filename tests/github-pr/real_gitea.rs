//! Pull requests on a real Gitea, whose REST API is used in place of GitHub's GraphQL API.

mod check;
mod get;
mod put;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jetway_tests::gitea::{Gitea, GiteaRepository, PASSWORD, USER, gitea};
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Outcome};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, check_in, file, get, inputs, messages, numbers, put, with};

/// Another user than the owner of the repositories.
const OTHER: &str = "grace";

/// More items than the tests' Gitea sends in a page.
const MORE_THAN_A_PAGE: u64 = 12;

/// How long Gitea may take for its work after a push or before a merge.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A repository on the server, and the local one that its commits come from.
struct Project {
    gitea: &'static Gitea,
    remote: GiteaRepository,
    local: Repository,
}

impl Project {
    /// A project whose `main` has one commit; `None` when no Gitea can run here.
    fn new() -> Option<Self> {
        let gitea = gitea()?;
        let local = Repository::named("app");
        local.commit("initial", &[("README.md", "one\ntwo\nthree\n")]);
        let remote = gitea.repository_of(&local);
        Some(Self { gitea, remote, local })
    }

    fn source(&self) -> Value {
        json!({
            "repository": self.remote.full_name(), "access_token": self.gitea.token(),
            "v3_endpoint": format!("{}/api/v1", self.gitea.url()),
        })
    }

    /// Pushes a branch to a repository, by default with force.
    fn push(&self, url: &str, branch: &str) {
        self.local.git(&["push", "-q", "--force", url, &format!("refs/heads/{branch}")]);
    }

    /// Commits files on top of `parent` to the branch of a pull request, pushes it, and waits until the pull request has it.
    fn push_from(&self, number: u64, branch: &str, parent: &str, files: &[(&str, &str)]) -> String {
        let head = self.commit(branch, parent, files);
        self.push(&self.remote.url_with_login(), branch);
        self.wait_for_head(number, &head);
        head
    }

    fn commit(&self, branch: &str, parent: &str, files: &[(&str, &str)]) -> String {
        let change = self.local.change(&format!("change {branch}\n\nin two paragraphs")).on(branch).from(parent);
        files.iter().fold(change, |change, (path, content)| change.write(path, content)).commit()
    }

    /// Opens a pull request of a new branch with one commit on top of `main`.
    fn open(&self, branch: &str, files: &[(&str, &str)]) -> (u64, String) {
        let head = self.commit(branch, "main", files);
        self.push(&self.remote.url_with_login(), branch);
        (self.request(branch, "main", &format!("Change {branch}")), head)
    }

    /// Opens a pull request of a branch on the server.
    fn request(&self, branch: &str, base: &str, title: &str) -> u64 {
        let body = json!({ "head": branch, "base": base, "title": title });
        self.create("/pulls", &body)["number"].as_u64().unwrap()
    }

    /// Creates an object that may need what Gitea has not yet taken from a push.
    fn create(&self, path: &str, body: &Value) -> Value {
        let path = format!("/repos/{}{path}", self.remote.full_name());
        let begin = Instant::now();
        loop {
            match self.gitea.request("POST", &path, Some(body)) {
                (201 | 202, answer) => return serde_json::from_str(&answer).unwrap(),
                (status, answer) => assert!(begin.elapsed() < MAX_WAIT, "{path}: {status} {answer}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Opens a pull request from a fork of [`OTHER`].
    fn open_from_fork(&self, branch: &str, files: &[(&str, &str)]) -> (u64, String) {
        self.add_other();
        let head = self.commit(branch, "main", files);
        let sudo = |path: &str| format!("{path}?sudo={OTHER}");
        let fork = self.create(&sudo("/forks"), &json!({}))["full_name"].clone();
        let url = format!("{}/{}.git", self.gitea.url(), fork.as_str().unwrap());
        self.push(&url.replacen("http://", &format!("http://{USER}:{PASSWORD}@"), 1), branch);
        let body = json!({ "head": format!("{OTHER}:{branch}"), "base": "main", "title": format!("Change {branch}") });
        (self.create(&sudo("/pulls"), &body)["number"].as_u64().unwrap(), head)
    }

    fn add_other(&self) {
        let user = json!({
            "username": OTHER, "email": format!("{OTHER}@example.com"), "password": PASSWORD,
            "must_change_password": false,
        });
        // Another test may have added the user.
        eventually(|| matches!(self.gitea.request("POST", "/admin/users", Some(&user)).0, 201 | 422));
    }

    fn change(&self, number: u64, change: Value) {
        self.remote.api("PATCH", &format!("/pulls/{number}"), Some(&change));
    }

    fn review(&self, number: u64, event: &str) -> u64 {
        self.add_other();
        let review = json!({ "event": event, "body": "read" });
        let path = format!("/pulls/{number}/reviews?sudo={OTHER}");
        self.remote.api("POST", &path, Some(&review))["id"].as_u64().unwrap()
    }

    fn merge(&self, number: u64) {
        // Gitea refuses until it has tried the merge itself.
        eventually(|| {
            let path = format!("/repos/{}/pulls/{number}/merge", self.remote.full_name());
            self.gitea.request("POST", &path, Some(&json!({ "Do": "merge" }))).0 == 200
        });
    }

    fn wait_for_head(&self, number: u64, head: &str) {
        eventually(|| self.remote.resolve(&format!("refs/pull/{number}/head")).as_deref() == Some(head));
    }

    /// The version of a head commit.
    fn version(&self, number: u64, commit: &str) -> Value {
        let time = self.local.git(&["show", "-s", "--date=format:%Y-%m-%dT%H:%M:%SZ", "--format=%cd", commit]);
        json!({ "pr": number.to_string(), "commit": commit, "committed": time })
    }

    fn get(&self, version: &Value, params: Value) -> (TempDir, Outcome) {
        let directory = scratch::directory();
        let outcome = get(&self.source(), version, params, directory.path());
        (directory, outcome)
    }

    fn statuses(&self, commit: &str) -> Vec<Value> {
        self.remote.api("GET", &format!("/commits/{commit}/statuses"), None).as_array().unwrap().clone()
    }

    fn comments(&self, number: u64) -> Vec<String> {
        let found = self.remote.api("GET", &format!("/issues/{number}/comments"), None);
        found.as_array().unwrap().iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }
}

#[track_caller]
fn eventually(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < MAX_WAIT, "Gitea takes too long");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until Gitea's clock, which counts seconds, shows another time.
fn next_second() {
    std::thread::sleep(Duration::from_millis(1100));
}

fn text(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap()
}

/// The last version of a check, as Concourse gives it to the next one.
#[track_caller]
fn last(outcome: &Outcome) -> Value {
    outcome.json().as_array().unwrap().last().unwrap().clone()
}
