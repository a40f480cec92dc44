//! put with `test`: the attempts, the output, and the objects that remain.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::process::wait_until;
use serde_json::{Value, json};

use crate::support::{deploy, inputs, messages, put, revisions, source, statuses, with};

/// Values for a test that fails with a log.
const FAILS: &str = "testAnnotations: {jetway.test/exit-code: \"1\", jetway.test/logs: \"expected 2, found 3\"}\n";

/// Values for a test that runs until its pod gets another status.
const RUNS: &str = "testAnnotations: {jetway.test/ready: \"false\"}\n";

/// Ends the running test pod whose ID is not among `known`, and returns its ID.
fn end_test(namespace: &Namespace, known: &[String], phase: &str) -> String {
    let id = wait_for_test_pod(namespace, known);
    let patch = json!({ "status": { "phase": phase } }).to_string();
    namespace.kubectl(&["patch", "pod", "demo-test", "--subresource=status", "--type=merge", "--patch", &patch]);
    id
}

/// Waits until a test pod runs whose ID is not among `known`, and returns its ID.
fn wait_for_test_pod(namespace: &Namespace, known: &[String]) -> String {
    let running = || {
        let pods =
            namespace.kubectl_json(&["get", "pods", "--field-selector=metadata.name=demo-test", "--output=json"]);
        let pod = &pods["items"][0];
        let id = pod["metadata"]["uid"].as_str()?.to_owned();
        (pod["status"]["phase"] == "Running" && !known.contains(&id)).then_some(id)
    };
    wait_until(Duration::from_secs(30), running).expect("a new test pod runs")
}

#[test]
fn test_that_passes_on_the_third_attempt_passes() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("runs.yaml", RUNS)]);
        let test = json!({ "attempts": 3, "delay": "300ms", "timeout": 60, "cleanup": true });
        let params = json!({ "chart": "chart", "values": "runs.yaml", "test": test });
        let running = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).spawn();
        let mut known = Vec::new();
        for phase in ["Failed", "Failed", "Succeeded"] {
            known.push(end_test(&namespace, &known, phase));
        }
        let outcome = running.wait(Duration::from_mins(1));
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        let messages = messages(&outcome);
        for line in [
            "testing `demo`, attempt 1 of 3\n",
            "the tests of `demo` failed, attempt 1 of 3\n",
            "removing the pod `demo-test` of a test\n",
            "waiting [TIME] before attempt 2 of 3\n",
            "the tests of `demo` failed, attempt 2 of 3\n",
            "the tests of `demo` passed, attempt 3 of 3\n",
            "the log of `demo-test` (container `test`):\n",
        ] {
            assert!(messages.contains(line), "{helm:?}, {line}: {messages}");
        }
        assert_eq!(
            namespace.kubectl(&["get", "pods", "--field-selector=metadata.name=demo-test", "--output=name"]),
            ""
        );
    }
}

#[test]
fn rolls_back_after_three_failed_attempts() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("fails.yaml", FAILS)]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        let params = json!({
            "chart": "chart", "values": "fails.yaml", "check_is_ready": true, "timeout": "30s",
            "test": { "attempts": 3, "delay": "100ms" }, "rollback_on_failure": { "timeout": "30s" },
        });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let messages = messages(&outcome);
        assert!(
            messages.contains(
                "error: revision 2 of `demo` was deployed, but did not pass its tests; it was rolled back to \
                 revision 1: revision 3 is deployed now (demo-1.2.3, app version 4.5), and its tests passed\n  \
                 caused by: its tests failed in all 3 attempts\n"
            ),
            "{helm:?}: {messages}"
        );
        assert_eq!(messages.matches("  | expected 2, found 3\n").count(), 3, "{messages}");
        assert_eq!(statuses(&namespace), ["superseded", "superseded", "deployed"], "{helm:?}");
    }
}

#[test]
fn does_not_roll_back_another_operations_deploy() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("runs.yaml", RUNS)]);
    deploy(&namespace, Helm::Four, "demo", &["--wait"]);
    let params = json!({ "chart": "chart", "values": "runs.yaml", "test": true, "rollback_on_failure": true });
    let running = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).spawn();
    // The pod proves that `helm test` has read revision 2: the process alone may still read revision 3.
    wait_for_test_pod(&namespace, &[]);
    deploy(&namespace, Helm::Four, "demo", &["--set=replicas=2"]);
    end_test(&namespace, &[], "Failed");
    let outcome = running.wait(Duration::from_mins(1));
    outcome.failed();
    let left = "; it is not rolled back, since another operation has started: revision 3 is `deployed` since ";
    assert!(messages(&outcome).contains(left), "{}", outcome.stderr);
    assert_eq!(statuses(&namespace).len(), 3);
}

/// A helm that deploys another revision before it runs the tests, as another operation could.
fn overtaken(helm: Helm, namespace: &Namespace, inputs: &Path) -> PathBuf {
    let programs = inputs.join(".overtaken");
    fs::create_dir(&programs).unwrap();
    let program = programs.join(helm.program());
    let script = format!(
        "#!/bin/sh\nreal={}\n[ -x $real ] || real=/usr/local/bin/helm\nif [ \"$1\" = test ]; then\n  \
         $real upgrade demo {} --namespace={} --set=replicas=2 >&2 || exit 9\nfi\nexec $real \"$@\"\n",
        namespace.cluster().programs().join(helm.program()).display(),
        inputs.join("chart").display(),
        namespace.name(),
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    programs
}

#[test]
fn warns_if_helm_tested_another_operations_revision() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let programs = overtaken(helm, &namespace, inputs.path());
        let run = |params: Value| put(helm, &programs, &source(&namespace), params, inputs.path()).run();
        let outcome = run(json!({ "chart": "chart", "test": true }));
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        let warning =
            "warning: helm tested revision 2 of `demo` instead of revision 1: another operation deployed in between\n";
        assert!(messages(&outcome).contains(warning), "{helm:?}: {}", outcome.stderr);
        let outcome = run(json!({ "test": true }));
        outcome.succeeded();
        assert!(
            messages(&outcome).contains("helm tested revision 3 of `demo` instead of revision 2: "),
            "{helm:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn runs_a_job_as_a_test() {
    let Some(cluster) = cluster() else { return };
    // The longer word is what charts of helm 2 say.
    for (helm, hook) in
        [(Helm::Three, "test"), (Helm::Three, "test-success"), (Helm::Four, "test"), (Helm::Four, "test-success")]
    {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let job = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: demo-test\n  annotations: {helm.sh/hook: HOOK}\nspec:\n  \
                   backoffLimit: 0\n  template:\n    metadata: {annotations: {jetway.test/exit-code: \"6\", jetway.test/logs: \"no answer\"}}\n    \
                   spec: {restartPolicy: Never, containers: [{name: ask, image: ask}]}\n";
        std::fs::write(inputs.path().join("chart/templates/test.yaml"), job.replace("HOOK", hook)).unwrap();
        let params = json!({ "chart": "chart", "test": { "cleanup": true, "timeout": "20s" } });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let messages = messages(&outcome);
        for part in [
            "(container `ask`):\n  | no answer\n",
            "ask: exit code 6 Error",
            "removing the job `demo-test` of a test\n",
        ] {
            assert!(messages.contains(part), "{helm:?}, {part}: {messages}");
        }
        assert_eq!(namespace.kubectl(&["get", "jobs", "--output=name"]), "", "{helm:?}");
    }
}

#[test]
fn only_tests_without_a_chart() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[]);
        let put = |params: Value| put(helm, cluster.programs(), &source, params, inputs.path()).run();
        let missing = put(json!({ "test": true }));
        missing.failed();
        assert!(messages(&missing).contains("error: there is no release `demo` to test\n"), "{}", missing.stderr);
        deploy(&namespace, helm, "demo", &[]);
        let outcome = put(json!({ "test": "true", "test_logs": false }));
        assert_eq!(
            outcome.json(),
            json!({
                "version": { "release": "demo", "tested": "true" },
                "metadata": [{ "name": "release", "value": "demo" }],
            })
        );
        assert!(!outcome.stderr.contains("the end of the log"), "{}", outcome.stderr);
        assert_eq!(statuses(&namespace), ["deployed"], "{helm:?}");
        deploy(&namespace, helm, "demo", &["--set-string=testAnnotations.jetway\\.test/exit-code=7"]);
        let outcome = put(json!({ "test": true }));
        outcome.failed();
        let text = messages(&outcome);
        assert!(
            text.contains("error: revision 2 of `demo` did not pass its tests\n  caused by: its tests failed\n"),
            "{text}"
        );
        assert!(text.contains("test: exit code 7 Error"), "{text}");
        assert_eq!(statuses(&namespace), ["superseded", "deployed"], "{helm:?}");
    }
}

#[test]
fn deploys_and_tests_in_one_put_and_warns_of_a_chart_without_tests() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let source = source(&namespace);
    let inputs = inputs(&[]);
    let put = |params: Value| put(Helm::Four, cluster.programs(), &source, params, inputs.path()).run();
    let outcome = put(json!({ "chart": "chart", "test": true }));
    assert_eq!(outcome.json()["version"], revisions([1])[0]);
    assert!(messages(&outcome).contains("the tests of `demo` passed\n"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("helm tested"), "{}", outcome.stderr);
    std::fs::remove_file(inputs.path().join("chart/templates/test.yaml")).unwrap();
    let outcome = put(json!({ "chart": "chart", "test": { "attempts": 2 } }));
    assert_eq!(outcome.json()["version"], revisions([2])[0]);
    let warning = "warning: the chart of `demo`, demo-1.2.3, has no tests: nothing is tested\n";
    assert!(messages(&outcome).contains(warning), "{}", outcome.stderr);
}

#[test]
fn rejects_contradictory_keys() {
    let problems = |params: Value| {
        let inputs = inputs(&[]);
        let source = json!({ "cluster_url": "http://127.0.0.1:1", "release": "demo" });
        let outcome = put(Helm::Four, inputs.path(), &source, params, inputs.path()).run();
        outcome.failed();
        messages(&outcome).lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({})), ["`params.chart`: required, but missing"]);
    assert_eq!(problems(json!({ "test": false })), ["`params.chart`: required, but missing"]);
    assert_eq!(
        problems(json!({ "chart": "c", "rollback": true })),
        ["`params.chart`: excludes `rollback`, which deploys an old revision"]
    );
    let rules = with(
        json!({ "chart": "c", "atomic": true, "wait": "none", "check_is_ready": true }),
        json!({
            "test": { "attempts": 0, "delay": "soon" }, "recover_pending": { "after": "1d" },
            "rollback_on_failure": { "timeout": "5 m", "test": { "timeout": "x" } },
        }),
    );
    assert_eq!(
        problems(rules),
        [
            "`params.wait`: `none` excludes `check_is_ready` and `wait_for_jobs`",
            "`params.test.attempts`: expected a number from 1 to 50",
            "`params.test.delay`: expected seconds or a duration such as `1m30s`, found `soon`",
            "`params.rollback_on_failure.timeout`: expected seconds or a duration such as `1m30s`, found `5 m`",
            "`params.rollback_on_failure.test.timeout`: expected seconds or a duration such as `1m30s`, found `x`",
            "`params.rollback_on_failure`: excludes `atomic`, with which helm itself rolls back",
            "`params.recover_pending.after`: expected seconds or a duration such as `1m30s`, found `1d`",
        ]
    );
    assert_eq!(problems(json!({ "chart": "c", "wait": 3601 })), ["`params.wait`: expected [TIME] at most"]);
}
