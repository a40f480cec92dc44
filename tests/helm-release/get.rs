//! get: the content of a revision as files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::process::wait_until;
use serde_json::{Value, json};

use crate::support::{deploy, fill, get, messages, revisions, source, source_with_token, with};

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn writes_the_content_of_helms_record() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        deploy(&namespace, helm, "demo", &[]);
        deploy(&namespace, helm, "demo", &["--set=settings.greeting=good day,replicas=2,settings.flag=true"]);
        let (outcome, directory) = get(&source(&namespace), revisions([2])[0].clone());
        let answer = outcome.json();
        assert_eq!(answer["version"], revisions([2])[0]);
        let lines = answer["metadata"].as_array().unwrap();
        let metadata: Vec<(&str, &str)> = lines
            .iter()
            .map(|line| (line["name"].as_str().unwrap(), line["value"].as_str().unwrap()))
            .filter(|(name, _)| *name != "deployed")
            .collect();
        assert_eq!(
            metadata,
            [
                ("release", "demo"),
                ("revision", "2"),
                ("chart", "demo-1.2.3"),
                ("app_version", "4.5"),
                ("namespace", namespace.name()),
                ("status", "deployed"),
                ("description", "Upgrade complete"),
            ]
        );
        let directory = directory.path();
        // The output of helm itself.
        let by_helm = |what: &str| namespace.helm(helm, &["get", what, "demo", "--revision=2"]);
        let values: Value = serde_json::from_str(&read(directory, "values.json")).unwrap();
        assert_eq!(values, json!({ "replicas": 2, "settings": { "greeting": "good day", "flag": true } }));
        let by_helm_values = namespace.helm(helm, &["get", "values", "demo", "--revision=2", "--output=json"]);
        assert_eq!(serde_json::from_str::<Value>(&by_helm_values).unwrap(), values);
        assert_eq!(read(directory, "manifest.yaml").trim(), by_helm("manifest").trim());
        assert!(by_helm("notes").contains(read(directory, "notes.txt").trim()), "{}", by_helm("notes"));
        assert_eq!(read(directory, "notes.txt").trim(), "good day from demo 2");
        // The file is valid as values: a release with these values has the same values.
        deploy(&namespace, helm, "again", &["--values", directory.join("values.yaml").to_str().unwrap()]);
        let again = namespace.helm(helm, &["get", "values", "again", "--output=json"]);
        assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), values);
        assert_eq!(read(directory, "chart/version"), "1.2.3");
        assert_eq!(read(directory, "chart/app_version"), "4.5");
        assert!(
            read(directory, "chart/Chart.yaml").contains("\nversion: \"1.2.3\"\n"),
            "{}",
            read(directory, "chart/Chart.yaml")
        );
        assert!(read(directory, "chart/values.yaml").contains("\n  greeting: hello\n"));
        let summary: Value = serde_json::from_str(&read(directory, "release.json")).unwrap();
        assert_eq!(summary["revision"], 2);
        assert_eq!(summary["chart"], json!({ "name": "demo", "version": "1.2.3", "app_version": "4.5" }));
        assert_eq!(summary["hooks"][0]["events"], json!(["test"]));
        // An older revision has its own content.
        let (outcome, older) = get(&source(&namespace), revisions([1])[0].clone());
        outcome.succeeded();
        assert_eq!(read(older.path(), "values.yaml"), "{}\n");
        assert_eq!(read(older.path(), "notes.txt").trim(), "hello from demo 1");
    }
}

#[test]
fn writes_the_outcome_of_the_last_test() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        deploy(&namespace, helm, "demo", &["--wait"]);
        namespace.helm(helm, &["test", "demo"]);
        let (outcome, directory) = get(&source(&namespace), revisions([1])[0].clone());
        outcome.succeeded();
        let summary: Value = serde_json::from_str(&read(directory.path(), "release.json")).unwrap();
        assert_eq!(summary["hooks"][0]["last_run"]["phase"], "Succeeded", "{helm:?}: {summary:#}");
    }
}

#[test]
fn deleted_revision_is_an_error() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    deploy(&namespace, Helm::Four, "demo", &[]);
    let (outcome, _) = get(&source(&namespace), revisions([7])[0].clone());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        format!(
            "error: revision 7 of the release `demo` is not in the namespace `{}` (any more)\nhint: helm \
             deletes the oldest revisions; `helm_history_max` in the source sets how many are kept\n",
            namespace.name()
        )
    );
}

#[test]
fn returns_versions_without_a_revision_unchanged() {
    // The address is unreachable, so a request would fail.
    let source = json!({ "cluster_url": "http://127.0.0.1:1", "release": "demo" });
    for version in [
        json!({ "release": "demo", "tested": "true" }),
        json!({ "release": "demo", "uninstalled": "true" }),
        json!({ "release": "N/A", "revision": "N/A" }),
    ] {
        let (outcome, directory) = get(&source, version.clone());
        assert_eq!(outcome.json()["version"], version);
        assert_eq!(read(directory.path(), "release"), version["release"].as_str().unwrap());
    }
}

#[test]
fn reads_from_the_namespace_of_the_version() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    deploy(&namespace, Helm::Four, "demo", &[]);
    let elsewhere = with(source(&namespace), json!({ "namespace": "default" }));
    let version = with(revisions([1])[0].clone(), json!({ "namespace": namespace.name() }));
    let (outcome, _) = get(&elsewhere, version.clone());
    assert_eq!(outcome.json()["version"], version);
    for wrong in ["../x", "a/b", "x?y"] {
        let version = with(revisions([1])[0].clone(), json!({ "namespace": wrong }));
        get(&elsewhere, version).0.failed();
    }
}

#[test]
fn costs_one_request_for_any_number_of_revisions() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let (token, user) = namespace.account("reader", &[("get", "secrets")]);
    deploy(&namespace, Helm::Four, "demo", &[]);
    fill(&namespace, 50);
    let (outcome, directory) = get(&source_with_token(cluster, &namespace, &token), revisions([37])[0].clone());
    assert_eq!(outcome.json()["version"], revisions([37])[0]);
    assert!(read(directory.path(), "manifest.yaml").contains("kind: Deployment"));
    let path = format!("get /api/v1/namespaces/{}/secrets/sh.helm.release.v1.demo.v37", namespace.name());
    let request = || cluster.asked_by(&user).filter(|request| !request.is_empty());
    if cluster.asked_by(&user).is_some() {
        assert_eq!(wait_until(Duration::from_secs(10), request).expect("the audit log has the request"), [path]);
    }
}
