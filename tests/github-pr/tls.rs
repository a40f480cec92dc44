//! Certificates: which servers the verbs trust.

use jetway_tests::github::{GitHub, PullRequest, commit};
use jetway_tests::tls_cases;
use serde_json::json;

use crate::support::{check, messages, numbers, source, with};

#[test]
fn rejects_unknown_ca() {
    let github = GitHub::start_tls();
    let outcome = check(&source(&github), None);
    outcome.failed();
    assert!(messages(&outcome).contains("the server's certificate is not signed by a trusted authority"));
    assert!(messages(&outcome).contains("hint: add the certificate of its authority, in PEM form, to `ca_certs`"));
    assert_eq!(github.requests(), Vec::<String>::new());
}

#[test]
fn trusts_ca_certs_and_skips_verification_on_request() {
    let github = GitHub::start_tls();
    github.put_pull(PullRequest::new(1, &commit(11)));
    for more in [json!({ "ca_certs": [github.authority()] }), json!({ "skip_ssl_verification": true })] {
        assert_eq!(numbers(&check(&with(source(&github), more), None)), [1]);
    }
}

#[test]
fn rejects_bad_certificates_with_a_reason() {
    tls_cases::check(&tls_cases::REFUSALS, |url, authority| {
        let github = GitHub::start();
        check(&with(source(&github), json!({ "v3_endpoint": url, "ca_certs": [authority] })), None)
    });
}
