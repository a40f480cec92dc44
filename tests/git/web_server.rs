//! A real web server: nginx with TLS from an authority of its own, a password, and `git http-backend` behind it.

use jetway_tests::checkout::Checkout;
use jetway_tests::layer::{Layer, require};
use jetway_tests::nginx_git::{Authority, NginxGit};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Verb};
use serde_json::{Value, json};

use crate::secrecy::{is_clean, keeps};
use crate::support::{check, check_in, history, refs, request, said, source, with};

const PASSWORD: &str = "correct horse battery";

struct Site {
    server: NginxGit,
    authority: Authority,
    source: Value,
}

/// The repository behind a password and a certificate of an authority that the source names.
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
fn every_verb_works_over_tls_with_a_password() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, commits) = history(&["one", "two", "three"]);
    let Site { source, server: _server, .. } = site(&repository);
    let first = check(&source, None);
    assert_eq!(refs(&first), [commits[2].clone()]);
    keeps(&first, &[PASSWORD]);
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
    for (params, depth) in [(json!({}), 2), (json!({ "depth": 1 }), 1)] {
        let (destination, outcome) = get(&source, &commits[1], &params);
        outcome.succeeded();
        keeps(&outcome, &[PASSWORD]);
        is_clean(destination.path(), &[PASSWORD]);
        let count = jetway_tests::git::run(destination.path(), &["rev-list", "--count", "HEAD"]);
        assert_eq!(count, depth.to_string());
    }
    let inputs = scratch::directory();
    let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "work");
    let commit = checkout.commit("four", &[("large", &"x".repeat(2_000_000))]);
    let params = json!({ "repository": "work", "rebase": true });
    let put = Verb::put("git").dir(inputs.path()).request(&request(&source, None, &params)).run();
    put.succeeded();
    keeps(&put, &[PASSWORD]);
    assert_eq!(repository.tip("main"), commit);
}

#[test]
fn a_wrong_password_is_a_clear_error_for_every_verb() {
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
        keeps(&outcome, &["correct but wrong"]);
        assert!(said(&outcome).contains("hint: check `username` and `password`"), "{}", said(&outcome));
    }
    assert_eq!(repository.tip("main"), commits[0]);
    assert!(server.requests().len() <= 9, "a wrong password is not tried again and again: {:?}", server.requests());
}

#[test]
fn an_authority_that_nobody_named_is_a_clear_error() {
    if !require(Layer::WebServer) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let Site { server, source, .. } = site(&repository);
    for ca_certs in [json!([]), json!([Authority::new().pem])] {
        let outcome = check(&with(source.clone(), json!({ "ca_certs": ca_certs })), None);
        outcome.failed();
        keeps(&outcome, &[PASSWORD]);
        assert!(
            said(&outcome).contains(
                "hint: the server's certificate has expired or is not trusted; to trust it, add its CA certificate to `ca_certs`"
            ),
            "{}",
            said(&outcome)
        );
    }
    assert_eq!(server.requests(), Vec::<String>::new(), "nothing is sent to a server that is not trusted");
    let unchecked = with(source, json!({ "ca_certs": [], "skip_ssl_verification": true }));
    check(&unchecked, None).succeeded();
}

#[test]
fn authorities_of_the_source_stand_beside_those_of_the_system() {
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
fn what_is_no_certificate_is_refused() {
    let source = with(source("https://localhost:1/x"), json!({ "ca_certs": ["/etc/ssl/certs/mine.pem"] }));
    let outcome = check(&source, None);
    outcome.failed();
    let expected = "`source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----)";
    assert!(said(&outcome).contains(expected), "{}", said(&outcome));
}

#[test]
fn a_redirect_to_another_host_gets_no_credentials() {
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
        keeps(&outcome, &[PASSWORD]);
        let hint =
            "hint: the server redirected git to another address, which gets no credentials; set `uri` to that address";
        assert!(said(&outcome).contains(hint), "{}", said(&outcome));
    }
    let requests = elsewhere.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.starts_with("401 - ")), "{requests:?}");
}

mod submodules {
    use super::*;

    /// A repository with a submodule at another server, and what a get of it needs.
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
    fn at_another_port_have_credentials_of_their_own() {
        if !require(Layer::WebServer) {
            return;
        }
        let (here, there, _application, _library, commit) = across_servers();
        let port = there.server.port();
        for host in [format!("localhost:{port}"), format!("https://localhost:{port}")] {
            for params in [json!({}), json!({ "depth": 1 })] {
                // The host alone would be both servers; for another user it must name the port.
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
                keeps(&outcome, &[PASSWORD]);
                is_clean(destination.path(), &[PASSWORD]);
            }
        }
    }

    #[test]
    fn at_another_port_get_nothing_that_is_not_for_them() {
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
        keeps(&outcome, &[PASSWORD]);
        let said = said(&outcome);
        assert!(said.contains("error: cannot fetch the submodules\n"), "{said}");
        assert!(said.contains("hint: set `submodule_credentials` for submodules on other hosts"), "{said}");
        let requests = there.server.requests();
        assert!(!requests.is_empty() && requests.iter().all(|request| request.starts_with("401 - ")), "{requests:?}");
    }

    #[test]
    fn on_the_host_of_the_uri_may_have_another_user() {
        if !require(Layer::WebServer) {
            return;
        }
        // One name for both servers: the port is what tells them apart, and an entry without one is for every port.
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
        keeps(&outcome, &[PASSWORD, "wrong!!!"]);
    }
}
