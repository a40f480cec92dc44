//! Rollbacks: after a failed deploy, and as a separate put.

use std::time::Duration;

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{
    FAILS, RUNS, add_hook, check, deploy, end_hook, helm_that_runs, inputs, messages, put, revisions, source, statuses,
    wait_for_status, watched,
};

const BROKEN: &str = "image: broken\n";

#[test]
fn rolls_back_a_revision_that_is_not_ready_while_the_old_pods_serve() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[("broken.yaml", BROKEN)]);
        let chart = inputs.path().join("chart");
        // The rollback waits for this hook of revision 1.
        add_hook(inputs.path(), "pre-rollback", RUNS);
        namespace.helm(helm, &["install", "demo", chart.to_str().unwrap(), "--wait", "--set=replicas=2"]);
        let ready =
            || namespace.kubectl(&["get", "deployment", "demo", "--output=jsonpath={.status.availableReplicas}"]);
        // helm 4's own strategy may watch the workload of revision 1, which is ready, and succeed at once.
        let params = json!({
            "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "wait": "legacy", "timeout": "6s",
            "test": true, "rollback_on_failure": { "timeout": "2m" },
        });
        let running = put(helm, cluster.programs(), &source, params, inputs.path()).spawn();
        wait_for_status(&namespace, 3, "pending-rollback");
        assert!(["1", "2"].contains(&ready().as_str()), "{}", ready());
        end_hook(&namespace);
        let outcome = running.wait(Duration::from_mins(2));
        outcome.failed();
        let messages = messages(&outcome);
        assert!(
            messages.contains(
                "error: `demo` was not deployed: revision 2 is `failed`, and revision 1 is deployed \
                 (demo-1.2.3, app version 4.5); it was rolled back to revision 1: revision 3 is deployed now \
                 (demo-1.2.3, app version 4.5), and its tests passed\n  caused by: `helm upgrade` ended with \
                 exit code 1\n"
            ),
            "{helm:?}: {messages}"
        );
        assert!(messages.contains("app: ImagePullBackOff: Back-off pulling image \"broken\""), "{messages}");
        assert_eq!(statuses(&namespace), ["superseded", "failed", "deployed"], "{helm:?}");
        assert_eq!(ready(), "2");
        assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1, 3]));
    }
}

#[test]
fn failed_first_revision_stays_or_is_uninstalled_by_first_install() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", BROKEN)]);
        let put = |back: Value| {
            let params = json!({
                "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s", "rollback_on_failure": back,
            });
            let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
            outcome.failed();
            messages(&outcome)
        };
        let messages = put(json!(true));
        assert!(
            messages.contains(
                "error: `demo` was not deployed: revision 1 is `failed`, and none is deployed; there is no good \
                 revision to roll back to; revision 1 is `failed`, and none is deployed\n"
            ),
            "{helm:?}: {messages}"
        );
        assert_eq!(statuses(&namespace), ["failed"], "{helm:?}");
        let messages = put(json!({ "first_install": "uninstall" }));
        assert!(
            messages.contains("; there was no revision to roll back to, and the release was uninstalled\n"),
            "{helm:?}: {messages}"
        );
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
    }
}

#[test]
fn skips_revisions_that_failed_or_whose_tests_failed() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("broken.yaml", BROKEN)]);
    let helm = Helm::Four;
    deploy(&namespace, helm, "demo", &["--wait"]);
    deploy(&namespace, helm, "demo", &["--set-string=testAnnotations.jetway\\.test/exit-code=1"]);
    assert!(!namespace.try_helm(helm, &["test", "demo"]).status.success());
    deploy(&namespace, helm, "demo", &["--set=image=broken", "--wait", "--timeout=6s"]);
    let params = json!({
        "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s",
        "rollback_on_failure": { "timeout": "30s", "test": false },
    });
    let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    assert!(messages.contains("revision 2 is skipped: its tests failed\n"), "{messages}");
    assert!(
        messages.contains(
            "; it was rolled back to revision 1: revision 5 is deployed now (demo-1.2.3, app version \
            4.5)\n"
        ),
        "{messages}"
    );
    assert_eq!(statuses(&namespace), ["superseded", "superseded", "failed", "failed", "deployed"]);
}

#[test]
fn skips_a_failed_first_revision_that_helm_calls_superseded() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("fails.yaml", "image: app:2\ntestAnnotations: {jetway.test/exit-code: \"1\"}\n")]);
        deploy(&namespace, helm, "demo", &["--set=image=broken", "--wait", "--timeout=6s"]);
        let params = json!({ "chart": "chart", "values": "fails.yaml", "test": true, "rollback_on_failure": true });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("revision 1 is skipped: it was never ready\n"), "{helm:?}: {messages}");
        let left = "error: revision 2 of `demo` was deployed, but did not pass its tests; there is no good \
            revision to roll back to; revision 2 is deployed now (demo-1.2.3, app version 4.5)\n";
        assert!(messages.contains(left), "{helm:?}: {messages}");
        assert_eq!(statuses(&namespace), ["superseded", "deployed"], "{helm:?}");
        // There is no revision to roll back to, and `first_install` uninstalls the release.
        let params = json!({
            "chart": "chart", "values": "fails.yaml", "test": true, "rollback_on_failure": { "first_install": "uninstall" },
        });
        namespace.helm(helm, &["uninstall", "demo"]);
        deploy(&namespace, helm, "demo", &["--set=image=broken", "--wait", "--timeout=6s"]);
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let text = crate::support::messages(&outcome);
        let gone = "; there was no revision to roll back to, and the release was uninstalled\n";
        assert!(text.contains(gone), "{helm:?}: {text}");
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
    }
}

#[test]
fn skips_an_unreadable_record() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        for replicas in ["--set=replicas=1", "--set=replicas=2", "--set=replicas=3"] {
            deploy(&namespace, helm, "demo", &[replicas]);
        }
        let damage = json!({ "stringData": { "release": "no release" } }).to_string();
        namespace.kubectl(&["patch", "secret", "sh.helm.release.v1.demo.v2", "--type=merge", "--patch", &damage]);
        let outcome =
            put(helm, cluster.programs(), &source(&namespace), json!({ "rollback": true }), inputs.path()).run();
        assert_eq!(outcome.json()["version"], revisions([4])[0], "{helm:?}");
        let line = "revision 2 is skipped: the record `sh.helm.release.v1.demo.v2` is damaged: it is not base64\n";
        assert!(messages(&outcome).contains(line), "{helm:?}: {}", outcome.stderr);
        assert!(messages(&outcome).contains("rolling back `demo` to revision 1\n"), "{}", outcome.stderr);
    }
}

#[test]
fn says_that_the_tests_of_the_old_revision_failed_too() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("broken.yaml", BROKEN)]);
    deploy(&namespace, Helm::Three, "demo", &["--wait", "--set-string=testAnnotations.jetway\\.test/exit-code=1"]);
    let params = json!({
        "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s", "test": true,
        "rollback_on_failure": { "timeout": "30s" },
    });
    let outcome = put(Helm::Three, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    assert!(
        messages.contains("revision 3 is deployed now (demo-1.2.3, app version 4.5), and its tests failed as well: "),
        "{messages}"
    );
}

#[test]
fn does_not_roll_back_if_the_chart_cannot_be_rendered() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("values.yaml", "podAnnotations: {a: b}\n")]);
    std::fs::write(inputs.path().join("chart/templates/wrong.yaml"), "{{ fail \"no\" }}\n").unwrap();
    deploy(&namespace, Helm::Four, "demo", &[]);
    let params = json!({ "chart": "chart", "values": "values.yaml", "rollback_on_failure": true });
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    assert!(
        messages(&outcome)
            .contains("error: `demo` was not deployed: revision 1 is deployed now (demo-1.2.3, app version 4.5)\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(statuses(&namespace), ["deployed"]);
}

#[test]
fn put_with_rollback_only_rolls_back() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[("revision", "1\n")]);
        for replicas in ["--set=replicas=1", "--set=replicas=2", "--set=replicas=3"] {
            deploy(&namespace, helm, "demo", &[replicas]);
        }
        let put = |params: Value| put(helm, cluster.programs(), &source, params, inputs.path()).run();
        let replicas = || namespace.kubectl(&["get", "deployment", "demo", "--output=jsonpath={.spec.replicas}"]);
        let outcome = put(json!({ "rollback": true, "timeout": "30s" }));
        assert_eq!(outcome.json()["version"], revisions([4])[0], "{helm:?}");
        assert_eq!(replicas(), "2");
        for (revision, made) in [(json!(3), 5), (json!("revision"), 6)] {
            let outcome = put(json!({ "rollback": { "revision": revision }, "timeout": "30s", "test": true }));
            assert_eq!(outcome.json()["version"], revisions([made])[0], "{helm:?}");
            assert!(outcome.stderr.contains("the tests of `demo` passed"), "{}", outcome.stderr);
        }
        assert_eq!(replicas(), "1");
        // A failed current revision: the rollback goes to the latest good revision before it.
        deploy(&namespace, helm, "demo", &["--set=image=broken,replicas=3", "--wait", "--timeout=6s"]);
        let outcome = put(json!({ "rollback": true, "timeout": "30s" }));
        assert_eq!(outcome.json()["version"], revisions([8])[0], "{helm:?}");
        assert_eq!(replicas(), "1");
        let unknown = put(json!({ "rollback": { "revision": "9" } }));
        unknown.failed();
        let text = messages(&unknown);
        assert!(
            text.contains(
                "error: `demo` has no revision 9 (any more)\nhint: the revisions are 1 (superseded), \
                2 (superseded)"
            ),
            "{text}"
        );
        let words = put(json!({ "rollback": { "revision": "the last one" } }));
        words.failed();
        assert!(
            messages(&words).contains("`rollback.revision`: `the last one` is not a revision number"),
            "{}",
            words.stderr
        );
    }
}

#[test]
fn rollback_with_a_failed_hook_leaves_no_lock() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let root = inputs.path().join("chart");
        add_hook(inputs.path(), "pre-rollback", FAILS);
        for replicas in ["--set=replicas=1", "--set=replicas=2"] {
            namespace.helm(helm, &["upgrade", "--install", "demo", root.to_str().unwrap(), replicas]);
        }
        let source = source(&namespace);
        let params = json!({ "rollback": { "revision": 1 }, "timeout": "10s" });
        let outcome = put(helm, cluster.programs(), &source, params, inputs.path()).run();
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("hook: exit code 1 Error"), "{helm:?}: {messages}");
        assert!(
            messages
                .contains("warning: helm ended with exit code 1 and left revision 3 of `demo` as `pending-rollback`"),
            "{messages}"
        );
        assert_eq!(statuses(&namespace), ["superseded", "deployed", "failed"], "{helm:?}");
        let next = put(helm, cluster.programs(), &source, json!({ "chart": "chart" }), inputs.path()).run();
        assert_eq!(next.json()["version"], revisions([4])[0], "{helm:?}");
    }
}

#[test]
fn force_replaces_immutable_objects_in_a_rollback_too() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        for replicas in ["--set=replicas=1", "--set=replicas=2"] {
            deploy(&namespace, helm, "demo", &[replicas]);
        }
        let (programs, log) = watched(helm, cluster.programs(), inputs.path());
        let params = json!({ "rollback": true, "force": true, "wait": "none" });
        put(helm, &programs, &source(&namespace), params, inputs.path()).run().succeeded();
        let options = if helm_that_runs(helm) == Helm::Three {
            "\n--force\n"
        } else {
            "\n--force-replace\n--server-side=false\n"
        };
        let called = std::fs::read_to_string(log).unwrap();
        let (_, rollback) = called.split_once("\nrollback\n").expect("a rollback");
        assert!(rollback.contains(options), "{helm:?}: {rollback}");
    }
}

#[test]
fn failed_rollback_names_the_deployed_revision() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", BROKEN)]);
        let put = |params: Value| put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        add_hook(inputs.path(), "pre-rollback", FAILS);
        put(json!({ "chart": "chart" })).succeeded();
        let outcome = put(json!({
            "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "8s", "rollback_on_failure": true,
        }));
        outcome.failed();
        let messages = messages(&outcome);
        assert!(
            messages.contains("; the rollback failed too: `helm rollback` ended with exit code 1"),
            "{helm:?}: {messages}"
        );
        let now = "; revision 3 is `failed`, and revision 1 is deployed (demo-1.2.3, app version 4.5)\n";
        assert!(messages.contains(now), "{helm:?}: {messages}");
        assert_eq!(statuses(&namespace), ["deployed", "failed", "failed"], "{helm:?}");
    }
}

#[test]
fn rolls_back_after_a_failed_upgrade_hook() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: {helm.sh/hook: pre-upgrade}\nspec:\n  \
                    backoffLimit: 0\n  template:\n    metadata: {annotations: {jetway.test/exit-code: \"4\"}}\n    \
                    spec: {restartPolicy: Never, containers: [{name: hook, image: hook}]}\n";
        std::fs::write(inputs.path().join("chart/templates/hook.yaml"), hook).unwrap();
        let params = json!({ "chart": "chart", "rollback_on_failure": true, "timeout": "20s" });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("hook: exit code 4 Error"), "{helm:?}: {messages}");
        assert!(
            messages.contains("; it was rolled back to revision 1: revision 3 is deployed now "),
            "{helm:?}: {messages}"
        );
        assert_eq!(statuses(&namespace), ["superseded", "failed", "deployed"], "{helm:?}");
    }
}

#[test]
fn rolls_back_to_a_revision_of_an_unfinished_uninstall() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[("broken.yaml", BROKEN)]);
        let put = |params: Value| put(helm, cluster.programs(), &source, params, inputs.path()).run();
        add_hook(inputs.path(), "pre-delete", FAILS);
        put(json!({ "chart": "chart", "check_is_ready": true })).succeeded();
        put(json!({ "uninstall": true })).failed();
        assert_eq!(statuses(&namespace), ["failed"], "{helm:?}: its hook failed before any object was deleted");
        let outcome = put(json!({
            "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s",
            "rollback_on_failure": { "timeout": "1m", "first_install": "uninstall" },
        }));
        outcome.failed();
        let messages = messages(&outcome);
        assert!(
            messages.contains("it was rolled back to revision 1: revision 3 is deployed now"),
            "{helm:?}: {messages}"
        );
        assert_eq!(statuses(&namespace).last().unwrap(), "deployed", "{helm:?}");
        // A second uninstall completes a killed one.
        add_hook(inputs.path(), "pre-delete", RUNS);
        put(json!({ "chart": "chart" })).succeeded();
        let mut other = namespace.helm_command(helm).args(["uninstall", "demo"]).spawn().unwrap();
        wait_for_status(&namespace, statuses(&namespace).len(), "uninstalling");
        other.kill().unwrap();
        other.wait().unwrap();
        namespace.kubectl(&["delete", "pod", "before", "--wait=false"]);
        let running =
            super::support::put(helm, cluster.programs(), &source, json!({ "uninstall": true }), inputs.path());
        let running = running.spawn();
        end_hook(&namespace);
        running.wait(Duration::from_mins(2)).succeeded();
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
    }
}
