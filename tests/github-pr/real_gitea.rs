//! Pull requests on a real Gitea, whose REST API is used in place of GitHub's GraphQL API.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jetway_tests::gitea::{Gitea, GiteaRepository, PASSWORD, USER, gitea};
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Outcome};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, check_in, file, get, inputs, numbers, put, said, with};

/// Another user than the owner of the repositories.
const OTHER: &str = "grace";

/// More items than the tests' Gitea sends in a page.
const MORE_THAN_A_PAGE: u64 = 12;

/// How long Gitea may take for its work after a push or before a merge.
const PATIENCE: Duration = Duration::from_secs(30);

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
                (status, answer) => assert!(begin.elapsed() < PATIENCE, "{path}: {status} {answer}"),
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
        assert!(begin.elapsed() < PATIENCE, "Gitea takes too long");
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

mod check {
    use super::*;

    #[test]
    fn returns_the_latest_update_at_first() {
        let Some(project) = Project::new() else { return };
        assert_eq!(check(&project.source(), None).json(), json!([]));
        project.open("one", &[("1", "1")]);
        let (number, head) = project.open("two", &[("2", "2")]);
        let found = check(&project.source(), None).json();
        assert_eq!(found, json!([project.version(number, &head)]));
        assert_eq!(check(&project.source(), Some(&found[0])).json()[0], found[0]);
    }

    #[test]
    fn push_with_an_older_commit_date_is_found() {
        let Some(project) = Project::new() else { return };
        let container = Container::new();
        let (first, _) = project.open("one", &[("1", "1")]);
        let known = last(&check_in(&container, &project.source(), None));
        project.local.set_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(1_400_000_000));
        let (second, _) = project.open("two", &[("2", "2")]);
        let outcome = check_in(&container, &project.source(), Some(&known));
        assert_eq!(numbers(&outcome), [first, second]);
        let known = last(&outcome);
        assert_eq!(known["committed"], "2014-05-13T16:53:20Z");
        // A push with force of another old commit, and a third pull request with one that is older still.
        project.local.set_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(1_300_000_000));
        let head = project.push_from(first, "one", "main", &[("1", "again")]);
        let (third, _) = project.open("three", &[("3", "3")]);
        let outcome = check_in(&container, &project.source(), Some(&known));
        let mut found = numbers(&outcome);
        assert_eq!((found.remove(0), outcome.json().as_array().unwrap().len()), (second, 3));
        found.sort_unstable();
        assert_eq!(found, [first, third]);
        assert!(outcome.json().as_array().unwrap().contains(&project.version(first, &head)), "{:#}", outcome.json());
        // Each once, and a comment is no version.
        project.remote.api("POST", &format!("/issues/{first}/comments"), Some(&json!({ "body": "a comment" })));
        assert_eq!(numbers(&check_in(&container, &project.source(), Some(&last(&outcome)))).len(), 1);
    }

    #[test]
    fn new_container_returns_doubtful_heads_one_at_a_time() {
        let Some(project) = Project::new() else { return };
        let (first, head) = project.open("one", &[("1", "1")]);
        let (second, _) = project.open("two", &[("2", "2")]);
        let (third, third_head) = project.open("three", &[("3", "3")]);
        let known = project.version(first, &head);
        let outcome = check(&project.source(), Some(&known));
        assert_eq!(numbers(&outcome), [first, third]);
        let container = Container::new();
        let outcome = check_in(&container, &project.source(), Some(&last(&outcome)));
        let [given, next] = numbers(&outcome)[..] else { panic!("{:#}", outcome.json()) };
        assert_eq!((given, next), (third, second));
        // The given version's pull request is closed: it is in no list, and the check finds it all the same.
        project.change(third, json!({ "state": "closed" }));
        assert_eq!(numbers(&check(&project.source(), Some(&project.version(third, &third_head)))), [third, second]);
    }

    #[test]
    fn reads_all_pages() {
        let Some(project) = Project::new() else { return };
        for number in 1..=MORE_THAN_A_PAGE {
            let branch = format!("branch-{number}");
            project.commit(&branch, "main", &[("number", &branch)]);
        }
        project.remote.push_all(project.local.path());
        let container = Container::new();
        let first = project.request("branch-1", "main", "first");
        let known = last(&check_in(&container, &project.source(), None));
        for number in 2..=MORE_THAN_A_PAGE {
            project.request(&format!("branch-{number}"), "main", "another");
        }
        let found = numbers(&check_in(&container, &project.source(), Some(&known)));
        assert_eq!(found, (first..first + MORE_THAN_A_PAGE).collect::<Vec<u64>>());
    }

    #[test]
    fn filters_by_label_base_branch_draft_and_title() {
        let Some(project) = Project::new() else { return };
        let sources = [
            json!({}),
            json!({ "disable_ci_skip": true }),
            json!({ "labels": ["ready"] }),
            json!({ "base_branch": "v1" }),
            json!({ "base_branch": "main", "ignore_drafts": true }),
        ];
        let sources = sources.map(|more| (with(project.source(), more), Container::new()));
        for (source, container) in &sources {
            assert_eq!(check_in(container, source, None).json(), json!([]));
        }
        project.local.branch("v1", "main");
        project.push(&project.remote.url_with_login(), "v1");
        let label = json!({ "name": "Ready", "color": "#00ff00" });
        let label = project.remote.api("POST", "/labels", Some(&label))["id"].clone();
        let (labelled, _) = project.open("labelled", &[("1", "1")]);
        project.remote.api("POST", &format!("/issues/{labelled}/labels"), Some(&json!({ "labels": [label] })));
        project.commit("into-v1", "main", &[("2", "2")]);
        project.push(&project.remote.url_with_login(), "into-v1");
        let into_v1 = project.request("into-v1", "v1", "Into v1");
        let (draft, _) = project.open("draft", &[("3", "3")]);
        project.change(draft, json!({ "title": "WIP: change" }));
        let (skipped, _) = project.open("skipped", &[("4", "4")]);
        project.change(skipped, json!({ "title": "A change [skip ci]" }));
        let change = project.local.change("a change [CI skip]").on("skipped-too").from("main").write("5", "5");
        change.commit();
        project.push(&project.remote.url_with_login(), "skipped-too");
        let skipped_too = project.request("skipped-too", "main", "A change");
        let expected = [
            vec![labelled, into_v1, draft],
            vec![labelled, into_v1, draft, skipped, skipped_too],
            vec![labelled],
            vec![into_v1],
            vec![labelled],
        ];
        for ((source, container), expected) in sources.iter().zip(expected) {
            let mut found = numbers(&check_in(container, source, None));
            found.sort_unstable();
            assert_eq!(found, expected, "{source:#}");
        }
    }

    #[test]
    fn label_and_end_of_a_draft_make_a_version() {
        let Some(project) = Project::new() else { return };
        let source = with(project.source(), json!({ "ignore_drafts": true }));
        let container = Container::new();
        assert_eq!(check_in(&container, &source, None).json(), json!([]));
        let (number, head) = project.open("draft", &[("1", "1")]);
        project.change(number, json!({ "title": "WIP: change" }));
        assert_eq!(check_in(&container, &source, None).json(), json!([]));
        project.change(number, json!({ "title": "change" }));
        assert_eq!(check_in(&container, &source, None).json(), json!([project.version(number, &head)]));
    }

    #[test]
    fn filters_by_paths() {
        let Some(project) = Project::new() else { return };
        let source = with(project.source(), json!({ "paths": ["src"], "ignore_paths": ["**/*.md"] }));
        let container = Container::new();
        assert_eq!(check_in(&container, &source, None).json(), json!([]));
        let names: Vec<String> = (0..MORE_THAN_A_PAGE).map(|number| format!("docs/{number:02}")).collect();
        let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "text")).collect();
        project.open("docs", &files);
        project.open("text", &[("src/README.md", "text")]);
        // The file that counts is on the second page.
        files.push(("src/main", "code"));
        let (number, head) = project.open("code", &files);
        let found = check_in(&container, &source, None).json();
        assert_eq!(found, json!([project.version(number, &head)]));
        assert_eq!(check_in(&container, &source, Some(&found[0])).json(), found);
    }

    #[test]
    fn forks_are_found_unless_disabled() {
        let Some(project) = Project::new() else { return };
        let (container, another) = (Container::new(), Container::new());
        let own = with(project.source(), json!({ "disable_forks": true }));
        for source in [&project.source(), &own] {
            let container = if *source == own { &another } else { &container };
            assert_eq!(check_in(container, source, None).json(), json!([]));
        }
        let (fork, head) = project.open_from_fork("fork", &[("1", "1")]);
        let (branch, _) = project.open("branch", &[("2", "2")]);
        let outcome = check_in(&container, &project.source(), None);
        assert_eq!(numbers(&outcome), [fork, branch]);
        assert_eq!(outcome.json()[0], project.version(fork, &head));
        assert_eq!(numbers(&check_in(&another, &own, None)), [branch]);
        // A push to Gitea's `refs/for/main` needs no right to push, as a fork.
        project.commit("agit", "main", &[("3", "3")]);
        let push = ["push", "-q", &project.remote.url_with_login(), "agit:refs/for/main/topic"];
        project.local.git(&push);
        assert_eq!(numbers(&check_in(&another, &own, None)), [branch]);
        assert_eq!(numbers(&check_in(&container, &project.source(), Some(&last(&outcome)))), [branch, branch + 1]);
    }

    #[test]
    fn approvals_are_counted_by_reviewer() {
        let Some(project) = Project::new() else { return };
        let source = with(project.source(), json!({ "required_review_approvals": 1 }));
        let container = Container::new();
        let (number, head) = project.open("one", &[("1", "1")]);
        next_second();
        project.open("two", &[("2", "2")]);
        let none = |why: &str| assert_eq!(check_in(&container, &source, None).json(), json!([]), "{why}");
        none("without a review");
        project.review(number, "COMMENT");
        none("with a comment");
        next_second();
        project.change(number + 1, json!({ "title": "another title" }));
        none("with the memory of what is not approved");
        project.review(number, "APPROVED");
        project.review(number, "REQUEST_CHANGES");
        none("with a request for changes after an approval");
        let approval = project.review(number, "APPROVED");
        let dismissal = json!({ "message": "not yet" });
        project.remote.api("POST", &format!("/pulls/{number}/reviews/{approval}/dismissals"), Some(&dismissal));
        none("with an approval that was dismissed");
        project.review(number, "APPROVED");
        assert_eq!(check_in(&container, &source, None).json(), json!([project.version(number, &head)]));
    }

    #[test]
    fn closed_and_merged_pull_requests_keep_their_head() {
        let Some(project) = Project::new() else { return };
        let source = with(project.source(), json!({ "states": ["MERGED", "CLOSED"] }));
        let (one, two, three) = (Container::new(), Container::new(), Container::new());
        let all = with(project.source(), json!({ "states": ["OPEN", "MERGED", "CLOSED"] }));
        assert_eq!(check_in(&one, &source, None).json(), json!([]));
        assert_eq!(check_in(&two, &all, None).json(), json!([]));
        assert_eq!(check_in(&three, &project.source(), None).json(), json!([]));
        let (merged, merged_head) = project.open("merged", &[("1", "1")]);
        let (closed, closed_head) = project.open("closed", &[("2", "2")]);
        let (open, _) = project.open("open", &[("3", "3")]);
        project.merge(merged);
        next_second();
        project.change(closed, json!({ "state": "closed" }));
        // A push to the branch afterwards is no push to the pull request.
        project.commit("closed", &closed_head, &[("2", "later")]);
        project.push(&project.remote.url_with_login(), "closed");
        let state = |version: Value, state: &str| with(version, json!({ "state": state }));
        let found = check_in(&one, &source, None).json();
        let versions = [
            state(project.version(merged, &merged_head), "MERGED"),
            state(project.version(closed, &closed_head), "CLOSED"),
        ];
        assert_eq!(found, json!(versions));
        // That of the branch is no new version either.
        assert!(numbers(&check_in(&one, &source, Some(&found[1]))).len() <= 1);
        let mut states = numbers(&check_in(&two, &all, None));
        states.sort_unstable();
        assert_eq!(states, [merged, closed, open]);
        assert_eq!(numbers(&check_in(&three, &project.source(), None)), [open]);
    }

    #[test]
    fn address_of_the_server_suffices() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("one", &[("1", "1")]);
        let source = with(project.source(), json!({ "v3_endpoint": project.gitea.url() }));
        let outcome = check(&source, None);
        assert_eq!(outcome.json(), json!([project.version(number, &head)]));
        assert!(outcome.stderr.contains("/api/v1`; set `v3_endpoint` to this URL"), "{}", outcome.stderr);
        let directory = scratch::directory();
        get(&source, &outcome.json()[0], json!({}), directory.path()).succeeded();
        assert_eq!(text(directory.path(), "1"), "1");
        let outcome = check(&with(source, json!({ "authorship_restriction": true })), None);
        outcome.failed();
        assert!(said(&outcome).contains("`authorship_restriction` does not work with Gitea"), "{}", outcome.stderr);
    }

    #[test]
    fn says_what_is_wrong() {
        let Some(project) = Project::new() else { return };
        let outcome = check(&with(project.source(), json!({ "repository": format!("{USER}/absent") })), None);
        outcome.failed();
        assert!(said(&outcome).contains("it needs the scope `read:repository`"), "{}", outcome.stderr);
        let outcome = check(&with(project.source(), json!({ "access_token": "0".repeat(40) })), None);
        outcome.failed();
        assert!(said(&outcome).contains("401"), "{}", outcome.stderr);
    }
}

mod get {
    use super::*;

    #[test]
    fn merges_and_writes_the_files_of_the_established_resource() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("topic", &[("src/new.txt", "new"), ("README.md", "other\n")]);
        let label = json!({ "name": "ready", "color": "#00ff00" });
        let label = project.remote.api("POST", "/labels", Some(&label))["id"].clone();
        project.remote.api("POST", &format!("/issues/{number}/labels"), Some(&json!({ "labels": [label] })));
        let main = project.local.commit("on main", &[("main.txt", "main")]);
        project.push(&project.remote.url_with_login(), "main");
        let version = last(&check(&project.source(), None));
        let (directory, outcome) = project.get(&version, json!({ "list_changed_files": true }));
        assert_eq!(outcome.json()["version"], project.version(number, &head));
        let git = |arguments: &[&str]| git::run(directory.path(), arguments);
        assert_eq!(git(&["log", "-1", "--format=%P"]), format!("{main} {head}"));
        assert_eq!(text(directory.path(), "src/new.txt"), "new");
        for (name, content) in [
            ("pr", number.to_string()),
            ("title", "Change topic".to_owned()),
            ("url", format!("{}/{}/pulls/{number}", project.gitea.url(), project.remote.full_name())),
            ("state", "OPEN".to_owned()),
            ("draft", "false".to_owned()),
            ("head_name", "topic".to_owned()),
            ("head_sha", head.clone()),
            ("base_name", "main".to_owned()),
            ("base_sha", main),
            ("message", "change topic\n\nin two paragraphs".to_owned()),
            ("author", USER.to_owned()),
            ("author_name", git::IDENTITY.0.to_owned()),
            ("author_email", git::IDENTITY.1.to_owned()),
            ("opened_by", USER.to_owned()),
            ("labels", "ready".to_owned()),
            ("changed_files", "README.md\nsrc/new.txt\n".to_owned()),
        ] {
            assert_eq!(file(directory.path(), name).trim_end(), content.trim_end(), "{name}");
        }
        assert!(file(directory.path(), "metadata.json").contains("\"head_name\""));
        assert_eq!(serde_json::from_str::<Value>(&file(directory.path(), "version.json")).unwrap(), version);
    }

    #[test]
    fn rebases_and_checks_out() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("topic", &[("new.txt", "new")]);
        let main = project.local.commit("on main", &[("main.txt", "main")]);
        project.push(&project.remote.url_with_login(), "main");
        let version = project.version(number, &head);
        let (rebased, outcome) = project.get(&version, json!({ "integration_tool": "rebase", "git_depth": 1 }));
        outcome.succeeded();
        assert_eq!(git::run(rebased.path(), &["log", "-1", "--format=%P"]), main);
        assert_eq!(git::run(rebased.path(), &["branch", "--show-current"]), "topic");
        let (checked_out, outcome) = project.get(&version, json!({ "integration_tool": "checkout" }));
        outcome.succeeded();
        assert_eq!(git::run(checked_out.path(), &["rev-parse", "HEAD"]), head);
        let (skipped, outcome) = project.get(&version, json!({ "skip_download": true }));
        outcome.succeeded();
        assert_eq!(file(skipped.path(), "base_sha"), main);
        assert!(!skipped.path().join("new.txt").exists());
    }

    #[test]
    fn reports_conflicts() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("topic", &[("README.md", "mine\n")]);
        project.local.commit("on main", &[("README.md", "theirs\n")]);
        project.push(&project.remote.url_with_login(), "main");
        let (_directory, outcome) = project.get(&project.version(number, &head), json!({}));
        outcome.failed();
        assert!(said(&outcome).contains("merge conflict in `README.md`"), "{}", outcome.stderr);
    }

    #[test]
    fn fetches_forks_with_the_token_of_a_private_repository() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open_from_fork("fork", &[("new.txt", "new")]);
        project.remote.api("PATCH", "", Some(&json!({ "private": true })));
        let version = project.version(number, &head);
        assert_eq!(check(&project.source(), None).json(), json!([version]));
        let (directory, outcome) = project.get(&version, json!({}));
        outcome.succeeded();
        assert_eq!(
            (text(directory.path(), "new.txt"), file(directory.path(), "opened_by")),
            ("new".into(), OTHER.into())
        );
    }

    #[test]
    fn fetches_a_version_that_is_no_longer_the_head() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("topic", &[("new.txt", "new")]);
        project.push_from(number, "topic", "main", &[("new.txt", "newer")]);
        let (directory, outcome) = project.get(&project.version(number, &head), json!({}));
        outcome.succeeded();
        assert_eq!(text(directory.path(), "new.txt"), "new");
    }

    #[test]
    fn fails_for_a_pull_request_that_does_not_exist() {
        let Some(project) = Project::new() else { return };
        let version = json!({ "pr": "99", "commit": project.local.tip("main"), "committed": "" });
        let (_directory, outcome) = project.get(&version, json!({}));
        outcome.failed();
        assert!(said(&outcome).contains("cannot read pull request 99"), "{}", outcome.stderr);
        assert!(said(&outcome).contains("there is no such pull request"), "{}", outcome.stderr);
    }
}

mod put {
    use super::*;

    #[test]
    fn sets_statuses_and_comments() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open_from_fork("topic", &[("new.txt", "new")]);
        let comment = |path: &str| format!("/issues/{number}/comments{path}");
        project.remote.api("POST", &comment(""), Some(&json!({ "body": "an old one" })));
        project.remote.api("POST", &comment(&format!("?sudo={OTHER}")), Some(&json!({ "body": "of another" })));
        let version = project.version(number, &head);
        let inputs = inputs(&[("out/comment.md", "from a file\n")]);
        let directory = inputs.path().join("pr");
        std::fs::create_dir(&directory).unwrap();
        get(&project.source(), &version, json!({}), &directory).succeeded();
        let params = json!({
            "path": "pr", "status": "failure", "context": ["unit", "lint"], "description": "word ".repeat(60),
            "target_url": "https://ci.example.com/builds/1", "comment": "build $BUILD_NAME",
            "comment_file": "out/comment.md", "delete_previous_comments": true,
        });
        let outcome = put(&project.source(), params, inputs.path());
        assert_eq!(outcome.json()["version"], version);
        assert_eq!(project.comments(number), ["of another", "build 42", "from a file"]);
        let mut statuses = project.statuses(&head);
        statuses.sort_by_key(|status| status["id"].as_u64());
        let contexts: Vec<&str> = statuses.iter().map(|status| status["context"].as_str().unwrap()).collect();
        assert_eq!(contexts, ["concourse-ci/unit", "concourse-ci/lint"]);
        assert_eq!(
            (&statuses[0]["status"], &statuses[0]["target_url"]),
            (&json!("failure"), &json!("https://ci.example.com/builds/1"))
        );
        assert_eq!(statuses[0]["description"].as_str().unwrap().chars().count(), 140);
        // The get after the put.
        let (_directory, outcome) = project.get(&version, json!({ "skip_download": true }));
        outcome.succeeded();
    }

    #[test]
    fn finds_the_pull_request_of_another_checkout() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("topic", &[("new.txt", "new")]);
        let inputs = inputs(&[]);
        let clone = |name: &str, branch: &str| {
            git::run(inputs.path(), &["clone", "-q", "--branch", branch, &project.local.file_url(), name]);
        };
        clone("topic", "topic");
        clone("main", "main");
        let run = |path: &str| {
            put(&project.source(), json!({ "path": path, "status": "success", "comment": "x" }), inputs.path())
        };
        let outcome = run("topic");
        assert_eq!(outcome.json()["version"], project.version(number, &head));
        assert_eq!(project.comments(number), ["x"]);
        let outcome = run("main");
        outcome.failed();
        assert!(said(&outcome).contains("and only pull requests have comments"), "{}", outcome.stderr);
        let main = project.local.tip("main");
        let outcome = put(&project.source(), json!({ "path": "main", "status": "success" }), inputs.path());
        assert_eq!(outcome.json()["version"], with(project.version(0, &main), json!({ "pr": "none" })));
    }

    #[test]
    fn token_without_a_scope_fails_in_the_words_of_gitea() {
        let Some(project) = Project::new() else { return };
        let (number, head) = project.open("topic", &[("new.txt", "new")]);
        let name = project.remote.full_name().replace('/', "-");
        let token = json!({ "name": name, "scopes": ["read:repository", "write:issue"] });
        let token = project.gitea.api("POST", &format!("/users/{USER}/tokens"), Some(&token))["sha1"].clone();
        let source = with(project.source(), json!({ "access_token": token }));
        let version = project.version(number, &head);
        assert_eq!(check(&source, None).json(), json!([version]));
        let inputs = inputs(&[]);
        let directory = inputs.path().join("pr");
        std::fs::create_dir(&directory).unwrap();
        get(&source, &version, json!({}), &directory).succeeded();
        put(&source, json!({ "path": "pr", "comment": "x" }), inputs.path()).succeeded();
        for (params, scope) in [
            (json!({ "path": "pr", "status": "success" }), "write:repository"),
            (json!({ "path": "pr", "delete_previous_comments": true }), "read:user"),
        ] {
            let outcome = put(&source, params, inputs.path());
            outcome.failed();
            assert!(said(&outcome).contains(scope), "{}", outcome.stderr);
        }
    }
}
