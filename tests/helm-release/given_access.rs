//! A kubeconfig or a token in the params of a put, for example from an earlier step.

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{check, get, inputs, messages, put, revisions, watched, with};

#[test]
fn kubeconfig_of_the_params_overrides_the_sources_cluster() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("made", ""), ("kubeconfig", &cluster.kubeconfig())]);
    let source = json!({ "release": "demo", "namespace": namespace.name() });
    let elsewhere = with(source.clone(), json!({ "cluster_url": "http://127.0.0.1:1" }));
    let (programs, log) = watched(Helm::Four, cluster.programs(), inputs.path());
    let run = |source: &Value, more: Value| {
        let params = with(json!({ "chart": "chart" }), more);
        put(Helm::Four, &programs, source, params, inputs.path()).run()
    };
    let version = |revision: u64| with(revisions([revision])[0].clone(), json!({ "cluster": cluster.url() }));
    let outcome = run(&source, json!({ "kubeconfig_path": "kubeconfig" }));
    assert_eq!(outcome.json()["version"], version(1));
    assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
    let outcome = run(&elsewhere, json!({ "kubeconfig": cluster.kubeconfig(), "kubeconfig_path": "missing" }));
    assert_eq!(outcome.json()["version"], version(2));
    let (_, key) = cluster.certificate().unwrap_or_default();
    let log = std::fs::read_to_string(log).unwrap();
    for secret in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!log.contains(secret) && !outcome.stderr.contains(secret));
    }
    // The get after the put has no access to that cluster, and still succeeds.
    for source in [&source, &elsewhere] {
        let (outcome, directory) = get(source, version(2));
        assert_eq!(outcome.json()["version"], version(2));
        assert_eq!(std::fs::read_to_string(directory.path().join("revision")).unwrap(), "2");
    }
    let outcome = run(&source, json!({ "kubeconfig_path": "missing" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot use `kubeconfig_path`\n  caused by: there is no file `missing` in the inputs\n"
    );
}

#[test]
fn token_path_overrides_the_sources_token() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let everything = [("*", "secrets,pods,services,configmaps"), ("*", "deployments.apps,replicasets.apps")];
    let (token, _) = namespace.account("deployer", &everything);
    let inputs = inputs(&[("token", &format!("{token}\n"))]);
    let source = json!({
        "cluster_url": cluster.url(), "cluster_ca": cluster.authority(), "release": "demo", "namespace": namespace.name(),
    });
    let (programs, log) = watched(Helm::Four, cluster.programs(), inputs.path());
    let params = json!({ "chart": "chart", "token_path": "token" });
    for source in [&source, &with(source.clone(), json!({ "token": "0ld-and-w0rthless" }))] {
        put(Helm::Four, &programs, source, params.clone(), inputs.path()).run().succeeded();
    }
    assert!(!std::fs::read_to_string(log).unwrap().contains(&token));
    // The source itself has no access: get and check return the known version.
    get(&source, revisions([1])[0].clone()).0.succeeded();
    assert_eq!(check(&source, Value::Null).json(), json!([]));
    assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1]));
    let other = json!({ "kubeconfig": cluster.kubeconfig(), "release": "demo", "namespace": namespace.name() });
    let outcome = put(Helm::Four, &programs, &other, params, inputs.path()).run();
    outcome.failed();
    assert_eq!(messages(&outcome), "error: `token_path` requires `cluster_url` in the source\n");
}

#[test]
fn kubeconfig_context_does_not_apply_to_another_kubeconfig() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let mut renamed: Value = serde_json::from_str(&cluster.kubeconfig()).unwrap();
    renamed["contexts"][0]["name"] = json!("staging");
    renamed["current-context"] = json!("staging");
    let own = json!({
        "kubeconfig": renamed.to_string(), "kubeconfig_context": "staging", "release": "demo", "namespace": namespace.name(),
    });
    let given = json!({ "chart": "chart", "kubeconfig": cluster.kubeconfig() });
    put(Helm::Four, cluster.programs(), &own, given, inputs.path()).run().succeeded();
    // If the source has no kubeconfig, the context applies to the kubeconfig of the params.
    let none = json!({ "kubeconfig_context": "production", "release": "demo", "namespace": namespace.name() });
    let given = json!({ "chart": "chart", "kubeconfig": renamed.to_string() });
    let outcome = put(Helm::Four, cluster.programs(), &none, given, inputs.path()).run();
    outcome.failed();
    assert!(messages(&outcome).contains("the kubeconfig has no context `production`"), "{}", outcome.stderr);
}
