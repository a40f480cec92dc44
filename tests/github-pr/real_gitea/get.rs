//! get from a real Gitea.

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
    assert!(messages(&outcome).contains("merge conflict in `README.md`"), "{}", outcome.stderr);
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
    assert_eq!((text(directory.path(), "new.txt"), file(directory.path(), "opened_by")), ("new".into(), OTHER.into()));
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
    assert!(messages(&outcome).contains("cannot read pull request 99"), "{}", outcome.stderr);
    assert!(messages(&outcome).contains("there is no such pull request"), "{}", outcome.stderr);
}
