//! A put succeeds once GitHub has confirmed the status, even if the response lacks fields or the status cannot be read back.

use jetway_tests::github::{GitHub, commit};
use jetway_tests::stand_in::Response;
use serde_json::{Value, json};

use crate::support::{inputs, messages, put, put_step, put_with, source, with};

fn success() -> Value {
    json!({ "commit": commit(1), "state": "success" })
}

#[test]
fn succeeds_when_the_status_cannot_be_read_back() {
    for (times, status) in [(1, 500), (5, 500), (1, 403), (5, 404), (20, 403)] {
        let github = GitHub::start();
        github.answer(
            times,
            "GET",
            "/statuses",
            Response::json(status, &json!({ "message": "Resource not accessible" })),
        );
        let outcome = put(&source(&github), success());
        outcome.succeeded();
        assert_eq!(github.statuses(&commit(1)).len(), 1, "{status}");
        if times == 20 {
            assert!(
                messages(&outcome).contains("warning: the status is set, but it cannot be read back: "),
                "{}",
                messages(&outcome)
            );
        }
    }
}

#[test]
fn succeeds_when_the_response_lacks_fields_or_has_other_types() {
    for (answer, state) in [
        (json!({ "id": 7, "state": "success" }), "success"),
        (json!({ "id": "7", "status": "success", "creator": null, "created_at": 3, "url": [] }), "success"),
        (json!({ "id": 7 }), "success"),
    ] {
        let github = GitHub::start();
        github.answer(1, "POST", "/statuses/", Response::json(201, &answer));
        github.answer(1, "GET", "/statuses", Response::json(200, &json!([answer])));
        let outcome = put(&source(&github), success());
        outcome.succeeded();
        assert_eq!(outcome.json()["version"], json!({ "commit": commit(1), "status": "7" }), "{answer}");
        let metadata = outcome.json()["metadata"].clone();
        assert!(
            metadata.as_array().expect("a list").contains(&json!({ "name": "state", "value": state })),
            "{metadata}"
        );
    }
}

#[test]
fn succeeds_when_the_response_cannot_be_parsed() {
    for answer in [Response::text(201, ""), Response::text(201, "created"), Response::json(201, &json!({}))] {
        let github = GitHub::start();
        github.answer(1, "POST", "/statuses/", answer);
        let outcome = put(&source(&github), success());
        outcome.succeeded();
        assert_eq!(outcome.json()["version"], json!({ "commit": commit(1) }));
        assert!(
            messages(&outcome).contains("warning: the status is set, but the response has no `id`"),
            "{}",
            messages(&outcome)
        );
    }
}

#[test]
fn fails_when_the_response_is_a_web_page() {
    let github = GitHub::start();
    github.answer(1, "POST", "/statuses/", Response::bytes(200, "text/html", "<html>Log in</html>"));
    put(&source(&github), success()).failed();
}

#[test]
fn retries_without_a_field_that_github_rejects() {
    for (key, value) in [("target_url", "https://ci.example.com/x"), ("description", "d")] {
        let github = GitHub::start();
        let refusal = json!({
            "message": "Validation Failed",
            "errors": [{ "resource": "Status", "code": "custom", "field": key, "message": format!("{key} is not allowed") }],
        });
        github.answer(1, "POST", "/statuses/", Response::json(422, &refusal));
        let outcome = put(&source(&github), with(success(), json!({ key: value })));
        outcome.succeeded();
        assert!(
            messages(&outcome).contains(&format!("warning: retrying without `{key}`, which GitHub rejected")),
            "{}",
            messages(&outcome)
        );
        assert!(github.bodies("POST", "/statuses/")[1].get(key).is_none());
    }
}

#[test]
fn omits_target_url_without_a_scheme() {
    let github = GitHub::start();
    for target in ["ci.example.com/builds/1", "/builds/$BUILD_ID", "ftp://x/y"] {
        let outcome = put(&source(&github), with(success(), json!({ "target_url": target })));
        outcome.succeeded();
        assert!(messages(&outcome).contains("warning: `target_url` is omitted: "), "{}", messages(&outcome));
    }
    let directory = inputs(&[]);
    put_step(&source(&github), success(), directory.path())
        .env("ATC_EXTERNAL_URL", "ci.example.com")
        .env("BUILD_URL", "ci.example.com/builds/1")
        .run()
        .succeeded();
    let bodies = github.bodies("POST", "/statuses/");
    assert_eq!(bodies.len(), 4);
    assert!(bodies.iter().all(|body| body.get("target_url").is_none()), "{bodies:?}");
}

#[test]
fn removes_emoji_which_github_rejects() {
    let github = GitHub::start();
    let params = with(success(), json!({ "description": "\u{1f680} shipped \u{2713}", "context": "ci \u{1f9ea}" }));
    let outcome = put(&source(&github), params);
    outcome.succeeded();
    let body = &github.bodies("POST", "/statuses/")[0];
    assert_eq!((&body["description"], &body["context"]), (&json!("shipped \u{2713}"), &json!("ci")));
    assert!(messages(&outcome).contains("warning: `description` is set without emoji"), "{}", messages(&outcome));
}

#[test]
fn accepts_description_file_that_is_missing_or_not_utf_8() {
    let github = GitHub::start();
    let directory = inputs(&[]);
    std::fs::write(directory.path().join("d"), b"caf\xe9\n").expect("write a file");
    put_step(&source(&github), with(success(), json!({ "description_file": "d" })), directory.path()).run().succeeded();
    let outcome = put(&source(&github), with(success(), json!({ "description_file": "none", "description": "d" })));
    outcome.succeeded();
    assert!(
        messages(&outcome).contains("warning: file `none` (`description_file`) does not exist in the inputs"),
        "{}",
        messages(&outcome)
    );
    let bodies = github.bodies("POST", "/statuses/");
    assert_eq!((&bodies[0]["description"], &bodies[1]["description"]), (&json!("caf\u{fffd}"), &json!("d")));
}

mod with_path {
    use super::*;

    fn checkout() -> [(&'static str, String); 2] {
        [
            ("pr/.git/HEAD", commit(9)),
            ("pr/.git/resource/version.json", format!(r#"{{"pr":"5","commit":"{}"}}"#, commit(5))),
        ]
    }

    fn put_pr(github: &GitHub, params: Value) -> jetway_tests::verb::Outcome {
        let files = checkout();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        put_with(&source(github), params, &files)
    }

    #[test]
    fn succeeds_without_a_status() {
        let github = GitHub::start();
        let outcome = put_pr(&github, json!({ "path": "pr" }));
        outcome.succeeded();
        assert_eq!(outcome.json()["version"], json!({ "commit": commit(5) }));
        assert!(github.requests().is_empty(), "{:?}", github.requests());
    }

    #[test]
    fn falls_back_to_head_when_merge_is_unknown_to_github() {
        let github = GitHub::start();
        github.add_commit(&commit(5));
        let outcome = put_pr(&github, json!({ "commit": "pr", "state": "success" }));
        outcome.succeeded();
        assert_eq!(outcome.json()["version"]["commit"], commit(5));
        assert_eq!(github.statuses(&commit(5)).len(), 1);
    }

    #[test]
    fn sets_status_for_each_context() {
        let github = GitHub::start();
        github.add_commit(&commit(5));
        put_pr(&github, json!({ "path": "pr", "status": "success", "context": ["unit", "lint"] })).succeeded();
        let contexts: Vec<Value> =
            github.bodies("POST", "/statuses/").iter().map(|body| body["context"].clone()).collect();
        assert_eq!(contexts, ["concourse-ci/unit", "concourse-ci/lint"]);
    }

    #[test]
    fn comment_may_name_a_file() {
        let github = GitHub::start();
        github.open_pull_request(5, &commit(5), "main");
        let mut files = checkout().map(|(path, text)| (path, text)).to_vec();
        files.push(("out/report.md", "97 %\n".to_owned()));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let outcome = put_with(&source(&github), json!({ "path": "pr", "comment": "out/report.md" }), &files);
        outcome.succeeded();
        assert_eq!(github.comments(5)[0].1, "97 %");
        assert!(messages(&outcome).contains("reading `comment` from file `out/report.md`"), "{}", messages(&outcome));
    }
}
