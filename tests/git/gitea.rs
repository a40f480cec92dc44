//! The git type against a real Gitea.

use std::fs;
use std::path::Path;

use jetway_tests::checkout::Checkout;
use jetway_tests::gitea::{GiteaRepository, PASSWORD, USER, gitea};
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::ssh_git::key_pair;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, check_in, history, refs, request, with};

mod refusals;
mod repositories;
mod tags;

/// A source with the owner's login.
fn source(repository: &GiteaRepository) -> Value {
    json!({ "uri": repository.url(), "branch": "main", "username": USER, "password": PASSWORD })
}

fn get(source: &Value, version: &str, params: Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, Some(version), &params)).run();
    (destination, outcome)
}

fn put(source: &Value, inputs: &Path, params: Value) -> Outcome {
    Verb::put("git").dir(inputs).request(&request(source, None, &params)).run()
}

/// Inputs with a clone of the server's repository in `app`.
fn inputs(repository: &GiteaRepository) -> (TempDir, Checkout) {
    let inputs = scratch::directory();
    let checkout = Checkout::clone(&repository.url_with_login(), inputs.path(), "app");
    (inputs, checkout)
}

fn read(destination: &TempDir, file: &str) -> String {
    fs::read_to_string(destination.path().join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

mod check_verb {
    use super::*;

    #[test]
    fn lists_new_commits_oldest_first() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two", "three"]);
        let source = source(&gitea.repository_of(&local));
        assert_eq!(refs(&check(&source, None)), [commits[2].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
    }

    #[test]
    fn accepts_an_access_token_as_password_or_user() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one"]);
        let made = gitea.repository_with(&json!({ "private": true }));
        made.push_all(local.path());
        let token = gitea.token();
        for (username, password) in [(USER, token), (token, ""), (token, "x-oauth-basic")] {
            let source = json!({ "uri": made.url(), "branch": "main", "username": username, "password": password });
            let outcome = check(&source, None);
            assert_eq!(refs(&outcome), commits, "{username}");
            assert!(!outcome.stderr.contains(token), "{}", outcome.stderr);
        }
    }

    #[test]
    fn fails_with_a_wrong_password_without_printing_it() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_with(&json!({ "private": true }));
        made.push_all(local.path());
        let outcome = check(&with(source(&made), json!({ "password": "wr0ng-s3cret" })), None);
        outcome.failed();
        assert!(!outcome.stderr.contains("wr0ng-s3cret"), "{}", outcome.stderr);
    }

    #[test]
    fn fails_when_the_repository_does_not_exist() {
        let Some(gitea) = gitea() else { return };
        let uri = format!("{}/{USER}/absent.git", gitea.url());
        let source = json!({ "uri": uri, "branch": "main", "username": USER, "password": PASSWORD });
        check(&source, None).failed();
    }

    #[test]
    fn returns_nothing_for_an_empty_repository() {
        let Some(gitea) = gitea() else { return };
        let outcome = check(&source(&gitea.repository()), None);
        // The server names a default branch that has no commit.
        assert!(outcome.code == Some(1) || outcome.json() == json!([]), "{}", outcome.stderr);
    }

    #[test]
    fn filters_by_path() {
        let Some(gitea) = gitea() else { return };
        let local = Repository::new();
        local.commit("docs", &[("docs/a.md", "1")]);
        let code = local.commit("code", &[("src/a.rs", "1")]);
        local.commit("docs again", &[("docs/a.md", "2")]);
        let source = with(source(&gitea.repository_of(&local)), json!({ "paths": ["src"] }));
        assert_eq!(refs(&check(&source, None)), [code]);
    }

    #[test]
    fn follows_a_force_pushed_branch() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two"]);
        let made = gitea.repository_of(&local);
        let (source, container) = (source(&made), Container::new());
        assert_eq!(refs(&check_in(&container, &source, None)), [commits[1].clone()]);
        local.move_branch("main", &commits[0]);
        let other = local.commit("another two", &[("other", "2")]);
        local.git(&["push", "-q", "--force", &made.url_with_login(), "main"]);
        let listed = refs(&check_in(&container, &source, Some(&commits[1])));
        assert_eq!(listed.last(), Some(&other));
    }

    #[test]
    fn lists_tags() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two"]);
        local.tag("v1.0.0", &commits[0]);
        local.annotated_tag("v1.1.0", &commits[1], "second");
        let source = with(source(&gitea.repository_of(&local)), json!({ "tag_filter": "v*" }));
        let versions = check(&source, Some("v1.0.0")).json();
        let names: Vec<&str> =
            versions.as_array().unwrap().iter().map(|version| version["ref"].as_str().unwrap()).collect();
        assert_eq!(names, ["v1.0.0", "v1.1.0"]);
    }

    #[test]
    fn reads_over_ssh_with_a_deploy_key() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two"]);
        let made = gitea.repository_of(&local);
        let key = key_pair("ed25519", None);
        made.add_deploy_key(&key.public, true);
        let source = json!({ "uri": made.ssh_url(), "branch": "main", "private_key": key.private });
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
        let (destination, outcome) = get(&source, &commits[1], json!({ "depth": 1 }));
        outcome.succeeded();
        assert_eq!(read(&destination, "file-1"), "two");
    }

    #[test]
    fn hints_at_private_key_if_the_deploy_key_is_unknown() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let key = key_pair("ed25519", None);
        let source = json!({ "uri": made.ssh_url(), "branch": "main", "private_key": key.private });
        let outcome = check(&source, None);
        outcome.failed();
        assert!(outcome.stderr.contains("private_key"), "{}", outcome.stderr);
    }
}

mod get_verb {
    use super::*;

    #[test]
    fn checks_out_the_newest_commit_with_a_depth() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two", "three"]);
        let source = source(&gitea.repository_of(&local));
        let (destination, outcome) = get(&source, &commits[2], json!({ "depth": 1 }));
        outcome.succeeded();
        assert_eq!(Checkout::of_get(destination.path()).head(), commits[2]);
        assert_eq!(Checkout::of_get(destination.path()).git(&["rev-list", "--count", "HEAD"]), "1");
    }

    #[test]
    fn checks_out_an_older_commit_with_a_depth() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two", "three"]);
        let source = source(&gitea.repository_of(&local));
        let (destination, outcome) = get(&source, &commits[0], json!({ "depth": 1 }));
        outcome.succeeded();
        assert_eq!(Checkout::of_get(destination.path()).head(), commits[0]);
    }

    #[test]
    fn checks_out_the_whole_history() {
        let Some(gitea) = gitea() else { return };
        let (local, commits) = history(&["one", "two", "three"]);
        let (destination, outcome) = get(&source(&gitea.repository_of(&local)), &commits[1], json!({}));
        outcome.succeeded();
        assert_eq!(Checkout::of_get(destination.path()).git(&["rev-list", "--count", "HEAD"]), "2");
        assert_eq!(read(&destination, ".git/ref").trim(), commits[1]);
    }

    #[test]
    fn fetches_submodules_of_another_repository() {
        let Some(gitea) = gitea() else { return };
        let (library, library_commits) = history(&["library"]);
        let library = gitea.repository_of(&library);
        let local = Repository::new();
        let modules = format!("[submodule \"library\"]\n\tpath = library\n\turl = {}\n", library.url());
        let change = local.change("with a library").write(".gitmodules", modules);
        let commit = change.submodule("library", &library_commits[0]).commit();
        let (destination, outcome) = get(&source(&gitea.repository_of(&local)), &commit, json!({}));
        outcome.succeeded();
        assert_eq!(read(&destination, "library/file-0"), "library");
    }

    #[test]
    fn fetches_lfs_files() {
        let Some(gitea) = gitea() else { return };
        if !require(Layer::Program("git-lfs")) {
            return;
        }
        let made = gitea.repository();
        let work = scratch::directory();
        let checkout = Checkout::clone(&made.url_with_login(), work.path(), "app");
        checkout.git(&["checkout", "-q", "-B", "main"]);
        checkout.git(&["lfs", "install", "--local"]);
        let attributes = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
        let commit = checkout.commit("large", &[attributes, ("one.bin", "one, large\n")]);
        checkout.git(&["push", "-q", "origin", "main"]);
        let (destination, outcome) = get(&source(&made), &commit, json!({}));
        outcome.succeeded();
        assert_eq!(read(&destination, "one.bin"), "one, large\n");
    }

    #[test]
    fn fails_when_the_commit_is_gone() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let source = source(&gitea.repository_of(&local));
        let (_, outcome) = get(&source, "0123456789012345678901234567890123456789", json!({}));
        outcome.failed();
    }
}

mod put_verb {
    use super::*;

    #[test]
    fn pushes_a_commit() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let (inputs, checkout) = inputs(&made);
        let commit = checkout.commit("two", &[("two", "2")]);
        let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app" }));
        assert_eq!(outcome.json()["version"]["ref"], json!(commit));
        assert_eq!(made.resolve("refs/heads/main"), Some(commit));
    }

    #[test]
    fn rebases_onto_other_pushes() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let (inputs, checkout) = inputs(&made);
        checkout.commit("ours", &[("ours", "1")]);
        let theirs = local.commit("theirs", &[("theirs", "1")]);
        made.push_all(local.path());
        let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app", "rebase": true }));
        let pushed = outcome.json()["version"]["ref"].as_str().unwrap().to_owned();
        assert_eq!(made.resolve("refs/heads/main"), Some(pushed));
        assert_ne!(made.resolve("refs/heads/main"), Some(theirs));
    }

    #[test]
    fn fails_without_rebase_after_another_push() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let (inputs, checkout) = inputs(&made);
        checkout.commit("ours", &[("ours", "1")]);
        local.commit("theirs", &[("theirs", "1")]);
        made.push_all(local.path());
        let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app" }));
        outcome.failed();
        assert!(outcome.stderr.contains("rebase"), "{}", outcome.stderr);
    }

    #[test]
    fn prints_why_a_protected_branch_refuses_a_push() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        made.api("POST", "/branch_protections", Some(&json!({ "rule_name": "main", "enable_push": false })));
        let (inputs, checkout) = inputs(&made);
        checkout.commit("two", &[("two", "2")]);
        let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app" }));
        outcome.failed();
        assert!(outcome.stderr.to_lowercase().contains("protected branch"), "{}", outcome.stderr);
    }

    #[test]
    fn fails_with_a_read_only_deploy_key() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let key = key_pair("ed25519", None);
        made.add_deploy_key(&key.public, true);
        let (inputs, checkout) = inputs(&made);
        checkout.commit("two", &[("two", "2")]);
        let source = json!({ "uri": made.ssh_url(), "branch": "main", "private_key": key.private });
        put(&source, inputs.path(), json!({ "repository": "app" })).failed();
    }

    #[test]
    fn pushes_over_ssh_with_a_writable_deploy_key() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let key = key_pair("ed25519", None);
        made.add_deploy_key(&key.public, false);
        let (inputs, checkout) = inputs(&made);
        let commit = checkout.commit("two", &[("two", "2")]);
        let source = json!({ "uri": made.ssh_url(), "branch": "main", "private_key": key.private });
        put(&source, inputs.path(), json!({ "repository": "app" })).succeeded();
        assert_eq!(made.resolve("refs/heads/main"), Some(commit));
    }

    #[test]
    fn tags_the_pushed_commit() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let (inputs, checkout) = inputs(&made);
        let commit = checkout.commit("two", &[("two", "2")]);
        fs::write(inputs.path().join("version"), "1.2.3\n").unwrap();
        let params = json!({ "repository": "app", "tag": "version", "tag_prefix": "v" });
        put(&source(&made), inputs.path(), params).succeeded();
        assert_eq!(made.resolve("refs/tags/v1.2.3"), Some(commit));
        let releases = made.api("GET", "/tags", None);
        assert_eq!(releases[0]["name"], json!("v1.2.3"));
    }

    #[test]
    fn pushes_to_a_new_branch() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let (inputs, checkout) = inputs(&made);
        let commit = checkout.commit("two", &[("two", "2")]);
        put(&source(&made), inputs.path(), json!({ "repository": "app", "branch": "release/1" })).succeeded();
        assert_eq!(made.resolve("refs/heads/release/1"), Some(commit));
    }

    #[test]
    fn is_idempotent() {
        let Some(gitea) = gitea() else { return };
        let (local, _) = history(&["one"]);
        let made = gitea.repository_of(&local);
        let (inputs, checkout) = inputs(&made);
        let commit = checkout.commit("two", &[("two", "2")]);
        for _ in 0..2 {
            let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app" }));
            assert_eq!(outcome.json()["version"]["ref"], json!(commit));
        }
    }
}
