//! get: the checkout and the files.

use std::fs;

use jetway_tests::repository::Repository;
use jetway_tests::{git, scratch};
use serde_json::{Value, json};

use crate::support::{Project, file, get, messages, version, with};

fn text(directory: &std::path::Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

#[test]
fn merges_into_the_base_branch() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let main = project.repository.commit("on main", &[("main.txt", "main")]);
    let (directory, outcome) = project.get(7, &head, json!({}));
    let answer = outcome.json();
    assert_eq!(answer["version"], version(7, &head));
    assert_eq!((text(directory.path(), "new.txt"), text(directory.path(), "main.txt")), ("new".into(), "main".into()));
    let git = |arguments: &[&str]| git::run(directory.path(), arguments);
    assert_eq!(git(&["branch", "--show-current"]), "main");
    assert_eq!(git(&["log", "-1", "--format=%P"]), format!("{main} {head}"));
    assert_eq!(git(&["status", "--porcelain"]), "");
    // The base commit of the merge, which is newer than the one that GitHub returns.
    assert_eq!(file(directory.path(), "base_sha"), main);
    assert!(
        messages(&outcome).contains(&format!("checked out the merge of pull request 7 at {head}")),
        "{}",
        outcome.stderr
    );
}

#[test]
fn merge_of_an_up_to_date_branch_is_its_head() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let (directory, outcome) = project.get(7, &head, json!({}));
    outcome.succeeded();
    assert_eq!(git::run(directory.path(), &["rev-parse", "HEAD"]), head);
}

#[test]
fn rebases_onto_the_base_branch() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let main = project.repository.commit("on main", &[("main.txt", "main")]);
    let (directory, outcome) = project.get(7, &head, json!({ "integration_tool": "rebase" }));
    outcome.succeeded();
    let git = |arguments: &[&str]| git::run(directory.path(), arguments);
    assert_eq!((git(&["log", "-1", "--format=%P"]), git(&["branch", "--show-current"])), (main, "topic-7".to_owned()));
    assert_eq!((text(directory.path(), "new.txt"), text(directory.path(), "main.txt")), ("new".into(), "main".into()));
    assert_eq!(file(directory.path(), "head_sha"), head);
}

#[test]
fn checks_out_the_head_as_it_is() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    project.repository.commit("on main", &[("main.txt", "main")]);
    let (directory, outcome) = project.get(7, &head, json!({ "integration_tool": "checkout" }));
    outcome.succeeded();
    assert_eq!(git::run(directory.path(), &["rev-parse", "HEAD"]), head);
    assert!(!directory.path().join("main.txt").exists());
}

#[test]
fn writes_a_file_for_each_entry_of_the_metadata() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    project.github.change_pull(7, |pull| pull.labels = vec!["a".into(), "b c".into()]);
    let main = project.repository.tip("main");
    let (directory, outcome) = project.get(7, &head, json!({ "list_changed_files": true }));
    for (name, content) in [
        ("pr", "7"),
        ("title", "Change 7"),
        ("url", "https://github.example/octo/app/pull/7"),
        ("head_name", "topic-7"),
        ("head_sha", &head),
        ("base_name", "main"),
        ("base_sha", &main),
        ("message", "change 7\n\nin two paragraphs"),
        ("author", "ada"),
        ("author_name", "Ada Fixture"),
        ("author_email", "ada@example.com"),
        ("opened_by", "octo-dev"),
        ("labels", "a,b c"),
        ("state", "OPEN"),
        ("draft", "false"),
        ("changed_files", "new.txt\n"),
    ] {
        assert_eq!(file(directory.path(), name), content, "{name}");
    }
    let parsed: Value = serde_json::from_str(&file(directory.path(), "version.json")).unwrap();
    assert_eq!(parsed, version(7, &head));
    let metadata: Value = serde_json::from_str(&file(directory.path(), "metadata.json")).unwrap();
    assert_eq!(metadata[1], json!({ "name": "title", "value": "Change 7" }));
    assert_eq!(outcome.json()["metadata"][1], json!({ "name": "title", "value": "Change 7" }));
}

#[test]
fn skip_download_writes_only_the_files() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let (directory, outcome) = project.get(7, &head, json!({ "skip_download": true, "list_changed_files": true }));
    outcome.succeeded();
    assert_eq!(project.server.requests().len(), 0);
    assert!(!directory.path().join("new.txt").exists());
    assert_eq!(
        (file(directory.path(), "head_sha"), file(directory.path(), "changed_files")),
        (head, "new.txt\n".into())
    );
}

#[test]
fn conflict_names_the_files() {
    let project = Project::new();
    let head = project.open(7, &[("README.md", "theirs\n"), ("b.txt", "x")]);
    project.repository.commit("on main", &[("README.md", "ours\n")]);
    for (tool, verb) in [("merge", "merge"), ("rebase", "rebase")] {
        let (_, outcome) = project.get(7, &head, json!({ "integration_tool": tool }));
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains(&format!("cannot {verb} pull request 7 (")), "{messages}");
        assert!(messages.contains("merge conflict in `README.md`"), "{messages}");
        assert!(
            messages.contains("hint: resolve the conflict in the pull request, or set `integration_tool: checkout`")
        );
    }
    project.get(7, &head, json!({ "integration_tool": "checkout" })).1.succeeded();
}

#[test]
fn depth_limits_the_history_but_not_the_merge() {
    let project = Project::new();
    let fork = project.repository.tip("main");
    for number in 0..30 {
        project.repository.commit("more", &[("main.txt", &number.to_string())]);
    }
    let head = project.push_from(7, &fork, &[("new.txt", "new")]);
    for tool in ["merge", "rebase"] {
        let (directory, outcome) = project.get(7, &head, json!({ "git_depth": 2, "integration_tool": tool }));
        outcome.succeeded();
        assert_eq!(text(directory.path(), "main.txt"), "29", "{tool}");
        assert_eq!(text(directory.path(), "new.txt"), "new", "{tool}");
    }
    let on_top = project.open(8, &[("new.txt", "new")]);
    for params in [json!({ "git_depth": 2 }), json!({ "git.depth": 2 })] {
        let (directory, outcome) = project.get(8, &on_top, with(json!({ "integration_tool": "checkout" }), params));
        outcome.succeeded();
        // Two commits of the head and two of the base branch, one of which is common to both.
        assert_eq!(git::run(directory.path(), &["rev-list", "--count", "HEAD"]), "3");
    }
}

#[test]
fn fetches_version_that_is_no_longer_the_head() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "old")]);
    let newer = project.push_from(7, &head, &[("new.txt", "newer")]);
    let (directory, outcome) = project.get(7, &head, json!({}));
    outcome.succeeded();
    assert_eq!(text(directory.path(), "new.txt"), "old");
    // Even after a force-push, as long as the server still has the commit.
    let main = project.repository.tip("main");
    project.push_from(7, &main, &[("other.txt", "x")]);
    for depth in [json!({}), json!({ "git_depth": 1 })] {
        let (directory, outcome) = project.get(7, &newer, depth);
        outcome.succeeded();
        assert_eq!(text(directory.path(), "new.txt"), "newer");
    }
    project.repository.forget_unreachable();
    let (_, outcome) = project.get(7, &newer, json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains(&format!("version `{newer}` is gone")), "{}", outcome.stderr);
}

#[test]
fn reports_deleted_pull_request_or_base_branch() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "old")]);
    project.github.change_pull(7, |pull| pull.base = "gone".to_owned());
    let (_, outcome) = project.get(7, &head, json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains("there is no `refs/heads/gone` in"), "{}", outcome.stderr);
    project.github.forget_pull(7);
    let (_, outcome) = project.get(7, &head, json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains("cannot read pull request 7 of `octo/app`"), "{}", outcome.stderr);
    assert!(
        messages(&outcome).contains("Could not resolve to a PullRequest with the number of 7."),
        "{}",
        outcome.stderr
    );
}

#[test]
fn branch_of_a_fork_may_have_the_name_of_the_base_or_an_option() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    project.repository.commit("on main", &[("main.txt", "main")]);
    for name in ["main", "-f", "--upload-pack=id"] {
        project.github.change_pull(7, |pull| name.clone_into(&mut pull.head_name));
        for tool in ["merge", "rebase", "checkout"] {
            let (directory, outcome) = project.get(7, &head, json!({ "integration_tool": tool }));
            outcome.succeeded();
            assert_eq!(text(directory.path(), "new.txt"), "new", "{name} {tool}");
        }
    }
}

#[test]
fn tags_are_fetched_on_request() {
    let project = Project::new();
    project.repository.tag("v1", "main");
    let head = project.open(7, &[("new.txt", "new")]);
    let (directory, outcome) = project.get(7, &head, json!({}));
    outcome.succeeded();
    assert_eq!(git::run(directory.path(), &["tag"]), "");
    let (directory, outcome) = project.get(7, &head, json!({ "fetch_tags": true }));
    outcome.succeeded();
    assert_eq!(git::run(directory.path(), &["tag"]), "v1");
}

#[test]
fn submodules_are_fetched_on_request() {
    let project = Project::new();
    let library = Repository::named("library");
    let commit = library.commit("library", &[("lib.txt", "lib")]);
    fs::rename(library.path(), project.repository.root().join("library.git")).unwrap();
    let modules = "[submodule \"lib\"]\n\tpath = lib\n\turl = ../library.git\n";
    let main = project.repository.tip("main");
    let change = project.repository.change("with a submodule").on("temporary").from(&main);
    let head = change.write(".gitmodules", modules).submodule("lib", &commit).commit();
    let number = 7;
    project.repository.git(&["update-ref", "refs/pull/7/head", &head]);
    project.github.put_pull(jetway_tests::github::PullRequest::new(number, &head));
    for (params, is_there) in [
        (json!({}), false),
        (json!({ "submodules": true }), true),
        (json!({ "submodules": "true", "git_depth": 1 }), true),
        (json!({ "submodules": ["lib"], "integration_tool": "checkout" }), true),
    ] {
        let (directory, outcome) = project.get(number, &head, params.clone());
        outcome.succeeded();
        assert_eq!(directory.path().join("lib/lib.txt").exists(), is_there, "{params}");
    }
}

#[test]
fn rejects_version_without_a_commit_hash() {
    let project = Project::new();
    for wrong in [json!({ "pr": "7", "commit": "main" }), json!({ "pr": "x", "commit": "0".repeat(40) })] {
        get(&project.source(), &wrong, json!({}), scratch::directory().path()).failed();
    }
    assert_eq!(project.github.requests().len(), 0);
}

#[test]
fn git_logs_in_with_the_app_token() {
    let project = Project::new();
    let head = project.open(7, &[("new.txt", "new")]);
    let key = jetway_tests::github::AppKey::new();
    project.github.install_app("4711", "jetway", &key);
    let source = json!({
        "repository": "octo/app", "v3_endpoint": project.github.url(), "app_id": "4711", "private_key": key.pkcs1,
        "uri": project.server.url("app.git"),
    });
    let directory = scratch::directory();
    let outcome = get(&source, &version(7, &head), json!({}), directory.path());
    // The test's git server rejects the App's token, because it accepts only the fixed one.
    outcome.failed();
    assert!(messages(&outcome).contains("hint: git logs in with the token of the source"), "{}", outcome.stderr);
}
