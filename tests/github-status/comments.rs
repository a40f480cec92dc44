//! Comments on pull requests, and the files that pull-request resources write to a checkout.

use jetway_tests::github::{AppKey, GitHub, LOGIN, REPOSITORY, commit};
use jetway_tests::stand_in::Fault;
use serde_json::{Value, json};

use crate::support::{get, messages, metadata, put, put_with, source, with};

const METADATA: &str =
    r#"[{"name":"pr","value":"5"},{"name":"title","value":"Add x"},{"name":"author","value":"alice"}]"#;

/// Runs a put with the checkout of a pull request, as telia-oss/github-pr-resource creates it.
fn put_path(github: &GitHub, source: &Value, params: Value) -> jetway_tests::verb::Outcome {
    github.open_pull_request(5, &commit(5), "main");
    let version = format!(r#"{{"pr":"5","commit":"{}","committed":"2026-01-01T00:00:00Z"}}"#, commit(5));
    let merged = commit(99);
    let files = [
        ("pr/.git/resource/version.json", version.as_str()),
        ("pr/.git/resource/metadata.json", METADATA),
        // The checkout is at a merge that does not exist on GitHub.
        ("pr/.git/HEAD", merged.as_str()),
        ("out/comment.md", "from a file: `$BUILD_JOB_NAME`\n"),
        ("out/empty", "\n"),
    ];
    put_with(source, with(json!({ "path": "pr" }), params), &files)
}

fn texts(github: &GitHub) -> Vec<String> {
    github.comments(5).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn sets_status_on_head_of_the_get() {
    let github = GitHub::start();
    let outcome = put_path(&github, &source(&github), json!({ "status": "success", "context": "unit" }));
    assert_eq!(outcome.json()["version"]["commit"], commit(5));
    assert_eq!(github.statuses(&commit(5))[0]["context"], "concourse-ci/unit");
    let metadata = metadata(&outcome);
    for pair in [("title", "Add x"), ("author", "alice"), ("context", "concourse-ci/unit")] {
        assert!(metadata.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{metadata:?}");
    }
}

#[test]
fn accepts_checkout_of_the_older_resource() {
    let github = GitHub::start();
    github.open_pull_request(5, &commit(5), "main");
    let (head, merged) = (commit(5), commit(99));
    let files = [("git-pr/.git/head_sha", head.as_str()), ("git-pr/.git/id", "5\n"), ("git-pr/.git/HEAD", &merged)];
    let params = json!({ "path": "git-pr", "status": "pending", "context": "build", "comment": "begun" });
    put_with(&source(&github), params, &files).succeeded();
    assert_eq!(github.statuses(&commit(5))[0]["context"], "concourse-ci/build");
    assert_eq!(texts(&github), ["begun"]);
}

#[test]
fn adds_comment_and_comment_file_with_variables_expanded() {
    let github = GitHub::start();
    let params = json!({
        "status": "success", "comment": "build $BUILD_NAME of ${BUILD_PIPELINE_NAME}: $HOME $(id)",
        "comment_file": "out/comment.md",
    });
    let outcome = put_path(&github, &source(&github), params);
    outcome.succeeded();
    assert_eq!(texts(&github), ["build 42 of delivery: $HOME $(id)", "from a file: `build`"]);
    assert_eq!(github.comments(5)[0].0, LOGIN);
    assert_eq!(metadata(&outcome).iter().filter(|(name, _)| name == "comment").count(), 2);
}

#[test]
fn empty_file_adds_no_comment() {
    let github = GitHub::start();
    put_path(&github, &source(&github), json!({ "status": "success", "comment_file": "out/empty" })).succeeded();
    assert!(texts(&github).is_empty());
}

#[test]
fn comment_without_state_sets_no_status() {
    let github = GitHub::start();
    let outcome = put_path(&github, &source(&github), json!({ "comment": "hello" }));
    let version = outcome.json()["version"].clone();
    assert_eq!(version, json!({ "commit": commit(5), "comment": "1001" }));
    assert!(github.statuses(&commit(5)).is_empty());
    let destination = jetway_tests::scratch::directory();
    get(&source(&github), &version, destination.path()).succeeded();
    assert_eq!(std::fs::read_to_string(destination.path().join("description")).unwrap(), "hello");
}

#[test]
fn finds_pull_request_of_a_commit() {
    let github = GitHub::start();
    github.open_pull_request(4, &commit(5), "main");
    github.close_pull_request(4);
    github.open_pull_request(5, &commit(5), "main");
    put(&source(&github), json!({ "commit": commit(5), "state": "success", "comment": "hello" })).succeeded();
    assert_eq!(texts(&github), ["hello"]);
    let outcome = put(&source(&github), json!({ "commit": commit(1), "comment": "hello" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: no open pull request has the head commit 0000000000000000000000000000000000000001, and only pull requests have comments\n"
    );
}

mod delete_previous_comments {
    use super::*;

    #[test]
    fn deletes_all_comments_of_its_own_login_only() {
        let github = GitHub::start();
        for number in 0..110 {
            github.comment(5, if number % 2 == 0 { LOGIN } else { "alice" }, "old");
        }
        let params = json!({ "delete_previous_comments": true, "comment": "new", "status": "success" });
        put_path(&github, &source(&github), params).succeeded();
        let logins = github.comments(5);
        assert_eq!(logins.iter().filter(|(login, _)| login == "alice").count(), 55);
        assert_eq!(logins.iter().filter(|(login, _)| login == LOGIN).count(), 1);
    }

    /// telia-oss/github-pr-resource#245: with the token of an App, no comment was deleted, without an error.
    #[test]
    fn works_with_an_app_and_with_its_token_alone() {
        let github = GitHub::start();
        let key = AppKey::new();
        github.install_app("4711", "jetway", &key);
        github.comment(5, "jetway[bot]", "old");
        github.comment(5, "jetway", "a person of that name");
        let app = json!({
            "repository": REPOSITORY, "endpoint": github.url(), "app_id": "4711", "private_key": key.pkcs1,
        });
        put_path(&github, &app, json!({ "delete_previous_comments": true, "comment": "new" })).succeeded();
        assert_eq!(texts(&github), ["a person of that name", "new"]);

        let github = GitHub::start();
        github.take_app_token("ghs_fromElsewhere", "jetway[bot]");
        github.comment(5, "jetway[bot]", "old");
        let source = with(source(&github), json!({ "access_token": "ghs_fromElsewhere" }));
        put_path(&github, &source, json!({ "delete_previous_comments": true, "comment": "new" })).succeeded();
        assert_eq!(texts(&github), ["new"]);
    }

    #[test]
    fn may_be_the_only_effect_of_a_put() {
        let github = GitHub::start();
        github.comment(5, LOGIN, "old");
        let outcome = put_path(&github, &source(&github), json!({ "delete_previous_comments": true }));
        let version = outcome.json()["version"].clone();
        assert_eq!(version, json!({ "commit": commit(5) }));
        let destination = jetway_tests::scratch::directory();
        get(&source(&github), &version, destination.path()).succeeded();
        assert_eq!(std::fs::read_to_string(destination.path().join("commit")).unwrap(), commit(5));
    }
}

#[test]
fn does_not_retry_a_comment() {
    let github = GitHub::start();
    github.fail_next(Fault::CutAfter);
    let outcome = put_path(&github, &source(&github), json!({ "comment": "once" }));
    outcome.failed();
    assert!(messages(&outcome).starts_with("error: cannot add a comment to pull request 5\n"), "{}", outcome.stderr);
    assert_eq!(texts(&github), ["once"]);
}

/// A put in a hook reports a get that failed during its merge: the version is written, but HEAD is at a branch without a commit.
#[test]
fn uses_the_version_of_a_failed_get() {
    let github = GitHub::start();
    github.add_commit(&commit(5));
    let version = format!(r#"{{"pr":"5","commit":"{}","committed":"2026-01-01T00:00:00Z"}}"#, commit(5));
    let files = [("pr/.git/resource/version.json", version.as_str()), ("pr/.git/HEAD", "ref: refs/heads/main\n")];
    put_with(&source(&github), json!({ "path": "pr", "status": "error" }), &files).succeeded();
    assert_eq!(github.statuses(&commit(5)).len(), 1);
}

#[test]
fn rejects_incomplete_files_of_the_get() {
    let github = GitHub::start();
    for (content, words) in [
        ("{", "cannot parse `.git/resource/version.json`"),
        (r#"{"pr":"5","commit":"../../x"}"#, "the version that the get stored contains no commit hash"),
    ] {
        let outcome = put_with(
            &source(&github),
            json!({ "path": "pr", "status": "success" }),
            &[("pr/.git/resource/version.json", content)],
        );
        outcome.failed();
        assert!(
            messages(&outcome).starts_with(&format!("error: cannot find the commit of `pr`\n  caused by: {words}\n")),
            "{}",
            outcome.stderr
        );
    }
    // A directory that is not a checkout.
    let outcome = put_with(&source(&github), json!({ "path": "pr", "status": "success" }), &[("pr/x", "")]);
    outcome.failed();
    assert!(messages(&outcome).contains("cannot find the commit of `pr`"), "{}", outcome.stderr);
    assert_eq!(github.requests(), Vec::<String>::new());
}
