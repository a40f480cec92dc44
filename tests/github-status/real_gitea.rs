//! Statuses on a real Gitea server.

use std::path::Path;

use jetway_tests::gitea::{GiteaRepository, gitea};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

/// Creates a repository with one commit on the server, and returns both.
fn committed() -> Option<(GiteaRepository, String)> {
    let gitea = gitea()?;
    let local = Repository::new();
    let commit = local.commit("begin", &[("README.md", "hello\n")]);
    Some((gitea.repository_of(&local), commit))
}

fn source(repository: &GiteaRepository, endpoint: &str) -> Value {
    let gitea = gitea().expect("the repository is on it");
    json!({
        "repository": repository.full_name(), "access_token": gitea.token(), "branch": "main",
        "context": "unit", "endpoint": format!("{}{endpoint}", gitea.url()),
    })
}

fn put(source: &Value, params: &Value, inputs: &Path) -> Outcome {
    Verb::put("github-status").dir(inputs).request(&json!({ "source": source, "params": params })).run()
}

#[test]
fn check_and_get_find_the_status_of_a_put() {
    let Some((repository, commit)) = committed() else { return };
    let inputs = scratch::directory();
    // With the URL of the API, and with the URL of the server.
    for (endpoint, state) in [("/api/v1", "pending"), ("", "success")] {
        let source = source(&repository, endpoint);
        let outcome =
            put(&source, &json!({ "commit": commit, "state": state, "description": "by a test" }), inputs.path());
        let version = outcome.json()["version"].clone();
        assert_eq!(version["commit"], json!(commit));
        // Gitea sorts the statuses of one second at random.
        let listed = repository.api("GET", &format!("/commits/{commit}/statuses"), None);
        let newest = listed.as_array().into_iter().flatten().max_by_key(|status| status["id"].as_u64());
        let newest = newest.expect("a status");
        assert_eq!((&newest["status"], &newest["context"]), (&json!(state), &json!("unit")), "{listed:#}");

        let versions = Verb::check("github-status").request(&json!({ "source": source })).run().json();
        assert_eq!(versions.as_array().and_then(|versions| versions.last()), Some(&version));

        let target = scratch::directory();
        let request = json!({ "source": source, "version": version });
        Verb::get("github-status").dir(target.path()).request(&request).run().succeeded();
        let read = |file: &str| std::fs::read_to_string(target.path().join(file)).unwrap();
        assert_eq!((read("state").trim(), read("commit").trim()), (state, commit.as_str()));
    }
}

#[test]
fn comments_on_the_pull_request_of_the_commit() {
    let Some((repository, main)) = committed() else { return };
    let file = json!({ "content": "bmV3", "message": "change", "new_branch": "topic" });
    let made = repository.api("POST", "/contents/new.txt", Some(&file));
    let pull = json!({ "head": "topic", "base": "main", "title": "Change" });
    let number = repository.api("POST", "/pulls", Some(&pull))["number"].clone();
    let inputs = scratch::directory();
    let source = source(&repository, "/api/v1");
    for text in ["one", "two"] {
        let params = json!({
            "commit": made["commit"]["sha"], "state": "success", "comment": text, "delete_previous_comments": true,
        });
        put(&source, &params, inputs.path()).succeeded();
    }
    let comments = repository.api("GET", &format!("/issues/{number}/comments"), None);
    let texts: Vec<&Value> = comments.as_array().unwrap().iter().map(|comment| &comment["body"]).collect();
    assert_eq!(texts, ["two"]);
    put(&source, &json!({ "commit": main, "comment": "three" }), inputs.path()).failed();
}

#[test]
fn fails_for_missing_commit() {
    let Some((repository, _)) = committed() else { return };
    let inputs = scratch::directory();
    let params = json!({ "commit": "0123456789012345678901234567890123456789", "state": "success" });
    put(&source(&repository, "/api/v1"), &params, inputs.path()).failed();
}

#[test]
fn fails_with_unknown_token() {
    let Some((repository, commit)) = committed() else { return };
    let inputs = scratch::directory();
    let mut source = source(&repository, "/api/v1");
    source["access_token"] = json!("0123456789abcdef0123456789abcdef01234567");
    put(&source, &json!({ "commit": commit, "state": "success" }), inputs.path()).failed();
}
