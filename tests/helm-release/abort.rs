//! Aborts: helm gets the signal, and the put reports the state of the release.

use std::time::Duration;

use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::verb::{Outcome, Running};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    FAILS, RUNS, add_hook, deploy, inputs, messages, put, revisions, source, statuses, wait_for_status,
};

/// Inputs with values of a chart that never becomes ready, and of a test that never ends.
fn slow() -> TempDir {
    inputs(&[("broken.yaml", "image: broken\n"), ("runs.yaml", "testAnnotations: {jetway.test/ready: \"false\"}\n")])
}

fn start(namespace: &Namespace, helm: Helm, params: Value, inputs: &TempDir) -> Running {
    put(helm, namespace.cluster().programs(), &source(namespace), params, inputs.path()).spawn()
}

/// Aborts a put, and returns its outcome and its output.
fn aborted(running: Running) -> (Outcome, String) {
    running.terminate();
    let outcome = running.wait(Duration::from_secs(30));
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert!(!outcome.held_open, "helm outlived the put");
    assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
    let messages = messages(&outcome);
    (outcome, messages)
}

#[test]
fn during_upgrade_marks_the_revision_failed() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = slow();
        deploy(&namespace, helm, "demo", &["--wait"]);
        // helm waits for the whole timeout. Its own strategy of version 4 may watch the workload of revision 1, which is ready, and
        // succeed at once.
        let params = json!({
            "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "wait": "legacy", "timeout": "5m",
            "rollback_on_failure": true,
        });
        let running = start(&namespace, helm, params, &inputs);
        wait_for_status(&namespace, 2, "pending-upgrade");
        let (_, messages) = aborted(running);
        let left = "error: `demo` was left in its current state: revision 2 is `failed`, and revision 1 is \
            deployed (demo-1.2.3, app version 4.5)\n";
        assert!(messages.contains(left), "{helm:?}: {messages}");
        assert!(
            messages.contains("hint: the next put continues from this state; unfinished changes are not rolled back\n"),
            "{messages}"
        );
        assert_eq!(statuses(&namespace), ["deployed", "failed"], "{helm:?}");
        let next = put(helm, cluster.programs(), &source(&namespace), json!({ "chart": "chart" }), inputs.path()).run();
        assert_eq!(next.json()["version"], revisions([3])[0], "{helm:?}");
    }
}

#[test]
fn during_test_keeps_the_new_revision() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = slow();
        let params = json!({
            "chart": "chart", "values": "runs.yaml", "timeout": "5m", "test": { "attempts": 3 }, "rollback_on_failure": true,
        });
        let mut running = start(&namespace, helm, params, &inputs);
        running.wait_for_child("helm test");
        let (_, messages) = aborted(running);
        let left = "error: `demo` was left in its current state: revision 1 is deployed now (demo-1.2.3, app \
            version 4.5)\n";
        assert!(messages.contains(left), "{helm:?}: {messages}");
        assert!(
            messages.contains("hint: the deployed revision stays; the steps after it (tests, a rollback)"),
            "{messages}"
        );
    }
}

#[test]
fn during_a_pause_ends_at_once() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("fails.yaml", "testAnnotations: {jetway.test/exit-code: \"1\"}\n")]);
    for (params, line) in [
        (json!({ "chart": "chart", "wait": 600 }), "waiting 10 min, as `wait` says"),
        (
            json!({ "chart": "chart", "values": "fails.yaml", "test": { "attempts": 2, "delay": "10m" } }),
            "waiting 10 min before attempt 2 of 2",
        ),
    ] {
        let running = start(&namespace, Helm::Four, params, &inputs);
        running.wait_for_stderr(line);
        let (outcome, messages) = aborted(running);
        assert!(outcome.elapsed < Duration::from_mins(1));
        assert!(messages.contains("`demo` was left in its current state: revision "), "{messages}");
    }
}

#[test]
fn during_rollback_releases_the_lock() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = slow();
        // Revision 1 counts as deployed, because helm did not wait for it, but its image never starts.
        deploy(&namespace, helm, "demo", &["--set=image=broken"]);
        deploy(&namespace, helm, "demo", &["--set=image=app:2", "--wait"]);
        let running = start(&namespace, helm, json!({ "rollback": { "revision": 1 }, "timeout": "5m" }), &inputs);
        wait_for_status(&namespace, 3, "pending-rollback");
        let (_, messages) = aborted(running);
        let warning = "warning: helm was terminated and left revision 3 of `demo` as `pending-rollback`: no \
            operation is in progress, and it is marked `failed`\n";
        assert!(messages.contains(warning), "{helm:?}: {messages}");
        assert!(
            messages.contains("revision 3 is `failed`, and revision 2 is deployed (demo-1.2.3, app version 4.5)\n"),
            "{messages}"
        );
        assert_eq!(statuses(&namespace), ["superseded", "deployed", "failed"], "{helm:?}");
    }
}

#[test]
fn during_atomic_rollback_releases_the_lock() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = slow();
        add_hook(inputs.path(), "pre-rollback", RUNS);
        start(&namespace, helm, json!({ "chart": "chart" }), &inputs).wait(Duration::from_mins(1)).succeeded();
        // The upgrade fails at once, and the rollback waits for the hook of revision 1.
        add_hook(inputs.path(), "pre-upgrade", FAILS);
        let params = json!({ "chart": "chart", "atomic": true, "timeout": "5m" });
        let running = start(&namespace, helm, params, &inputs);
        wait_for_status(&namespace, 3, "pending-rollback");
        let (_, messages) = aborted(running);
        assert!(
            messages.contains("revision 3 is `failed`, and revision 1 is deployed (demo-1.2.3, app version 4.5)\n"),
            "{messages}"
        );
        assert_eq!(statuses(&namespace), ["deployed", "failed", "failed"], "{helm:?}");
    }
}

#[test]
fn during_uninstall_releases_the_lock() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = slow();
        add_hook(inputs.path(), "pre-delete", RUNS);
        start(&namespace, helm, json!({ "chart": "chart" }), &inputs).wait(Duration::from_mins(1)).succeeded();
        let running = start(&namespace, helm, json!({ "uninstall": true }), &inputs);
        wait_for_status(&namespace, 1, "uninstalling");
        let (_, messages) = aborted(running);
        let left = "error: `demo` was left in its current state: revision 1 is `failed`, and none is deployed\n";
        assert!(messages.contains(left), "{helm:?}: {messages}");
        let hint = "hint: the objects that were deleted by then are gone: a deploy creates them again, an \
            uninstall deletes the rest\n";
        assert!(messages.contains(hint), "{messages}");
        assert_eq!(statuses(&namespace), ["failed"], "{helm:?}");
    }
}
