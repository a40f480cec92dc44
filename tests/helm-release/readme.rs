//! The put of the README that replaces a deploy task, run in a new namespace.
//!
//! Only placeholders are replaced: the access to the cluster, the namespace and the release. The durations are
//! shortened, so that a broken deploy fails within seconds.

use std::fs;

use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{FAILS, check, inputs, messages, put, source, statuses, values_of};

/// The pipeline of the section "Replacing a deploy task".
fn pipeline() -> Value {
    let readme = include_str!("../../resources/helm-release/README.md");
    let (_, section) = readme.split_once("#### Replacing a deploy task").expect("the section");
    let (_, block) = section.split_once("```yaml\n").expect("a pipeline");
    let mut text = block.split("```").next().expect("its end").to_owned();
    for (written, shortened) in [("timeout: 120\n", "timeout: 6\n"), ("delay: 60s", "delay: 1s")] {
        assert!(text.contains(written), "the pipeline has no {written:?} any more");
        text = text.replace(written, shortened);
    }
    serde_saphyr::from_str(&text).expect("YAML")
}

/// The source of the pipeline's release, with the cluster and the namespace of the test.
fn filled_in(pipeline: &Value, namespace: &Namespace) -> Value {
    let resources = pipeline["resources"].as_array().expect("resources");
    let release = resources.iter().find(|resource| resource["type"] == "helm-release").expect("a release");
    let mut filled = release["source"].as_object().expect("a source").clone();
    filled.retain(|key, _| !key.starts_with("gcloud_"));
    filled.extend(source(namespace).as_object().expect("a source").clone());
    Value::Object(filled)
}

/// The params of the pipeline's only put.
fn params(pipeline: &Value) -> Value {
    let steps = pipeline["jobs"][0]["plan"].as_array().expect("a plan");
    steps.iter().find(|step| step.get("put").is_some()).expect("a put")["params"].clone()
}

/// The inputs of the put: `code-base` with the chart, its values and the tag.
fn code_base(values: &str, tag: &str) -> TempDir {
    let inputs = inputs(&[]);
    let code_base = inputs.path().join("code-base");
    fs::create_dir(&code_base).unwrap();
    fs::rename(inputs.path().join("chart"), code_base.join("chart")).unwrap();
    let template = code_base.join("chart/templates/deployment.yaml");
    let deployment = fs::read_to_string(&template).unwrap();
    fs::write(
        &template,
        deployment.replace("{{ .Values.image }}", "\"{{ .Values.image.name }}:{{ .Values.image.tag }}\""),
    )
    .unwrap();
    fs::write(
        code_base.join("chart/values.yaml"),
        "replicas: 1\nimage: {name: app, tag: none}\npodAnnotations: {}\ntestAnnotations: {}\nsettings: {greeting: hello}\n",
    )
    .unwrap();
    fs::write(code_base.join("staging.yaml"), values).unwrap();
    fs::write(code_base.join("tag"), format!("{tag}\n")).unwrap();
    inputs
}

#[test]
fn put_of_the_readme_deploys_tests_and_rolls_back_in_a_new_namespace() {
    let Some(cluster) = cluster() else { return };
    let pipeline = pipeline();
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = filled_in(&pipeline, &namespace);
        let run = |values: &str, tag: &str| {
            let inputs = code_base(values, tag);
            put(helm, cluster.programs(), &source, params(&pipeline), inputs.path()).run()
        };
        let deployed = run("replicas: 2\n", "0123456");
        deployed.succeeded();
        assert_eq!(statuses(&namespace), ["deployed"], "{helm:?}");
        assert_eq!(values_of(&namespace, helm), json!({ "replicas": 2, "image": { "tag": "0123456" } }), "{helm:?}");
        assert!(messages(&deployed).contains("passed"), "{helm:?}: {}", messages(&deployed));

        // The tests of the new revision fail three times, and the put rolls back to the old revision.
        let failing = run(&format!("replicas: 2\ntestAnnotations: {{{FAILS}}}\n"), "1111111");
        failing.failed();
        let output = messages(&failing);
        assert!(output.contains("it was rolled back to revision 1: revision 3 is deployed now"), "{helm:?}: {output}");
        assert_eq!(statuses(&namespace), ["superseded", "superseded", "deployed"], "{helm:?}");

        // The new revision does not become ready.
        let broken = run("image: {name: broken}\n", "2222222");
        broken.failed();
        let output = messages(&broken);
        assert!(output.contains("it was rolled back to revision 3: revision 5 is deployed now"), "{helm:?}: {output}");
        assert_eq!(values_of(&namespace, helm)["image"]["tag"], "0123456", "{helm:?}");
        let versions = check(&source, Value::Null).json();
        assert_eq!(versions, json!([{ "release": "demo", "revision": "5" }]), "{helm:?}");
    }
}
