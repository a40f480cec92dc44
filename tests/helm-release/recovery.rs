//! Releases that another operation works on, or that a killed operation has left pending.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::process::wait_until;
use jetway_tests::verb::Runner;
use serde_json::{Value, json};

use crate::support::{
    FAILS, RUNS, add_hook, chart, deploy, inputs, messages, put, revisions, source, statuses, wait_for_status, with,
};

/// A helm that waits for an image that does not exist.
pub(crate) struct Deploying(Child);

impl Deploying {
    pub(crate) fn start(namespace: &Namespace, helm: Helm) -> Self {
        let mut command: Command = namespace.helm_command(helm);
        command.args(["upgrade", "--install", "demo"]).arg(chart());
        command.args(["--set=image=broken", "--wait", "--timeout=5m"]).stdout(std::process::Stdio::null());
        Self(command.stderr(std::process::Stdio::null()).spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Deploying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn does_not_disturb_a_running_deploy() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        let mut other = Deploying::start(&namespace, helm);
        wait_for_status(&namespace, 2, "pending-upgrade");
        for params in [
            json!({ "chart": "chart", "rollback_on_failure": true, "test": true }),
            json!({ "chart": "chart", "recover_pending": false }),
            json!({ "rollback": true }),
            json!({ "chart": "chart", "show_diff": true }),
            json!({ "chart": "chart", "replace": true }),
            json!({ "chart": "chart", "dry_run": "server" }),
            json!({ "test": true }),
            json!({ "uninstall": true }),
        ] {
            let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
            outcome.failed();
            let messages = messages(&outcome);
            assert!(
                messages.contains(
                    "error: another operation on release `demo` is in progress: revision 2 is `pending-upgrade` since "
                ),
                "{helm:?}: {messages}"
            );
            assert!(messages.contains(", by `Helm`\n"), "{messages}");
            assert!(messages.contains("hint: wait until it has finished, and run this again\n"), "{messages}");
            assert!(
                messages.contains("`recover_pending: {after: 20m}` in the params takes its lock over"),
                "{messages}"
            );
        }
        assert_eq!(statuses(&namespace), ["deployed", "pending-upgrade"], "{helm:?}");
        assert!(other.0.try_wait().unwrap().is_none(), "the other deploy is still running");
    }
}

/// The age does not matter: a hook of the holder may run for hours.
#[test]
fn keeps_an_old_lock_without_recover_pending() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    deploy(&namespace, Helm::Four, "demo", &["--wait"]);
    let old = json!({ "metadata": { "labels": { "status": "pending-upgrade", "modifiedAt": "1600000000" }, "managedFields": [{}] } });
    namespace.kubectl(&["patch", "secret", "sh.helm.release.v1.demo.v1", "--type=merge", "--patch", &old.to_string()]);
    let outcome = put(
        Helm::Four,
        cluster.programs(),
        &source(&namespace),
        json!({ "chart": "chart", "timeout": 0 }),
        inputs.path(),
    );
    let outcome = outcome.run();
    outcome.failed();
    assert!(
        messages(&outcome).contains("error: another operation on release `demo` is in progress"),
        "{}",
        outcome.stderr
    );
    assert_eq!(statuses(&namespace), ["pending-upgrade"]);
}

#[test]
fn takes_over_the_lock_of_a_killed_deploy_after_the_time() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("good.yaml", "image: app:2\n")]);
        // It also works for an install, which has no earlier revision to roll back to.
        for (count, pending) in [(1, "pending-install"), (3, "pending-upgrade")] {
            let other = Deploying::start(&namespace, helm);
            wait_for_status(&namespace, count, pending);
            other.kill();
            let put = |recover: Value| {
                let params = json!({
                    "chart": "chart", "values": "good.yaml", "check_is_ready": true, "timeout": "30s", "recover_pending": recover,
                });
                put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
            };
            let early = put(json!(true));
            early.failed();
            let hint = "hint: `recover_pending` takes the lock over once its record has not changed for 10 min\n";
            assert!(messages(&early).contains(hint), "{}", early.stderr);
            // The API server's clock has a resolution of one second.
            let outcome = put(json!({ "after": "0s" }));
            assert_eq!(outcome.json()["version"], revisions([count as u64 + 1])[0], "{helm:?}");
            let warning = format!(
                "warning: revision {count} of `demo` was left `{pending}` by a deploy, and has not changed for "
            );
            assert!(messages(&outcome).contains(&warning), "{}", outcome.stderr);
        }
        // helm itself sets this status for a failed first revision when the next revision is deployed.
        assert_eq!(statuses(&namespace), ["superseded", "superseded", "failed", "deployed"], "{helm:?}");
        let history = namespace.helm(helm, &["history", "demo"]);
        assert!(history.contains("Given up: it was pending-upgrade and had not changed for"), "{history}");
    }
}

#[test]
fn stale_lock_blocks_no_put_and_a_dry_run_keeps_it() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        let put = |params: Value| {
            let params = with(params, json!({ "recover_pending": { "after": 0 } }));
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run()
        };
        let lock = |count: usize| {
            let other = Deploying::start(&namespace, helm);
            wait_for_status(&namespace, count, "pending-upgrade");
            other.kill();
        };
        lock(2);
        let pretended = put(json!({ "chart": "chart", "dry_run": "server", "show_diff": true }));
        pretended.failed();
        let text = messages(&pretended);
        assert!(
            text.contains("error: release `demo` is locked by a deploy that is not running any more: revision 2 is `pending-upgrade`"),
            "{text}"
        );
        assert!(
            text.contains("hint: a dry run changes nothing; the next put that deploys takes the lock over\n"),
            "{text}"
        );
        assert_eq!(statuses(&namespace), ["deployed", "pending-upgrade"], "{helm:?}");
        let shown = put(json!({ "chart": "chart", "show_diff": true }));
        assert_eq!(shown.json()["version"], revisions([3])[0], "{helm:?}");
        lock(4);
        let replaced = put(json!({ "chart": "chart", "replace": true }));
        assert_eq!(replaced.json()["version"], revisions([1])[0], "{helm:?}");
        lock(2);
        // A put that only tests the deployed release.
        put(json!({ "test": true, "recover_pending": { "after": 0 } }));
        assert_eq!(statuses(&namespace), ["deployed", "failed"], "{helm:?}");
        lock(3);
        let gone = put(json!({ "uninstall": true }));
        assert_eq!(gone.json()["version"], json!({ "release": "demo", "uninstalled": "true" }), "{helm:?}");
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
    }
}

#[test]
fn takes_over_a_lock_in_a_config_map() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("good.yaml", "image: app:2\n")]);
    let source = with(source(&namespace), json!({ "storage": "configmap" }));
    let params = json!({
        "chart": "chart", "values": "good.yaml", "check_is_ready": true, "timeout": "30s", "recover_pending": { "after": 0 },
    });
    let put = || put(Helm::Three, cluster.programs(), &source, params.clone(), inputs.path());
    put().run().succeeded();
    let pending = json!({ "metadata": { "labels": { "status": "pending-upgrade" } } }).to_string();
    namespace.kubectl(&["patch", "configmap", "sh.helm.release.v1.demo.v1", "--type=merge", "--patch", &pending]);
    let outcome = put().run();
    assert_eq!(outcome.json()["version"], revisions([2])[0]);
    assert!(messages(&outcome).contains("revision 1 of `demo` was left `pending-upgrade`"), "{}", outcome.stderr);
}

#[test]
fn releases_the_lock_of_its_own_killed_helm_at_once() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        let params = json!({
            "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "5m", "rollback_on_failure": true,
        });
        let mut running = put(helm, cluster.programs(), &source, params, inputs.path()).spawn();
        let child = running.wait_for_child("upgrade --install");
        wait_for_status(&namespace, 2, "pending-upgrade");
        child.kill();
        let outcome = running.wait(Duration::from_mins(1));
        outcome.failed();
        let messages = messages(&outcome);
        let warning = "warning: helm was killed and left revision 2 of `demo` as `pending-upgrade`: no \
            operation is in progress, and it is marked `failed`\n";
        assert!(messages.contains(warning), "{helm:?}: {messages}");
        assert!(messages.contains("it was rolled back to revision 1: revision 3 is deployed now"), "{messages}");
        assert_eq!(statuses(&namespace), ["superseded", "failed", "deployed"], "{helm:?}");
    }
}

#[test]
fn unfinished_uninstall_blocks_no_later_put() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[]);
        let put = |params: Value| put(helm, cluster.programs(), &source, params, inputs.path());
        let deployments = || namespace.kubectl(&["get", "deployments", "--output=name"]);
        // An uninstall outside of a put, killed in its hook after everything else was deleted.
        add_hook(inputs.path(), "pre-delete", RUNS);
        put(json!({ "chart": "chart" })).run().succeeded();
        let mut other = Deploying(namespace.helm_command(helm).args(["uninstall", "demo"]).spawn().unwrap());
        wait_for_status(&namespace, 1, "uninstalling");
        assert!(other.0.try_wait().unwrap().is_none(), "the uninstall is under way");
        other.kill();
        namespace.kubectl(&["delete", "deployment", "demo"]);
        let locked = put(json!({ "chart": "chart" })).run();
        locked.failed();
        let text = messages(&locked);
        let words = "error: another operation on release `demo` is in progress: revision 1 is `uninstalling` since ";
        assert!(text.contains(words), "{text}");
        assert!(text.contains("or `helm uninstall demo --namespace "), "{text}");
        add_hook(inputs.path(), "pre-delete", FAILS);
        let deployed = put(json!({ "chart": "chart", "recover_pending": { "after": 0 } })).run();
        assert_eq!(deployed.json()["version"], revisions([2])[0], "{helm:?}");
        assert!(
            messages(&deployed)
                .contains("revision 1 of `demo` was left `uninstalling` by an uninstall, and has not changed for ")
        );
        assert_eq!(deployments(), "deployment.apps/demo\n", "{helm:?}");
        // An uninstall of a put whose hook fails.
        let failed = put(json!({ "uninstall": true })).run();
        failed.failed();
        let text = messages(&failed);
        let warning = "warning: helm ended with exit code 1 and left revision 2 of `demo` as `uninstalling`: no \
            operation is in progress, and it is marked `failed`\n";
        assert!(text.contains(warning), "{helm:?}: {text}");
        assert!(text.contains("hook: exit code 1 Error"), "{text}");
        add_hook(inputs.path(), "pre-delete", RUNS);
        let deployed = put(json!({ "chart": "chart" })).run();
        assert_eq!(deployed.json()["version"], revisions([3])[0], "{helm:?}");
        // An uninstall of a put with `replace`, killed.
        let mut replacing = put(json!({ "chart": "chart", "replace": true })).spawn();
        let child = replacing.wait_for_child("helm uninstall");
        wait_for_status(&namespace, 3, "uninstalling");
        child.kill();
        let replaced = replacing.wait(Duration::from_mins(1));
        replaced.failed();
        assert!(
            messages(&replaced).contains("helm was killed and left revision 3 of `demo` as `uninstalling`"),
            "{helm:?}"
        );
        let deployed = put(json!({ "chart": "chart" })).run();
        assert_eq!(deployed.json()["version"], revisions([4])[0], "{helm:?}");
    }
}

#[test]
fn failed_atomic_rollback_leaves_no_lock_and_shows_the_reason() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        let put = |params: Value| put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        add_hook(inputs.path(), "pre-rollback", FAILS);
        put(json!({ "chart": "chart" })).succeeded();
        let outcome = put(json!({ "chart": "chart", "values": "broken.yaml", "atomic": true, "timeout": "10s" }));
        outcome.failed();
        let text = messages(&outcome);
        let warning = "warning: helm ended with exit code 1 and left revision 3 of `demo` as \
            `pending-rollback`: no operation is in progress, and it is marked `failed`\n";
        assert!(text.contains(warning), "{helm:?}: {text}");
        assert!(text.contains("hook: exit code 1 Error"), "{text}");
        assert_eq!(statuses(&namespace), ["deployed", "failed", "failed"], "{helm:?}");
        assert_eq!(put(json!({ "chart": "chart" })).json()["version"], revisions([4])[0], "{helm:?}");
    }
}

#[test]
fn lost_race_names_the_other_operation() {
    // The program instead of helm runs programs of this machine, which the image does not have.
    if Runner::chosen() == Runner::Image {
        return;
    }
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        // Another operation starts between the check of the lock and helm's own check.
        let (ours, late) = (inputs.path().join(".late"), inputs.path().join(".upgrading"));
        std::fs::create_dir(&ours).unwrap();
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = upgrade ]; then\n  : >{late}\n  until {kubectl} --namespace={name} get secret \
             sh.helm.release.v1.demo.v2 >/dev/null 2>&1; do :; done\nfi\nexec {helm} \"$@\"\n",
            late = late.display(),
            helm = cluster.programs().join(helm.program()).display(),
            kubectl = cluster.programs().join("kubectl").display(),
            name = namespace.name(),
        );
        let program = ours.join(helm.program());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let params = json!({ "chart": "chart", "rollback_on_failure": true });
        let running = put(helm, &ours, &source(&namespace), params, inputs.path()).spawn();
        wait_until(Duration::from_mins(1), || late.exists().then_some(())).expect("helm is called");
        let _other = Deploying::start(&namespace, helm);
        let outcome = running.wait(Duration::from_mins(1));
        outcome.failed();
        let text = messages(&outcome);
        let held =
            "error: another operation on release `demo` began at the same time: revision 2 is `pending-upgrade` since ";
        assert!(text.contains(held), "{helm:?}: {text}");
        assert_eq!(statuses(&namespace), ["deployed", "pending-upgrade"], "{helm:?}");
    }
}

#[test]
fn keeps_the_rollback_lock_of_another_operation() {
    // The program instead of helm runs programs of this machine, which the image does not have.
    if Runner::chosen() == Runner::Image {
        return;
    }
    let Some(cluster) = cluster() else { return };
    let cases = [
        // The put's upgrade has failed, and another operation rolls back before helm's own rollback.
        (
            "upgrade",
            "for one; do shift; [ $one != --atomic ] || one=--wait; set -- \"$@\" \"$one\"; done; HELM \"$@\"",
            "UPGRADE FAILED: x",
        ),
        // Another operation rolls back just before the put's rollback.
        ("rollback", "", "release: already exists"),
    ];
    for (helm, (verb, before, words)) in Helm::BOTH.into_iter().flat_map(|helm| cases.map(|case| (helm, case))) {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        add_hook(inputs.path(), "pre-rollback", RUNS);
        let root = inputs.path().join("chart");
        let count = if verb == "upgrade" { 1 } else { 2 };
        for revision in 1..=count {
            let replicas = format!("--set=replicas={revision}");
            namespace.helm(helm, &["upgrade", "--install", "demo", root.to_str().unwrap(), &replicas]);
        }
        let (ours, late) = (inputs.path().join(".late"), inputs.path().join(".called"));
        std::fs::create_dir(&ours).unwrap();
        let real = cluster.programs().join(helm.program());
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" != {verb} ]; then exec {real} \"$@\"; fi\n{before}\n: >{late}\n\
             until {kubectl} --namespace={name} get pod before >/dev/null 2>&1; do :; done\n\
             echo 'Error: {words}' >&2\nexit 1\n",
            before = before.replace("HELM", &real.display().to_string()),
            real = real.display(),
            late = late.display(),
            kubectl = cluster.programs().join("kubectl").display(),
            name = namespace.name(),
        );
        let program = ours.join(helm.program());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let params = if verb == "upgrade" {
            json!({ "chart": "chart", "values": "broken.yaml", "atomic": true, "timeout": "5s" })
        } else {
            json!({ "rollback": { "revision": 1 } })
        };
        let running = put(helm, &ours, &source(&namespace), params, inputs.path()).spawn();
        wait_until(Duration::from_mins(1), || late.exists().then_some(())).expect("helm is called");
        let mut other = Deploying(namespace.helm_command(helm).args(["rollback", "demo", "1"]).spawn().unwrap());
        let outcome = running.wait(Duration::from_mins(1));
        outcome.failed();
        assert_eq!(
            statuses(&namespace).last().unwrap(),
            "pending-rollback",
            "{helm:?}, {verb}: {}",
            messages(&outcome)
        );
        assert!(other.0.try_wait().unwrap().is_none(), "the other operation is still running");
    }
}
