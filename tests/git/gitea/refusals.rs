//! Refusals of a hosting service: the error contains the reason of the server, and no ref moves.

use std::slice;

use super::*;
use jetway_tests::gitea::Gitea;

/// Creates an access token with one scope; returns its name and its text.
fn token(gitea: &Gitea, name: &str, scope: &str) -> String {
    let token = json!({ "name": name, "scopes": [scope] });
    let made = gitea.api("POST", &format!("/users/{USER}/tokens"), Some(&token));
    made["sha1"].as_str().expect("a token").to_owned()
}

/// A repository with one commit, the hash of that commit, and inputs with a second commit.
fn inputs_with_a_new_commit(gitea: &'static Gitea) -> (GiteaRepository, String, TempDir) {
    let (local, commits) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    checkout.commit("two", &[("two", "2")]);
    (made, commits[0].clone(), inputs)
}

#[test]
fn read_only_token_can_check_but_not_push() {
    let Some(gitea) = gitea() else { return };
    let (made, commit, inputs) = inputs_with_a_new_commit(gitea);
    made.api("PATCH", "", Some(&json!({ "private": true })));
    let token = token(gitea, "read-only", "read:repository");
    let source = with(source(&made), json!({ "password": token }));
    assert_eq!(refs(&check(&source, None)), slice::from_ref(&commit));
    let outcome = put(&source, inputs.path(), json!({ "repository": "app" }));
    outcome.failed();
    assert!(outcome.stderr.contains("cannot push to"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(&token), "{}", outcome.stderr);
    assert_eq!(made.resolve("refs/heads/main"), Some(commit));
}

#[test]
fn revoked_token_fails() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one"]);
    let made = gitea.repository_of(&local);
    made.api("PATCH", "", Some(&json!({ "private": true })));
    let token = token(gitea, "revoked", "write:repository");
    let source = with(source(&made), json!({ "password": token }));
    assert_eq!(refs(&check(&source, None)), commits);
    gitea.api("DELETE", &format!("/users/{USER}/tokens/revoked"), None);
    let outcome = check(&source, Some(&commits[0]));
    outcome.failed();
    assert!(outcome.stderr.contains("password"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(&token), "{}", outcome.stderr);
}

#[test]
fn archived_repository_refuses_a_push() {
    let Some(gitea) = gitea() else { return };
    let (made, commit, inputs) = inputs_with_a_new_commit(gitea);
    made.api("PATCH", "", Some(&json!({ "archived": true })));
    assert_eq!(refs(&check(&source(&made), None)), slice::from_ref(&commit));
    let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app" }));
    outcome.failed();
    assert!(outcome.stderr.contains("archived"), "{}", outcome.stderr);
    assert_eq!(made.resolve("refs/heads/main"), Some(commit));
}

#[test]
fn message_of_a_refusing_hook_is_printed() {
    let Some(gitea) = gitea() else { return };
    let (made, commit, inputs) = inputs_with_a_new_commit(gitea);
    let hook = "#!/bin/sh\necho 'commits need a ticket, such as APP-1' >&2\nexit 1\n";
    made.api("PATCH", "/hooks/git/pre-receive", Some(&json!({ "content": hook })));
    let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app", "rebase": true }));
    outcome.failed();
    assert!(outcome.stderr.contains("commits need a ticket, such as APP-1"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("pre-receive hook declined"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("retrying"), "{}", outcome.stderr);
    assert_eq!(made.resolve("refs/heads/main"), Some(commit));
}

#[test]
fn protected_tag_refuses_the_whole_push() {
    let Some(gitea) = gitea() else { return };
    let (made, commit, inputs) = inputs_with_a_new_commit(gitea);
    let name = format!("releaser-{}", std::process::id());
    let user = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    gitea.api("POST", "/admin/users", Some(&user));
    let rule = json!({ "name_pattern": "v*", "whitelist_usernames": [name] });
    made.api("POST", "/tag_protections", Some(&rule));
    fs::write(inputs.path().join("version"), "v1\n").unwrap();
    let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app", "tag": "version" }));
    outcome.failed();
    assert!(outcome.stderr.to_lowercase().contains("protected"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("already exists on another commit"), "{}", outcome.stderr);
    assert_eq!(made.resolve("refs/tags/v1"), None);
    assert_eq!(made.resolve("refs/heads/main"), Some(commit));
}

#[test]
fn stale_lease_overwrites_nothing() {
    let Some(gitea) = gitea() else { return };
    let (local, _) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    let ours = checkout.commit("ours", &[("ours", "1")]);
    let theirs = local.commit("theirs", &[("theirs", "1")]);
    made.push_all(local.path());
    let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app", "force": "lease" }));
    outcome.failed();
    assert!(outcome.stderr.contains("the branch was updated since the get"), "{}", outcome.stderr);
    assert_eq!(made.resolve("refs/heads/main"), Some(theirs));
    put(&source(&made), inputs.path(), json!({ "repository": "app", "force": true })).succeeded();
    assert_eq!(made.resolve("refs/heads/main"), Some(ours));
}
