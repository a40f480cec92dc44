//! put: the result of a deploy, and its errors.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::layer::{Layer, require};
use jetway_tests::process::wait_until;
use jetway_tests::scratch;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::tinyproxy::Tinyproxy;
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{
    check, deploy, get, inputs, messages, noise, put, revisions, source, statuses, values_of, watched, with,
};

#[test]
fn deploys_a_chart_and_returns_the_revision() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[("a.yaml", "replicas: 2\nsettings: {greeting: hi}\n"), ("b.yaml", "replicas: 1\n")]);
        let params = json!({
            "chart": "chart", "values": "a.yaml missing.yaml b.yaml", "skip_missing_values": true, "check_is_ready": "true",
            "timeout": 60,
        });
        let put = |params: Value| put(helm, cluster.programs(), &source, params, inputs.path()).run();
        let outcome = put(params.clone());
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        assert_eq!(outcome.json()["metadata"][2], json!({ "name": "chart", "value": "demo-1.2.3" }));
        assert!(outcome.stderr.contains("hi from demo 1"), "{}", outcome.stderr);
        assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
        assert_eq!(values_of(&namespace, helm), json!({ "replicas": 1, "settings": { "greeting": "hi" } }));
        let outcome = put(json!({ "chart": "chart", "reuse_values": true }));
        assert_eq!(outcome.json()["version"], revisions([2])[0], "{helm:?}");
        assert_eq!(values_of(&namespace, helm)["settings"]["greeting"], "hi");
        // The requests after a put: a get of its version, and the next check.
        get(&source, revisions([2])[0].clone()).0.succeeded();
        assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1, 2]));
        let missing = put(json!({ "chart": "chart", "values": ["missing.yaml"] }));
        missing.failed();
        assert!(
            messages(&missing).starts_with("error: there is no file `missing.yaml` in the inputs\n"),
            "{}",
            missing.stderr
        );
    }
}

#[test]
fn reads_names_from_files_and_deploys_an_archive() {
    let Some(cluster) = cluster() else { return };
    let (namespace, other) = (cluster.namespace(), cluster.namespace());
    let inputs = inputs(&[("name", "demo\n"), ("space", other.name())]);
    let root = inputs.path().to_str().unwrap();
    namespace.helm(Helm::Four, &["package", &format!("{root}/chart"), "--destination", root]);
    let source = with(source(&namespace), json!({ "release": null, "helm_history_max": 2 }));
    for number in 1..=3 {
        let params = json!({ "chart": "demo-1.2.3.tgz", "release": "name", "namespace": "space", "version": "9.9.9" });
        let outcome = put(Helm::Four, cluster.programs(), &source, params, inputs.path()).run();
        let version = with(revisions([number])[0].clone(), json!({ "namespace": other.name() }));
        assert_eq!(outcome.json()["version"], version);
    }
    let secrets = other.kubectl(&["get", "secrets", "--selector=owner=helm", "--output=name"]);
    assert_eq!(secrets, "secret/sh.helm.release.v1.demo.v2\nsecret/sh.helm.release.v1.demo.v3\n");
}

#[test]
fn directories_are_not_read_as_names() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("name", "from-a-file\r\n")]);
    for directory in ["demo", namespace.name()] {
        std::fs::create_dir(inputs.path().join(directory)).unwrap();
    }
    let source = json!({ "kubeconfig": cluster.kubeconfig() });
    let run = |release: &str, chart: &str| {
        let params = json!({ "chart": chart, "release": release, "namespace": namespace.name() });
        put(Helm::Four, cluster.programs(), &source, params, inputs.path()).run()
    };
    for (given, release) in [("demo", "demo"), ("name", "from-a-file")] {
        let version = json!({ "release": release, "revision": "1", "namespace": namespace.name() });
        assert_eq!(run(given, "chart").json()["version"], version);
    }
    let outcome = run("demo", "stable/redis");
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.contains("`stable/redis`") && text.contains("`repos`"), "{text}");
}

#[test]
fn chart_that_is_too_large_for_a_record_changes_nothing() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let params = json!({
            "chart": "chart", "check_is_ready": true, "timeout": "1m", "test": true, "rollback_on_failure": { "timeout": "1m" },
        });
        let run = || put(helm, cluster.programs(), &source(&namespace), params.clone(), inputs.path()).run();
        run().succeeded();
        // helm's record is compressed, and this cannot be.
        let stray = inputs.path().join("chart/stray.bin");
        std::fs::write(&stray, noise(1_400_000)).unwrap();
        let outcome = run();
        outcome.failed();
        let text = messages(&outcome);
        assert!(text.contains("hint: helm stores a chart with all its files"), "{helm:?}: {text}");
        assert!(text.contains("the largest file of the chart is `stray.bin` (1368 KiB)"), "{helm:?}: {text}");
        assert_eq!(statuses(&namespace), ["deployed"], "{helm:?}");
        std::fs::remove_file(&stray).unwrap();
        assert_eq!(run().json()["version"], revisions([2])[0], "{helm:?}");
    }
}

#[test]
fn fails_and_names_the_deployed_revision_if_the_new_one_is_not_ready() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        let params = json!({ "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "6s" });
        let put = |params: Value| put(helm, cluster.programs(), &source, params, inputs.path()).run();
        let first = put(params.clone());
        first.failed();
        let text = messages(&first);
        assert!(
            text.contains("error: `demo` was not deployed: revision 1 is `failed`, and none is deployed\n"),
            "{text}"
        );
        assert!(text.contains("`helm upgrade` ended with exit code 1"), "{text}");
        deploy(&namespace, helm, "demo", &[]);
        let second = put(params);
        second.failed();
        let text = messages(&second);
        assert!(
            text.contains("revision 3 is `failed`, and revision 2 is deployed (demo-1.2.3, app version 4.5)\n"),
            "{text}"
        );
    }
}

#[test]
fn atomic_put_rolls_back_and_fails_if_the_new_revision_is_not_ready() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        deploy(&namespace, helm, "demo", &["--wait"]);
        let params = json!({ "chart": "chart", "values": "broken.yaml", "atomic": true, "timeout": "10s" });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let text = messages(&outcome);
        assert!(
            text.contains("`demo` was not deployed: revision 3 is deployed now (demo-1.2.3, app version 4.5)\n"),
            "{helm:?}: {text}"
        );
        assert_eq!(check(&source(&namespace), revisions([1])[0].clone()).json(), revisions([1, 3]), "{helm:?}");
    }
}

#[test]
fn renews_a_token_that_expires_during_the_put() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let everything = [("*", "secrets,pods,services,configmaps"), ("*", "deployments.apps,replicasets.apps")];
    let (token, user) = namespace.account("deployer", &everything);
    let (address, authority) = (cluster.url().replace("https://", ""), STANDARD.encode(cluster.authority()));
    let granted = token.clone();
    let google = StandIn::start(move |request| {
        if request.path() == "/computeMetadata/v1/instance/service-accounts/default/token" {
            // The token expires so soon that helm needs a new one for each request.
            return Response::json(200, &json!({ "access_token": granted, "expires_in": 5 }));
        }
        let auth = json!({ "clusterCaCertificate": authority });
        Response::json(200, &json!({ "endpoint": address, "masterAuth": auth }))
    });
    let source = json!({
        "release": "demo", "namespace": namespace.name(), "gcloud_workload_identity_enabled": true,
        "gcloud_project_name": "p", "gcloud_k8s_cluster_name": "c", "gcloud_k8s_zone": "z",
    });
    let inputs = inputs(&[]);
    let params = json!({ "chart": "chart" });
    for helm in Helm::BOTH {
        let before = google.recorded_requests().len();
        let verb = put(helm, cluster.programs(), &source, params.clone(), inputs.path());
        let host = google.url().replace("http://", "");
        let outcome =
            verb.env("GCE_METADATA_HOST", &host).env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", &google.url()).run();
        outcome.succeeded();
        assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
        assert!(!outcome.stderr.contains(&token), "{}", outcome.stderr);
        let requests = google.recorded_requests().split_off(before);
        let tokens = requests.iter().filter(|request| request.path().ends_with("/token")).count();
        assert!(tokens >= 2, "helm did not renew the token: {tokens}");
    }
    if cluster.asked_by(&user).is_some() {
        let creates =
            || cluster.asked_by(&user).filter(|request| request.iter().any(|line| line.contains("deployments")));
        assert!(wait_until(Duration::from_secs(10), creates).is_some());
    }
}

#[test]
fn an_abort_ends_helm_and_leaves_nothing_on_the_disk() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
    let params = json!({ "chart": "chart", "values": "broken.yaml", "check_is_ready": true, "timeout": "5m" });
    let running = put(Helm::Four, cluster.programs(), &source(&namespace), params, inputs.path()).spawn();
    let pending =
        || namespace.kubectl(&["get", "secrets", "--selector=owner=helm", "--output=name"]).contains("demo.v1");
    wait_until(Duration::from_mins(1), || pending().then_some(())).expect("helm has begun");
    running.terminate();
    let outcome = running.wait(Duration::from_mins(1));
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert!(!outcome.held_open, "helm outlived the put");
    assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
}

#[test]
fn rejects_contradictory_keys() {
    let inputs = scratch::directory();
    let request = |params: Value| json!({ "source": { "cluster_url": "http://127.0.0.1:1", "release": "demo" }, "params": params });
    let verb = |params: Value| Verb::put("helm-release").dir(inputs.path()).request(&request(params)).run();
    let outcome = verb(json!({ "chart": "-x", "timeout": "5 minutes", "valeus": "a" }));
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.contains("`params.valeus`: unknown key; did you mean `values`?"), "{text}");
    let outcome = verb(json!({ "chart": "-x", "timeout": "5 minutes" }));
    outcome.failed();
    let text = messages(&outcome);
    // helm would wait for two days.
    let outcome = verb(json!({ "chart": "chart", "timeout": "48h" }));
    outcome.failed();
    assert!(messages(&outcome).contains("`params.timeout`: is longer than a day: `48h`"), "{}", outcome.stderr);
    for line in [
        "`params.chart`: must not begin with `-`",
        "`params.timeout`: expected seconds or a duration such as `1m30s`, found `5 minutes`",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn create_namespace_creates_a_missing_namespace() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let other = format!("{}-made", namespace.name());
        let params = json!({ "chart": "chart", "namespace": other });
        let run = |more: Value| {
            put(helm, cluster.programs(), &source(&namespace), with(params.clone(), more), inputs.path()).run()
        };
        let outcome = run(json!({}));
        outcome.failed();
        assert!(
            messages(&outcome).contains(&format!("namespaces \"{other}\" not found")),
            "{helm:?}: {}",
            outcome.stderr
        );
        let outcome = run(json!({ "create_namespace": true }));
        assert_eq!(
            outcome.json()["version"],
            with(revisions([1])[0].clone(), json!({ "namespace": other })),
            "{helm:?}"
        );
        cluster.kubectl(&["delete", "namespace", &other, "--wait=false"]);
    }
}

#[test]
fn create_namespace_passes_if_the_namespace_exists_and_the_user_may_not_create_any() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let rules = [("*", "secrets,pods,services,configmaps"), ("*", "deployments.apps,replicasets.apps")];
        let (token, _) = namespace.account("deployer", &rules);
        let source = crate::support::source_with_token(cluster, &namespace, &token);
        let params = json!({ "chart": "chart", "create_namespace": true });
        let outcome = put(helm, cluster.programs(), &source, params, inputs.path()).run();
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}: {}", outcome.stderr);
    }
}

#[test]
fn reuses_or_resets_values_of_the_latest_revision() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let values_after = |params: Value| {
            let params = with(json!({ "chart": "chart" }), params);
            put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run().succeeded();
            values_of(&namespace, helm)
        };
        let (two, hey) =
            (json!([{ "key": "replicas", "value": 2 }]), json!([{ "key": "settings.greeting", "value": "hey" }]));
        assert_eq!(values_after(json!({ "override_values": two })), json!({ "replicas": 2 }), "{helm:?}");
        assert_eq!(
            values_after(json!({ "override_values": hey, "reuse_values": true })),
            json!({ "replicas": 2, "settings": { "greeting": "hey" } }),
            "{helm:?}"
        );
        assert_eq!(values_after(json!({ "reset_values": true })), Value::Null, "{helm:?}");
    }
}

#[test]
fn failed_atomic_first_install_leaves_nothing() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("broken.yaml", "image: broken\n")]);
        let params = json!({ "chart": "chart", "values": "broken.yaml", "atomic": true, "timeout": "8s" });
        let outcome = put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        outcome.failed();
        let text = messages(&outcome);
        assert!(text.contains("error: `demo` was not deployed: it has no revisions\n"), "{helm:?}: {text}");
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
        put(helm, cluster.programs(), &source(&namespace), json!({ "chart": "chart" }), inputs.path())
            .run()
            .succeeded();
    }
}

#[test]
fn sends_everything_through_the_proxy_of_the_source() {
    let Some(cluster) = cluster() else { return };
    if !require(Layer::Proxy) {
        return;
    }
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let proxy = Tinyproxy::start(Some(("bob", "pr0xy-passw0rd")), "");
        let address = format!("http://bob:pr0xy-passw0rd@127.0.0.1:{}", proxy.port());
        let source = with(source(&namespace), json!({ "proxy": address }));
        let (programs, log) = watched(helm, cluster.programs(), inputs.path());
        let outcome = put(helm, &programs, &source, json!({ "chart": "chart" }), inputs.path()).run();
        assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
        assert!(!outcome.stderr.contains("pr0xy-passw0rd"), "{}", outcome.stderr);
        let host = cluster.url().replace("https://", "");
        // The connections of this program and of helm.
        let tunnels = proxy.log().lines().filter(|line| line.contains(&format!("CONNECT {host} "))).count();
        assert!(tunnels >= 2, "{helm:?}: {}", proxy.log());
        let called = std::fs::read_to_string(log).unwrap();
        assert!(called.contains("HTTPS_PROXY=http://127.0.0.1:"), "{called}");
        assert!(!called.contains("pr0xy-passw0rd"), "{called}");
    }
}
