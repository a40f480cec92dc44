//! Successful hooks of a chart.

use std::fs;

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::json;

use crate::support::{add_hook, inputs, put, revisions, source};

const ENDS: &str = "jetway.test/exit-code: \"0\"";

#[test]
fn waits_for_a_hook_and_follows_its_delete_policy() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        for (policy, left) in [("before-hook-creation", "pod/before\n"), ("hook-succeeded", "")] {
            let namespace = cluster.namespace();
            let inputs = inputs(&[]);
            let annotations = format!("{ENDS}, jetway.test/after: 2s, helm.sh/hook-delete-policy: {policy}");
            add_hook(inputs.path(), "post-upgrade", &annotations);
            let params = json!({ "chart": "chart", "timeout": "2m" });
            let put = || put(helm, cluster.programs(), &source(&namespace), params.clone(), inputs.path()).run();
            let hooks =
                || namespace.kubectl(&["get", "pods", "--field-selector=metadata.name=before", "--output=name"]);
            put().succeeded();
            assert_eq!(hooks(), "", "{helm:?}: it is none of an install");
            for revision in [2, 3] {
                assert_eq!(put().json()["version"], revisions([revision])[0], "{helm:?} {policy}");
                assert_eq!(hooks(), left, "{helm:?} {policy}");
                if !left.is_empty() {
                    let phase = namespace.kubectl(&["get", "pod", "before", "--output=jsonpath={.status.phase}"]);
                    assert_eq!(phase, "Succeeded", "{helm:?}");
                }
            }
        }
    }
}

#[test]
fn shows_the_output_of_a_hook_that_its_policy_deletes() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        for (code, kind) in [("0", "Pod"), ("3", "Pod"), ("0", "Job"), ("3", "Job")] {
            let namespace = cluster.namespace();
            let inputs = inputs(&[]);
            let words = format!("migration 7 ended with {code}");
            let annotations = format!("jetway.test/exit-code: \"{code}\", jetway.test/logs: {words}");
            let of_hook = "helm.sh/hook: pre-install, helm.sh/hook-delete-policy: \"hook-succeeded,hook-failed\"";
            let containers = "restartPolicy: Never, containers: [{name: migrate, image: migrate}]";
            let hook = match kind {
                "Pod" => format!(
                    "apiVersion: v1\nkind: Pod\nmetadata: {{name: migrate, annotations: {{{of_hook}, {annotations}}}}}\n\
                     spec: {{{containers}}}\n"
                ),
                _ => format!(
                    "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate, annotations: {{{of_hook}}}}}\nspec:\n  \
                     backoffLimit: 0\n  template:\n    metadata: {{annotations: {{{annotations}}}}}\n    spec: {{{containers}}}\n"
                ),
            };
            fs::write(inputs.path().join("chart/templates/hook.yaml"), hook).unwrap();
            let params = json!({ "chart": "chart", "timeout": "1m" });
            let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
            assert_eq!(outcome.stderr.contains("helm upgrade` ended"), code != "0", "{helm:?}: {}", outcome.stderr);
            assert_eq!(outcome.stderr.matches(&words).count(), 1, "{helm:?} {kind}: {}", outcome.stderr);
        }
    }
}

#[test]
fn shows_the_output_of_a_test_that_its_policy_deletes_in_every_attempt() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: demo-test\n  annotations: {helm.sh/hook: test, \
                   helm.sh/hook-delete-policy: \"hook-succeeded,hook-failed\", jetway.test/exit-code: \"1\", jetway.test/logs: two of three fail}\n\
                   spec: {restartPolicy: Never, containers: [{name: test, image: test}]}\n";
        fs::write(inputs.path().join("chart/templates/test.yaml"), pod).unwrap();
        let test = json!({ "attempts": 2, "delay": "100ms", "initial_delay": "1s" });
        let params = json!({ "chart": "chart", "timeout": "1m", "test": test });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        assert!(outcome.stderr.contains("before the tests, as `test.initial_delay` says"), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("  | two of three fail").count(), 2, "{helm:?}: {}", outcome.stderr);
    }
}
