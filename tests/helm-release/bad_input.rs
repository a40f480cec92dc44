//! Invalid requests with their exact messages.

use jetway_tests::scratch;
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{check, messages};

/// The problems of a source, without the first line.
#[track_caller]
fn problems(source: Value) -> String {
    let outcome = check(&source, Value::Null);
    outcome.failed();
    let messages = messages(&outcome);
    let (head, problems) = messages.split_once('\n').expect("a head and problems");
    assert!(head.starts_with("error: the request has "), "{messages}");
    problems.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn rejects_a_source_with_several_clusters() {
    // Puts may have their own cluster: a check without a cluster returns the known version.
    for version in [Value::Null, json!({ "release": "demo", "revision": "7", "cluster": "https://k" })] {
        let outcome = check(&json!({ "release": "demo" }), version.clone());
        assert_eq!(outcome.json(), if version.is_null() { json!([]) } else { json!([version]) });
        assert_eq!(
            messages(&outcome),
            "the source has no cluster: only puts with their own kubeconfig create versions\n"
        );
    }
    let inputs = scratch::directory();
    let request = json!({ "source": { "release": "demo" }, "params": { "test": true } });
    let outcome = Verb::put("helm-release").dir(inputs.path()).request(&request).run();
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: the source names no cluster\nhint: set one of `cluster_url`, `kubeconfig`, `in_cluster`, \
         `gcloud_cluster_auth`, `aws` and `digitalocean`; a put may have `kubeconfig` or `kubeconfig_path` in \
         its params\n"
    );
    assert_eq!(
        problems(json!({ "cluster_url": "http://k", "in_cluster": true, "kubeconfig": "{}" })),
        "`source.cluster_url`: conflicts with `kubeconfig`, which also names a cluster; remove \
         one\n`source.in_cluster`: conflicts with `kubeconfig`, which also names a cluster; remove one"
    );
}

#[test]
fn rejects_malformed_names_and_addresses() {
    assert_eq!(
        problems(json!({ "cluster_url": "k.example", "release": "a/b", "namespace": "Team", "statuses": ["failled"] })),
        "`source.statuses[0]`: expected `deployed`, `superseded`, `failed`, `uninstalled`, `uninstalling`, \
         `pending-install`, `pending-upgrade`, `pending-rollback` or `unknown`, found `failled`; did you mean `failed`?"
    );
    assert_eq!(
        problems(json!({ "cluster_url": "k.example", "release": "a/b", "namespace": "Team" })),
        "`source.release`: `a/b` is not a valid name: expected lower-case letters and digits, with `-` between \
         them\n`source.namespace`: `Team` is not a valid name: expected lower-case letters and digits, with `-` \
         between them\n`source.cluster_url`: expected an address, `https://...`: relative URL without a base"
    );
}

#[test]
fn rejects_incomplete_credentials() {
    let outcome = check(&json!({ "cluster_url": "https://k.example", "release": "demo" }), Value::Null);
    // Puts may have their own token.
    assert_eq!(outcome.json(), json!([]));
    assert_eq!(
        messages(&outcome),
        "the source has no credentials for `cluster_url`: only puts with `token_path` create versions\n"
    );
    let certificate = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n";
    let problems_of = problems(json!({ "cluster_url": "https://k.example", "token": "t", "cluster_ca": certificate }));
    assert!(problems_of.starts_with("`source.cluster_ca`: expected "), "{problems_of}");
    assert_eq!(
        problems(json!({ "cluster_url": "https://k.example", "admin_key": "hunter2", "cluster_ca": "hunter2" })),
        "`source.cluster_ca`: expected PEM (-----BEGIN ...), or PEM in base64\n`source.admin_cert`: required \
         with `admin_key`, but missing\n`source.admin_key`: expected PEM (-----BEGIN ...), or PEM in base64"
    );
}

#[test]
fn rejects_incomplete_keys_of_clouds() {
    assert_eq!(
        problems(json!({ "gcloud_cluster_auth": true, "gcloud_service_account_key_file": "/key.json" })),
        "`source.gcloud_service_account_key_file`: expected the JSON key of a service account (client_email, private_key, \
         token_uri)\n\
         `source.gcloud_k8s_cluster_name`: required, but missing\n\
         `source.gcloud_k8s_zone`: required, but missing"
    );
    assert_eq!(
        problems(json!({ "aws": { "region": "eu.example/", "cluster_name": "../x", "role": "admin" } })),
        "`source.aws.cluster_name`: `../x` is not a valid cluster name\n`source.aws.region`: `eu.example/` is \
         not a valid region\n`source.aws.role`: expected the ARN of a role, `arn:aws:iam::ACCOUNT:role/NAME`, \
         found `admin`"
    );
}

#[test]
fn error_for_a_malformed_kubeconfig_does_not_quote_it() {
    let messages = problems(json!({ "kubeconfig": "token: hunter2\nclusters: [" }));
    assert!(
        messages.starts_with("`source.kubeconfig`: is not a kubeconfig: line ") && !messages.contains("hunter2"),
        "{messages}"
    );
}

#[test]
fn rejects_helm_setup_purge_all() {
    assert!(
        problems(json!({ "cluster_url": "http://k", "helm_setup_purge_all": true }))
            .starts_with("`source.helm_setup_purge_all`: is not supported")
    );
}
