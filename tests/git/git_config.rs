//! `git_config`: settings have an effect or cause a warning.

use std::fs;

use jetway_tests::checkout::Checkout;
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::signing::SshSigner;
use jetway_tests::ssh_git::SshGit;
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, history, messages, refs, request, source, with};

fn setting(name: &str, value: &str) -> Value {
    json!({ "git_config": [{ "name": name, "value": value }] })
}

/// A put with `rebase` from a work tree with an uncommitted change.
fn put_with_rebase_and_uncommitted_change(settings: Value) -> (Repository, TempDir, Outcome) {
    let (repository, _) = history(&["one"]);
    let inputs = scratch::directory();
    Checkout::clone(&repository.file_url(), inputs.path(), "app").commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    fs::write(inputs.path().join("app/ours"), "changed").expect("change a file");
    let source = with(source(&repository.file_url()), settings);
    let request = request(&source, None, &json!({ "repository": "app", "rebase": true }));
    let outcome = Verb::put("git").dir(inputs.path()).request(&request).run();
    (repository, inputs, outcome)
}

#[test]
fn rebase_auto_stash_allows_uncommitted_changes() {
    let (_repository, _inputs, outcome) = put_with_rebase_and_uncommitted_change(json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains("You have unstaged changes"), "{}", messages(&outcome));
    let (repository, inputs, outcome) = put_with_rebase_and_uncommitted_change(setting("rebase.autoStash", "true"));
    outcome.succeeded();
    assert_eq!(repository.file("main", "ours"), "1");
    assert_eq!(fs::read_to_string(inputs.path().join("app/ours")).expect("read the change"), "changed");
}

#[test]
fn core_ssh_command_uses_the_key_of_the_source() {
    if !require(Layer::Program("sshd")) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let server = SshGit::start();
    let keys = json!({ "private_key": server.deploy_key().private });
    let source = with(source(&server.url(repository.path())), keys);
    let verbose = check(&with(source.clone(), setting("core.sshCommand", "ssh -v -o 'ServerAliveInterval 7'")), None);
    assert_eq!(refs(&verbose), commits);
    // An option that makes ssh fail proves that ssh gets it.
    let broken = check(&with(source.clone(), setting("core.sshCommand", "ssh -o NoSuchOption=1")), None);
    broken.failed();
    assert!(broken.stderr.to_lowercase().contains("nosuchoption"), "{}", broken.stderr);
    for command in ["ssh -i $HOME/key", "plink -batch", "ssh -F /dev/null"] {
        let refused = check(&with(source.clone(), setting("core.sshCommand", command)), None);
        refused.failed();
        assert!(messages(&refused).contains("`source.git_config[0].value`: must "), "{}", messages(&refused));
    }
}

#[test]
fn warns_of_settings_without_effect() {
    let (repository, commits) = history(&["one"]);
    for (name, value) in [
        ("pull.ff", "only"),
        ("core.editor", "vi"),
        ("clone.defaultRemoteName", "upstream"),
        ("rebase.rebaseMerges", "no"),
    ] {
        let source = with(source(&repository.file_url()), setting(name, value));
        let destination = scratch::directory();
        let get = Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commits[0]), &json!({})));
        let outcome = get.run();
        outcome.succeeded();
        let expected = format!("warning: `{name}` in `git_config` has no effect: ");
        assert!(messages(&outcome).starts_with(&expected), "{}", messages(&outcome));
        assert_eq!(git::run(destination.path(), &["remote"]).trim(), "origin");
    }
}

#[test]
fn default_identity_can_be_overridden() {
    for (settings, expected) in
        [(None, "git <git@localhost>"), (Some(("user.email", "bot@example.com")), "git <bot@example.com>")]
    {
        let (repository, _) = history(&["one"]);
        let inputs = scratch::directory();
        let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "app");
        checkout.commit("ours", &[("ours", "1")]);
        if let Some((name, value)) = settings {
            checkout.git(&["config", name, value]);
        }
        repository.commit("theirs", &[("theirs", "1")]);
        let request = request(&source(&repository.file_url()), None, &json!({ "repository": "app", "rebase": true }));
        let put = Verb::put("git").dir(inputs.path()).request(&request);
        let put = put.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        put.run().succeeded();
        assert_eq!(repository.git(&["log", "-1", "--format=%cn <%ce>", "main"]).trim(), expected);
    }
}

/// Settings that change the output of git must not change versions, metadata and files.
#[test]
fn display_settings_do_not_change_versions_or_files() {
    if !require(Layer::Ssh) {
        return;
    }
    let key = SshSigner::new("ed25519");
    let repository = Repository::new();
    let first = repository.commit("first", &[("a", "1")]);
    let signed = repository.signed_commit(&key.signer(), "signed [not skipped]", ("b", "1"));
    repository.tag("v1", &first);
    repository.annotated_tag("v2", &signed, "Release 2");
    let settings: Vec<Value> = [
        ("log.showSignature", "true"),
        ("color.ui", "always"),
        ("log.date", "relative"),
        ("core.abbrev", "4"),
        ("log.decorate", "full"),
        ("log.abbrevCommit", "true"),
        ("log.follow", "true"),
        ("format.pretty", "fuller"),
        ("column.ui", "always"),
        ("tag.sort", "-version:refname"),
        ("branch.sort", "-committerdate"),
        ("i18n.logOutputEncoding", "ISO-8859-1"),
        ("core.quotePath", "true"),
        ("core.commentChar", ";"),
        ("core.pager", "false"),
        ("status.short", "true"),
        ("status.branch", "true"),
        ("diff.noprefix", "true"),
    ]
    .iter()
    .map(|(name, value)| json!({ "name": name, "value": value }))
    .collect();
    let answers = |settings: &[Value]| {
        let settings = json!({ "git_config": settings });
        let branch = with(source(&repository.file_url()), settings.clone());
        let tags = json!({ "uri": repository.file_url(), "tag_filter": "v*", "version_depth": 5, "paths": ["a", "b"] });
        let destination = scratch::directory();
        let request = request(&branch, Some(&signed), &json!({ "fetch_tags": true }));
        let got = Verb::get("git").dir(destination.path()).request(&request).run().json();
        let files =
            ["ref", "short_ref", "author_date", "branch", "tags", "commit_message", "describe_ref", "metadata.json"]
                .map(|name| fs::read_to_string(destination.path().join(".git").join(name)).expect("read a file"));
        let checks = [check(&branch, None), check(&branch, Some(&first)), check(&with(tags, settings), None)];
        (checks.map(|outcome| outcome.json()), got, files)
    };
    assert_eq!(answers(&settings), answers(&[]));
    let inputs = scratch::directory();
    Checkout::clone(&repository.file_url(), inputs.path(), "app").commit("ours", &[("ours", "1")]);
    let theirs = repository.commit("theirs", &[("theirs", "1")]);
    let source = with(source(&repository.file_url()), json!({ "git_config": settings }));
    let request = request(&source, None, &json!({ "repository": "app", "rebase": true }));
    Verb::put("git").dir(inputs.path()).request(&request).run().succeeded();
    assert_eq!(repository.resolve("main~1"), theirs);
    assert_eq!(repository.file("main", "ours"), "1");
}
