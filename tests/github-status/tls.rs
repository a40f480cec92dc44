//! Certificates: which servers a put trusts.

use jetway_tests::github::{GitHub, commit};
use jetway_tests::tls_cases;
use serde_json::{Value, json};

use crate::support::{messages, put, source, with};

fn params() -> Value {
    json!({ "commit": commit(1), "state": "success", "context": "ci" })
}

#[test]
fn rejects_unknown_ca() {
    let github = GitHub::start_tls();
    let outcome = put(&source(&github), params());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot set status `ci` of 0000000000000000000000000000000000000001 to `success`\n  caused by: `POST \
         https://localhost:[PORT]/repos/octo/app/statuses/0000000000000000000000000000000000000001` got no complete response\n  \
         caused by: the server's certificate is not signed by a trusted authority\n\
         hint: add the certificate of its authority, in PEM form, to `ca_certs`\n"
    );
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn trusts_ca_of_ca_certs() {
    let github = GitHub::start_tls();
    put(&with(source(&github), json!({ "ca_certs": [github.authority()] })), params()).succeeded();
    assert_eq!(github.statuses(&commit(1)).len(), 1);
}

/// dpb587/github-status-resource ran the value of `skip_ssl_verification` as a command.
#[test]
fn insecure_and_its_alias_trust_any_certificate() {
    let github = GitHub::start_tls();
    for (key, value) in [("insecure", json!(true)), ("skip_ssl_verification", json!("true"))] {
        put(&with(source(&github), json!({ key: value })), params()).succeeded();
    }
    assert_eq!(github.statuses(&commit(1)).len(), 2);
    let outcome = put(&with(source(&github), json!({ "skip_ssl_verification": "touch /tmp/pwned" })), params());
    outcome.failed();
    assert!(messages(&outcome).contains("`source.skip_ssl_verification`: expected true or false, found text\n"));
}

#[test]
fn accepts_every_kind_of_certificate_and_rejects_bad_ones_with_a_reason() {
    let github = GitHub::start();
    tls_cases::check(&tls_cases::REFUSALS, |url, authority| {
        let server = json!({ "endpoint": url, "ca_certs": [authority] });
        put(&with(source(&github), server), params())
    });
}
