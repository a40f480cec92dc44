//! `forward_agent` and `known_hosts`.

use std::path::Path;
use std::time::Duration;

use jetway_tests::daemon::Daemon;
use jetway_tests::layer::{Layer, require};
use jetway_tests::process::{self, Process};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::ssh_git::{KeyPair, SshGit, key_pair};
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::secrecy::{assert_no_private_file, assert_no_secret_in_output, assert_no_secret_in_processes};
use crate::support::{check, history, messages, refs, request, source, with};

/// A server that appends the keys of the forwarded agent to `report` before it serves a repository.
fn server_that_lists_agent_keys(key: &KeyPair, report: &Path) -> SshGit {
    let server = SshGit::start();
    let report = report.display();
    server.authorize(&format!(
        "command=\"ssh-add -L >>{report} 2>&1; exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\"\" {}",
        key.public
    ));
    server
}

fn report(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("report")).unwrap_or_default()
}

/// The base64 part of the public key.
fn body(key: &KeyPair) -> &str {
    key.public.split(' ').nth(1).expect("a public key")
}

fn source_of(server: &SshGit, repository: &Repository, key: &KeyPair) -> Value {
    with(source(&server.url(repository.path())), json!({ "private_key": key.private }))
}

#[test]
fn forwarded_agent_holds_the_key_on_the_host_of_uri() {
    if !require(Layer::Ssh) {
        return;
    }
    for passphrase in [None, Some("open sesame")] {
        let (repository, commits) = history(&["one"]);
        let directory = scratch::directory();
        let key = key_pair("ed25519", passphrase);
        let server = server_that_lists_agent_keys(&key, &directory.path().join("report"));
        let source = with(
            source_of(&server, &repository, &key),
            json!({ "forward_agent": true, "private_key_passphrase": passphrase }),
        );
        let outcome = check(&source, Some(&commits[0]));
        assert_eq!(refs(&outcome), commits);
        assert_no_secret_in_output(&outcome, &[&key.private, "open sesame"]);
        assert!(report(directory.path()).contains(body(&key)), "{}", report(directory.path()));
        assert!(!outcome.held_open);
        assert_no_private_file(&outcome);
    }
}

#[test]
fn agent_is_not_forwarded_by_default() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let directory = scratch::directory();
    let key = key_pair("ed25519", None);
    let server = server_that_lists_agent_keys(&key, &directory.path().join("report"));
    check(&source_of(&server, &repository, &key), None).succeeded();
    let report = report(directory.path());
    assert!(!report.is_empty() && !report.contains(body(&key)), "{report}");
}

#[test]
fn agent_is_not_forwarded_to_the_host_of_a_submodule() {
    if !require(Layer::Ssh) {
        return;
    }
    let directory = scratch::directory();
    let key = key_pair("ed25519", None);
    let (here, there) = (SshGit::start(), server_that_lists_agent_keys(&key, &directory.path().join("report")));
    here.authorize(&key.public);
    let (library, library_commits) = history(&["library"]);
    let application = Repository::named("application");
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", there.url(library.path()));
    let change = application.change("use it").write(".gitmodules", &modules);
    let commit = change.submodule("lib", &library_commits[0]).commit();
    let source = with(source_of(&here, &application, &key), json!({ "forward_agent": true }));
    let destination = scratch::directory();
    Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commit), &json!({}))).run().succeeded();
    let report = report(directory.path());
    assert!(!report.is_empty() && !report.contains(body(&key)), "{report}");
}

#[test]
fn agent_stops_when_the_verb_is_terminated_or_killed() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, _) = history(&["one"]);
    for how in ["SIGTERM", "SIGKILL"] {
        let server = SshGit::start();
        let key = server.deploy_key();
        server.stall(true);
        let source = with(source_of(&server, &repository, key), json!({ "forward_agent": true }));
        let mut running = Verb::check("git").request(&json!({ "source": source })).spawn();
        running.wait_for_child("ssh -F");
        assert_no_secret_in_processes(&running, &[&key.private]);
        let agents: Vec<Process> =
            running.children().into_iter().filter(|process| process.command.contains("ssh-agent")).collect();
        assert_eq!(agents.len(), 2, "the agent and its companion: {agents:?}");
        if how == "SIGTERM" {
            running.terminate();
        } else {
            running.kill();
        }
        let outcome = running.wait(Duration::from_secs(20));
        let ended =
            process::wait_until(Duration::from_secs(5), || agents.iter().all(|agent| !agent.is_alive()).then_some(()));
        assert!(ended.is_some(), "the agent still runs after {how}");
        if how == "SIGTERM" {
            assert_no_private_file(&outcome);
        }
    }
}

#[test]
fn agent_of_ssh_auth_sock_is_used_without_private_key() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let directory = scratch::directory();
    let key = key_pair("ed25519", None);
    let server = server_that_lists_agent_keys(&key, &directory.path().join("report"));
    let socket = directory.path().join("socket");
    let _agent = Daemon::start(std::process::Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket));
    process::wait_until(Duration::from_secs(20), || socket.exists().then_some(())).expect("the agent listens");
    let file = directory.path().join("key");
    std::fs::write(&file, &key.private).expect("write a key");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("protect a key");
    let added = std::process::Command::new("ssh-add").arg("-q").arg(&file).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.expect("start ssh-add").success());
    let source = with(
        source(&server.url(repository.path())),
        json!({ "known_hosts": server.known_hosts(), "forward_agent": true }),
    );
    let verb = Verb::check("git").request(&json!({ "source": source }));
    let outcome = verb.env("SSH_AUTH_SOCK", socket.to_str().expect("UTF-8")).run();
    assert_eq!(refs(&outcome), commits);
    assert!(report(directory.path()).contains(body(&key)), "{}", report(directory.path()));
}

mod known_hosts {
    use super::*;

    #[test]
    fn refuses_servers_with_other_host_keys() {
        if !require(Layer::Ssh) {
            return;
        }
        let (repository, commits) = history(&["one"]);
        let (server, other) = (SshGit::start(), SshGit::start());
        let source = source_of(&server, &repository, server.deploy_key());
        let lines = format!("# ours\n{}\n\n", server.known_hosts());
        assert_eq!(refs(&check(&with(source.clone(), json!({ "known_hosts": lines })), None)), commits);

        let wrong = server.known_hosts().replace(
            server.known_hosts().split(' ').nth(2).expect("a key"),
            other.known_hosts().split(' ').nth(2).expect("a key"),
        );
        for lines in [wrong, other.known_hosts()] {
            let outcome = check(&with(source.clone(), json!({ "known_hosts": lines })), None);
            outcome.failed();
            assert_no_secret_in_output(&outcome, &[&server.deploy_key().private]);
            let messages = messages(&outcome);
            assert!(messages.contains("Host key verification failed."), "{messages}");
            assert!(messages.contains("hint: the server's host key does not match `known_hosts`"), "{messages}");
        }
    }

    #[test]
    fn refuses_invalid_lines() {
        let outcome = check(&with(source("git@host:x"), json!({ "known_hosts": "# x\nssh-ed25519 AAAA" })), None);
        outcome.failed();
        let expected = "`source.known_hosts`: line 2 is not a `known_hosts` line";
        assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
    }
}
