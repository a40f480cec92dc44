//! Transient and permanent server errors: retries and their messages.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::{Fault, HttpGit};
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::ssh_git::SshGit;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::secrecy::assert_no_private_file;
use crate::support::{check, history, messages, refs, request, serve, source, with};

fn get(source: &Value, version: &str, params: &Value) -> Outcome {
    let destination = scratch::directory();
    Verb::get("git").dir(destination.path()).request(&request(source, Some(version), params)).run()
}

/// A repository, its server, and a checkout with a commit to push.
struct Pushing {
    repository: Repository,
    server: HttpGit,
    inputs: TempDir,
    source: Value,
    commit: String,
}

impl Pushing {
    fn new() -> Self {
        let (repository, _) = history(&["one"]);
        repository.configure("http.receivepack", "true");
        let (server, url) = serve(&repository);
        let inputs = scratch::directory();
        let commit = Checkout::clone(&repository.file_url(), inputs.path(), "work").commit("two", &[("x", "2")]);
        Self { source: source(&url), repository, server, inputs, commit }
    }

    fn put(&self) -> Outcome {
        let params = json!({ "repository": "work" });
        Verb::put("git").dir(self.inputs.path()).request(&request(&self.source, None, &params)).run()
    }

    fn pushes(&self) -> usize {
        self.server.requests_to("git-receive-pack").iter().filter(|request| request.method == "POST").count()
    }
}

#[test]
fn retries_after_the_requested_time() {
    for status in [429, 503] {
        let (repository, commits) = history(&["one", "two"]);
        let (server, url) = serve(&repository);
        let source = source(&url);
        // Any request of a fetch may get the 503.
        for (skipped, part) in [(0, "info/refs"), (0, "/git-upload-pack"), (1, "/git-upload-pack")] {
            server.fail_after(skipped, part, Fault::retry_after(status, "1"));
            let outcome = get(&source, &commits[0], &json!({ "depth": 1 }));
            outcome.succeeded();
            assert!(outcome.elapsed >= Duration::from_secs(1), "{:?}", outcome.elapsed);
            let expected = format!("warning: the server answered {status} ");
            assert!(messages(&outcome).contains(&expected), "{}", messages(&outcome));
            assert!(messages(&outcome).contains("; retrying in [TIME]\n"), "{}", messages(&outcome));
            server.recover();
        }
        server.fail(2, "info/refs", Fault::retry_after(status, "1"));
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
        server.fail(1, "info/refs", Fault::retry_after(status, "1"));
        get(&source, &commits[0], &json!({})).succeeded();

        let pushing = Pushing::new();
        for skipped in [0, 1] {
            pushing.server.fail_after(skipped, "git-receive-pack", Fault::retry_after(status, "1"));
        }
        let put = pushing.put();
        put.succeeded();
        assert!(messages(&put).contains("; retrying in [TIME]\n"), "{}", messages(&put));
        assert_eq!(pushing.repository.tip("main"), pushing.commit);
    }
}

#[test]
fn gives_up_if_retry_after_exceeds_the_limit() {
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    let pushing = Pushing::new();
    for server in [&server, &pushing.server] {
        server.fail_always("", Fault::retry_after(503, "3600"));
    }
    for outcome in [check(&source(&url), Some(&commits[0])), get(&source(&url), &commits[0], &json!({})), pushing.put()]
    {
        outcome.failed();
        assert!(outcome.elapsed < Duration::from_secs(30), "{:?}", outcome.elapsed);
        let messages = messages(&outcome);
        assert!(
            messages.contains(
                "warning: the server answered 503 Service Unavailable and asks to retry in [TIME]; \
                 gave up, since retries take at most [TIME] in total\n"
            ),
            "{messages}"
        );
        assert!(messages.contains("The requested URL returned error: 503"), "{messages}");
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn gives_up_after_four_attempts() {
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    server.fail_always("", Fault::status(502));
    let outcome = check(&source(&url), Some(&commits[0]));
    outcome.failed();
    assert_eq!(server.requests().len(), 4);
    assert!(
        messages(&outcome).contains("warning: the server answered 502 Bad Gateway; gave up after 4 attempts\n"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn permanent_errors_are_not_retried() {
    for status in [400, 403, 404, 501] {
        let (repository, commits) = history(&["one", "two"]);
        let (server, url) = serve(&repository);
        server.fail_always("", Fault::status(status));
        let outcome = check(&source(&url), Some(&commits[0]));
        outcome.failed();
        assert!(!outcome.stderr.contains("retrying"), "{status}: {}", outcome.stderr);
        // After a 404, git also tries the dumb HTTP protocol.
        assert!(server.requests().len() <= 2, "{status}: {:?}", server.requests());
    }
}

#[test]
fn retries_a_fetch_that_was_cut_off() {
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    let source = source(&url);
    for params in [json!({}), json!({ "depth": 1 })] {
        for skipped in 0..3 {
            server.fail_after(skipped, "upload-pack", Fault::CutAfter { bytes: 20 });
            let outcome = get(&source, &commits[0], &params);
            outcome.succeeded();
            assert!(
                messages(&outcome).contains("warning: the connection was cut; retrying in "),
                "{}",
                messages(&outcome)
            );
            server.recover();
        }
    }
    server.fail_after(1, "/git-upload-pack", Fault::CutAfter { bytes: 20 });
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
}

#[test]
fn push_with_unknown_result_is_not_retried() {
    for fault in [Fault::CutAfter { bytes: 10 }, Fault::status(503), Fault::status(502), Fault::status(504)] {
        let pushing = Pushing::new();
        pushing.server.fail_after(1, "git-receive-pack", fault);
        pushing.put().failed();
        assert_eq!(pushing.pushes(), 1);
        // The same put succeeds, whether the push was applied or not.
        pushing.put().succeeded();
        assert_eq!(pushing.repository.tip("main"), pushing.commit);
    }
}

#[test]
fn retries_a_push_that_was_not_sent() {
    for fault in [Fault::CutAfter { bytes: 10 }, Fault::status(503), Fault::status(502), Fault::status(504)] {
        let pushing = Pushing::new();
        pushing.server.fail(1, "info/refs", fault);
        pushing.put().succeeded();
        assert_eq!(pushing.pushes(), 1);
        assert_eq!(pushing.repository.tip("main"), pushing.commit);
    }
}

#[test]
fn all_verbs_time_out_for_a_silent_server() {
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    let source = with(source(&url), json!({ "network_timeout": 1 }));
    let mut pushing = Pushing::new();
    pushing.source = with(pushing.source.clone(), json!({ "network_timeout": 1 }));
    server.fail_always("", Fault::Stall);
    pushing.server.fail_always("", Fault::Stall);
    for outcome in [check(&source, Some(&commits[0])), get(&source, &commits[0], &json!({})), pushing.put()] {
        outcome.failed();
        assert!(outcome.elapsed < Duration::from_mins(1), "{:?}", outcome.elapsed);
        assert!(messages(&outcome).contains("wrote no output for "), "{}", messages(&outcome));
        assert!(messages(&outcome).contains("hint: `network_timeout` in the source sets"), "{}", messages(&outcome));
    }
}

#[test]
fn pause_ends_when_the_verb_is_terminated() {
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    server.fail_always("", Fault::retry_after(503, "60"));
    let running = Verb::check("git").request(&request(&source(&url), Some(&commits[0]), &json!({}))).spawn();
    running.wait_for_stderr("retrying in 60.0 s");
    running.terminate();
    let outcome = running.wait(Duration::from_secs(10));
    assert!(outcome.stderr.contains("interrupted by SIGTERM"), "{}", outcome.stderr);
    assert_no_private_file(&outcome);
}

/// Starts a relay to a server that closes the first connections before any data.
fn proxy_that_cuts_connections(port: u16, cut: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a port on loopback");
    let own = listener.local_addr().expect("the listener's address").port();
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    // The thread ends with the test process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if counted.fetch_add(1, Ordering::SeqCst) < cut {
                continue;
            }
            let upstream = TcpStream::connect(("127.0.0.1", port)).expect("connect to the server");
            for (mut from, mut to) in [(stream.try_clone(), upstream.try_clone()), (Ok(upstream), Ok(stream))]
                .map(|(from, to)| (from.expect("clone a socket"), to.expect("clone a socket")))
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (own, connections)
}

#[test]
fn all_verbs_retry_an_unreachable_ssh_server() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, commits) = history(&["one", "two"]);
    let server = SshGit::start();
    let by_way_of = |port: u16| {
        let url = server.url(repository.path()).replace(&format!(":{}/", server.port()), &format!(":{port}/"));
        with(source(&url), json!({ "private_key": server.deploy_key().private }))
    };
    let (port, connections) = proxy_that_cuts_connections(server.port(), 1);
    assert_eq!(refs(&check(&by_way_of(port), None)), [commits[1].clone()]);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let (port, _) = proxy_that_cuts_connections(server.port(), 1);
    let outcome = get(&by_way_of(port), &commits[0], &json!({ "depth": 1 }));
    outcome.succeeded();
    assert!(
        messages(&outcome).contains("warning: the server cannot be reached; retrying in "),
        "{}",
        messages(&outcome)
    );
    let inputs = scratch::directory();
    let commit = Checkout::clone(&repository.file_url(), inputs.path(), "work").commit("three", &[("x", "3")]);
    let (port, connections) = proxy_that_cuts_connections(server.port(), 1);
    let params = json!({ "repository": "work" });
    Verb::put("git").dir(inputs.path()).request(&request(&by_way_of(port), None, &params)).run().succeeded();
    assert_eq!(repository.tip("main"), commit);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
