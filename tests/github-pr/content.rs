//! Files that pass through git's filters: git-crypt and git-lfs, with and without a merge.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::checkout::Checkout;
use jetway_tests::github::PullRequest;
use jetway_tests::layer::{Layer, require};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Project, get, version, with};

/// Pushes the head of a checkout as a pull request.
fn push(project: &Project, checkout: &Checkout) -> String {
    checkout.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head"]);
    let head = checkout.head();
    project.github.put_pull(PullRequest::new(7, &head));
    // A commit on the base branch, so that the get has to merge.
    project.repository.commit("on main", &[("main.txt", "main")]);
    head
}

fn got(project: &Project, head: &str, more: Value) -> TempDir {
    let directory = scratch::directory();
    get(&with(project.source(), more), &version(7, head), json!({}), directory.path()).succeeded();
    assert_eq!(fs::read_to_string(directory.path().join("main.txt")).unwrap(), "main");
    directory
}

#[test]
fn git_crypt_files_are_decrypted_in_a_merge() {
    if !require(Layer::Program("git-crypt")) {
        return;
    }
    let project = Project::new();
    let work = scratch::directory();
    let checkout = Checkout::clone(&project.repository.file_url(), work.path(), "app");
    let git_crypt = |arguments: &[&str]| {
        let mut command = Command::new("git-crypt");
        command.current_dir(checkout.path()).env_clear().env("PATH", git::search_path()).envs(git::ISOLATION);
        assert!(command.args(arguments).status().expect("start git-crypt").success());
    };
    git_crypt(&["init"]);
    let attributes = "/secrets/** filter=git-crypt diff=git-crypt\n";
    checkout.commit("secret", &[(".gitattributes", attributes), ("secrets/code", "0000\n")]);
    let file = work.path().join("key");
    git_crypt(&["export-key", file.to_str().expect("UTF-8")]);
    let key = STANDARD.encode(fs::read(file).expect("the key"));
    let head = push(&project, &checkout);
    let directory = got(&project, &head, json!({ "git_crypt_key": key }));
    assert_eq!(fs::read_to_string(directory.path().join("secrets/code")).unwrap(), "0000\n");
    assert_eq!(git::run(directory.path(), &["status", "--porcelain"]), "");
    let encrypted = got(&project, &head, json!({}));
    assert!(fs::read(encrypted.path().join("secrets/code")).unwrap().starts_with(b"\0GITCRYPT\0"));
}

#[test]
fn git_lfs_files_are_downloaded_unless_disabled() {
    if !require(Layer::Program("git-lfs")) {
        return;
    }
    let project = Project::new();
    let work = scratch::directory();
    let checkout = Checkout::clone(&project.repository.file_url(), work.path(), "app");
    checkout.git(&["lfs", "install", "--local"]);
    let attributes = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    checkout.commit("large", &[attributes, ("one.bin", "one, large\n")]);
    // The hook of git-lfs uploads objects only when a branch is pushed.
    checkout.git(&["push", "-q", "origin", "HEAD:refs/heads/large"]);
    let head = push(&project, &checkout);
    let content = |directory: &Path| fs::read_to_string(directory.join("one.bin")).unwrap();
    assert_eq!(content(got(&project, &head, json!({})).path()), "one, large\n");
    let pointers = got(&project, &head, json!({ "disable_git_lfs": true }));
    assert!(content(pointers.path()).starts_with("version https://git-lfs.github.com/spec/v1"));
}
