//! put: the commit, the status, and the wait until GitHub lists it.

use std::fs;

use jetway_tests::github::{GitHub, commit};
use jetway_tests::stand_in::Response;
use jetway_tests::{assert_verb, git, scratch};
use serde_json::{Value, json};

use crate::support::{inputs, messages, metadata, put, put_step, put_with, source, with};

/// The request body of the only status that a put sets.
#[track_caller]
fn posted(params: Value, files: &[(&str, &str)]) -> Value {
    let github = GitHub::start();
    let params = with(json!({ "commit": commit(1), "state": "success" }), params);
    put_with(&source(&github), params, files).succeeded();
    let mut bodies = github.bodies("POST", "/statuses/");
    assert_eq!(bodies.len(), 1);
    bodies.remove(0)
}

/// The context of the only status that a put sets.
#[track_caller]
fn context_of(more_source: Value, params: Value) -> String {
    let github = GitHub::start();
    let files = [("pr/.git/HEAD", commit(1))];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    put_with(&with(source(&github), more_source), with(json!({ "state": "success" }), params), &files).succeeded();
    github.bodies("POST", "/statuses/")[0]["context"].as_str().unwrap().to_owned()
}

#[test]
fn sets_all_fields_and_reads_them_back() {
    let github = GitHub::start();
    let params = json!({
        "commit": commit(1), "state": "failure", "context": "ci/test", "description": "Two of 31 failed",
        "target_url": "https://example.com/$BUILD_JOB_NAME/${BUILD_ID}",
    });
    let outcome = put(&source(&github), params);
    assert_verb!(&outcome, @r#"
    exit code: 0
    ----- stdout -----
    {
      "version": {
        "commit": "0000000000000000000000000000000000000001",
        "status": "1001"
      },
      "metadata": [
        {
          "name": "created_at",
          "value": "2026-01-01T00:16:41Z",
          "type": "time"
        },
        {
          "name": "created_by",
          "value": "octo-ci"
        },
        {
          "name": "state",
          "value": "failure"
        },
        {
          "name": "context",
          "value": "ci/test"
        },
        {
          "name": "description",
          "value": "Two of 31 failed"
        },
        {
          "name": "target_url",
          "value": "https://example.com/build/4242"
        },
        {
          "name": "commit",
          "value": "0000000000000000000000000000000000000001"
        }
      ]
    }
    ----- stderr -----
    set `ci/test` of 0000000000000000000000000000000000000001 to `failure`
    "#);
    assert_eq!(
        github.bodies("POST", "/statuses/"),
        [json!({
            "state": "failure", "context": "ci/test", "description": "Two of 31 failed",
            "target_url": "https://example.com/build/4242",
        })]
    );
    let hash = commit(1);
    assert_eq!(
        github.requests(),
        [
            format!("POST /repos/octo/app/statuses/{hash}"),
            format!("GET /repos/octo/app/commits/{hash}/statuses?per_page=100"),
        ]
    );
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn omits_fields_that_are_not_set() {
    assert_eq!(
        posted(json!({}), &[]),
        json!({
            "state": "success", "context": "default",
            "target_url": "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42",
        })
    );
    // An empty value counts as not set.
    let empty = json!({ "description": "", "target_url": "", "context": "", "description_file": "", "comment": "" });
    assert_eq!(posted(empty, &[])["context"], "default");
}

#[test]
fn put_can_be_repeated() {
    let github = GitHub::start();
    for _ in 0..2 {
        put(&source(&github), json!({ "commit": commit(1), "state": "success" })).succeeded();
    }
    assert_eq!(github.statuses(&commit(1)).len(), 2);
}

mod commit_param {
    use super::*;

    #[track_caller]
    fn takes(commit_param: &str, inputs: &std::path::Path, hash: &str) {
        let github = GitHub::start();
        github.add_commit(hash);
        let outcome = put_step(&source(&github), json!({ "commit": commit_param, "state": "success" }), inputs).run();
        assert_eq!(outcome.json()["version"]["commit"], hash);
    }

    /// dpb587/github-status-resource did not accept a hash (`FATAL: Invalid parameter: commit`).
    #[test]
    fn may_be_a_hash() {
        let hash = "ABCDEF0123456789abcdef0123456789abcdef01";
        takes(hash, scratch::directory().path(), &hash.to_lowercase());
    }

    #[test]
    fn may_be_a_file() {
        let hash = commit(7);
        takes("code/.git/ref", inputs(&[("code/.git/ref", &format!("{hash}\n"))]).path(), &hash);
    }

    /// dpb587/github-status-resource read only `.git/HEAD`: on a branch, it posted to `statuses/ref:` and failed without a
    /// message.
    #[test]
    fn may_be_a_checkout_in_any_state() {
        let directory = scratch::directory();
        let root = directory.path();
        let run = |at: &str, arguments: &[&str]| git::run(&root.join(at), arguments);
        for name in ["app", "library"] {
            fs::create_dir(root.join(name)).unwrap();
            run(name, &["init", "-q", "-b", "main"]);
            run(name, &["commit", "-q", "--allow-empty", "-m", name]);
        }
        let library = root.join("library");
        run(
            "app",
            &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.to_str().unwrap(), "lib"],
        );
        run("app", &["commit", "-q", "-m", "with a submodule"]);
        run("app", &["branch", "side/x", "main~1"]);
        run("app", &["worktree", "add", "-q", "../tree", "side/x"]);
        let head = |at: &str| git::run(&root.join(at), &["rev-parse", "HEAD"]);
        let (main, side, sub) = (head("app"), head("tree"), head("app/lib"));
        takes("app", root, &main);
        takes("./app/", root, &main);
        takes("tree", root, &side);
        takes("app/lib", root, &sub);
        run("app", &["pack-refs", "--all"]);
        takes("app", root, &main);
        takes("tree", root, &side);
        run("app", &["switch", "-q", "--detach", "main~1"]);
        takes("app", root, &side);
    }

    #[test]
    fn may_be_a_worktree_created_in_another_container() {
        let hash = commit(9);
        let files = [
            ("app/.git/HEAD", "ref: refs/heads/main\n"),
            ("app/.git/refs/heads/side", hash.as_str()),
            ("app/.git/worktrees/tree/HEAD", "ref: refs/heads/side\n"),
            ("app/.git/worktrees/tree/commondir", "../..\n"),
            ("tree/.git", "gitdir: /tmp/build/e55deab7/app/.git/worktrees/tree\n"),
        ];
        takes("tree", inputs(&files).path(), &hash);
    }
}

mod state {
    use super::*;

    #[test]
    fn ignores_case_and_accepts_both_keys() {
        let github = GitHub::start();
        for (key, word) in [("state", "SUCCESS"), ("status", "Failure"), ("state", "pending"), ("status", "ERROR")] {
            put(&source(&github), json!({ "commit": commit(1), key: word })).succeeded();
            assert_eq!(github.statuses(&commit(1))[0]["state"], word.to_lowercase());
        }
    }

    /// concourse#8541: in a hook, the state is known from `BUILD_STATUS`, so the pipeline need not repeat it.
    #[test]
    fn defaults_to_build_status_in_a_hook() {
        let github = GitHub::start();
        let told = [("succeeded", "success"), ("failed", "failure"), ("errored", "error"), ("aborted", "error")];
        for (status, state) in told {
            let directory = scratch::directory();
            put_step(&source(&github), json!({ "commit": commit(1) }), directory.path())
                .env("BUILD_STATUS", status)
                .run()
                .succeeded();
            assert_eq!(github.statuses(&commit(1))[0]["state"], state, "{status}");
        }
    }

    #[test]
    fn is_required_without_build_status() {
        let github = GitHub::start();
        let outcome = put(&source(&github), json!({ "commit": commit(1) }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: the state to set is not known\nhint: set `state`; it defaults to `BUILD_STATUS`, which Concourse sets in `on_success`, `on_failure`, `on_abort` and `on_error`, but not in `ensure`\n"
        );
        assert_eq!(github.requests(), Vec::<String>::new());
    }
}

mod context {
    use super::*;

    #[test]
    fn has_no_prefix_with_commit() {
        let commit = json!({ "commit": commit(1) });
        assert_eq!(context_of(json!({}), commit.clone()), "default");
        assert_eq!(context_of(json!({ "context": "ci/a" }), commit.clone()), "ci/a");
        // dpb587/github-status-resource ignored the context in the params.
        let own = with(commit.clone(), json!({ "context": "b-$BUILD_JOB_NAME-$X" }));
        assert_eq!(context_of(json!({ "context": "ci/a" }), own), "b-build-$X");
        assert_eq!(context_of(json!({ "context": "a" }), with(commit, json!({ "base_context": "base" }))), "base/a");
    }

    #[test]
    fn has_two_parts_with_path() {
        let path = json!({ "path": "pr" });
        for (params, name) in [
            (json!({}), "concourse-ci/status"),
            (json!({ "context": "unit" }), "concourse-ci/unit"),
            (json!({ "base_context": "ci", "context": "unit" }), "ci/unit"),
            (json!({ "base_context": "ci/" }), "ci/status"),
            (json!({ "base_context": "", "context": "/a//b/../c" }), "concourse-ci/a/c"),
            (json!({ "context": "$BUILD_JOB_NAME-$NOPE-${NOPE}" }), "concourse-ci/build-$NOPE-${NOPE}"),
        ] {
            assert_eq!(context_of(json!({}), with(path.clone(), params.clone())), name, "{params}");
        }
        assert_eq!(context_of(json!({ "context": "ci/mine" }), path), "ci/mine");
    }
}

mod description {
    use super::*;

    #[test]
    fn comes_from_the_same_file_as_in_the_established_resources() {
        let files = [("a/file", "from description_file\n"), ("a/path", "from description_path\n")];
        let described = |params: Value| posted(params, &files)["description"].clone();
        assert_eq!(described(json!({ "description": "text", "description_file": "a/file" })), "from description_file");
        assert_eq!(described(json!({ "description": "text", "description_path": "a/path" })), "text");
        assert_eq!(described(json!({ "description_path": "a/path" })), "from description_path");
    }

    #[test]
    fn is_sent_unchanged() {
        assert_eq!(posted(json!({ "description": "build $BUILD_ID \\n" }), &[])["description"], "build $BUILD_ID \\n");
    }

    /// Both established resources sent descriptions that GitHub rejects; one of them did not report the error.
    #[test]
    fn is_truncated_at_a_word_boundary() {
        let long = "Ünïcode wörds ".repeat(20);
        let sent = posted(json!({ "description_file": "d" }), &[("d", &long)]);
        let sent = sent["description"].as_str().unwrap();
        assert!(sent.chars().count() <= 140 && sent.ends_with('…'), "{sent}");
        assert!(long.starts_with(sent.trim_end_matches('…')), "{sent}");
    }

    #[test]
    fn contains_the_state_as_written_with_path() {
        let github = GitHub::start();
        let hash = commit(1);
        put_with(&source(&github), json!({ "path": "pr", "status": "SUCCESS" }), &[("pr/.git/HEAD", &hash)])
            .succeeded();
        assert_eq!(github.bodies("POST", "/statuses/")[0]["description"], "Concourse CI build SUCCESS");
    }
}

mod target_url {
    use super::*;

    #[test]
    fn defaults_to_the_page_of_the_build_with_instance_vars() {
        let github = GitHub::start();
        let directory = scratch::directory();
        put_step(&source(&github), json!({ "commit": commit(1), "state": "success" }), directory.path())
            .without_env("BUILD_URL")
            .env("BUILD_PIPELINE_INSTANCE_VARS", "{\"branch\":\"a b\"}")
            .run()
            .succeeded();
        assert_eq!(
            github.bodies("POST", "/statuses/")[0]["target_url"],
            "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42?vars=%7B%22branch%22%3A%22a%20b%22%7D"
        );
    }

    #[test]
    fn may_come_from_a_file() {
        let files = [("out/url", "https://example.com/$BUILD_TEAM_NAME?a=1&b=2\n")];
        let url = |params: Value| posted(params, &files)["target_url"].clone();
        assert_eq!(url(json!({ "target_url_path": "out/url" })), "https://example.com/main?a=1&b=2");
        assert_eq!(
            url(json!({ "target_url_path": "out/url", "target_url": "https://x.example" })),
            "https://x.example"
        );
    }

    #[test]
    fn treats_unknown_variables_like_the_established_resources() {
        let github = GitHub::start();
        let hash = commit(1);
        let url = "https://example.com/$NOPE/${BUILD_ID}";
        let by_commit = put(&source(&github), json!({ "commit": hash, "state": "success", "target_url": url }));
        let files = [("pr/.git/HEAD", hash.as_str())];
        let by_path =
            put_with(&source(&github), json!({ "path": "pr", "state": "success", "target_url": url }), &files);
        assert!(by_commit.succeeded().stderr.contains("`$NOPE` is not a variable of the build and is removed"));
        assert!(by_path.succeeded().stderr.contains("`$NOPE` is not a variable of the build and is kept"));
        let sent: Vec<Value> =
            github.bodies("POST", "/statuses/").iter().map(|body| body["target_url"].clone()).collect();
        assert_eq!(sent, ["https://example.com//4242", "https://example.com/$NOPE/4242"]);
    }

    #[test]
    fn has_no_job_in_a_one_off_build() {
        let github = GitHub::start();
        let directory = scratch::directory();
        let params =
            json!({ "commit": commit(1), "state": "success", "target_url": "https://example.com/x$BUILD_JOB_NAME" });
        let outcome = put_step(&source(&github), params, directory.path()).without_env("BUILD_JOB_NAME").run();
        assert!(!outcome.succeeded().stderr.contains("warning"), "{}", outcome.stderr);
        assert_eq!(github.bodies("POST", "/statuses/")[0]["target_url"], "https://example.com/x");
    }
}

#[test]
fn sets_several_statuses_in_one_put() {
    let github = GitHub::start();
    let params = json!({
        "commit": commit(1), "state": "success", "description": "all is well",
        "statuses": [
            { "context": "unit" },
            { "context": "lint", "state": "failure", "description": "a warning", "target_url": "https://x.example/$BUILD_ID" },
            { "context": "e2e", "state": "Pending", "description_file": "d", "base_context": "slow" },
        ],
    });
    let outcome = put_with(&source(&github), params, &[("d", "not yet")]);
    let url = "https://ci.example.com/teams/main/pipelines/delivery/jobs/build/builds/42";
    assert_eq!(
        github.bodies("POST", "/statuses/"),
        [
            json!({ "context": "unit", "state": "success", "description": "all is well", "target_url": url }),
            json!({
                "context": "lint", "state": "failure", "description": "a warning", "target_url": "https://x.example/4242",
            }),
            json!({ "context": "slow/e2e", "state": "pending", "description": "not yet", "target_url": url }),
        ]
    );
    assert_eq!(outcome.json()["version"]["status"], "1003");
    let metadata = metadata(&outcome);
    for pair in [("unit", "success"), ("lint", "failure"), ("slow/e2e", "pending")] {
        assert!(metadata.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{metadata:?}");
    }
    // One request suffices to see all of them.
    assert_eq!(github.requests().len(), 4);
}

#[test]
fn sets_no_status_when_an_input_cannot_be_read() {
    let github = GitHub::start();
    let params = json!({
        "commit": commit(1), "statuses": [{ "state": "success" }], "comment_file": "nope",
    });
    let outcome = put(&source(&github), params);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: `comment_file`\n  caused by: file `nope` does not exist in the inputs\n\
         hint: begin the path with the name of an earlier get or of a task's output\n"
    );
    assert_eq!(github.requests(), Vec::<String>::new());
}

mod reading_back {
    use super::*;

    #[test]
    fn waits_until_github_lists_the_status() {
        let github = GitHub::start();
        github.lag(3);
        let outcome = put(&source(&github), json!({ "commit": commit(1), "state": "success" }));
        assert!(!outcome.succeeded().stderr.contains("warning"), "{}", outcome.stderr);
        assert_eq!(github.requests().len(), 5);
    }

    /// dpb587/github-status-resource read the statuses of the branch's head, and so waited 5 s in vain for any other commit.
    #[test]
    fn reads_statuses_of_the_commit_not_of_the_branch() {
        let github = GitHub::start();
        github.add_commit(&commit(2));
        let outcome = put(&source(&github), json!({ "commit": commit(2), "state": "success" }));
        outcome.succeeded();
        assert_eq!(github.requests().len(), 2);
    }

    #[test]
    fn warns_if_github_never_lists_the_status() {
        let github = GitHub::start();
        github.lag(1000);
        let outcome = put(&source(&github), json!({ "commit": commit(1), "state": "success" }));
        assert!(outcome.succeeded().stderr.contains("GitHub does not return it yet"), "{}", outcome.stderr);
        assert!(outcome.elapsed.as_secs() < 25);
        assert_eq!(outcome.json()["version"]["status"], "1001");
    }
}

/// dpb587/github-status-resource never looked at the HTTP status: the put was green, and nothing was set.
mod any_answer_but_2xx_fails_in_github_s_words {
    use super::*;

    #[track_caller]
    fn refused(github: &GitHub, source: &Value, hash: &str, words: &str) {
        let outcome = put(source, json!({ "commit": hash, "state": "success", "context": "ci" }));
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            format!(
                "error: cannot set status `ci` of {hash} to `success`\n  caused by: `POST \
                 http://127.0.0.1:[PORT]/repos/octo/app/statuses/{hash}` answered {words}"
            )
        );
        let request: std::collections::BTreeSet<String> = github.requests().into_iter().collect();
        assert_eq!(request.len(), github.requests().len(), "no address is request twice: {request:?}");
    }

    #[test]
    fn invalid_token() {
        let github = GitHub::start();
        let source = with(source(&github), json!({ "access_token": "ghp_wrong" }));
        refused(
            &github,
            &source,
            &commit(1),
            "401 Unauthorized (x-github-request-id: 0680:45A6:21C5D6C:62D2A4F:62D6350C)\n  caused by: Bad credentials\n\
             hint: the token or the App's private key is wrong, expired or revoked\n",
        );
    }

    #[test]
    fn unknown_commit() {
        let github = GitHub::start();
        let hash = commit(5);
        refused(
            &github,
            &source(&github),
            &hash,
            &format!(
                "422 Unprocessable Entity (x-github-request-id: 0680:45A6:21C5D6C:62D2A4F:62D6350C)\n  caused by: No commit found for SHA: {hash}\n\
                 hint: check that the commit was pushed to this repository\n"
            ),
        );
    }

    #[test]
    fn repository_without_access() {
        let github = GitHub::start();
        let body = json!({ "message": "Not Found" });
        // An endpoint without a path may be the URL of a server whose API has a path.
        github.answer(3, "POST", "/statuses/", Response::json(404, &body));
        refused(
            &github,
            &source(&github),
            &commit(1),
            "404 Not Found\n\
             hint: the `endpoint` of GitHub Enterprise ends with `/api/v3`, that of Gitea and Forgejo with `/api/v1`\n\
             hint: the repository or commit does not exist, or the token has no access: it needs the scope `repo:status`, or the permission `Commit statuses` of a fine-grained token or App\n",
        );
    }

    #[test]
    fn details_that_stand_in_errors() {
        let github = GitHub::start();
        let body = json!({
            "message": "Validation Failed",
            "errors": [{ "resource": "Status", "code": "custom", "message": "This SHA and context has reached the maximum \
                         number of statuses." }],
        });
        github.answer(1, "POST", "/statuses/", Response::json(422, &body));
        refused(
            &github,
            &source(&github),
            &commit(1),
            "422 Unprocessable Entity\n  caused by: Validation Failed; This SHA and context has reached the maximum number of \
             statuses.\n",
        );
    }

    #[test]
    fn server_error_or_html_page() {
        let github = GitHub::start();
        // 501, because a 500 is retried.
        github.answer(1, "POST", "/statuses/", Response::text(501, "<html>\n oops </html>"));
        refused(&github, &source(&github), &commit(1), "501 Not Implemented\n  caused by: <html> oops </html>\n");
    }
}
