//! A real web server: nginx with a certificate of a private CA, a password, and `git http-backend`.

use jetway_tests::checkout::Checkout;
use jetway_tests::layer::{Layer, require};
use jetway_tests::nginx_git::{Authority, NginxGit};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Verb};
use serde_json::{Value, json};

use crate::secrecy::{assert_no_secret_below, assert_no_secret_in_output};
use crate::support::{check, check_in, history, messages, refs, request, source, with};

const PASSWORD: &str = "correct horse battery";

struct Site {
    server: NginxGit,
    authority: Authority,
    source: Value,
}

/// Serves the repository with a password, and with a certificate of a CA in the source.
fn site(repository: &Repository) -> Site {
    let authority = Authority::new();
    let server = NginxGit::start(repository.root(), &authority, ("bob", PASSWORD), "https://localhost:1");
    let source = with(
        source(&server.url(repository.name())),
        json!({ "username": "bob", "password": PASSWORD, "ca_certs": [authority.pem] }),
    );
    Site { server, authority, source }
}

fn get(source: &Value, version: &str, params: &Value) -> (tempfile::TempDir, jetway_tests::verb::Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, Some(version), params)).run();
    (destination, outcome)
}

#[test]
fn all_verbs_work_over_tls_with_a_password() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, commits) = history(&["one", "two", "three"]);
    let Site { source, server: _server, .. } = site(&repository);
    let first = check(&source, None);
    assert_eq!(refs(&first), [commits[2].clone()]);
    assert_no_secret_in_output(&first, &[PASSWORD]);
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
    for (params, depth) in [(json!({}), 2), (json!({ "depth": 1 }), 1)] {
        let (destination, outcome) = get(&source, &commits[1], &params);
        outcome.succeeded();
        assert_no_secret_in_output(&outcome, &[PASSWORD]);
        assert_no_secret_below(destination.path(), &[PASSWORD]);
        let count = jetway_tests::git::run(destination.path(), &["rev-list", "--count", "HEAD"]);
        assert_eq!(count, depth.to_string());
    }
    let inputs = scratch::directory();
    let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "work");
    let commit = checkout.commit("four", &[("large", &"x".repeat(2_000_000))]);
    let params = json!({ "repository": "work", "rebase": true });
    let put = Verb::put("git").dir(inputs.path()).request(&request(&source, None, &params)).run();
    put.succeeded();
    assert_no_secret_in_output(&put, &[PASSWORD]);
    assert_eq!(repository.tip("main"), commit);
}

#[test]
fn wrong_password_fails_with_a_hint_for_all_verbs() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let Site { server, source, .. } = site(&repository);
    let source = with(source, json!({ "password": "correct but wrong" }));
    let inputs = scratch::directory();
    Checkout::clone(&repository.file_url(), inputs.path(), "work").commit("two", &[("x", "2")]);
    let put =
        Verb::put("git").dir(inputs.path()).request(&request(&source, None, &json!({ "repository": "work" }))).run();
    for outcome in [check(&source, None), get(&source, &commits[0], &json!({})).1, put] {
        outcome.failed();
        assert_no_secret_in_output(&outcome, &["correct but wrong"]);
        assert!(messages(&outcome).contains("hint: check `username` and `password`"), "{}", messages(&outcome));
    }
    assert_eq!(repository.tip("main"), commits[0]);
    assert!(server.requests().len() <= 9, "a wrong password is not retried: {:?}", server.requests());
}

#[test]
fn untrusted_ca_fails_with_a_hint() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let Site { server, source, .. } = site(&repository);
    for ca_certs in [json!([]), json!([Authority::new().pem])] {
        let outcome = check(&with(source.clone(), json!({ "ca_certs": ca_certs })), None);
        outcome.failed();
        assert_no_secret_in_output(&outcome, &[PASSWORD]);
        assert!(
            messages(&outcome).contains(
                "hint: the server's certificate has expired or is not trusted; to trust it, add its CA certificate to `ca_certs`"
            ),
            "{}",
            messages(&outcome)
        );
    }
    assert_eq!(server.requests(), Vec::<String>::new(), "nothing is sent to an untrusted server");
    let unchecked = with(source, json!({ "ca_certs": [], "skip_ssl_verification": true }));
    check(&unchecked, None).succeeded();
}

#[test]
fn ca_certs_add_to_the_system_authorities() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let (ours, theirs) = (site(&repository), site(&repository));
    let bundle = scratch::directory();
    let file = bundle.path().join("system.pem");
    std::fs::write(&file, &theirs.authority.pem).expect("write a bundle");
    for site in [&ours, &theirs] {
        let source = with(site.source.clone(), json!({ "ca_certs": [ours.authority.pem] }));
        let outcome = Verb::check("git")
            .env("SSL_CERT_FILE", file.to_str().expect("UTF-8"))
            .request(&json!({ "source": source }))
            .run();
        assert_eq!(refs(&outcome), commits);
    }
}

#[test]
fn invalid_certificate_is_refused() {
    let source = with(source("https://localhost:1/x"), json!({ "ca_certs": ["/etc/ssl/certs/mine.pem"] }));
    let outcome = check(&source, None);
    outcome.failed();
    let expected = "`source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----)";
    assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
}

#[test]
fn redirect_to_another_host_gets_no_credentials() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let authority = Authority::new();
    let elsewhere = NginxGit::start(repository.root(), &authority, ("bob", PASSWORD), "https://localhost:1");
    let moved = elsewhere.other_url("").trim_end_matches('/').to_owned();
    let server = NginxGit::start(repository.root(), &authority, ("bob", PASSWORD), &moved);
    let source = with(
        source(&server.url(&format!("moved/{}", repository.name()))),
        json!({ "username": "bob", "password": PASSWORD, "ca_certs": [authority.pem] }),
    );
    for version in [None, Some(commits[0].as_str())] {
        let outcome = check(&source, version);
        outcome.failed();
        assert_no_secret_in_output(&outcome, &[PASSWORD]);
        let hint =
            "hint: the server redirected git to another address, which gets no credentials; set `uri` to that address";
        assert!(messages(&outcome).contains(hint), "{}", messages(&outcome));
    }
    let requests = elsewhere.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.starts_with("401 - ")), "{requests:?}");
}

mod submodules {
    use super::*;

    /// A repository with a submodule on another server, and the source for a get of it.
    fn across_servers() -> (Site, Site, Repository, Repository, String) {
        let (library, library_commits) = history(&["library"]);
        let there = site(&library);
        let application = Repository::named("application");
        let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", there.server.url(library.name()));
        let change = application.change("use it").write(".gitmodules", &modules);
        let commit = change.submodule("lib", &library_commits[0]).commit();
        let here = site(&application);
        (here, there, application, library, commit)
    }

    #[test]
    fn credentials_can_be_limited_to_a_port() {
        if !require(Layer::WebServer) {
            return;
        }
        let (here, there, _application, _library, commit) = across_servers();
        let port = there.server.port();
        for host in [format!("localhost:{port}"), format!("https://localhost:{port}")] {
            for params in [json!({}), json!({ "depth": 1 })] {
                // Both servers have the same host name, so the entry of another user needs the port.
                let source = with(
                    here.source.clone(),
                    json!({
                        "ca_certs": [here.authority.pem, there.authority.pem],
                        "submodule_credentials": [{ "host": host, "username": "bob", "password": PASSWORD }],
                    }),
                );
                let (destination, outcome) = get(&source, &commit, &params);
                outcome.succeeded();
                assert!(destination.path().join("lib/file-0").is_file());
                assert_no_secret_in_output(&outcome, &[PASSWORD]);
                assert_no_secret_below(destination.path(), &[PASSWORD]);
            }
        }
    }

    #[test]
    fn other_port_gets_no_credentials() {
        if !require(Layer::WebServer) {
            return;
        }
        let (here, there, _application, _library, commit) = across_servers();
        let source = with(
            here.source.clone(),
            json!({
                "ca_certs": [here.authority.pem, there.authority.pem],
                "submodule_credentials": [
                    { "host": "elsewhere.example", "username": "eve", "password": PASSWORD },
                    { "host": format!("localhost:{}", here.server.port()), "username": "bob", "password": PASSWORD },
                ],
            }),
        );
        let (_, outcome) = get(&source, &commit, &json!({}));
        outcome.failed();
        assert_no_secret_in_output(&outcome, &[PASSWORD]);
        let messages = messages(&outcome);
        assert!(messages.contains("error: cannot fetch the submodules\n"), "{messages}");
        assert!(messages.contains("hint: set `submodule_credentials` for submodules on other hosts"), "{messages}");
        let requests = there.server.requests();
        assert!(!requests.is_empty() && requests.iter().all(|request| request.starts_with("401 - ")), "{requests:?}");
    }

    #[test]
    fn host_of_uri_may_have_another_user() {
        if !require(Layer::WebServer) {
            return;
        }
        // Both servers have the same host name. An entry without a port is for both.
        let (here, there, application, _library, commit) = across_servers();
        let source = with(
            source(&here.server.url(application.name())),
            json!({
                "username": "bob", "password": PASSWORD,
                "ca_certs": [here.authority.pem, there.authority.pem],
                "submodule_credentials": [{ "host": "localhost", "username": "bob", "password": PASSWORD }],
            }),
        );
        get(&source, &commit, &json!({})).1.succeeded();
        let container = Container::new();
        let wrong =
            json!({ "submodule_credentials": [{ "host": "localhost", "username": "eve", "password": "wrong!!!" }] });
        check_in(&container, &with(source.clone(), wrong.clone()), None).succeeded();
        let (_, outcome) = get(&with(source, wrong), &commit, &json!({}));
        outcome.failed();
        assert_no_secret_in_output(&outcome, &[PASSWORD, "wrong!!!"]);
    }
}
