//! Names, addresses and keys as in real pipelines: with blanks around them, and with special characters.

use std::fs;
use std::path::Path;
use std::slice;

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::HttpGit;
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::ssh_git::{SshGit, key_pair, pem_private_key};
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, history, messages, refs, request, source, with};

fn get(source: &Value, version: Option<&str>, params: &Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, version, params)).run();
    (destination, outcome)
}

fn put(source: &Value, inputs: &Path, params: &Value) -> Outcome {
    Verb::put("git").dir(inputs).request(&request(source, None, params)).run()
}

#[test]
fn blanks_around_values_are_removed() {
    let (repository, commits) = history(&["one"]);
    repository.tag("v1", &commits[0]);
    let uri = repository.file_url();
    for (source, expected) in [
        (json!({ "uri": format!("{uri}\n"), "branch": "main" }), commits[0].as_str()),
        (json!({ "uri": uri, "branch": "main\n" }), &*commits[0]),
        (json!({ "uri": uri, "branch": " main " }), &*commits[0]),
        (json!({ "uri": uri, "tag_filter": "v*\n" }), "v1"),
        (json!({ "uri": uri, "tag_regex": "v.*\n" }), "v1"),
    ] {
        assert_eq!(refs(&check(&source, None)), [expected], "{source}");
    }
}

/// A branch may have the name of a tag, a directory or a file. Each command must use the branch.
#[test]
fn branch_named_like_a_tag_and_a_directory_is_that_branch() {
    for name in ["docs", "v1"] {
        let repository = Repository::new();
        let tagged = repository.commit_on(name, "one", &[("docs/a", "1"), ("v1", "1")]);
        let tip = repository.commit_on(name, "two", &[("b", "1")]);
        repository.tag("docs", &tagged);
        repository.tag("v1", &tagged);
        let source = with(source(&repository.file_url()), json!({ "branch": name }));
        assert_eq!(refs(&check(&source, None)), slice::from_ref(&tip), "{name}");
        for params in [json!({}), json!({ "depth": 1 }), json!({ "fetch_tags": true }), json!({ "all_branches": true })]
        {
            for version in [None, Some(tip.as_str())] {
                let (destination, outcome) = get(&source, version, &params);
                outcome.succeeded();
                assert_eq!(git::run(destination.path(), &["rev-parse", "HEAD"]), tip, "{name} {params}");
                assert_eq!(git::run(destination.path(), &["status", "--porcelain"]), "", "{name} {params}");
            }
        }
        let inputs = scratch::directory();
        let app = inputs.path().join("app");
        fs::create_dir(&app).expect("create the destination");
        Verb::get("git").dir(&app).request(&request(&source, Some(&tip), &json!({}))).run().succeeded();
        let commit = Checkout::of_get(&app).commit("three", &[("c", "1")]);
        put(&source, inputs.path(), &json!({ "repository": "app", "rebase": true })).succeeded();
        assert_eq!(repository.tip(name), commit, "{name}");
        assert_eq!(repository.resolve(&format!("refs/tags/{name}")), tagged, "{name}");
    }
}

/// Azure DevOps has project names with blanks, and addresses with the organisation as the user.
#[test]
fn encoded_blanks_in_an_address_are_part_of_the_path() {
    let (repository, commits) = history(&["one"]);
    let root = scratch::directory();
    let project = root.path().join("My Project");
    fs::create_dir(&project).expect("create a directory");
    std::os::unix::fs::symlink(repository.path(), project.join("app")).expect("link the repository");
    let server = HttpGit::builder(root.path()).credentials("org", "s3cret-token").start();
    let url = server.url("My%20Project/app");
    let login = json!({ "username": "org", "password": "s3cret-token" });
    let mut sources = vec![with(source(&url), login.clone()), with(source(&url.replace("://", "://org@")), login)];
    let ssh = require(Layer::Ssh).then(SshGit::start);
    if let Some(ssh) = &ssh {
        let url = ssh.url(&project.join("app")).replace(' ', "%20");
        sources.push(with(source(&url), json!({ "private_key": ssh.deploy_key().private })));
    }
    let mut tip = commits[0].clone();
    for source in sources {
        assert_eq!(refs(&check(&source, None)), [tip.clone()], "{}", source["uri"]);
        let inputs = scratch::directory();
        let app = inputs.path().join("app");
        fs::create_dir(&app).expect("create the destination");
        Verb::get("git").dir(&app).request(&request(&source, Some(&tip), &json!({ "depth": 1 }))).run().succeeded();
        tip = Checkout::of_get(&app).commit("more", &[("more", &tip)]);
        put(&source, inputs.path(), &json!({ "repository": "app" })).succeeded();
        assert_eq!(repository.tip("main"), tip);
    }
}

#[test]
fn all_ssh_schemes_use_the_key() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let server = SshGit::start();
    for scheme in ["ssh", "git+ssh", "ssh+git"] {
        let url = server.url(repository.path()).replace("ssh://", &format!("{scheme}://"));
        let with_key = with(source(&url), json!({ "private_key": server.deploy_key().private }));
        assert_eq!(refs(&check(&with_key, None)), commits, "{scheme}");
        for key in [json!(null), json!("")] {
            let outcome = check(&with(source(&url), json!({ "private_key": key })), None);
            outcome.failed();
            assert!(messages(&outcome).contains("hint: set `private_key` in the source"), "{}", messages(&outcome));
        }
    }
}

/// Google Cloud Source Repositories uses e-mail addresses as ssh users.
#[test]
fn ssh_user_may_be_an_email_address() {
    if !require(Layer::Ssh) {
        return;
    }
    let server = SshGit::start();
    let path = "/srv/app.git";
    let address = |user: &str| format!("ssh://{user}127.0.0.1:{}{path}", server.port());
    for (number, source) in [
        source(&address("ann@example.com@")),
        source(&address("ann%40example.com@")),
        with(source(&address("")), json!({ "private_key_user": "ann@example.com" })),
    ]
    .into_iter()
    .enumerate()
    {
        check(&with(source, json!({ "private_key": server.deploy_key().private })), None).failed();
        // The server has no such user, and logs the requested name.
        let logged = || {
            let log = server.log();
            (log.matches("Invalid user ann@example.com ").count() > number).then_some(())
        };
        let request = jetway_tests::process::wait_until(std::time::Duration::from_secs(5), logged);
        assert!(request.is_some(), "{}", server.log());
    }
}

#[test]
fn private_key_may_have_any_white_space_and_format() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, commits) = history(&["one"]);
    let server = SshGit::start();
    let url = server.url(repository.path());
    let opens = |key: &str, case: &str| {
        let outcome = check(&with(source(&url), json!({ "private_key": key })), None);
        assert_eq!(outcome.code, Some(0), "{case}: {}", outcome.stderr);
        assert_eq!(refs(&outcome), commits, "{case}");
    };
    let each_line = |key: &str, change: &dyn Fn(&str) -> String| -> String { key.lines().map(change).collect() };
    let key = &server.deploy_key().private;
    for (case, changed) in [
        ("no newline at the end", key.trim_end().to_owned()),
        ("CRLF", key.replace('\n', "\r\n")),
        ("blank lines around", format!("\n\n{key}\n\n")),
        ("indented", each_line(key, &|line| format!("    {line}\n"))),
        ("trailing blanks", each_line(key, &|line| format!("{line}  \n"))),
    ] {
        opens(&changed, case);
    }
    for (kind, format) in [("rsa", "PEM"), ("ecdsa", "PEM"), ("rsa", "PKCS8")] {
        let key = pem_private_key(kind, format);
        server.authorize(&key.public);
        let changed = each_line(key.private.trim_end(), &|line| format!("  {line}\r\n"));
        opens(&key.private, format);
        opens(&changed, format);
    }
}

#[test]
fn invalid_private_key_fails_with_the_name_of_the_param() {
    if !require(Layer::Ssh) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    let source = source(&server.url(repository.path()));
    let openssh = &server.deploy_key().private;
    let rsa = pem_private_key("rsa", "PEM");
    let body = |key: &str| key.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n");
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(openssh)
    };
    for (case, text) in [
        ("the public key", key_pair("ed25519", None).public),
        (
            "a public key in armour",
            format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", rsa.public),
        ),
        ("PuTTY", "PuTTY-User-Key-File-2: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAA\n".to_owned()),
        ("the name of a file", "~/.ssh/id_rsa".to_owned()),
        ("blanks in place of line breaks", openssh.trim().replace('\n', " ")),
        ("line breaks in two characters", openssh.replace('\n', "\\n")),
        (
            "an RSA key in the armour of OpenSSH",
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n", body(&rsa.private)),
        ),
        ("one half", openssh.chars().take(openssh.len() / 2).collect()),
        ("base64", base64),
    ] {
        let outcome = check(&with(source.clone(), json!({ "private_key": text })), None);
        outcome.failed();
        let message = messages(&outcome);
        assert!(message.contains("private_key`"), "{case}: {message}");
        for line in body(openssh).lines().chain(body(&rsa.private).lines()) {
            assert!(!outcome.stderr.contains(line), "{case}: {message}");
        }
    }
}
