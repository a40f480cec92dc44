//! Uninstalls, replacements and dry runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::scratch;
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{
    check, deploy, get, inputs, messages, put, revisions, source, values_of, watched, with, with_all_api_groups,
};

#[test]
fn uninstall_removes_the_release_and_is_idempotent() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[]);
        deploy(&namespace, helm, "demo", &[]);
        let run = |more: Value| {
            let params = with(json!({ "uninstall": true }), more);
            put(helm, cluster.programs(), &source, params, inputs.path()).run()
        };
        // First a dry run.
        assert_eq!(
            run(json!({ "dry_run": "client" })).json()["version"],
            json!({ "release": "N/A", "revision": "N/A" })
        );
        assert_eq!(check(&source, Value::Null).json(), revisions([1]));
        let version = json!({ "release": "demo", "uninstalled": "true" });
        for more in [json!({ "check_is_ready": true }), json!({})] {
            let outcome = run(more);
            assert_eq!(outcome.json()["version"], version, "{helm:?}");
            assert_eq!(outcome.json()["metadata"], json!([{ "name": "release", "value": "demo" }]));
            assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
            // The requests after the put: a get of its version, and the next check.
            assert_eq!(get(&source, version.clone()).0.json()["version"], version);
            assert_eq!(check(&source, version.clone()).json(), json!([version]));
        }
        assert_eq!(namespace.kubectl(&["get", "deployments,secrets", "--output=name"]), "", "{helm:?}");
    }
}

#[test]
fn delete_namespace_deletes_it_with_the_release() {
    let Some(cluster) = cluster() else { return };
    let _groups = with_all_api_groups();
    let namespace = cluster.namespace();
    let source = source(&namespace);
    let inputs = inputs(&[]);
    deploy(&namespace, Helm::Four, "demo", &[]);
    deploy(&namespace, Helm::Four, "other", &[]);
    let params = json!({ "uninstall": true, "delete_namespace": true, "timeout": 60 });
    for _ in 0..2 {
        let outcome = put(Helm::Four, cluster.programs(), &source, params.clone(), inputs.path()).run();
        assert_eq!(outcome.json()["version"], json!({ "release": "demo", "uninstalled": "true" }));
        let all = cluster.kubectl(&["get", "namespaces", "--output=name"]);
        assert!(!all.lines().any(|line| line == format!("namespace/{}", namespace.name())), "{all}");
        if outcome.stderr.contains("deleting the namespace") {
            let warning = format!("other releases are deleted with the namespace `{}`: `other`", namespace.name());
            assert!(outcome.stderr.contains(&warning), "{}", outcome.stderr);
        } else {
            let word = format!("there is no namespace `{}`", namespace.name());
            assert!(outcome.stderr.contains(&word), "{}", outcome.stderr);
        }
    }
}

#[test]
fn delete_namespace_without_permission_is_an_error() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let (token, _) = namespace.account("deployer", &[("*", "secrets,pods,services"), ("*", "deployments.apps")]);
    let source = json!({
        "cluster_url": cluster.url(), "cluster_ca": cluster.authority(), "token": token, "release": "demo",
        "namespace": namespace.name(),
    });
    let inputs = inputs(&[]);
    let params = json!({ "uninstall": true, "delete_namespace": true });
    let outcome = put(Helm::Four, cluster.programs(), &source, params, inputs.path()).run();
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.contains("the API server denied the request: namespaces "), "{text}");
    assert!(
        text.contains("hint: the user needs a role that allows `get` on `namespaces` in the whole cluster"),
        "{text}"
    );
}

#[test]
fn replace_starts_at_revision_1_after_a_successful_dry_run() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[
            ("broken.yaml", "replicas: [\n"),
            ("wrong.yaml", "wrong: true\n"),
            ("chart/templates/check.yaml", "{{ if .Values.wrong }}{{ fail \"not like this\" }}{{ end }}\n"),
        ]);
        let run = |more: Value| {
            let params = with(json!({ "chart": "chart", "replace": true }), more);
            put(helm, cluster.programs(), &source, params, inputs.path()).run()
        };
        // There is no release to replace yet.
        assert_eq!(run(json!({})).json()["version"], revisions([1])[0], "{helm:?}");
        deploy(&namespace, helm, "demo", &[]);
        for values in ["broken.yaml", "wrong.yaml"] {
            let outcome = run(json!({ "values": values }));
            outcome.failed();
            assert!(messages(&outcome).contains("`demo` was not replaced, and is unchanged"), "{}", outcome.stderr);
            assert_eq!(check(&source, Value::Null).json(), revisions([2]), "{helm:?}");
        }
        assert_eq!(run(json!({})).json()["version"], revisions([1])[0], "{helm:?}");
        assert_eq!(check(&source, Value::Null).json(), revisions([1]), "{helm:?}");
        // The uninstall must be complete before the install, even with `wait: none`.
        let others = crate::support::inputs(&[]);
        let (programs, log) = watched(helm, cluster.programs(), others.path());
        let params = json!({ "chart": "chart", "replace": true, "wait": "none" });
        put(helm, &programs, &source, params, others.path()).run().succeeded();
        let called = fs::read_to_string(log).unwrap();
        let (_, uninstall) = called.split_once("\nuninstall\n").expect("an uninstall");
        assert!(
            uninstall.starts_with(&format!("--namespace={}\n--timeout=300s\n--wait\n", namespace.name())),
            "{uninstall}"
        );
    }
}

#[test]
fn dry_run_shows_the_manifest_and_changes_nothing() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: '{{ .Values.settings.password }}'}\n";
        let inputs = inputs(&[("chart/templates/secret.yaml", secret)]);
        let overrides = json!([{ "key": "settings.password", "value": "hunter2-hidden", "hide": true }]);
        let run = |more: Value| {
            let params = with(json!({ "chart": "chart", "override_values": overrides }), more);
            put(helm, cluster.programs(), &source, params, inputs.path()).run()
        };
        let version = json!({ "release": "N/A", "revision": "N/A" });
        for more in [json!({ "debug": true }), json!({ "dry_run": "client" }), json!({ "dry_run": "server" })] {
            let outcome = run(more);
            assert_eq!(outcome.json()["version"], version, "{helm:?}");
            assert!(outcome.stderr.contains("kind: Deployment"), "{}", outcome.stderr);
            assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
            assert_eq!(get(&source, version.clone()).0.json()["version"], version);
        }
        assert_eq!(namespace.kubectl(&["get", "deployments,secrets", "--output=name"]), "");
    }
}

#[test]
fn force_replaces_immutable_objects() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let fixed = "apiVersion: v1\nkind: ConfigMap\nimmutable: true\nmetadata: {name: fixed}\ndata: {a: '{{ .Values.settings.a }}'}\n";
        let inputs = inputs(&[("chart/templates/fixed.yaml", fixed)]);
        let run = |value: &str, more: Value| {
            let overrides = json!([{ "key": "settings.a", "value": value }]);
            let params = with(json!({ "chart": "chart", "override_values": overrides }), more);
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        run("one", json!({})).succeeded();
        run("two", json!({})).failed();
        let outcome = run("two", json!({ "force": true }));
        // Helm replaces the object, which an immutable field does not allow either: this shows that helm knows the
        // option.
        assert!(!outcome.stderr.contains("unknown flag"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("cannot use"), "{}", outcome.stderr);
        run("one", json!({ "force": true })).succeeded();
    }
}

#[test]
fn post_renderer_changes_the_manifest() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("label.sh", "#!/bin/sh\nsed 's/replicas: .*/replicas: 4/'\n")]);
        let run = |program: &str| {
            let params = json!({ "chart": "chart", "post_renderer": program });
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        let outcome = run("label.sh");
        outcome.failed();
        assert!(
            messages(&outcome).contains("the post-renderer `label.sh` is not an executable file\nhint: `chmod +x`"),
            "{}",
            outcome.stderr
        );
        fs::set_permissions(inputs.path().join("label.sh"), Permissions::from_mode(0o755)).unwrap();
        fs::copy(inputs.path().join("label.sh"), inputs.path().join("chart/beside.sh")).unwrap();
        for program in ["label.sh", "beside.sh"] {
            let outcome = run(program);
            outcome.succeeded();
            assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
            let replicas = namespace.kubectl(&["get", "deployments", "--output=jsonpath={.items[0].spec.replicas}"]);
            assert_eq!(replicas, "4", "{helm:?} {program}");
        }
        let outcome = run("none.sh");
        outcome.failed();
        assert!(messages(&outcome).contains("there is no post-renderer `none.sh`"), "{}", outcome.stderr);
    }
}

#[test]
fn rejects_keys_that_exclude_each_other() {
    let inputs = scratch::directory();
    let problems = |params: Value| {
        let source = json!({ "cluster_url": "http://127.0.0.1:1", "release": "demo" });
        let request = json!({ "source": source, "params": params });
        let outcome = Verb::put("helm-release").dir(inputs.path()).request(&request).run();
        outcome.failed();
        messages(&outcome)
    };
    let text = problems(json!({ "uninstall": true, "replace": true, "test": true }));
    assert!(text.contains("`params.replace`: excludes `uninstall`, which removes the release\n"), "{text}");
    assert!(text.contains("`params.test`: excludes `uninstall`, which removes the release\n"), "{text}");
    let text = problems(json!({ "replace": true, "test": true, "delete_namespace": true }));
    assert!(text.contains("`params.replace`: requires `chart`"), "{text}");
    assert!(text.contains("`params.delete_namespace`: requires `uninstall`"), "{text}");
    let text = problems(json!({ "debug": true, "rollback": true }));
    assert!(text.contains("`params.rollback`: excludes a dry run"), "{text}");
    // Tests and rollbacks do change the cluster, so they cannot be part of a dry run.
    for dry in [json!({ "debug": true, "test": true }), json!({ "dry_run": "server", "test": { "attempts": 2 } })] {
        let text = problems(dry);
        assert!(text.contains("`params.test`: excludes a dry run without a `chart`"), "{text}");
    }
}

#[test]
fn dry_run_does_not_change_reused_values() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let run = |value: u64, more: Value| {
        let overrides = json!([{ "key": "replicas", "value": value }]);
        let params = with(json!({ "chart": "chart", "override_values": overrides }), more);
        put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run().succeeded();
    };
    run(2, json!({}));
    run(3, json!({ "debug": true }));
    assert_eq!(values_of(&namespace, Helm::Four), json!({ "replicas": 2 }));
}
