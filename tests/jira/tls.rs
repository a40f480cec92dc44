//! Certificates: which servers get the token.

use jetway_tests::jira::{Edition, Jira};
use jetway_tests::tls_cases;
use serde_json::{Value, json};

use crate::support::{messages, put, with};

fn params() -> Value {
    json!({ "issue": "OPS-1", "comment": "x" })
}

#[test]
fn rejects_unknown_ca() {
    let jira = Jira::start_tls(Edition::Cloud);
    let outcome = put(&jira.source(), params());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot read the issue OPS-1\n  caused by: `GET https://localhost:[PORT]/rest/api/3/issue/OPS-1?fields=...` got no complete \
         response\n  caused by: the server's certificate is not signed by a trusted authority\n\
         hint: add the certificate of its authority, in PEM form, to `ca_certs`\n"
    );
    assert_eq!(jira.requests(), Vec::<String>::new());
}

#[test]
fn trusts_ca_of_ca_certs() {
    let jira = Jira::start_tls(Edition::DataCenter);
    jira.create(0, "x");
    put(&with(jira.source(), json!({ "ca_certs": [jira.authority()] })), params()).succeeded();
    assert_eq!(jira.comments("OPS-1").len(), 1);
}

#[test]
fn insecure_trusts_any_certificate() {
    let jira = Jira::start_tls(Edition::Cloud);
    jira.create(0, "x");
    put(&with(jira.source(), json!({ "insecure": true })), params()).succeeded();
    assert_eq!(jira.comments("OPS-1").len(), 1);
}

#[test]
fn accepts_every_kind_of_certificate_and_rejects_bad_ones_with_a_reason() {
    tls_cases::check(&tls_cases::REFUSALS, |url, authority| {
        put(&json!({ "url": url, "token": "token", "ca_certs": [authority] }), params())
    });
}
