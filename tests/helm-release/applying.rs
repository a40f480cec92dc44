//! Objects that another client has changed or created.

use std::fs;

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{chart, helm_that_runs, inputs, messages, put, revisions, source, statuses, values_of, with};

#[test]
fn chart_overrides_a_field_that_another_client_has_set() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("two.yaml", "image: app:2\n"), ("broken.yaml", "image: broken\n")]);
        let put = |more: Value| {
            let params = with(json!({ "chart": "chart", "check_is_ready": true, "timeout": "8s" }), more);
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        let scale = |count: &str| namespace.kubectl(&["scale", "deployment/demo", "--replicas", count]);
        let replicas = || namespace.kubectl(&["get", "deployment", "demo", "--output=jsonpath={.spec.replicas}"]);
        put(json!({})).succeeded();
        scale("2");
        assert_eq!(put(json!({ "values": "two.yaml" })).json()["version"], revisions([2])[0], "{helm:?}");
        assert_eq!(replicas(), "1", "{helm:?}");
        // A changed field does not prevent a rollback either.
        scale("2");
        let back = put(json!({ "values": "broken.yaml", "rollback_on_failure": { "timeout": "30s" } }));
        back.failed();
        assert!(
            messages(&back).contains("it was rolled back to revision 2: revision 4 is deployed now"),
            "{helm:?}: {}",
            back.stderr
        );
        assert_eq!(replicas(), "1", "{helm:?}");
    }
}

#[test]
fn conflict_without_force_conflicts_is_an_error_that_names_the_key() {
    let Some(cluster) = cluster() else { return };
    if helm_that_runs(Helm::Three) == Helm::Four {
        return;
    }
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let put = |helm: Helm, more: Value| {
        let params = with(json!({ "chart": "chart" }), more);
        put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
    };
    put(Helm::Four, json!({})).succeeded();
    namespace.kubectl(&["scale", "deployment/demo", "--replicas=2"]);
    let refused = put(Helm::Four, json!({ "force_conflicts": false }));
    refused.failed();
    let text = messages(&refused);
    assert!(text.contains(".spec.replicas") && text.contains("hint: `force_conflicts: true`"), "{text}");
    // With client-side apply there is no conflict, and the chart wins.
    put(Helm::Four, json!({ "force_conflicts": false, "server_side_apply": false })).succeeded();
    put(Helm::Four, json!({ "server_side_apply": "auto" })).succeeded();
    for (params, key) in [
        (json!({ "server_side_apply": true }), "`server_side_apply: true`"),
        (json!({ "force_conflicts": false }), "`force_conflicts: false`"),
    ] {
        let refused = put(Helm::Three, params);
        refused.failed();
        assert!(messages(&refused).contains(&format!("{key} needs helm 4, and this is helm 3")), "{}", refused.stderr);
    }
}

#[test]
fn take_ownership_takes_over_an_existing_object() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: chart}\n";
        fs::write(inputs.path().join("chart/templates/config.yaml"), config).unwrap();
        namespace.kubectl(&["create", "configmap", "settings", "--from-literal=a=hand"]);
        let put = |more: Value| {
            let params = with(json!({ "chart": "chart" }), more);
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        let refused = put(json!({}));
        refused.failed();
        let text = messages(&refused);
        assert!(text.contains("\"settings\"") && text.contains("hint: `take_ownership: true`"), "{helm:?}: {text}");
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
        put(json!({ "take_ownership": true })).succeeded();
        let data = namespace.kubectl(&["get", "configmap", "settings", "--output=jsonpath={.data.a}"]);
        assert_eq!(data, "chart", "{helm:?}");
    }
}

#[test]
fn reused_values_override_new_defaults_of_the_chart() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("tag.yaml", "settings: {kept: 1}\n"), ("tag", "5060547\n")]);
        let put = |more: Value| {
            let params = with(json!({ "chart": "chart" }), more);
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        put(json!({ "values": "tag.yaml" })).succeeded();
        let defaults = fs::read_to_string(chart().join("values.yaml")).unwrap();
        fs::write(inputs.path().join("chart/values.yaml"), format!("{defaults}new: {{default: here}}\n")).unwrap();
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: {{ .Values.new.default }}}\n";
        fs::write(inputs.path().join("chart/templates/config.yaml"), config).unwrap();
        put(json!({ "reset_then_reuse_values": true })).succeeded();
        assert_eq!(values_of(&namespace, helm)["settings"]["kept"], 1, "{helm:?}");
        let both = put(json!({ "reset_then_reuse_values": true, "reuse_values": true }));
        both.failed();
        assert!(
            messages(&both).contains("`params.reset_then_reuse_values`: excludes `reuse_values`"),
            "{}",
            both.stderr
        );
    }
}

#[test]
fn reused_tags_that_look_like_numbers_stay_unchanged() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("tag", "5060547\n")]);
        let template = inputs.path().join("chart/templates/deployment.yaml");
        let text = fs::read_to_string(&template)
            .unwrap()
            .replace("image: {{ .Values.image }}", "image: app:{{ .Values.tag }}");
        fs::write(&template, text).unwrap();
        let put = |more: Value| {
            let params = with(json!({ "chart": "chart" }), more);
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run().succeeded();
        };
        let image = "--output=jsonpath={.spec.template.spec.containers[0].image}";
        put(json!({ "override_values": [{ "key": "tag", "path": "tag" }] }));
        for reuse in ["reuse_values", "reset_then_reuse_values"] {
            put(json!({ reuse: true, "override_values": [{ "key": "replicas", "value": 2 }] }));
            assert_eq!(namespace.kubectl(&["get", "deployment", "demo", image]), "app:5060547", "{helm:?} {reuse}");
        }
    }
}
