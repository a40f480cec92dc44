//! Authentication as a GitHub App.

use std::fs;

use jetway_tests::github::{AppKey, GitHub, REPOSITORY, commit};
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{check_in, messages, metadata, put, version, with};

fn source(github: &GitHub, key: &str) -> Value {
    json!({
        "repository": REPOSITORY, "endpoint": github.url(), "branch": "main", "app_id": 4711, "private_key": key,
    })
}

fn installed() -> (GitHub, AppKey) {
    let (github, key) = (GitHub::start(), AppKey::new());
    github.install_app("4711", "jetway", &key);
    (github, key)
}

#[test]
fn put_logs_in_as_app_with_pkcs1_or_pkcs8_key() {
    let (github, key) = installed();
    // Some credential managers store a key in one line, with `\n` for its line breaks.
    let one_line = key.pkcs1.trim().replace('\n', "\\n");
    let quoted = format!("\"{one_line}\"");
    let with_blanks = key.pkcs8.trim().replace('\n', " ");
    let with_crlf = key.pkcs8.replace('\n', "\r\n");
    for pem in [&key.pkcs1, &key.pkcs8, &one_line, &quoted, &with_blanks, &with_crlf] {
        let outcome = put(&source(&github, pem), json!({ "commit": commit(1), "state": "success" }));
        assert!(metadata(&outcome).contains(&("created_by".to_owned(), "jetway[bot]".to_owned())));
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
    let hash = commit(1);
    assert_eq!(
        github.requests()[..4],
        [
            "GET /repos/octo/app/installation".to_owned(),
            "POST /app/installations/77/access_tokens".to_owned(),
            format!("POST /repos/octo/app/statuses/{hash}"),
            format!("GET /repos/octo/app/commits/{hash}/statuses?per_page=100"),
        ]
    );
    // The token is requested for this repository only.
    assert_eq!(github.bodies("POST", "/access_tokens")[0], json!({ "repositories": ["app"] }));
}

#[test]
fn rejects_key_in_another_format_before_any_request() {
    use base64::Engine as _;
    let (github, key) = installed();
    let body: String = key.pkcs1.lines().filter(|line| !line.starts_with('-')).collect();
    let file = base64::engine::general_purpose::STANDARD.encode(&key.pkcs1);
    let wrapped: Vec<String> =
        file.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    for text in [body.clone(), file.clone(), wrapped.join("\n")] {
        let outcome = put(&source(&github, &text), json!({ "commit": commit(1), "state": "success" }));
        outcome.failed();
        let message = messages(&outcome);
        assert!(message.contains("`source.private_key`") && message.contains("-----BEGIN"), "{message}");
        assert!(!outcome.stderr.contains(&body[..40]) && !outcome.stderr.contains(&file[..40]), "{message}");
    }
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn uses_installation_id() {
    let (github, key) = installed();
    let source = with(source(&github, &key.pkcs1), json!({ "installation_id": 77 }));
    put(&source, json!({ "commit": commit(1), "state": "success" })).succeeded();
    assert_eq!(github.requests()[0], "POST /app/installations/77/access_tokens");
}

mod check {
    use super::*;

    #[test]
    fn caches_the_token_encrypted_until_it_expires() {
        let (github, key) = installed();
        let container = Container::new();
        let known = version(&commit(1), github.set_status(&commit(1), "default", "success", "a"));
        for _ in 0..3 {
            let outcome = check_in(&container, &source(&github, &key.pkcs1), None);
            assert_eq!(outcome.json(), json!([known]));
            for file in outcome.leftovers() {
                let content = fs::read_to_string(file).unwrap();
                assert!(!content.contains("ghs_") && !content.contains("SECRET"), "{content}");
            }
        }
        assert_eq!(github.issued_tokens().len(), 1);
        assert_eq!(github.requests().len(), 2 + 3);
    }

    #[test]
    fn requests_another_token_when_the_cached_one_was_revoked() {
        let (github, key) = installed();
        let container = Container::new();
        check_in(&container, &source(&github, &key.pkcs1), None).succeeded();
        github.revoke_tokens();
        check_in(&container, &source(&github, &key.pkcs1), None).succeeded();
        assert_eq!(github.issued_tokens().len(), 1);
    }

    #[test]
    fn requests_another_token_for_another_key() {
        let (github, key) = installed();
        let container = Container::new();
        check_in(&container, &source(&github, &key.pkcs1), None).succeeded();
        let other = AppKey::generate();
        let outcome = check_in(&container, &source(&github, &other.pkcs1), None);
        outcome.failed();
        assert!(
            messages(&outcome).starts_with("error: cannot log in as the GitHub App `4711`\n"),
            "{}",
            outcome.stderr
        );
        github.install_app("4711", "jetway", &other);
        check_in(&container, &source(&github, &other.pkcs1), None).succeeded();
    }
}

#[test]
fn reports_app_that_is_not_installed() {
    let (github, key) = installed();
    let elsewhere = with(source(&github, &key.pkcs1), json!({ "repository": "octo/other" }));
    let outcome = put(&elsewhere, json!({ "commit": commit(1), "state": "success" }));
    outcome.failed();
    assert!(outcome.stderr.contains("cannot log in as the GitHub App `4711`"), "{}", outcome.stderr);
    let wrong = with(source(&github, &key.pkcs1), json!({ "app_id": "4712" }));
    let outcome = put(&wrong, json!({ "commit": commit(1), "state": "success" }));
    outcome.failed();
    assert!(outcome.stderr.contains("A JSON web token could not be decoded"), "{}", outcome.stderr);
}
