//! `https_tunnel`: ssh through tinyproxy, and through stand-ins that misbehave.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use jetway_tests::checkout::Checkout;
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::ssh_git::SshGit;
use jetway_tests::tinyproxy::Tinyproxy;
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::secrecy::{assert_no_private_file, assert_no_secret_in_output, assert_no_secret_in_processes};
use crate::support::{check, history, messages, refs, request, source, with};

const PASSWORD: &str = "proxypassword17";

fn with_proxy(port: u16, server: &SshGit, repository: &Repository) -> Value {
    with(
        source(&server.url(repository.path())),
        json!({
            "private_key": server.deploy_key().private,
            "https_tunnel": { "proxy_host": "127.0.0.1", "proxy_port": port },
        }),
    )
}

fn with_login(source: Value, user: &str, password: &str) -> Value {
    let mut tunnel = source["https_tunnel"].clone();
    tunnel["proxy_user"] = json!(user);
    tunnel["proxy_password"] = json!(password);
    with(source, json!({ "https_tunnel": tunnel }))
}

#[test]
fn all_verbs_use_the_proxy() {
    if !require(Layer::Ssh) || !require(Layer::Proxy) {
        return;
    }
    let (repository, commits) = history(&["one", "two"]);
    let server = SshGit::start();
    for login in [None, Some(("bob", PASSWORD))] {
        let proxy = Tinyproxy::start(login, "");
        let source = with_proxy(proxy.port(), &server, &repository);
        let source = match login {
            Some((user, password)) => with_login(source, user, password),
            None => source,
        };
        let checked = check(&source, Some(&commits[0]));
        assert_eq!(refs(&checked), commits);
        assert_no_secret_in_output(&checked, &[PASSWORD, &format!("bob:{PASSWORD}"), &server.deploy_key().private]);
        assert!(proxy.log().contains("CONNECT 127.0.0.1:"), "{}", proxy.log());
        let destination = scratch::directory();
        let get = Verb::get("git").dir(destination.path());
        let got = get.request(&request(&source, Some(&commits[1]), &json!({}))).run();
        got.succeeded();
        assert_no_secret_in_output(&got, &[PASSWORD]);
    }
    let proxy = Tinyproxy::start(None, "");
    let inputs = scratch::directory();
    let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "work");
    // More data than all buffers can hold, so that both directions are busy for a while.
    let commit = checkout.commit("three", &[("large", &noise(3_000_000))]);
    let source = with_proxy(proxy.port(), &server, &repository);
    let params = json!({ "repository": "work" });
    Verb::put("git").dir(inputs.path()).request(&request(&source, None, &params)).run().succeeded();
    assert_eq!(repository.tip("main"), commit);
    let destination = scratch::directory();
    Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commit), &json!({}))).run().succeeded();
}

/// Text that does not compress.
fn noise(length: usize) -> String {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + ((state >> 33) % 95) as u8)
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn proxy_works_without_private_key() {
    if !require(Layer::Ssh) || !require(Layer::Proxy) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    let proxy = Tinyproxy::start(None, "");
    let mut source = with_proxy(proxy.port(), &server, &repository);
    source.as_object_mut().expect("a source").remove("private_key");
    let outcome = check(&source, None);
    // The machine has no key here: the error proves that the server was reached.
    outcome.failed();
    assert!(messages(&outcome).contains("Permission denied (publickey"), "{}", messages(&outcome));
    assert_eq!(server.connections(), 1);
}

#[test]
fn refusing_proxy_fails_with_a_hint() {
    if !require(Layer::Ssh) || !require(Layer::Proxy) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    let closed = Tinyproxy::start(Some(("bob", PASSWORD)), "");
    let narrow = Tinyproxy::start(None, "ConnectPort 22");
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("bind").local_addr().expect("an address").port();
    for (source, expected) in [
        (with_proxy(closed.port(), &server, &repository), "the proxy requires `proxy_user` and `proxy_password` in"),
        (
            with_login(with_proxy(closed.port(), &server, &repository), "bob", "not this one"),
            "check `proxy_user` and `proxy_password` of `https_tunnel`",
        ),
        (with_proxy(narrow.port(), &server, &repository), "the proxy must allow CONNECT to `127.0.0.1:"),
        (with_proxy(nobody, &server, &repository), "the proxy refused the connection"),
    ] {
        let outcome = check(&source, None);
        outcome.failed();
        assert_no_secret_in_output(&outcome, &[PASSWORD, "not this one", "bob:not this one"]);
        let messages = messages(&outcome);
        assert!(
            messages.contains("no tunnel to `127.0.0.1:[PORT]` through the proxy `127.0.0.1:[PORT]`"),
            "{messages}"
        );
        assert!(outcome.stderr.contains(expected), "{expected}:\n{messages}");
    }
    assert_eq!(server.connections(), 0);
}

/// Starts a proxy that handles each connection with this function, which gets the request.
fn hostile(behaviour: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a port on loopback");
    let port = listener.local_addr().expect("the listener's address").port();
    let behaviour = std::sync::Arc::new(behaviour);
    // The thread ends with the test process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), behaviour) = (stream, std::sync::Arc::clone(&behaviour)) else { continue };
            std::thread::spawn(move || {
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length > 0) {
                    request.push(byte[0]);
                }
                behaviour(&mut stream, &String::from_utf8_lossy(&request));
            });
        }
    });
    port
}

#[test]
fn misbehaving_proxy_fails_in_time() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    let endless = |stream: &mut TcpStream, _: &str| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-Padding: and so on, and so on, and so on\r\n").is_ok() {}
    };
    let cases: [(u16, &str); 7] = [
        (hostile(|_, _| {}), "the proxy closed the connection without a response"),
        (
            hostile(|stream, _| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nX-Half:"))),
            "the proxy closed the connection without a response",
        ),
        (hostile(endless), "the header of the proxy's response is longer than 16 KiB"),
        (
            hostile(|stream, _| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"))),
            "the proxy did not send an HTTP response",
        ),
        (
            hostile(|stream, _| drop(stream.write_all(b"HTTP/1.1 twohundred OK\r\n\r\n"))),
            "the proxy did not send an HTTP response",
        ),
        (
            hostile(|stream, _| drop(stream.write_all(b"HTTP/1.1 502 Bad\x1b[31m Gateway\r\n\r\n"))),
            "the proxy answered 502 Bad[31m Gateway",
        ),
        (
            hostile(|stream, _| {
                let _ = stream.write_all(b"HTTP/1.1 200");
                while stream.read(&mut [0]).is_ok_and(|length| length > 0) {}
            }),
            "the proxy did not connect within 2 s",
        ),
    ];
    for (port, expected) in cases {
        let source = with(with_proxy(port, &server, &repository), json!({ "network_timeout": 5 }));
        let outcome = check(&source, None);
        outcome.failed();
        assert!(outcome.stderr.contains(expected), "{expected}:\n{}", outcome.stderr);
        assert!(outcome.elapsed < Duration::from_mins(1), "{:?}", outcome.elapsed);
    }
}

#[test]
fn data_right_after_the_proxy_response_is_not_lost() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let server = SshGit::start();
    let target = server.port();
    let port = hostile(move |stream, _| {
        let mut upstream = TcpStream::connect(("127.0.0.1", target)).expect("connect to the server");
        let mut banner = [0; 4];
        upstream.read_exact(&mut banner).expect("read the server's first bytes");
        // The first part of the banner is sent together with the response, the rest follows.
        let answer = [b"HTTP/1.0 200 Connection established\r\nX-Proxy: y\r\n\r\n".as_slice(), &banner].concat();
        stream.write_all(&answer).expect("answer");
        let (mut from, mut to) = (stream.try_clone().expect("clone"), upstream.try_clone().expect("clone"));
        let up = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut upstream, stream);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = up.join();
    });
    let outcome = check(&with_proxy(port, &server, &repository), Some(&commits[0]));
    assert_eq!(refs(&outcome), commits);
}

#[test]
fn ipv6_host_is_in_brackets_and_password_in_no_process() {
    if !require(Layer::Ssh) {
        return;
    }
    let (sender, heard) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let port = hostile(move |stream, request| {
        let _ = sender.lock().expect("no connection panicked").send(request.to_owned());
        while stream.read(&mut [0]).is_ok_and(|length| length > 0) {}
    });
    let tunnel = json!({ "proxy_host": "127.0.0.1", "proxy_port": port });
    let source = with_login(
        with(source("ssh://git@[2001:db8::1]:2222/srv/x.git"), json!({ "https_tunnel": tunnel })),
        "bob",
        PASSWORD,
    );
    let running = Verb::check("git").request(&json!({ "source": source })).spawn();
    let request = heard.recv_timeout(Duration::from_secs(20)).expect("the proxy is asked");
    assert_no_secret_in_processes(&running, &[PASSWORD, &format!("bob:{PASSWORD}")]);
    assert!(request.starts_with("CONNECT [2001:db8::1]:2222 HTTP/1.1\r\nHost: [2001:db8::1]:2222\r\n"), "{request}");
    assert!(request.contains("Proxy-Authorization: Basic Ym9iOnByb3h5cGFzc3dvcmQxNw==\r\n"), "{request}");
    running.terminate();
    let outcome = running.wait(Duration::from_secs(20));
    assert_no_secret_in_output(&outcome, &[PASSWORD, &format!("bob:{PASSWORD}")]);
    assert_no_private_file(&outcome);
}

#[test]
fn refuses_a_host_with_shell_syntax() {
    if !require(Layer::Ssh) {
        return;
    }
    let pwned = scratch::directory();
    let file = pwned.path().join("pwned");
    let tunnel = json!({ "proxy_host": "127.0.0.1", "proxy_port": 1 });
    let uri = format!("ssh://git@x;touch${{IFS}}{};/x.git", file.display().to_string().replace('/', "${PWD%%[a-z]*}"));
    for uri in [uri.as_str(), "ssh://git@`id`/x.git", "git@$(id):x.git"] {
        let outcome = check(&with(source(uri), json!({ "https_tunnel": tunnel })), None);
        outcome.failed();
        assert!(messages(&outcome).contains("is not a host name"), "{}", messages(&outcome));
    }
    assert!(!file.exists());
}

#[test]
fn incomplete_tunnel_fails_and_empty_tunnel_is_ignored() {
    let (repository, _) = history(&["one"]);
    for (tunnel, problem) in [
        (json!({ "proxy_host": "proxy" }), "`source.https_tunnel.proxy_port`: is needed with `proxy_host`"),
        (json!({ "proxy_port": 3128 }), "`source.https_tunnel.proxy_host`: is needed with `proxy_port`"),
        (
            json!({ "proxy_host": "http://proxy/", "proxy_port": 1 }),
            "`source.https_tunnel.proxy_host`: must be a host name or address",
        ),
        (
            json!({ "proxy_host": "proxy", "proxy_port": 70000 }),
            "`source.https_tunnel.proxy_port`: expected a whole number from 1 to 65535, found 70000",
        ),
    ] {
        let outcome = check(&with(source("git@host:x"), json!({ "https_tunnel": tunnel })), None);
        outcome.failed();
        assert!(messages(&outcome).contains(problem), "{problem}:\n{}", messages(&outcome));
    }
    check(&with(source(&repository.file_url()), json!({ "https_tunnel": {} })), None).succeeded();
}
