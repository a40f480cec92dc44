//! put to a real Gitea.

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
    assert!(messages(&outcome).contains("and only pull requests have comments"), "{}", outcome.stderr);
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
        assert!(messages(&outcome).contains(scope), "{}", outcome.stderr);
    }
}
