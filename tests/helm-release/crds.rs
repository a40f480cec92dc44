//! Charts with custom resource definitions, and objects of these kinds.

use jetway_tests::kubernetes::{Helm, Kubernetes, Namespace, cluster};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{inputs, messages, put, revisions, source, statuses, with};

/// A kind that is unique to the test.
pub(crate) struct Kind {
    cluster: &'static Kubernetes,
    group: String,
}

impl Kind {
    /// A kind of a group that is named after the namespace.
    pub(crate) fn new(namespace: &Namespace) -> Self {
        Self { cluster: namespace.cluster(), group: format!("{}.jetway.test", namespace.name()) }
    }

    /// Deletes the kind with all its objects.
    pub(crate) fn delete(&self) {
        self.cluster.kubectl(&["delete", "crd", &format!("widgets.{}", self.group)]);
    }

    /// Inputs with a chart that contains the kind, and an object of the kind.
    pub(crate) fn inputs(&self) -> TempDir {
        let inputs = inputs(&[]);
        std::fs::create_dir(inputs.path().join("chart/crds")).unwrap();
        for (file, text) in [("crds/widgets.yaml", self.definition()), ("templates/widget.yaml", self.object())] {
            std::fs::write(inputs.path().join("chart").join(file), text).unwrap();
        }
        inputs
    }

    fn definition(&self) -> String {
        let group = &self.group;
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.{group}}}\nspec:\n  \
             group: {group}\n  scope: Namespaced\n  names: {{plural: widgets, singular: widget, kind: Widget}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
             x-kubernetes-preserve-unknown-fields: true\n"
        )
    }

    fn object(&self) -> String {
        format!(
            "apiVersion: {}/v1\nkind: Widget\nmetadata: {{name: one}}\nspec: {{size: {{{{ .Values.replicas }}}}}}\n",
            self.group
        )
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        self.cluster.kubectl(&[
            "delete",
            "crd",
            &format!("widgets.{}", self.group),
            "--ignore-not-found",
            "--wait=false",
        ]);
    }
}

#[test]
fn installs_and_upgrades_a_chart_with_crds_with_and_without_show_diff() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        for shown in [false, true] {
            let namespace = cluster.namespace();
            let kind = Kind::new(&namespace);
            let inputs = kind.inputs();
            let run = |replicas: u64, more: Value| {
                let overrides = json!([{ "key": "replicas", "value": replicas }]);
                let params = with(json!({ "chart": "chart", "show_diff": shown, "override_values": overrides }), more);
                put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).env("NO_COLOR", "1").run()
            };
            let plural = format!("widgets.{}", kind.group);
            let size = || namespace.kubectl(&["get", &plural, "one", "--output=jsonpath={.spec.size}"]);
            let outcome = run(1, json!({}));
            assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}, shown: {shown}");
            assert_eq!(size(), "1");
            if shown {
                let text = messages(&outcome);
                assert!(
                    text.contains(
                        "the cluster does not have the kinds of all new objects yet: they are rendered without the cluster\n"
                    ),
                    "{helm:?}: {text}"
                );
                let definition = format!("CustomResourceDefinition widgets.{} is added\n", kind.group);
                assert!(text.contains(&definition) && text.contains("Widget one is added\n"), "{helm:?}: {text}");
                assert!(
                    text.contains("Deployment demo is added\n") && text.contains("Pod demo-test is added\n"),
                    "{text}"
                );
            }
            let outcome = run(2, json!({}));
            assert_eq!(outcome.json()["version"], revisions([2])[0], "{helm:?}, shown: {shown}");
            assert_eq!(size(), "2");
            assert_eq!(messages(&outcome).contains("Widget one changes\n"), shown, "{helm:?}: {}", outcome.stderr);
            let outcome = run(3, json!({ "replace": true }));
            assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}, shown: {shown}");
            assert_eq!(size(), "3");
        }
    }
}

#[test]
fn kind_that_is_gone_is_named() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let kind = Kind::new(&namespace);
        let inputs = kind.inputs();
        let run = |params: Value| put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        let params = json!({ "chart": "chart", "rollback_on_failure": true, "timeout": 60 });
        run(params.clone()).succeeded();
        kind.delete();
        for file in ["crds/widgets.yaml", "templates/widget.yaml"] {
            std::fs::remove_file(inputs.path().join("chart").join(file)).unwrap();
        }
        let outcome = run(params);
        outcome.failed();
        let text = messages(&outcome);
        assert!(text.contains("no matches for kind \"Widget\""), "{helm:?}: {text}");
        let hint = "hint: the deployed revision has an object whose kind no longer exists in the cluster";
        assert!(text.contains(hint), "{helm:?}: {text}");
        assert_eq!(statuses(&namespace), ["deployed"], "{helm:?}");
        let outcome = run(json!({ "uninstall": true }));
        let text = messages(&outcome);
        assert!(outcome.code == Some(0) || text.contains("no matches for kind \"Widget\""), "{helm:?}: {text}");
    }
}

#[test]
fn no_hooks_hides_hooks_in_a_diff_without_the_cluster() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let kind = Kind::new(&namespace);
        let inputs = kind.inputs();
        let params = json!({ "chart": "chart", "show_diff": true, "diff_opts": "--no-hooks" });
        let put = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).env("NO_COLOR", "1");
        let outcome = put.run();
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        let text = messages(&outcome);
        assert!(text.contains("they are rendered without the cluster\n"), "{helm:?}: {text}");
        assert!(
            text.contains("Deployment demo is added\n") && text.contains("Widget one is added\n"),
            "{helm:?}: {text}"
        );
        assert!(!text.contains("Pod demo-test"), "{helm:?}: {text}");
    }
}
