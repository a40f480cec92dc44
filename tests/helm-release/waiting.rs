//! put with `wait`: helm's strategies, and a pause in seconds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{deploy, helm_that_runs, inputs, messages, put, revisions, source, watched};

#[test]
fn wait_is_a_strategy_or_a_pause_in_seconds() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        // A long timeout for charts that become ready, for busy machines; a short one for others, in which helm can
        // write its record.
        let put = |wait: Value, timeout: &str| {
            let params = json!({ "chart": "chart", "values": "broken.yaml", "wait": wait, "timeout": timeout });
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        assert_eq!(put(json!("none"), "2m").json()["version"], revisions([1])[0], "{helm:?}");
        let slept = put(json!("1"), "2m");
        assert_eq!(slept.json()["version"], revisions([2])[0], "{helm:?}");
        assert!(slept.elapsed >= Duration::from_secs(1));
        put(json!("legacy"), "6s").failed();
        let watched = put(json!("watcher"), "6s");
        watched.failed();
        let text = messages(&watched);
        if helm_that_runs(helm) == Helm::Three {
            let refused = "error: `wait: watcher` needs helm 4, and this is helm 3\nhint: helm 3 supports \
                `wait: legacy` only\n";
            assert!(text.ends_with(refused), "{text}");
        } else {
            assert!(
                text.contains("revision 4 is `failed`, and revision 2 is deployed (demo-1.2.3, app version 4.5)\n"),
                "{text}"
            );
        }
    }
}

#[test]
fn returns_its_own_revision_despite_a_deploy_during_the_pause() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let params = json!({ "chart": "chart", "wait": 15 });
    let running = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).spawn();
    running.wait_for_stderr("waiting 15 s, as `wait` says");
    deploy(&namespace, Helm::Four, "demo", &["--set=replicas=2"]);
    let outcome = running.wait(Duration::from_mins(1));
    assert_eq!(outcome.json()["version"], revisions([1])[0]);
}

#[test]
fn wait_for_jobs_waits_for_jobs() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        // A job that ends after a few seconds.
        let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  template:\n    metadata:\n      \
                   annotations: {jetway.test/exit-code: \"0\", jetway.test/after: 3s}\n    \
                   spec: {restartPolicy: Never, containers: [{name: migrate, image: migrate}]}\n";
        std::fs::write(inputs.path().join("chart/templates/job.yaml"), job).unwrap();
        let params = json!({ "chart": "chart", "wait_for_jobs": true, "timeout": "2m" });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        let ended = namespace.kubectl(&["get", "job", "migrate", "--output=jsonpath={.status.succeeded}"]);
        assert_eq!(ended, "1", "{helm:?}");
    }
}

#[test]
fn wait_for_jobs_alone_waits_for_everything() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let inputs = inputs(&[
            ("unready.yaml", "podAnnotations: {jetway.test/ready: \"false\"}\n"),
            ("failing.yaml", "job: {jetway.test/exit-code: \"1\"}\n"),
        ]);
        let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  backoffLimit: 0\n  template:\n    \
                   metadata: {annotations: {{ toJson (default dict .Values.job) }}}\n    \
                   spec: {restartPolicy: Never, containers: [{name: migrate, image: migrate}]}\n";
        fs::write(inputs.path().join("chart/templates/job.yaml"), job).unwrap();
        let run = |values: &str, timeout: &str| {
            let namespace = cluster.namespace();
            let params = json!({ "chart": "chart", "values": values, "wait_for_jobs": true, "timeout": timeout });
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        assert_eq!(run("", "2m").json()["version"], revisions([1])[0], "{helm:?}");
        for values in ["unready.yaml", "failing.yaml"] {
            let outcome = run(values, "8s");
            outcome.failed();
            let not_deployed = "error: `demo` was not deployed: revision 1 is `failed`, and none is deployed\n";
            assert!(messages(&outcome).contains(not_deployed), "{helm:?} {values}: {}", outcome.stderr);
        }
    }
}

/// A helm that does not wait after an upgrade: the behaviour of helm 4 if the API server answers its watch with the
/// workloads as they were before the upgrade.
fn impatient(helm: Helm, programs: &Path, directory: &Path) -> PathBuf {
    let ours = directory.join(".impatient");
    fs::create_dir(&ours).unwrap();
    let (program, real) = (ours.join(helm.program()), programs.join(helm.program()));
    let script = format!(
        "#!/bin/sh\nfor one; do\n  shift\n  case $one in --wait*|--atomic) ;; *) set -- \"$@\" \"$one\" ;; esac\ndone\n\
         [ -x {real} ] && exec {real} \"$@\"\nexec /usr/local/bin/helm \"$@\"\n",
        real = real.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    ours
}

#[test]
fn fails_and_rolls_back_if_helm_4_succeeds_before_the_workloads_are_ready() {
    let Some(cluster) = cluster() else { return };
    let helm = Helm::Four;
    let unready = "error: revision 2 of `demo` was deployed, but is not ready";
    let back = "it was rolled back to revision 1: revision 3 is deployed now (demo-1.2.3, app version 4.5)";
    for (more, outcome) in [
        (json!({}), format!("{unready}\n")),
        (json!({ "rollback_on_failure": { "timeout": "1m" } }), format!("{unready}; {back}\n")),
        (json!({ "atomic": true }), format!("{unready}; {back}\n")),
    ] {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        let programs = impatient(helm, cluster.programs(), inputs.path());
        deploy(&namespace, helm, "demo", &["--wait"]);
        let mut params = json!({ "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s" });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let put = put(helm, &programs, &source(&namespace), params, inputs.path()).run();
        put.failed();
        let text = messages(&put);
        assert!(text.contains(&outcome), "{text}");
        let reason = "(`timeout`), although helm says so: 1 old pod is not terminated yet\n";
        assert!(text.contains("Deployment `demo` is not ready after ") && text.contains(reason), "{text}");
        assert!(text.contains("ErrImagePull") || text.contains("ImagePullBackOff"), "no diagnosis: {text}");
    }
}

#[test]
fn waits_for_workloads_that_helm_4_did_not_wait_for() {
    let Some(cluster) = cluster() else { return };
    let (namespace, helm) = (cluster.namespace(), Helm::Four);
    let inputs = inputs(&[("late.yaml", "podAnnotations: {jetway.test/after: 3s}\n")]);
    let programs = impatient(helm, cluster.programs(), inputs.path());
    deploy(&namespace, helm, "demo", &["--wait"]);
    let params = json!({ "chart": "chart", "values": "late.yaml", "check_is_ready": true, "timeout": "2m" });
    let outcome = put(helm, &programs, &source(&namespace), params, inputs.path()).run();
    assert_eq!(outcome.json()["version"], revisions([2])[0]);
    assert!(outcome.stderr.contains("waiting for Deployment `demo`: "), "{}", outcome.stderr);
    let available = "--output=jsonpath={.status.updatedReplicas}/{.status.availableReplicas}";
    assert_eq!(namespace.kubectl(&["get", "deployment", "demo", available]), "1/1");
}

#[test]
fn passes_the_strategy_to_helm() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let (programs, log) = watched(helm, cluster.programs(), inputs.path());
        let params = json!({ "chart": "chart", "check_is_ready": true, "wait": "legacy", "wait_for_jobs": true, "timeout": 90, "cleanup_on_fail": true });
        put(helm, &programs, &source(&namespace), params, inputs.path()).run().succeeded();
        let called = std::fs::read_to_string(log).unwrap();
        let word = if helm_that_runs(helm) == Helm::Three { "--wait" } else { "--wait=legacy" };
        for option in [word, "--wait-for-jobs", "--timeout=90s", "--cleanup-on-fail"] {
            assert!(called.contains(&format!("\n{option}\n")), "{helm:?} {option}: {called}");
        }
    }
}
