//! A kubeconfig and `env_vars` have the same effect in check, get and put, or the error names the unsupported key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{check, deploy, get, inputs, messages, put, revisions, source, with};

/// The administrator's kubeconfig with a change.
fn changed(change: impl FnOnce(&mut Value)) -> Option<String> {
    let mut config: Value = serde_json::from_str(&cluster()?.kubeconfig()).unwrap();
    change(&mut config);
    Some(config.to_string())
}

#[test]
fn impersonates_in_check_and_put() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    namespace.account("reader", &[("get,list", "secrets")]);
    let user = format!("system:serviceaccount:{}:reader", namespace.name());
    let kubeconfig = |user: &str| changed(|config| config["users"][0]["user"]["as"] = json!(user)).unwrap();
    let impersonating = |user: &str| with(source(&namespace), json!({ "kubeconfig": kubeconfig(user) }));
    deploy(&namespace, Helm::Four, "demo", &[]);
    check(&impersonating(&user), Value::Null).succeeded();
    let refused = check(&impersonating("nobody"), Value::Null);
    refused.failed();
    assert!(messages(&refused).contains("User \"nobody\" cannot list resource"), "{}", refused.stderr);
    for helm in Helm::BOTH {
        let outcome =
            put(helm, cluster.programs(), &impersonating(&user), json!({ "chart": "chart" }), inputs.path()).run();
        outcome.failed();
        assert!(outcome.stderr.contains(&format!("User \"{user}\" cannot")), "{helm:?}: {}", outcome.stderr);
    }
    let groups = changed(|config| {
        config["users"][0]["user"]["as"] = json!("nobody");
        config["users"][0]["user"]["as-uid"] = json!("7");
        config["users"][0]["user"]["as-groups"] = json!(["none", "system:masters"]);
        config["users"][0]["user"]["as-user-extra"] = json!({ "example.com/reason": ["a", "b"] });
    });
    let source = with(source(&namespace), json!({ "kubeconfig": groups }));
    check(&source, Value::Null).succeeded();
    put(Helm::Four, cluster.programs(), &source, json!({ "chart": "chart" }), inputs.path()).run().succeeded();
}

#[test]
fn accepts_base64_and_an_authority_without_effect() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let insecure = changed(|config| config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = json!(true));
    for kubeconfig in [STANDARD.encode(cluster.kubeconfig()), insecure.unwrap()] {
        let source = with(source(&namespace), json!({ "kubeconfig": kubeconfig }));
        put(Helm::Four, cluster.programs(), &source, json!({ "chart": "chart" }), inputs.path()).run().succeeded();
        check(&source, Value::Null).succeeded();
    }
}

#[test]
fn warns_that_the_namespace_of_a_context_has_no_effect() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let kubeconfig = changed(|config| config["contexts"][0]["context"]["namespace"] = json!(namespace.name()));
    let outcome = check(&json!({ "kubeconfig": kubeconfig, "release": "nowhere" }), Value::Null);
    outcome.failed();
    let warning =
        format!("since `namespace` is not given; the namespace `{}` of the kubeconfig's context", namespace.name());
    assert!(outcome.stderr.contains(&warning), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("there is no release `nowhere` in the namespace `default`"), "{}", outcome.stderr);
}

#[test]
fn helm_driver_in_env_vars_applies_to_every_verb() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let source = with(source(&namespace), json!({ "env_vars": { "HELM_DRIVER": "configmap" } }));
    put(Helm::Four, cluster.programs(), &source, json!({ "chart": "chart" }), inputs.path()).run().succeeded();
    assert_eq!(check(&source, Value::Null).json(), revisions([1]));
    get(&source, revisions([1])[0].clone()).0.succeeded();
    let records = namespace.kubectl(&["get", "configmaps", "--selector=owner=helm", "--output=name"]);
    assert_eq!(records, "configmap/sh.helm.release.v1.demo.v1\n");
}

#[test]
fn rejects_variables_that_affect_helm_only() {
    for (variables, problem) in [
        (
            json!({ "HELM_DRIVER": "sql" }),
            "`source.env_vars.HELM_DRIVER`: is a storage driver that check and get cannot read",
        ),
        (json!({ "KUBECONFIG": "/k" }), "`source.env_vars.KUBECONFIG`: would affect helm only"),
        (json!({ "HELM_KUBETOKEN": "t" }), "`source.env_vars.HELM_KUBETOKEN`: would affect helm only"),
    ] {
        let outcome = check(&json!({ "release": "demo", "kubeconfig": "{}", "env_vars": variables }), Value::Null);
        outcome.failed();
        assert!(outcome.stderr.contains(problem), "{}", outcome.stderr);
    }
}
