//! Verbs that are terminated and servers that send nothing: the verb ends soon, and leaves no child and no secret.

use std::time::Duration;

use jetway_tests::http_git::Fault;
use jetway_tests::layer::{Layer, require};
use jetway_tests::ssh_git::SshGit;
use jetway_tests::verb::{Container, Runner, Verb};
use jetway_tests::{process, scratch};
use serde_json::json;

use crate::support::{check, check_in, history, messages, refs, request, serve, source, with};

const SOON: Duration = Duration::from_secs(15);

#[test]
fn sigterm_during_a_clone_leaves_no_child_and_no_file() {
    let noise = noise(400_000);
    let (repository, _) = history(&["one"]);
    let commit = repository.commit("large", &[("noise", &noise)]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (server, url) = serve(&repository);
        // The first two responses are the greeting and the list of refs, the third is the pack.
        server.fail_after(2, "", Fault::StallAfter { bytes: 50_000 });
        let source = with(source(&url), json!({ "username": "bob", "password": "s3cret" }));
        let destination = scratch::directory();
        let running =
            Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commit), &params)).spawn();
        let in_the_middle = process::wait_until(SOON, || (server.bytes_sent() > 50_000).then_some(()));
        assert!(in_the_middle.is_some(), "{:?}: {}", server.requests(), running.stderr());
        let children = running.children();
        assert!(!children.is_empty());
        running.terminate();
        let outcome = running.wait(SOON);
        assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
        assert!(messages(&outcome).ends_with("interrupted by SIGTERM\n"), "{}", messages(&outcome));
        for child in children {
            let gone = process::wait_until(SOON, || (!child.is_alive()).then_some(()));
            assert!(gone.is_some(), "{child:?} is still there");
        }
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn check_succeeds_after_a_killed_check() {
    if Runner::chosen() == Runner::Image {
        // A killed container is gone, so there is no later check in it.
        return;
    }
    let (repository, commits) = history(&["one", "two", "three"]);
    let (server, url) = serve(&repository);
    let source = source(&url);
    let container = jetway_tests::verb::Container::new();
    // Two requests resolve the tip. The fetch sends three: the greeting, the list of refs and the pack.
    for requests_before in [2, 3, 4] {
        server.recover();
        server.fail_after(requests_before, "", Fault::Stall);
        let mut running =
            Verb::check("git").container(&container).request(&request(&source, Some(&commits[0]), &json!({}))).spawn();
        running.wait_for_child("fetch");
        let children = running.children();
        running.kill();
        // The end of a container ends all of its processes. Here, the orphans would continue to send requests.
        children.iter().for_each(process::Process::kill);
        running.wait(SOON);
    }
    server.recover();
    let outcome = crate::support::check_in(&container, &source, Some(&commits[0]));
    assert_eq!(crate::support::refs(&outcome), commits);
}

#[test]
fn silent_http_server_times_out() {
    let (repository, commits) = history(&["one"]);
    let (server, url) = serve(&repository);
    server.fail_always("", Fault::Stall);
    let source = with(source(&url), json!({ "network_timeout": 1 }));
    let outcome = check(&source, Some(&commits[0]));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: `git ls-remote` wrote no output for [TIME] and was stopped\n\
         hint: `network_timeout` in the source sets how long a server may stay silent\n"
    );
    assert!(outcome.elapsed < SOON);
}

/// The pack files of the cache.
fn packs(container: &Container) -> Vec<std::path::PathBuf> {
    let is_object = |path: &std::path::PathBuf| path.to_string_lossy().contains("/objects/") && path.is_file();
    let mut files: Vec<_> = container.leftovers().into_iter().filter(is_object).collect();
    files.sort();
    files
}

#[test]
fn timeout_is_not_retried_and_keeps_the_cache() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[1]);
    let (server, url) = serve(&repository);
    for more in [json!({}), json!({ "tag_filter": "v*" })] {
        let container = Container::new();
        let source = with(with(source(&url), more), json!({ "network_timeout": 10 }));
        let known = refs(&check_in(&container, &source, None)).remove(0);
        check_in(&container, &source, Some(&commits[0])).succeeded();
        let fetched = packs(&container);
        assert!(!fetched.is_empty());
        let newest = repository.commit("more", &[("x", &known)]);
        repository.tag(&format!("v-{known}"), &newest);
        // The server lists the tip or the tags, and responds to the greeting of the fetch, but not to the next request.
        server.fail_after(3, "", Fault::Stall);
        let outcome = check_in(&container, &source, Some(&known));
        outcome.failed();
        assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
        assert!(messages(&outcome).contains("`git fetch` wrote no output for [TIME]"), "{}", messages(&outcome));
        assert!(!messages(&outcome).contains("discarding the cached"), "{}", messages(&outcome));
        let left = packs(&container);
        assert!(fetched.iter().all(|file| left.contains(file)), "{fetched:?}: {left:?}");
        server.recover();
    }
}

#[test]
fn missing_repository_keeps_the_cache() {
    let (repository, commits) = history(&["one", "two"]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    let source = with(source(&url), json!({ "paths": ["file-*"] }));
    assert_eq!(refs(&check_in(&container, &source, None)), commits[1..]);
    let fetched = packs(&container);
    let away = repository.path().with_extension("away");
    std::fs::rename(repository.path(), &away).expect("move the repository away");
    let outcome = check_in(&container, &source, None);
    outcome.failed();
    assert!(!messages(&outcome).contains("discarding the cached"), "{}", messages(&outcome));
    assert_eq!(packs(&container), fetched);
    std::fs::rename(&away, repository.path()).expect("move the repository back");
}

#[test]
fn silent_ssh_server_times_out() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    server.stall(true);
    let source = with(
        source(&server.url(repository.path())),
        json!({ "private_key": server.deploy_key().private, "network_timeout": 1 }),
    );
    let outcome = check(&source, None);
    outcome.failed();
    assert!(outcome.elapsed < SOON);
}

#[test]
fn refused_connection_fails_after_retries() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a port");
    let port = listener.local_addr().expect("a port").port();
    drop(listener);
    let outcome = check(&source(&format!("http://127.0.0.1:{port}/x.git")), Some(&"1".repeat(40)));
    outcome.failed();
    let messages = messages(&outcome);
    assert!(messages.contains("warning: the server cannot be reached; gave up after 4 attempts\n"), "{messages}");
    assert!(messages.contains("error: cannot read `http://127.0.0.1:[PORT]/x.git`\n"), "{messages}");
    assert!(messages.contains("Failed to connect to 127.0.0.1") || messages.contains("Couldn't connect"), "{messages}");
    assert!(outcome.elapsed < SOON);
}

/// Text that does not compress well.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 58) as u8)
    };
    (0..length).map(|_| next()).collect()
}
