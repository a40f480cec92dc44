//! http with a password, ssh with a key, `git_config` and certificates. Credentials must not leak.

use std::path::PathBuf;

use jetway_tests::http_git::{Fault, HttpGit};
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::ssh_git::{SshGit, key_pair};
use jetway_tests::tls_cases::{self, Refusals};
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{checkout::Checkout, scratch};
use serde_json::{Value, json};

use crate::support::{check, history, messages, refs, request, source, with};

const PASSWORD: &str = "s3cret p%ss'word";

/// The base64 form of `PASSWORD` in `bob:PASSWORD`. No part of it may be printed.
const PASSWORD_IN_BASE64: &str = "czNjcmV0IHAlc3Mnd29y";

fn source_behind_a_password(repository: &Repository) -> (HttpGit, Value) {
    let server = HttpGit::builder(repository.root()).credentials("bob", PASSWORD).start();
    let source = with(source(&server.url(repository.name())), json!({ "username": "bob", "password": PASSWORD }));
    (server, source)
}

/// Asserts that the password is neither in the output nor in a file that the verb has left.
#[track_caller]
fn assert_password_is_secret(outcome: &Outcome) {
    for shown in [&outcome.stderr, &*String::from_utf8_lossy(&outcome.stdout)] {
        assert!(!shown.contains(PASSWORD) && !shown.contains("s3cret"), "{shown}");
        assert!(!shown.contains(PASSWORD_IN_BASE64), "{shown}");
    }
    let files = outcome.leftovers().into_iter().filter(|path| path.is_file()).collect::<Vec<PathBuf>>();
    for file in files {
        let content = std::fs::read(&file).expect("read what was left");
        assert!(!String::from_utf8_lossy(&content).contains("s3cret"), "{}", file.display());
    }
}

mod http {
    use super::*;

    #[test]
    fn all_verbs_use_the_password() {
        let (repository, commits) = history(&["one", "two"]);
        repository.configure("http.receivepack", "true");
        let (_server, source) = source_behind_a_password(&repository);
        let first = check(&source, None);
        assert_eq!(refs(&first), [commits[1].clone()]);
        assert_password_is_secret(&first);
        let since = check(&source, Some(&commits[0]));
        assert_eq!(refs(&since), commits);
        assert_password_is_secret(&since);

        let inputs = scratch::directory();
        let app = inputs.path().join("app");
        std::fs::create_dir(&app).expect("make the destination");
        let got = Verb::get("git").dir(&app).request(&request(&source, Some(&commits[1]), &json!({}))).run();
        got.succeeded();
        assert_password_is_secret(&got);
        let config = std::fs::read_to_string(app.join(".git/config")).expect("read the configuration");
        assert!(!config.contains("s3cret") && !config.contains("bob"), "{config}");

        let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "work");
        let commit = checkout.commit("three", &[("x", "3")]);
        let put = Verb::put("git")
            .dir(inputs.path())
            .request(&request(&source, None, &json!({ "repository": "work", "rebase": true })))
            .run();
        put.succeeded();
        assert_password_is_secret(&put);
        assert_eq!(repository.tip("main"), commit);
    }

    /// `echo TOKEN | vault kv put ...` stores the token with a line break.
    #[test]
    fn line_breaks_around_credentials_are_removed() {
        let (repository, commits) = history(&["one"]);
        let server = HttpGit::builder(repository.root()).credentials("bob", "s3cret-word").start();
        for (username, password) in [("bob", "s3cret-word\n"), ("bob\n", "s3cret-word"), ("bob", "s3cret-word\r\n")] {
            let login = json!({ "username": username, "password": password });
            let outcome = check(&with(source(&server.url(repository.name())), login), None);
            assert_eq!(outcome.code, Some(0), "{username:?} {password:?}: {}", outcome.stderr);
            assert_eq!(refs(&outcome), commits);
            assert_password_is_secret(&outcome);
        }
    }

    #[test]
    fn uri_may_contain_the_password() {
        let (repository, commits) = history(&["one"]);
        let (server, _) = source_behind_a_password(&repository);
        let uri = server.url_with_credentials(repository.name(), "bob", "s3cret%20p%25ss%27word");
        let outcome = check(&json!({ "uri": uri }), None);
        assert_eq!(refs(&outcome), commits);
        assert_password_is_secret(&outcome);
    }

    #[test]
    fn wrong_password_fails_without_printing_it() {
        let (repository, commits) = history(&["one"]);
        let (server, source) = source_behind_a_password(&repository);
        let source = with(source, json!({ "password": "s3cret but wrong" }));
        let outcome = check(&source, Some(&commits[0]));
        outcome.failed();
        assert_password_is_secret(&outcome);
        assert_eq!(
            messages(&outcome),
            "error: cannot read `http://127.0.0.1:[PORT]/repository.git`\n  \
             caused by: `git ls-remote` ended with exit code 128\n  \
             caused by: fatal: Authentication failed for 'http://127.0.0.1:[PORT]/repository.git/'\n\
             hint: check `username` and `password`; a hosting service may require a token instead of the password\n"
        );
        assert!(server.requests().len() <= 4, "a wrong password is not retried");
    }

    #[test]
    fn missing_password_fails_with_a_hint() {
        let (repository, _) = history(&["one"]);
        let (server, _) = source_behind_a_password(&repository);
        let outcome = check(&source(&server.url(repository.name())), None);
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("hint: check `username` and `password`"), "{messages}");
    }

    #[test]
    fn redirect_to_another_host_gets_no_password() {
        let (repository, commits) = history(&["one"]);
        let (server, source) = source_behind_a_password(&repository);
        let elsewhere = HttpGit::builder(repository.root()).credentials("bob", PASSWORD).start();
        server.fail_always("info/refs", Fault::Redirect { to: format!("http://localhost:{}", elsewhere.port()) });
        let outcome = check(&source, Some(&commits[0]));
        outcome.failed();
        assert_password_is_secret(&outcome);
        assert!(!elsewhere.requests().is_empty(), "git followed the redirect");
        assert!(elsewhere.requests().iter().all(|request| !request.authorized), "{:?}", elsewhere.requests());
    }

    #[test]
    fn wrong_password_keeps_the_cache() {
        let (repository, commits) = history(&["one"]);
        let (server, source) = source_behind_a_password(&repository);
        let container = jetway_tests::verb::Container::new();
        crate::support::check_in(&container, &source, None).succeeded();
        server.reset();
        let wrong = with(source, json!({ "password": "s3cret but wrong" }));
        crate::support::check_in(&container, &wrong, None).failed();
        assert!(server.requests().len() <= 2, "one attempt: {:?}", server.requests());
        assert!(commits.len() == 1);
    }

    #[test]
    fn unencoded_slash_in_password_is_refused_without_printing_it() {
        let outcome = check(&source("http://user:pa/s3cret@127.0.0.1:1/A.git"), None);
        outcome.failed();
        assert_password_is_secret(&outcome);
        assert!(
            messages(&outcome).ends_with("`source.uri`: has an unencoded `/` in its password; write it as `%2F`\n"),
            "{}",
            messages(&outcome)
        );
        let outcome = check(&source("ftp://bob:s3cret@127.0.0.1:1/A.git"), None);
        outcome.failed();
        assert_password_is_secret(&outcome);
        assert!(messages(&outcome).contains("`source.uri`: must begin with `https://`"), "{}", messages(&outcome));
    }

    #[test]
    fn password_is_not_in_arguments_or_environment_of_children() {
        let (repository, commits) = history(&["one", "two"]);
        let (server, source) = source_behind_a_password(&repository);
        server.fail_after(1, "info/refs", Fault::Stall);
        let mut running = Verb::check("git").request(&request(&source, Some(&commits[0]), &json!({}))).spawn();
        running.wait_for_child("git-remote-http");
        for child in running.children() {
            for file in ["cmdline", "environ"] {
                let content = std::fs::read(format!("/proc/{}/{file}", child.pid)).unwrap_or_default();
                assert!(!String::from_utf8_lossy(&content).contains("s3cret"), "{file} of {}", child.pid);
            }
        }
        running.terminate();
        running.wait(std::time::Duration::from_secs(20));
    }

    #[test]
    fn debug_output_redacts_the_password() {
        let (repository, commits) = history(&["one", "two"]);
        let (_server, source) = source_behind_a_password(&repository);
        let source = with(source, json!({ "debug": true }));
        let destination = scratch::directory();
        let outcome =
            Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commits[0]), &json!({}))).run();
        outcome.succeeded();
        assert!(outcome.stderr.contains("trace: built-in: git"), "{}", outcome.stderr);
        assert_password_is_secret(&outcome);
    }
}

mod ssh {
    use super::*;

    fn with_key(server: &SshGit, repository: &Repository) -> Value {
        with(source(&server.url(repository.path())), json!({ "private_key": server.deploy_key().private }))
    }

    #[test]
    fn all_verbs_use_the_key_and_delete_it() {
        if !require(Layer::Ssh) {
            return;
        }
        let (repository, commits) = history(&["one", "two"]);
        let server = SshGit::start();
        let source = with_key(&server, &repository);
        let first = check(&source, None);
        assert_eq!(refs(&first), [commits[1].clone()]);
        let destination = scratch::directory();
        let got = Verb::get("git")
            .dir(destination.path())
            .request(&request(&source, Some(&commits[0]), &json!({ "git.depth": 1 })))
            .run();
        got.succeeded();
        let inputs = scratch::directory();
        let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "work");
        let commit = checkout.commit("three", &[("x", "3")]);
        let put = Verb::put("git")
            .dir(inputs.path())
            .request(&request(&source, None, &json!({ "repository": "work" })))
            .run();
        put.succeeded();
        assert_eq!(repository.tip("main"), commit);
        let line = server.deploy_key().private.lines().nth(1).expect("a line of the key").to_owned();
        for outcome in [first, got, put] {
            assert!(!outcome.stderr.contains(&line), "{}", outcome.stderr);
            for file in outcome.leftovers().into_iter().filter(|path| path.is_file()) {
                assert!(!String::from_utf8_lossy(&std::fs::read(&file).expect("read")).contains(&line));
            }
        }
    }

    #[test]
    fn encrypted_key_is_decrypted_with_the_passphrase() {
        if !require(Layer::Ssh) {
            return;
        }
        let (repository, commits) = history(&["one"]);
        let server = SshGit::start();
        let key = key_pair("ed25519", Some("open sesame"));
        server.authorize(&key.public);
        let source = with(source(&server.url(repository.path())), json!({ "private_key": key.private }));
        let opened = with(source.clone(), json!({ "private_key_passphrase": "open sesame" }));
        assert_eq!(refs(&check(&opened, None)), commits);

        let outcome = check(&source, None);
        outcome.failed();
        let said_without = messages(&outcome);
        assert!(
            said_without.contains(
                "`source.private_key`: Private key has a passphrase but private_key_passphrase has not been set."
            ),
            "{said_without}"
        );
        let wrong = check(&with(source, json!({ "private_key_passphrase": "close sesame" })), None);
        wrong.failed();
        assert!(messages(&wrong).contains("hint: check `private_key`"), "{}", messages(&wrong));
        assert!(!wrong.stderr.contains("close sesame"));
    }

    #[test]
    fn unknown_key_fails_with_a_hint() {
        if !require(Layer::Ssh) {
            return;
        }
        let (repository, _) = history(&["one"]);
        let server = SshGit::start();
        let key = key_pair("ed25519", None);
        let outcome = check(&with(source(&server.url(repository.path())), json!({ "private_key": key.private })), None);
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("Permission denied (publickey"), "{messages}");
        assert!(
            messages.ends_with("hint: check `private_key`, and that its public key has access to this repository\n"),
            "{messages}"
        );
    }

    #[test]
    fn user_and_repository_settings_run_no_program() {
        if !require(Layer::Ssh) {
            return;
        }
        let (repository, _) = history(&["one"]);
        let server = SshGit::start();
        let key = server.deploy_key().private.clone();
        let pwned = scratch::directory();
        let touch = format!("touch {}/pwned;", pwned.path().display());
        let user = with(
            source(&server.url(repository.path())),
            json!({ "private_key": key, "private_key_user": format!("u\"\nProxyCommand {touch}\n#") }),
        );
        let outcome = check(&user, None);
        outcome.failed();
        assert!(messages(&outcome).contains("`source.private_key_user`: must be letters"), "{}", messages(&outcome));
        let inputs = scratch::directory();
        let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "work");
        checkout.git(&["config", "core.sshCommand", &format!("{touch} ssh")]);
        checkout.commit("two", &[("x", "2")]);
        let source = with_key(&server, &repository);
        let params = json!({ "repository": "work", "rebase": true });
        let put = Verb::put("git").dir(inputs.path()).request(&request(&source, None, &params)).run();
        put.succeeded();
        assert!(!pwned.path().join("pwned").exists());
    }

    #[test]
    fn private_key_user_sets_the_user() {
        if !require(Layer::Ssh) {
            return;
        }
        let (repository, commits) = history(&["one"]);
        let server = SshGit::start();
        let url = server.url(repository.path());
        let without_user = url.replace(&format!("{}@", server.user()), "");
        assert_ne!(url, without_user);
        let source = with(
            source(&without_user),
            json!({ "private_key": server.deploy_key().private, "private_key_user": server.user() }),
        );
        assert_eq!(refs(&check(&source, None)), commits);
    }
}

mod git_config {
    use super::*;

    #[test]
    fn is_passed_to_git_unchanged_and_written_to_the_clone() {
        let (repository, commits) = history(&["one"]);
        let odd = "a 'b\"c  $(touch pwned)\\;#d";
        let source = with(
            source("https://somewhere.example/app.git"),
            json!({ "git_config": [
                { "name": format!("url.{}.insteadOf", repository.file_url()), "value": "https://somewhere.example/app.git" },
                { "name": "core.pager", "value": odd },
                { "name": "core.longPaths", "value": true },
            ]}),
        );
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
        for params in [json!({}), json!({ "depth": 1 })] {
            let destination = scratch::directory();
            let outcome =
                Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commits[0]), &params)).run();
            outcome.succeeded();
            let config = |name: &str| jetway_tests::git::run(destination.path(), &["config", "--local", name]);
            assert_eq!(config("core.pager").trim_end_matches('\n'), odd);
            assert_eq!(config("core.longPaths").trim(), "true");
            assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
        }
    }

    #[test]
    fn credentials_are_redacted_and_not_written_to_the_clone() {
        let (repository, commits) = history(&["one"]);
        let (server, _) = source_behind_a_password(&repository);
        let credential = base64_of(&format!("bob:{PASSWORD}"));
        let source = with(
            source(&server.url(repository.name())),
            json!({ "debug": true, "git_config": [
                { "name": "http.extraHeader", "value": format!("Authorization: Basic {credential}") },
            ]}),
        );
        let destination = scratch::directory();
        let outcome =
            Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commits[0]), &json!({}))).run();
        outcome.succeeded();
        assert!(!outcome.stderr.contains(&credential), "{}", outcome.stderr);
        let config = std::fs::read_to_string(destination.path().join(".git/config")).expect("read the configuration");
        assert!(!config.contains(&credential) && !config.contains("extraHeader"), "{config}");
    }

    #[test]
    fn credentials_in_addresses_and_helpers_are_not_written_to_the_clone() {
        const PASSWORD: &str = "s3cret-pass-word";
        let (repository, commits) = history(&["one"]);
        let server = HttpGit::builder(repository.root()).credentials("bob", PASSWORD).start();
        let plain = server.url("");
        let with_login = server.url_with_credentials("", "bob", PASSWORD);
        for setting in [
            json!({ "name": format!("url.{with_login}.insteadOf"), "value": plain }),
            json!({ "name": format!("http.https://other.example/.proxy"), "value": with_login }),
            json!({
                "name": "credential.helper",
                "value": format!("!f() {{ echo username=bob; echo password={PASSWORD}; }}; f"),
            }),
        ] {
            let is_login = setting["name"] != "http.https://other.example/.proxy";
            let address = if is_login { server.url(repository.name()) } else { repository.file_url() };
            let source = with(source(&address), json!({ "debug": true, "git_config": [setting] }));
            let destination = scratch::directory();
            let request = request(&source, Some(&commits[0]), &json!({}));
            let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
            outcome.succeeded();
            crate::secrecy::assert_no_secret_in_output(&outcome, &[PASSWORD]);
            crate::secrecy::assert_no_secret_below(destination.path(), &[PASSWORD]);
        }
    }

    /// git passes the address to its transport as an argument, which other users of the machine can read.
    #[test]
    fn logins_in_addresses_are_not_in_arguments() {
        const TOKEN: &str = "ghp_0123456789abcdefghij";
        let (repository, commits) = history(&["one"]);
        for (user, password, written) in [
            ("bob", "s3cret-p@ss", "bob:s3cret-p%40ss"),
            (TOKEN, "x-oauth-basic", &format!("{TOKEN}:x-oauth-basic")),
            (TOKEN, "", TOKEN),
        ] {
            let server = HttpGit::builder(repository.root()).credentials(user, password).start();
            let with_login = server.url("").replace("://", &format!("://{written}@"));
            let elsewhere = "https://elsewhere.example/";
            let setting = json!({ "name": format!("url.{with_login}.insteadOf"), "value": elsewhere });
            let source = with(source(&format!("{elsewhere}{}", repository.name())), json!({ "git_config": [setting] }));
            server.fail_after(2, "", Fault::Stall);
            let request = request(&source, Some(&commits[0]), &json!({}));
            let mut running = Verb::check("git").request(&request).spawn();
            running.wait_for_child("remote-http");
            let asked_with_login = || (server.requests().len() > 1).then_some(());
            jetway_tests::process::wait_until(std::time::Duration::from_secs(10), asked_with_login).expect("a login");
            crate::secrecy::assert_no_secret_in_processes(&running, &[TOKEN, "s3cret-p@ss", "s3cret-p%40ss"]);
            server.recover();
            drop(running);
            assert_eq!(refs(&check(&source, Some(&commits[0]))), commits, "{written}");
        }
    }

    #[test]
    fn invalid_name_is_refused() {
        let settings = json!([{ "name": "x", "value": "1" }, { "name": "a.b\nc", "value": "1" }, { "value": "1" }]);
        let outcome = check(&with(source("file:///x"), json!({ "git_config": settings })), None);
        outcome.failed();
        assert!(
            messages(&outcome).contains("`source.git_config[2].name`: required, but missing"),
            "{}",
            messages(&outcome)
        );
        let settings = json!([{ "name": "x", "value": "1" }, { "name": "a.b\nc", "value": "1" }]);
        let outcome = check(&with(source("file:///x"), json!({ "git_config": settings })), None);
        outcome.failed();
        for index in [0, 1] {
            let expected = format!("`source.git_config[{index}].name`: is not a git setting name, such as");
            assert!(messages(&outcome).contains(&expected), "{}", messages(&outcome));
        }
    }

    fn base64_of(text: &str) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    }
}

#[test]
fn accepts_all_kinds_of_certificates_and_explains_bad_ones() {
    // The text comes from git and its TLS library.
    let refusals = Refusals {
        expired: &["localhost", "has expired or"],
        other_host: &["localhost", "use a name from the certificate in `uri`"],
        unknown: &["localhost", "add its CA certificate to `ca_certs`"],
    };
    tls_cases::check(&refusals, |url, authority| {
        check(&json!({ "uri": format!("{url}/app.git"), "branch": "main", "ca_certs": [authority] }), None)
    });
}
