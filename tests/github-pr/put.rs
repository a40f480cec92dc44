//! put: statuses and comments.

use jetway_tests::github::{GitHub, LOGIN, PullRequest, commit};
use jetway_tests::stand_in::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{file, get, inputs, messages, put, source, version, with};

const BUILD: &str = "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42";

/// A directory of inputs after a get of pull request 5.
fn got(github: &GitHub) -> TempDir {
    github.put_pull(PullRequest::new(5, &commit(5)));
    let inputs =
        inputs(&[("out/comment.md", "from a file: $BUILD_JOB_NAME\n"), ("out/empty", "\n"), ("out/d", "in words")]);
    let directory = inputs.path().join("pr");
    std::fs::create_dir(&directory).unwrap();
    get(&source(github), &version(5, &commit(5)), json!({ "skip_download": true }), &directory).succeeded();
    inputs
}

fn run(github: &GitHub, params: Value) -> jetway_tests::verb::Outcome {
    let inputs = got(github);
    put(&source(github), with(json!({ "path": "pr" }), params), inputs.path())
}

fn texts(github: &GitHub) -> Vec<String> {
    github.comments(5).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn sets_a_status_with_the_defaults_of_the_established_resource() {
    let github = GitHub::start();
    let outcome = run(&github, json!({ "status": "SUCCESS" }));
    assert_eq!(outcome.json()["version"], version(5, &commit(5)));
    assert_eq!(outcome.json()["metadata"][1], json!({ "name": "title", "value": "Change 5" }));
    let status = &github.statuses(&commit(5))[0];
    assert_eq!((&status["state"], &status["context"]), (&json!("success"), &json!("concourse-ci/status")));
    assert_eq!(status["description"], "Concourse CI build SUCCESS");
    assert_eq!(status["target_url"], BUILD);
    // One request: the status is not read back.
    let posts = github.requests().iter().filter(|request| !request.contains("graphql")).count();
    assert_eq!(posts, 1);
}

/// The put of a widespread pipeline.
#[test]
fn context_path_and_status_suffice() {
    let github = GitHub::start();
    run(&github, json!({ "context": "unit-tests", "status": "pending" })).succeeded();
    assert_eq!(github.statuses(&commit(5))[0]["context"], "concourse-ci/unit-tests");
}

#[test]
fn sets_each_context_of_a_list() {
    let github = GitHub::start();
    let params = json!({ "status": "failure", "context": ["unit", "$BUILD_JOB_NAME"], "base_context": "ci/x" });
    run(&github, params).succeeded();
    let contexts: Vec<Value> = github.statuses(&commit(5)).iter().map(|status| status["context"].clone()).collect();
    assert_eq!(contexts, [json!("ci/x/build"), json!("ci/x/unit")]);
}

#[test]
fn expands_the_variables_of_the_build() {
    let github = GitHub::start();
    let params = json!({
        "status": "success", "context": "$BUILD_JOB_NAME", "target_url": "$ATC_EXTERNAL_URL/builds/${BUILD_ID}",
        "comment": "build $BUILD_NAME of ${BUILD_PIPELINE_NAME}: $HOME", "description": "$BUILD_NAME as it is",
    });
    let outcome = run(&github, params);
    outcome.succeeded();
    let status = &github.statuses(&commit(5))[0];
    assert_eq!(status["target_url"], "https://ci.example.com/builds/4242");
    assert_eq!(
        (&status["context"], &status["description"]),
        (&json!("concourse-ci/build"), &json!("$BUILD_NAME as it is"))
    );
    assert_eq!(texts(&github), ["build 42 of delivery: $HOME"]);
    assert!(messages(&outcome).contains("`comment`: `$HOME` is not a variable of the build and is kept"));
}

#[test]
fn description_file_overrides_description() {
    let github = GitHub::start();
    run(&github, json!({ "status": "error", "description": "x", "description_file": "out/d" })).succeeded();
    assert_eq!(github.statuses(&commit(5))[0]["description"], "in words");
    run(&github, json!({ "status": "error", "description": "word ".repeat(60) })).succeeded();
    assert_eq!(github.statuses(&commit(5))[0]["description"].as_str().unwrap().chars().count(), 140);
    run(&github, json!({ "status": "error", "description_file": "out/none" })).failed();
}

#[test]
fn adds_comment_and_comment_file() {
    let github = GitHub::start();
    run(&github, json!({ "comment": "one", "comment_file": "out/comment.md" })).succeeded();
    assert_eq!(texts(&github), ["one", "from a file: build"]);
    run(&github, json!({ "comment_file": "out/empty" })).succeeded();
    assert_eq!(texts(&github).len(), 2);
    // As in the older resource, `comment` may name a file.
    run(&github, json!({ "comment": "out/d" })).succeeded();
    assert_eq!(texts(&github)[2], "in words");
    assert_eq!(github.statuses(&commit(5)).len(), 0);
}

#[test]
fn deletes_previous_comments_of_the_same_login() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(5, &commit(5)));
    for number in 0..120 {
        github.comment(5, if number % 2 == 0 { LOGIN } else { "alice" }, "before");
    }
    let outcome = run(&github, json!({ "delete_previous_comments": true, "comment": "now" }));
    outcome.succeeded();
    let left = github.comments(5);
    assert_eq!((left.len(), left.last().unwrap()), (61, &(LOGIN.to_owned(), "now".to_owned())));
    assert!(messages(&outcome).contains("deleted 60 previous comments on pull request 5"), "{}", outcome.stderr);
}

/// telia-oss/github-pr-resource issue 245: the login of an App has a suffix.
#[test]
fn deletes_previous_comments_of_an_app() {
    let github = GitHub::start();
    let key = jetway_tests::github::AppKey::new();
    github.install_app("4711", "jetway", &key);
    let inputs = got(&github);
    github.comment(5, "jetway[bot]", "before");
    let source = json!({
        "repository": "octo/app", "v3_endpoint": github.url(), "app_id": "4711", "private_key": key.pkcs8,
    });
    put(&source, json!({ "path": "pr", "delete_previous_comments": true }), inputs.path()).succeeded();
    assert_eq!(github.comments(5), []);
}

#[test]
fn put_without_work_warns() {
    let github = GitHub::start();
    let outcome = run(&github, json!({}));
    outcome.succeeded();
    assert!(messages(&outcome).contains("warning: nothing to do"), "{}", outcome.stderr);
    assert_eq!(outcome.json()["version"], version(5, &commit(5)));
}

#[test]
fn put_fails_if_the_status_is_not_set() {
    let github = GitHub::start();
    let inputs = got(&github);
    github.forget_commit(&commit(5));
    let outcome = put(&source(&github), json!({ "path": "pr", "status": "success", "comment": "x" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("cannot set status `concourse-ci/status` of"), "{}", outcome.stderr);
    assert_eq!(github.comments(5), []);
    github.answer(
        1,
        "POST",
        "/comments",
        Response::json(403, &json!({ "message": "Resource not accessible by integration" })),
    );
    let outcome = put(&source(&github), json!({ "path": "pr", "comment": "x" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("hint: the token lacks a permission"), "{}", outcome.stderr);
}

#[test]
fn rejects_path_without_a_get() {
    let github = GitHub::start();
    let inputs =
        inputs(&[("code/README.md", "x"), ("wrong/.git/resource/version.json", "{\"pr\":\"5\",\"commit\":\"main\"}")]);
    for (path, expected) in [
        ("code", "cannot find the commit of `code`\n  caused by: it has no `.git`"),
        ("nope", "`nope` is not a directory in the inputs"),
        ("wrong", "the version that the get stored contains no commit hash"),
    ] {
        let outcome = put(&source(&github), json!({ "path": path, "status": "success" }), inputs.path());
        outcome.failed();
        assert!(messages(&outcome).contains(expected), "{}", outcome.stderr);
    }
    assert_eq!(github.requests().len(), 0);
}

/// A widespread pipeline sets the status of a checkout that a `git` resource created.
#[test]
fn sets_a_status_on_the_checkout_of_another_type() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(5, &commit(5)));
    github.set_ref("develop", &commit(6));
    let (head, branch) = (commit(5), commit(6));
    let inputs = inputs(&[
        ("code-base/.git/HEAD", "ref: refs/heads/develop\n"),
        ("code-base/.git/refs/heads/develop", &branch),
        ("topic/.git/HEAD", &head),
        // The files that the older pull-request resource writes. HEAD is a merge that does not exist on GitHub.
        ("git-pr/.git/HEAD", &commit(99)),
        ("git-pr/.git/id", "5\n"),
        ("git-pr/.git/head_sha", &head),
    ]);
    let put = |path: &str| {
        let params = json!({ "path": path, "context": "unit-tests", "status": "pending" });
        put(&source(&github), params, inputs.path()).json()["version"].clone()
    };
    assert_eq!(put("topic"), version(5, &head));
    assert_eq!(put("git-pr"), version(5, &head));
    let of_branch = put("code-base");
    assert_eq!(of_branch, json!({ "pr": "none", "commit": branch, "committed": "2026-01-01T08:00:00Z" }));
    assert_eq!(github.statuses(&head).len(), 2);
    assert_eq!(github.statuses(&branch)[0]["context"], "concourse-ci/unit-tests");
    // The get after the put has no pull request to check out.
    let directory = jetway_tests::scratch::directory();
    get(&source(&github), &of_branch, json!({}), directory.path()).succeeded();
    assert_eq!(file(directory.path(), "head_sha"), branch);
    // Only pull requests have comments.
    let params = json!({ "path": "code-base", "comment": "x" });
    let outcome = crate::support::put(&source(&github), params, inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("and only pull requests have comments"), "{}", outcome.stderr);
}

#[test]
fn version_without_a_pull_request_does_not_hide_pull_requests() {
    let github = GitHub::start();
    let container = jetway_tests::verb::Container::new();
    github.put_pull(PullRequest::new(1, &commit(11)));
    crate::support::check_in(&container, &source(&github), None).succeeded();
    github.put_pull(PullRequest::new(2, &commit(12)));
    let put = json!({ "pr": "none", "commit": commit(6), "committed": "2026-01-01T08:00:00Z" });
    let found = crate::support::check_in(&container, &source(&github), Some(&put));
    assert_eq!(crate::support::numbers(&found), [2]);
    let last = found.json()[0].clone();
    // No check has returned the given version, so the first head is doubtful.
    assert_eq!(crate::support::numbers(&crate::support::check_in(&container, &source(&github), Some(&last))), [2, 1]);
}

#[test]
fn rejects_checkout_of_another_repository() {
    let github = GitHub::start();
    let config = "[remote \"origin\"]\n\turl = https://github.com/octo/other.git\n";
    let inputs = inputs(&[("code/.git/HEAD", &commit(1)), ("code/.git/config", config)]);
    let outcome = put(&source(&github), json!({ "path": "code", "status": "success" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("the checkout `code` belongs to `octo/other`"), "{}", outcome.stderr);
}

#[test]
fn get_after_the_put_finds_the_version() {
    let github = GitHub::start();
    let answer = run(&github, json!({ "status": "success" })).json();
    let directory = jetway_tests::scratch::directory();
    get(&source(&github), &answer["version"], json!({ "skip_download": true }), directory.path()).succeeded();
    assert_eq!(file(directory.path(), "pr"), "5");
}
