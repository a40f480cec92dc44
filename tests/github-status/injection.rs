//! Untrusted text is sent unchanged, only in its own field, and is never executed.

use std::fs;
use std::os::unix::fs::symlink;

use jetway_tests::github::{GitHub, TOKEN, commit};
use jetway_tests::layer::{Layer, require};
use jetway_tests::process;
use jetway_tests::verb::{Container, Verb};
use serde_json::json;

use crate::support::{check, inputs, messages, put, put_step, put_with, source, with};

/// Texts with special characters for a shell, JSON or an HTTP header.
const NASTY: [&str; 12] = [
    "`touch /tmp/pwned`",
    "$(touch /tmp/pwned)",
    "'; touch /tmp/pwned; '",
    "\"},{\"state\":\"success\",\"x\":\"",
    "line one\nline two",
    "-o /tmp/pwned",
    "--config=/etc/passwd",
    "\\u0041 \\n \\",
    "a\r\nX-Injected: yes",
    "%0d%0aX-Injected: yes",
    "&state=success#?",
    "${HOME} $((1+1)) ${A:-b} $$ $1 ~ * ; | < > !",
];

#[test]
fn sends_texts_unchanged() {
    for text in NASTY {
        let github = GitHub::start();
        let files = [("in/text", text), ("in/url", "https://example.com/`id`?a=$(id)&b='\"")];
        let params = json!({
            "commit": commit(1), "state": "success", "context": text, "target_url_path": "in/url",
            "statuses": [{ "description": text }, { "description_file": "in/text" }],
        });
        put_with(&source(&github), params, &files).succeeded();
        // Variables are expanded in a context, but this text contains no variable of the build.
        for body in github.bodies("POST", "/statuses/") {
            let expected = json!({
                "state": "success", "context": text, "description": text,
                "target_url": "https://example.com/`id`?a=$(id)&b='\"",
            });
            assert_eq!(body, expected);
        }
        assert!(github.recorded_requests().iter().all(|request| request.header("x-injected").is_none()));
        assert!(!fs::exists("/tmp/pwned").unwrap());
    }
}

#[test]
fn sends_comments_unchanged() {
    for text in NASTY {
        let github = GitHub::start();
        github.open_pull_request(5, &commit(5), "main");
        let hash = commit(5);
        let files = [("pr/.git/head_sha", hash.as_str()), ("pr/.git/id", "5"), ("in/text", text)];
        let params = json!({ "path": "pr", "comment": text, "comment_file": "in/text" });
        put_with(&source(&github), params, &files).succeeded();
        assert_eq!(github.bodies("POST", "/comments"), [json!({ "body": text }), json!({ "body": text })]);
    }
}

#[test]
fn variables_are_expanded_once() {
    let github = GitHub::start();
    let inputs = inputs(&[]);
    let params = json!({ "commit": commit(1), "state": "success", "target_url": "https://x.example/$BUILD_JOB_NAME" });
    put_step(&source(&github), params, inputs.path())
        .env("BUILD_JOB_NAME", "$(id)-${BUILD_ID}-`id`")
        .env("SECRET", "hunter2")
        .run()
        .succeeded();
    assert_eq!(github.bodies("POST", "/statuses/")[0]["target_url"], "https://x.example/$(id)-${BUILD_ID}-`id`");
}

#[test]
fn expands_only_variables_of_the_build() {
    let github = GitHub::start();
    let inputs = inputs(&[]);
    let params = json!({ "commit": commit(1), "state": "success", "context": "$HOME/$PATH/$SECRET" });
    put_step(&source(&github), params, inputs.path()).env("SECRET", "hunter2").run().succeeded();
    assert_eq!(github.bodies("POST", "/statuses/")[0]["context"], "$HOME/$PATH/$SECRET");
}

#[test]
fn rejects_paths_that_leave_the_inputs() {
    let github = GitHub::start();
    let keys = ["commit", "path", "description_file", "description_path", "target_url_path", "comment_file"];
    for key in keys {
        for path in ["/etc/passwd", "../secret", "a/../../secret", ".."] {
            let mut params = json!({ "state": "success", "comment": "x" });
            if !["commit", "path"].contains(&key) {
                params["commit"] = json!(commit(1));
            }
            params[key] = json!(path);
            let outcome = put(&source(&github), params);
            outcome.failed();
            let line = format!("`params.{key}`: must stay inside the directory of the inputs\n");
            assert!(messages(&outcome).contains(&line), "{key} {path}: {}", outcome.stderr);
        }
    }
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn rejects_symlinks_that_leave_the_inputs() {
    let github = GitHub::start();
    let hash = commit(1);
    let inputs = inputs(&[("code/.git/HEAD", &hash)]);
    let outside = crate::support::inputs(&[("secret", "hunter2"), ("repo/.git/HEAD", &hash)]);
    symlink(outside.path().join("secret"), inputs.path().join("code/link")).unwrap();
    symlink(outside.path().join("repo"), inputs.path().join("away")).unwrap();
    symlink(outside.path().join("repo/.git"), inputs.path().join("code/.git-away")).unwrap();
    for params in [
        json!({ "commit": "code", "description_file": "code/link" }),
        json!({ "commit": "code", "target_url_path": "code/link" }),
        json!({ "commit": "code", "comment_file": "code/link" }),
        json!({ "commit": "code/link" }),
        json!({ "commit": "away" }),
        json!({ "path": "away" }),
    ] {
        let outcome =
            put_step(&source(&github), with(params.clone(), json!({ "state": "success" })), inputs.path()).run();
        outcome.failed();
        assert!(messages(&outcome).contains("outside the directory of the inputs"), "{params}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("hunter2"));
    }
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn names_in_the_source_cannot_change_the_path_of_requests() {
    let github = GitHub::start();
    for (key, value) in [
        ("repository", "octo/app/../../user"),
        ("repository", "../user"),
        ("repository", "octo/.."),
        ("repository", "octo/app?x"),
        ("branch", "../../../user"),
        ("branch", "a b"),
        ("branch", "x\r\nX-Injected: yes"),
        ("commit", "HEAD"),
        ("endpoint", "file:///etc/passwd"),
        ("endpoint", "https://user:hunter2@example.com"),
        ("installation_id", "1/../../user"),
    ] {
        let outcome = check(&with(source(&github), json!({ key: value })), None);
        outcome.failed();
        assert!(outcome.stderr.contains(&format!("source.{key}")), "{value}: {}", outcome.stderr);
    }
}

#[test]
fn rejects_token_with_line_break() {
    let github = GitHub::start();
    let source = with(source(&github), json!({ "access_token": "abc\r\nX-Injected: yes" }));
    let outcome = check(&source, None);
    outcome.failed();
    assert!(
        messages(&outcome).contains("the header `authorization` has a line break or another control character in it"),
        "{}",
        outcome.stderr
    );
    assert_eq!(github.requests(), Vec::<String>::new());
    // A line break at the end is trimmed.
    let source = with(crate::support::source(&github), json!({ "access_token": format!("{TOKEN}\n") }));
    check(&source, None).succeeded();
}

#[test]
fn starts_no_process() {
    if !require(Layer::Trace) {
        return;
    }
    let github = GitHub::start();
    let inputs = inputs(&[]);
    let request = json!({ "source": source(&github), "params": { "commit": commit(1), "state": "success" } });
    let file = inputs.path().join("request.json");
    fs::write(&file, request.to_string()).unwrap();
    let container = Container::new();
    let command = Verb::put("github-status").dir(inputs.path()).command(&container);
    let footprint = process::footprint(&command, &file).unwrap();
    assert_eq!((footprint.started, footprint.children), (0, 0));
    assert_eq!(github.statuses(&commit(1)).len(), 1);
}
