//! `git_crypt_key`.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::checkout::Checkout;
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, messages, request, source, with};

const SECRET: &str = "the launch code is 0000\n";

/// A repository with a file that git-crypt encrypts, and the key in base64.
struct Encrypted {
    repository: Repository,
    commit: String,
    key: String,
}

impl Encrypted {
    fn new() -> Self {
        let repository = Repository::new();
        repository.commit("begin", &[("README.md", "hello\n")]);
        let work = scratch::directory();
        let checkout = Checkout::clone(&repository.file_url(), work.path(), "app");
        git_crypt(checkout.path(), &["init"]);
        let attributes = "/secrets/** filter=git-crypt diff=git-crypt\n";
        let commit =
            checkout.commit("secret", &[(".gitattributes", attributes), ("secrets/code", SECRET), ("docs/x", "x\n")]);
        checkout.git(&["push", "-q", "origin", "main"]);
        let file = work.path().join("key");
        git_crypt(checkout.path(), &["export-key", file.to_str().expect("UTF-8")]);
        let key = STANDARD.encode(fs::read(file).expect("the key"));
        Self { repository, commit, key }
    }

    fn get(&self, more_source: Value, params: Value) -> (TempDir, Outcome) {
        let destination = scratch::directory();
        let source = with(source(&self.repository.file_url()), more_source);
        let request = request(&source, Some(&self.commit), &params);
        let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
        assert!(!outcome.stderr.contains(&self.key[20..60]), "{}", outcome.stderr);
        (destination, outcome)
    }
}

fn git_crypt(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("git-crypt");
    command.current_dir(directory).env_clear().env("PATH", git::search_path()).envs(git::ISOLATION);
    let output = command.args(arguments).output().expect("start git-crypt");
    assert!(output.status.success(), "git-crypt {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn read(destination: &TempDir, file: &str) -> Vec<u8> {
    fs::read(destination.path().join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

/// The files below `directory` that contain these bytes.
fn files_containing(directory: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("list a directory").flatten() {
        let path = entry.path();
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files_containing(&path, bytes));
        } else if fs::read(&path).expect("read a file").windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn files_are_decrypted_only_with_the_key() {
    if !require(Layer::Program("git-crypt")) {
        return;
    }
    let encrypted = Encrypted::new();
    let (first, second) = encrypted.key.split_at(76);
    // The output of `base64`: folded by YAML, and as printed.
    let folded = format!("{first} {second}");
    let as_printed = format!("{first}\n{second}\n");
    for (key, params) in [
        (&encrypted.key, json!({})),
        (&encrypted.key, json!({ "depth": 1 })),
        (&folded, json!({})),
        (&as_printed, json!({ "submodules": "none" })),
    ] {
        let (destination, outcome) = encrypted.get(json!({ "git_crypt_key": key }), params);
        outcome.succeeded();
        assert_eq!(read(&destination, "secrets/code"), SECRET.as_bytes());
        assert_eq!(read(&destination, "docs/x"), b"x\n");
        assert_eq!(git::run(destination.path(), &["status", "--porcelain"]), "");
        // Only git-crypt has a copy, which it needs for later checkouts.
        let key = STANDARD.decode(&encrypted.key).expect("base64");
        let copy = destination.path().join(".git/git-crypt/keys/default");
        assert_eq!(files_containing(destination.path(), &key[key.len() - 40..]), [copy.display().to_string()]);
    }
    for without in [json!({}), json!({ "git_crypt_key": "" })] {
        let (destination, outcome) = encrypted.get(without, json!({}));
        outcome.succeeded();
        assert!(read(&destination, "secrets/code").starts_with(b"\0GITCRYPT\0"));
    }
}

#[test]
fn sparse_checkout_omits_encrypted_files() {
    if !require(Layer::Program("git-crypt")) {
        return;
    }
    let encrypted = Encrypted::new();
    for (paths, is_there) in [(json!(["/docs"]), false), (json!(["/secrets", "/.gitattributes"]), true)] {
        let source = json!({ "git_crypt_key": encrypted.key, "sparse_paths": paths });
        let (destination, outcome) = encrypted.get(source, json!({}));
        outcome.succeeded();
        let file = destination.path().join("secrets/code");
        assert_eq!(file.exists(), is_there);
        if is_there {
            assert_eq!(read(&destination, "secrets/code"), SECRET.as_bytes());
        }
        assert_eq!(destination.path().join("docs/x").exists(), !is_there);
        assert_eq!(git::run(destination.path(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn put_with_rebase_keeps_files_encrypted_on_the_server() {
    if !require(Layer::Program("git-crypt")) {
        return;
    }
    let encrypted = Encrypted::new();
    let inputs = scratch::directory();
    let app = inputs.path().join("app");
    fs::create_dir(&app).expect("make the destination");
    let url = encrypted.repository.file_url();
    let with_key = with(source(&url), json!({ "git_crypt_key": encrypted.key }));
    let get = request(&with_key, Some(&encrypted.commit), &json!({}));
    Verb::get("git").dir(&app).request(&get).run().succeeded();
    fs::write(app.join("secrets/other"), "the door is open\n").expect("write a secret");
    git::run(&app, &["add", "."]);
    git::run(&app, &["commit", "-q", "-m", "another secret"]);
    encrypted.repository.commit("theirs", &[("docs/y", "y\n")]);

    // The put needs no `git_crypt_key`: the clone contains the key.
    let put = request(&source(&url), None, &json!({ "repository": "app", "rebase": true }));
    let outcome = Verb::put("git").dir(inputs.path()).request(&put).run();
    let version = outcome.json()["version"]["ref"].as_str().expect("a ref").to_owned();
    let mut stored = git::command(encrypted.repository.path());
    let stored = stored.args(["cat-file", "blob", "main:secrets/other"]).output().expect("start git").stdout;
    assert!(stored.starts_with(b"\0GITCRYPT\0"), "{:?}", String::from_utf8_lossy(&stored));
    let destination = scratch::directory();
    let get = request(&with_key, Some(&version), &json!({}));
    Verb::get("git").dir(destination.path()).request(&get).run().succeeded();
    assert_eq!(read(&destination, "secrets/other"), b"the door is open\n");
}

#[test]
fn fails_with_the_key_of_another_repository() {
    if !require(Layer::Program("git-crypt")) {
        return;
    }
    let (encrypted, other) = (Encrypted::new(), Encrypted::new());
    let (_destination, outcome) = encrypted.get(json!({ "git_crypt_key": other.key }), json!({}));
    outcome.failed();
    let messages = messages(&outcome);
    assert!(
        messages.starts_with("error: cannot check out the version\n  caused by: `git checkout` ended"),
        "{messages}"
    );
    assert!(messages.contains("git-crypt: error: encrypted file has been tampered with!"), "{messages}");
    assert!(messages.ends_with("hint: check that `git_crypt_key` is the key of this repository\n"), "{messages}");
    assert!(!outcome.stderr.contains(&other.key[20..60]));
}

#[test]
fn refuses_an_invalid_key_before_the_fetch() {
    for (key, problem) in [
        ("not base64!", "is not base64"),
        (
            "aGVsbG8gd29ybGQ=",
            "is valid base64, but not a git-crypt key (expected the output of `git-crypt export-key`)",
        ),
    ] {
        let source = json!({ "uri": "https://git.invalid/app.git", "git_crypt_key": key });
        let outcome = check(&source, None);
        outcome.failed();
        let expected = format!(
            "error: the request has 1 problem (jetway-git {})\n    `source.git_crypt_key`: {problem}\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(messages(&outcome), expected);
    }
}
