//! Invalid requests with their exact messages.

use serde_json::{Value, json};

use crate::support::{check, messages};

#[track_caller]
fn refused(source: Value, expected: &str) {
    let outcome = check("registry-image", &source, None);
    outcome.failed();
    let messages = messages(&outcome);
    assert_eq!(messages.trim_end(), expected, "{source}");
}

#[test]
fn reports_all_problems_at_once() {
    refused(
        json!({
            "repository": "https://registry.example.com/App", "tag": "a b", "tag_regex": "(", "semver_constraint": "wat",
            "label_regex": "[", "ca_certs": ["x"], "registry_mirror": "http://", "insecre": true,
            "client_certs": [{"domain": "h", "cert": "x", "key": "y"}],
        }),
        "error: the request has 10 problems (jetway-registry-image 0.1.0)\n    \
         `source.insecre`: unknown key; did you mean `insecure`?\n    \
         `source.repository`: expected a name such as `registry.example.com/team/app`, without `https://`\n    \
         `source.tag`: is not a valid tag: use at most 128 letters, digits, `_`, `.` and `-`\n    \
         `source.tag_regex`: is not a valid pattern: unclosed group\n    \
         `source.label_regex`: is not a valid pattern: unclosed character class\n    \
         `source.semver_constraint`: is not a valid constraint; expected bounds such as `~1.2`, `^1`, `>=1.2, <3`, `1.x`, `1.2 - 1.4`, with `||` between alternatives\n    \
         `source.registry_mirror`: `` is not a registry; expected a host, `registry.example.com` or `registry.example.com:5000`\n    \
         `source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
         `source.client_certs[0].cert`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
         `source.client_certs[0].key`: expected a private key in PEM form (PKCS#8, PKCS#1 or SEC1)",
    );
}
