//! `show_diff`: the log shows the changes before the deploy, without values of Secrets.

use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::verb::Outcome;
use serde_json::{Value, json};

use crate::support::{check, deploy, inputs, messages, put, revisions, source, with};

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  same: always-the-same\n  \
                      password: '{{ .Values.settings.password }}'\n";

#[test]
fn shows_changes_by_object_without_values_in_secrets() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: goes}\ndata: {a: b}\n";
        let inputs = inputs(&[("chart/templates/secret.yaml", SECRET), ("chart/templates/map.yaml", map)]);
        let run = |password: &str, more: Value| -> Outcome {
            let overrides = json!([{ "key": "settings.password", "value": password }]);
            let params = with(json!({ "chart": "chart", "show_diff": true, "override_values": overrides }), more);
            let outcome = put(helm, cluster.programs(), &source, params, inputs.path()).env("NO_COLOR", "1").run();
            outcome.succeeded();
            for secret in ["hunter1", "hunter2", "always-the-same"] {
                assert!(!outcome.stderr.contains(secret), "{helm:?}: {}", outcome.stderr);
            }
            outcome
        };
        let text = messages(&run("hunter1", json!({})));
        assert!(text.contains("all objects are new, since no revision of `demo` is deployed:\n"), "{text}");
        assert!(text.contains("Secret s is added\n"), "{text}");
        assert!(text.contains("objects added: 4, changed: 0, removed: 0\n"), "{text}");

        std::fs::remove_file(inputs.path().join("chart/templates/map.yaml")).unwrap();
        let text = messages(&run(
            "hunter2",
            json!({ "values": "more.yaml", "skip_missing_values": true, "dry_run": "server" }),
        ));
        assert!(text.contains("changes to the deployed revision 1 of `demo`:\n"), "{text}");
        assert!(text.contains("ConfigMap goes is removed\n") && text.contains("-data: {a: b}\n"), "{text}");
        assert!(text.contains("-  password: \"((redacted)) (7 characters before)\"\n"), "{text}");
        assert!(text.contains("+  password: \"((redacted)) (7 characters now)\"\n"), "{text}");
        assert!(text.contains("   same: \"((redacted))\"\n"), "{text}");
        assert!(text.contains("objects added: 0, changed: 1, removed: 1\n"), "{text}");
        // That deploy was a dry run.
        assert_eq!(check(&source, Value::Null).json(), revisions([1]));

        let text = messages(&run("hunter1", json!({ "diff_opts": "--suppress ConfigMap --three-way-merge" })));
        assert!(
            text.contains("warning: `diff_opts`: `--three-way-merge` is not supported, and has no effect\n"),
            "{text}"
        );
        assert!(text.contains("no object changes\n"), "{text}");
    }
}

#[test]
fn does_not_deploy_if_the_chart_cannot_be_rendered() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("chart/templates/broken.yaml", "{{ fail \"not like this\" }}")]);
    deploy(&namespace, Helm::Four, "demo", &[]);
    let params = json!({ "chart": "chart", "show_diff": true });
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    assert!(messages(&outcome).contains("not like this"), "{}", outcome.stderr);
    assert_eq!(check(&source(&namespace), Value::Null).json(), revisions([1]));
}

#[test]
fn colours_added_and_removed_lines() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("two.yaml", "replicas: 2\n")]);
    deploy(&namespace, Helm::Four, "demo", &[]);
    let params =
        json!({ "chart": "chart", "show_diff": true, "dry_run": "client", "values": "two.yaml", "diff_opts": "-C 1" });
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.succeeded();
    assert!(outcome.stderr.contains("\u{1b}[31m-  replicas: 1\u{1b}[0m\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("\u{1b}[32m+  replicas: 2\u{1b}[0m\n"), "{}", outcome.stderr);
}
