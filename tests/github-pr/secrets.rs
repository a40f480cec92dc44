//! Credentials never appear in output or files.

use std::fs;
use std::path::Path;

use jetway_tests::github::{AppKey, TOKEN};
use jetway_tests::scratch;
use jetway_tests::stand_in::Response;
use jetway_tests::tree::tree;
use jetway_tests::verb::{Container, Outcome};
use serde_json::json;

use crate::support::{Project, check_in, get, messages, put, version, with};

/// Asserts that neither the output, the container nor the destination of a get contains the token or a line of the key.
#[track_caller]
fn keeps(outcome: &Outcome, directory: Option<&Path>) {
    let key = AppKey::new();
    let lines = key.pkcs1.lines().filter(|line| !line.starts_with("-----") && line.len() > 8);
    let secrets: Vec<String> = lines.map(str::to_owned).chain([TOKEN, "SECRET", "eyJ"].map(str::to_owned)).collect();
    let mut seen = vec![outcome.stderr.clone(), String::from_utf8_lossy(&outcome.stdout).into_owned()];
    let of_container = outcome.leftovers().into_iter();
    let of_get = directory.into_iter().flat_map(|root| tree(root).into_keys().map(|path| root.join(path)));
    for file in of_container.chain(of_get).filter(|path| path.is_file()) {
        seen.push(String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
    }
    for text in seen {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}

#[test]
fn are_not_shown_on_success() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let container = Container::new();
    let outcome = check_in(&container, &project.source(), None);
    keeps(outcome.succeeded(), None);
    let inputs = scratch::directory();
    let directory = inputs.path().join("pr");
    fs::create_dir(&directory).unwrap();
    let outcome = get(&project.source(), &version(7, &head), json!({}), &directory);
    keeps(outcome.succeeded(), Some(&directory));
    let outcome = put(&project.source(), json!({ "path": "pr", "status": "success", "comment": "x" }), inputs.path());
    keeps(outcome.succeeded(), Some(inputs.path()));
}

#[test]
fn are_not_shown_on_failure() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let talkative = json!({ "message": format!("your header was `Authorization: Bearer {TOKEN}`"), "errors": [TOKEN] });
    for status in [400, 401, 403, 404, 422] {
        project.github.answer(1, "POST", "/graphql", Response::json(status, &talkative));
        let source = with(
            project.source(),
            json!({ "v4_endpoint": format!("{}/graphql", project.github.url()), "v3_endpoint": format!("{}/api/v3", project.github.url()) }),
        );
        let outcome = check_in(&Container::new(), &source, None);
        keeps(outcome.failed(), None);
    }
    let errors = json!({ "errors": [{ "message": format!("token {TOKEN} is bad") }] });
    project.github.answer(1, "POST", "/graphql", Response::json(200, &errors));
    let outcome = check_in(&Container::new(), &project.source(), None);
    keeps(outcome.failed(), None);
    assert!(messages(&outcome).contains("is bad"), "{}", outcome.stderr);
    // The server cuts off git's pack.
    project.server.fail_always(
        "upload-pack",
        jetway_tests::http_git::Fault::Status { status: 403, retry_after: None, body: TOKEN.to_owned() },
    );
    let directory = scratch::directory();
    let outcome = get(&project.source(), &version(7, &head), json!({}), directory.path());
    keeps(outcome.failed(), None);
}

/// A response of the API can change neither the URL for git nor the host that the token is sent to.
#[test]
fn token_is_sent_to_no_other_host() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let other = Project::new();
    project.server.fail_next(jetway_tests::http_git::Fault::Redirect { to: other.server.url("") });
    let directory = scratch::directory();
    let outcome = get(&project.source(), &version(7, &head), json!({}), directory.path());
    outcome.failed();
    for request in other.server.requests() {
        assert!(!request.authorized, "{request:?}");
    }
}
