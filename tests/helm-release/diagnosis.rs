//! The diagnosis of a release that does not become ready.

use jetway_tests::kubernetes::{Helm, cluster};
use serde_json::{Value, json};

use crate::support::{deploy, inputs, messages, put, revisions, source, source_with_token, with};

#[test]
fn shows_pods_jobs_warnings_and_logs() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let crash =
        "podAnnotations: {jetway.test/exit-code: \"3\", jetway.test/logs: \"no database, password hunter2hunter2\"}\n";
    let inputs = inputs(&[("crash.yaml", crash)]);
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  backoffLimit: 0\n  template:\n    metadata: {annotations: {jetway.test/exit-code: \"5\"}}\n    spec: {restartPolicy: Never, containers: [{name: migrate, image: migrate}]}\n";
    std::fs::write(inputs.path().join("chart/templates/job.yaml"), job).unwrap();
    deploy(&namespace, Helm::Four, "other", &["--set=image=broken"]);
    let params = json!({ "chart": "chart", "values": "crash.yaml", "check_is_ready": true, "timeout": "6s" });
    let source = with(source(&namespace), json!({ "env_vars": { "PASSWORD": "hunter2hunter2" } }));
    let outcome = put(Helm::Four, cluster.programs(), &source, params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    for part in [
        "revision 1 of `demo`: failed, demo-1.2.3, app version 4.5\n",
        "history of `demo`:\n  REVISION  UPDATED",
        "pods of `demo`:\n  POD ",
        "app: CrashLoopBackOff: back-off [TIME] restarting failed container (last: exit code 3 Error)\n",
        "migrate: exit code 5 Error\n",
        "jobs of `demo`:\n  JOB      COMPLETED  ACTIVE  FAILED  REASON\n  migrate  0/1        0       1       BackoffLimitExceeded: ",
        "warning events:\n",
        "job migrate  BackoffLimitExceeded: Job has reached the specified backoff limit\n",
        "(container `app`, previous run):\n  | no database, password ",
        "(container `migrate`):\n  | log of migrate-",
    ] {
        assert!(messages.contains(part), "{part}\n{messages}");
    }
    assert!(!messages.contains("hunter2") && !messages.contains("other-"), "{messages}");
}

#[test]
fn reports_what_the_user_may_not_read_and_shows_the_rest() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let (token, _) =
        namespace.account("deployer", &[("*", "secrets"), ("*", "deployments.apps"), ("get,list,watch", "pods")]);
    let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
    let source = source_with_token(cluster, &namespace, &token);
    let params = json!({ "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s" });
    let outcome = put(Helm::Three, cluster.programs(), &source, params, inputs.path()).run();
    outcome.failed();
    let messages = messages(&outcome);
    assert!(
        messages.contains("cannot read its jobs: the API server denied the request: jobs.batch is forbidden"),
        "{messages}"
    );
    assert!(
        messages.contains("cannot read events: the API server denied the request: events is forbidden"),
        "{messages}"
    );
    assert!(messages.contains("app: ImagePullBackOff"), "{messages}");
    assert!(
        messages.contains("error: `demo` was not deployed: revision 1 is `failed`, and none is deployed\n"),
        "{messages}"
    );
}

#[test]
fn finds_a_warning_among_many() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let name = namespace.name();
    // More than a page of events, whose names sort before those of the release.
    let events: Vec<Value> = (0..520)
        .map(|number| {
            json!({
                "apiVersion": "v1", "kind": "Event", "metadata": { "name": format!("a{number}"), "namespace": name },
                "type": "Warning", "reason": "Noise", "message": "of another release",
                "involvedObject": { "kind": "Pod", "name": "a", "namespace": name },
            })
        })
        .collect();
    let warning = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "z", "namespace": name }, "type": "Warning",
        "reason": "Signal", "message": "look here", "lastTimestamp": "2099-01-01T00:00:00Z",
        "involvedObject": { "kind": "Deployment", "name": "demo", "namespace": name },
    });
    let items: Vec<Value> = events.into_iter().chain([warning]).collect();
    let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
    let file = inputs.path().join("events.json");
    std::fs::write(&file, json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).unwrap();
    namespace.kubectl(&["create", "--filename", file.to_str().unwrap()]);
    let params = json!({ "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s" });
    let outcome = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).run();
    outcome.failed();
    assert!(messages(&outcome).contains("Signal: look here\n"), "{}", outcome.stderr);
}

#[test]
fn warns_of_a_damaged_record_and_shows_the_others() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        for replicas in ["--set=replicas=1", "--set=replicas=2"] {
            deploy(&namespace, helm, "demo", &[replicas]);
        }
        let damage = json!({ "stringData": { "release": "no release" } }).to_string();
        namespace.kubectl(&["patch", "secret", "sh.helm.release.v1.demo.v1", "--type=merge", "--patch", &damage]);
        let put = |params: Value| put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        let warning = "warning: a revision is not shown: the record `sh.helm.release.v1.demo.v1` is damaged: it \
            is not base64\n";
        let outcome = put(json!({ "chart": "chart" }));
        assert_eq!(outcome.json()["version"], revisions([3])[0], "{helm:?}");
        let text = messages(&outcome);
        assert!(text.contains(warning), "{helm:?}: {text}");
        assert!(text.contains("\n  2         ") && text.contains("\n  3         "), "{helm:?}: {text}");
        let outcome =
            put(json!({ "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s" }));
        outcome.failed();
        let text = messages(&outcome);
        assert!(text.contains(warning), "{helm:?}: {text}");
        assert!(text.contains("app: ImagePullBackOff"), "{helm:?}: {text}");
    }
}
