//! put with real containers: a kubelet starts, probes and restarts them, and keeps their logs.

use std::path::Path;
use std::time::Duration;

use jetway_tests::kubernetes::{Helm, Namespace, cluster_with_containers};
use jetway_tests::process::wait_until;
use jetway_tests::verb::Runner;
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{deploy, helm_that_runs, inputs, messages, put, revisions, source, statuses, with};

/// The container of a release: it serves `word` over HTTP, and is ready when it can fetch `word`.
fn serving(word: &str) -> Value {
    // The first process of a container ignores SIGTERM unless it sets a trap.
    let serve = format!(
        "trap exit TERM; mkdir /www && echo {word} >/www/index.html && httpd -f -p 127.0.0.1:8080 -h /www & wait"
    );
    json!({
        "command": ["sh", "-c", serve],
        "readinessProbe": {
            "exec": { "command": ["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"] }, "periodSeconds": 1, "timeoutSeconds": 5,
        },
    })
}

/// A container that runs this in a shell.
fn shell(script: &str) -> Value {
    json!({ "command": ["sh", "-c", script] })
}

/// Values with an existing image, overridden by `more`.
fn values(more: Value) -> Value {
    with(json!({ "image": "busybox:1.36" }), more)
}

/// Inputs with the chart and these values.
fn inputs_with(values: &Value) -> TempDir {
    inputs(&[("values.json", &values.to_string())])
}

/// The params of a deploy with these inputs that waits, overridden by `more`.
fn params(more: Value) -> Value {
    with(json!({ "chart": "chart", "values": "values.json", "check_is_ready": true, "timeout": "60s" }), more)
}

/// The content that each ready pod of the release serves.
fn served(namespace: &Namespace) -> Vec<String> {
    let selector = "--selector=app.kubernetes.io/instance=demo";
    let pods = namespace.kubectl_json(&["get", "pods", selector, "--output=json"]);
    let is_ready = |pod: &&Value| {
        pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["containerStatuses"][0]["ready"] == true
    };
    let pods = pods["items"].as_array().expect("a list").iter().filter(is_ready);
    pods.map(|pod| {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        namespace.kubectl(&["exec", name, "--", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/"]).trim().to_owned()
    })
    .collect()
}

/// Deploys the first revision, which serves `old`.
fn serve_old(namespace: &Namespace) {
    let inputs = inputs_with(&values(json!({ "container": serving("old") })));
    let file = format!("--values={}", inputs.path().join("values.json").display());
    deploy(namespace, helm_that_runs(Helm::Four), "demo", &[&file, "--wait", "--timeout=60s"]);
    assert_eq!(served(namespace), ["old"]);
}

#[test]
fn deploy_waits_for_a_readiness_probe_and_runs_a_test_program() {
    let Some(cluster) = cluster_with_containers() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace_with_containers();
        let test = shell("echo all is well in $(hostname)");
        let inputs = inputs_with(&values(json!({ "container": serving("new"), "testContainer": test })));
        let params = params(json!({ "test": true }));
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        let messages = messages(&outcome);
        assert!(messages.contains("(container `test`):\n  | all is well in demo-test\n"), "{helm:?}: {messages}");
        assert_eq!(served(&namespace), ["new"], "{helm:?}");
    }
}

#[test]
fn failed_test_rolls_back_to_pods_that_serve_the_old_content() {
    let Some(cluster) = cluster_with_containers() else { return };
    let namespace = cluster.namespace_with_containers();
    serve_old(&namespace);
    let test = shell("echo expected 2, found $((1 + 2)); exit 1");
    let inputs = inputs_with(&values(json!({ "container": serving("new"), "testContainer": test })));
    let params = params(json!({
        "test": { "attempts": 3, "delay": "100ms" }, "rollback_on_failure": { "timeout": "60s", "test": false },
    }));
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    assert_eq!(messages.matches("  | expected 2, found 3\n").count(), 3, "{messages}");
    assert!(messages.contains("test: exit code 1 Error"), "{messages}");
    let words = "it was rolled back to revision 1: revision 3 is deployed now (demo-1.2.3, app version 4.5)\n  \
        caused by: its tests failed in all 3 attempts\n";
    assert!(messages.contains(words), "{messages}");
    assert_eq!(statuses(&namespace), ["superseded", "superseded", "deployed"]);
    assert_eq!(served(&namespace), ["old"]);
}

#[test]
fn test_that_passes_on_the_third_attempt_passes() {
    let Some(cluster) = cluster_with_containers() else { return };
    let namespace = cluster.namespace_with_containers();
    // The attempts share only the node: each writes a file there, and counts the files.
    let attempts = format!("/tmp/attempts-of-{}", namespace.name());
    let test = with(
        shell("echo >/attempts/$(date +%s%N)-$$; count=$(ls /attempts | wc -l); echo attempt $count; [ $count -eq 3 ]"),
        json!({ "volumeMounts": [{ "name": "attempts", "mountPath": "/attempts" }] }),
    );
    let inputs = inputs_with(&values(json!({ "container": serving("new"), "testContainer": test })));
    let template = inputs.path().join("chart/templates/test.yaml");
    let volume = json!([{ "name": "attempts", "hostPath": { "path": attempts, "type": "DirectoryOrCreate" } }]);
    let with_volume = std::fs::read_to_string(&template).unwrap() + &format!("  volumes: {volume}\n");
    std::fs::write(&template, with_volume).unwrap();
    let params = params(json!({ "test": { "attempts": 3, "delay": "100ms", "cleanup": true } }));
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    let _ = std::fs::remove_dir_all(attempts);
    assert_eq!(outcome.json()["version"], revisions([1])[0]);
    let messages = messages(&outcome);
    for line in
        ["  | attempt 1\n", "  | attempt 2\n", "  | attempt 3\n", "the tests of `demo` passed, attempt 3 of 3\n"]
    {
        assert!(messages.contains(line), "{line}: {messages}");
    }
}

#[test]
fn missing_image_is_reported_with_the_registrys_message_while_the_old_pods_serve() {
    let Some(cluster) = cluster_with_containers() else { return };
    let namespace = cluster.namespace_with_containers();
    serve_old(&namespace);
    let inputs = inputs_with(&json!({ "image": "missing:7", "container": serving("new") }));
    let params = params(json!({ "timeout": "8s", "rollback_on_failure": { "timeout": "60s", "test": false } }));
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    // The pod alternates between two states.
    assert!(messages.contains("app: ErrImagePull: ") || messages.contains("app: ImagePullBackOff: "), "{messages}");
    for part in [
        "Failed: Failed to pull image \"missing:7\": ",
        "docker.io/library/missing:7: not found",
        "it was rolled back to revision 1: revision 3 is deployed now",
    ] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
    assert_eq!(statuses(&namespace), ["superseded", "failed", "deployed"]);
    assert_eq!(served(&namespace), ["old"]);
}

#[test]
fn crashing_program_is_shown_with_its_restarts_and_its_log() {
    let Some(cluster) = cluster_with_containers() else { return };
    let namespace = cluster.namespace_with_containers();
    let inputs = inputs_with(&values(json!({ "container": shell("echo no database at $HOSTNAME; exit 3") })));
    let file = format!("--values={}", inputs.path().join("values.json").display());
    deploy(&namespace, helm_that_runs(Helm::Four), "demo", &[&file]);
    // Then the kubelet waits twenty seconds, and the put takes only a few seconds.
    let waits_for_its_third_run = || {
        let pods = namespace.kubectl_json(&["get", "pods", "--output=json"]);
        let container = &pods["items"][0]["status"]["containerStatuses"][0];
        let is = container["restartCount"] == 2 && container["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        is.then_some(())
    };
    wait_until(Duration::from_mins(1), waits_for_its_third_run).expect("two restarts");
    let params = params(json!({ "timeout": "3s" }));
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    for part in [
        "  Running  0/1    2         app: CrashLoopBackOff: back-off [TIME] restarting failed container=app pod=demo-",
        "(last: exit code 3 Error)\n",
        "BackOff: Back-off restarting failed container",
        "(container `app`, previous run):\n  | no database at demo-",
    ] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
}

#[test]
fn worker_in_a_pod_logs_in_with_its_service_account() {
    // `access::logs_in_with_the_service_account_of_a_pod` covers the image; this test runs the binary.
    if Runner::chosen() == Runner::Image {
        return;
    }
    let Some(cluster) = cluster_with_containers() else { return };
    let namespace = cluster.namespace_with_containers();
    let (_, account) = namespace.account("worker", &[("*", "secrets,pods,deployments.apps,replicasets.apps")]);
    let inputs = inputs_with(&values(json!({ "container": serving("new") })));
    std::os::unix::fs::symlink(cluster.programs().join("helm4"), inputs.path().join("helm")).unwrap();

    // The pod has the libraries, the programs, the inputs and the network of this machine: the API server is on
    // loopback.
    let binary = binaries::resource("helm-release");
    let places =
        [Path::new("/lib"), Path::new("/lib64"), binary.parent().unwrap(), cluster.programs(), scratch::root()];
    let volume = |(index, place)| json!({ "name": format!("place-{index}"), "hostPath": { "path": place } });
    let volumes: Vec<Value> = places.iter().enumerate().map(volume).collect();
    let mount = |(index, place)| json!({ "name": format!("place-{index}"), "mountPath": place });
    let mounts: Vec<Value> = places.iter().enumerate().map(mount).collect();
    let (host, port) = cluster.url().trim_start_matches("https://").rsplit_once(':').expect("a port");
    let path = format!("{}:/bin", inputs.path().display());
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "worker" },
        "spec": {
            "serviceAccountName": "worker", "hostNetwork": true, "terminationGracePeriodSeconds": 0,
            "volumes": volumes,
            "containers": [{
                "name": "worker", "image": "busybox:1.36", "volumeMounts": mounts,
                "env": [
                    { "name": "KUBERNETES_SERVICE_HOST", "value": host }, { "name": "KUBERNETES_SERVICE_PORT_HTTPS", "value": port },
                    { "name": "PATH", "value": path },
                ],
            }],
        },
    });
    std::fs::write(inputs.path().join("worker.json"), pod.to_string()).unwrap();
    namespace.kubectl(&["create", "--filename", inputs.path().join("worker.json").to_str().unwrap()]);
    namespace.kubectl(&["wait", "--for=condition=Ready", "pod/worker", "--timeout=60s"]);
    let dir = inputs.path().display();
    let run = |verb: &str, request: Value| {
        std::fs::write(inputs.path().join("request.json"), request.to_string()).unwrap();
        let script = format!("exec {} {verb} <{dir}/request.json", binary.display());
        let printed = namespace.kubectl(&["exec", "worker", "--", "sh", "-c", &script]);
        serde_json::from_str::<Value>(&printed).expect("the response")
    };
    let source = json!({ "in_cluster": true, "release": "demo", "namespace": namespace.name() });
    let deployed = run(&format!("out {dir}"), json!({ "source": source, "params": params(json!({})) }));
    assert_eq!(deployed["version"], revisions([1])[0]);
    assert_eq!(served(&namespace), ["new"]);
    assert_eq!(run("check", json!({ "source": source })), revisions([1]));
    if let Some(request) = cluster.asked_by(&account) {
        assert!(request.iter().any(|request| request.starts_with("create /api/v1/namespaces/")), "{request:?}");
    }
}
