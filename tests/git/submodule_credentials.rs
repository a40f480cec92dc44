//! `submodule_credentials` over ssh: submodules with other keys than the repository.

use std::fmt::Write as _;

use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::ssh_git::{KeyPair, SshGit, key_pair};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::secrecy::{assert_no_private_file, assert_no_secret_below, assert_no_secret_in_output};
use crate::support::{check, history, messages, request, source, with};

/// Authorizes a key for these repositories only, as hosting services do with deploy keys.
fn authorize_for(server: &SshGit, key: &KeyPair, repositories: &[&Repository]) {
    let names: Vec<String> =
        repositories.iter().map(|repository| format!("*\\\"'{}'\\\"*", repository.path().display())).collect();
    let command = format!(
        "case \\\"$SSH_ORIGINAL_COMMAND\\\" in {}) exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\";; \
         *) echo 'this repository needs another key' >&2; exit 1;; esac",
        names.join("|")
    );
    server.authorize(&format!("command=\"{command}\" {}", key.public));
}

/// A repository with submodules, given as path, address and commit.
fn with_submodules(name: &str, submodules: &[(&str, &str, &str)]) -> (Repository, String) {
    let repository = Repository::named(name);
    let mut modules = String::new();
    for (path, url, _) in submodules {
        let _ = write!(modules, "[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    }
    let mut change = repository.change("use them").write(".gitmodules", &modules);
    for (path, _, commit) in submodules {
        change = change.submodule(path, commit);
    }
    let commit = change.commit();
    (repository, commit)
}

fn named_repository(name: &str) -> (Repository, String) {
    let repository = Repository::named(name);
    let commit = repository.commit(name, &[(&format!("{name}.txt"), name)]);
    (repository, commit)
}

fn get(source: &Value, version: &str, params: &Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, Some(version), params)).run();
    (destination, outcome)
}

#[test]
fn each_submodule_on_a_host_may_have_its_own_key() {
    if !require(Layer::Ssh) {
        return;
    }
    let server = SshGit::start();
    let (main_key, one_key, two_key) =
        (key_pair("ed25519", None), key_pair("ed25519", Some("open sesame")), key_pair("ecdsa", None));
    let ((one, one_commit), (two, two_commit)) = (named_repository("one"), named_repository("two"));
    let (one_url, two_url) = (server.url(one.path()), server.url(two.path()));
    let (application, commit) =
        with_submodules("application", &[("one", &one_url, &one_commit), ("two", &two_url, &two_commit)]);
    authorize_for(&server, &main_key, &[&application]);
    authorize_for(&server, &one_key, &[&one]);
    authorize_for(&server, &two_key, &[&two]);
    let source = with(
        source(&server.url(application.path())),
        json!({
            "private_key": main_key.private,
            "submodule_credentials": [
                { "url": one_url, "private_key": one_key.private, "private_key_passphrase": "open sesame" },
                { "url": two_url, "private_key": two_key.private },
            ],
        }),
    );
    let secrets = [&*main_key.private, &*one_key.private, &*two_key.private, "open sesame"];
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source, &commit, &params);
        outcome.succeeded();
        assert!(destination.path().join("one/one.txt").is_file() && destination.path().join("two/two.txt").is_file());
        assert_no_secret_in_output(&outcome, &secrets);
        assert_no_secret_below(destination.path(), &secrets);
        assert_no_private_file(&outcome);
    }
    let without = with(source, json!({ "submodule_credentials": [] }));
    let (_, outcome) = get(&without, &commit, &json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains("this repository needs another key"), "{}", messages(&outcome));
}

/// `url` of the entry is the text in `.gitmodules`, not the address that git resolves it to.
#[test]
fn relative_url_has_its_key() {
    if !require(Layer::Ssh) {
        return;
    }
    let server = SshGit::start();
    let (main_key, library_key) = (key_pair("ed25519", None), key_pair("ed25519", None));
    let (library, library_commit) = named_repository("library");
    let relative = format!("../../{}/library.git", library.root().file_name().expect("a name").to_string_lossy());
    let (application, commit) = with_submodules("application", &[("library", &relative, &library_commit)]);
    authorize_for(&server, &main_key, &[&application]);
    authorize_for(&server, &library_key, &[&library]);
    let source = with(
        source(&server.url(application.path())),
        json!({
            "private_key": main_key.private,
            "submodule_credentials": [{ "url": relative, "private_key": library_key.private }],
        }),
    );
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source, &commit, &params);
        outcome.succeeded();
        assert!(destination.path().join("library/library.txt").is_file());
    }
}

#[test]
fn nested_submodule_uses_its_own_key_or_that_of_its_parent() {
    if !require(Layer::Ssh) {
        return;
    }
    let server = SshGit::start();
    let (main_key, library_key, inner_key) =
        (key_pair("ed25519", None), key_pair("ed25519", None), key_pair("ed25519", None));
    let ((inner, inner_commit), (twin, twin_commit)) = (named_repository("inner"), named_repository("twin"));
    let (inner_url, twin_url) = (server.url(inner.path()), server.url(twin.path()));
    let (library, library_commit) =
        with_submodules("library", &[("inner", &inner_url, &inner_commit), ("twin", &twin_url, &twin_commit)]);
    // The address is on another host. A git setting rewrites it to that of the repository.
    let library_url = "https://git.example/library.git";
    let (application, commit) = with_submodules("application", &[("library", library_url, &library_commit)]);
    authorize_for(&server, &main_key, &[&application]);
    authorize_for(&server, &library_key, &[&library, &twin]);
    authorize_for(&server, &inner_key, &[&inner]);
    let rule = format!("url.{}.insteadOf", server.url(library.path()));
    let source = with(
        source(&server.url(application.path())),
        json!({
            "private_key": main_key.private,
            "git_config": [{ "name": rule, "value": library_url }],
            "submodule_credentials": [
                { "url": library_url, "private_key": library_key.private },
                { "url": inner_url, "private_key": inner_key.private },
            ],
        }),
    );
    let (destination, outcome) = get(&source, &commit, &json!({}));
    outcome.succeeded();
    for file in ["library/inner/inner.txt", "library/twin/twin.txt"] {
        assert!(destination.path().join(file).is_file(), "{file}");
    }
    assert_no_secret_below(destination.path(), &[&main_key.private, &library_key.private, &inner_key.private]);
}

#[test]
fn private_key_of_the_source_is_used_on_other_hosts() {
    if !require(Layer::Ssh) {
        return;
    }
    let (here, there) = (SshGit::start(), SshGit::start());
    let (library, library_commit) = named_repository("library");
    there.authorize(&here.deploy_key().public);
    let url = there.url(library.path());
    let (application, commit) = with_submodules("application", &[("library", &url, &library_commit)]);
    let source = with(source(&here.url(application.path())), json!({ "private_key": here.deploy_key().private }));
    let (destination, outcome) = get(&source, &commit, &json!({}));
    outcome.succeeded();
    assert!(destination.path().join("library/library.txt").is_file());
}

#[test]
fn submodule_key_works_if_the_repository_needs_none() {
    if !require(Layer::Ssh) {
        return;
    }
    let server = SshGit::start();
    let (library, library_commit) = named_repository("library");
    let url = server.url(library.path()).replace(&format!("{}@", server.user()), "");
    let (application, commit) = with_submodules("application", &[("library", &url, &library_commit)]);
    let entry = json!({
        "url": url,
        "private_key": server.deploy_key().private,
        "private_key_user": server.user(),
    });
    let source = with(source(&application.file_url()), json!({ "submodule_credentials": [entry] }));
    let (destination, outcome) = get(&source, &commit, &json!({}));
    outcome.succeeded();
    assert!(destination.path().join("library/library.txt").is_file());
}

#[test]
fn incomplete_entry_fails_and_empty_entry_is_ignored() {
    let (repository, _) = history(&["one"]);
    let entries = json!([
        { "host": "a.example", "username": "bob" },
        { "username": "bob", "password": "s3cret-word" },
        { "host": "ssh://a.example", "username": "bob", "password": "s3cret-word" },
        { "private_key": "s3cret-word" },
        { "host": "a.example", "password": "s3cret-word" },
    ]);
    let outcome = check(&with(source("file:///x"), json!({ "submodule_credentials": entries })), None);
    outcome.failed();
    assert_no_secret_in_output(&outcome, &["s3cret-word"]);
    for problem in [
        "`source.submodule_credentials[0].password`: is needed with `username`",
        "`source.submodule_credentials[1].host`: is needed with `username` and `password`",
        "`source.submodule_credentials[2].host`: must be a host",
        "`source.submodule_credentials[3].url`: is needed with `private_key`",
        "`source.submodule_credentials[3].private_key`: is not a private key",
        "`source.submodule_credentials[4].username`: is needed with `password`",
    ] {
        assert!(messages(&outcome).contains(problem), "{problem}:\n{}", messages(&outcome));
    }
    let empty =
        json!([{ "host": "a.example", "username": "", "password": "" }, { "url": "git@h:x", "private_key": "" }, {}]);
    check(&with(source(&repository.file_url()), json!({ "submodule_credentials": empty })), None).succeeded();
}
