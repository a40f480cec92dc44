//! How check, get and put reach the API server: behind a path, past a proxy or through it, and next to APIs that are unavailable.

use jetway_tests::daemon::Daemon;
use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::scratch;
use jetway_tests::socks::SocksProxy;
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{UnavailableApi, check, get, inputs, messages, put, revisions, source, statuses, watched, with};

/// The path of the API server behind [`kubectl_proxy`].
const PREFIX: &str = "/k8s/clusters/c-1";

/// kubectl's proxy, which serves the API below a path, as Rancher does, and its port.
fn kubectl_proxy() -> Option<(Daemon, u16)> {
    let cluster = cluster()?;
    let directory = scratch::directory();
    let kubeconfig = directory.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig()).unwrap();
    // kubectl has read the file by the time that it listens.
    Some(Daemon::listen(|port| {
        let mut command = std::process::Command::new(cluster.programs().join("kubectl"));
        command.arg("--kubeconfig").arg(&kubeconfig);
        command.args(["proxy", &format!("--port={port}"), &format!("--api-prefix={PREFIX}")]);
        command
    }))
}

#[test]
fn every_verb_keeps_the_path_of_the_api_server() {
    let Some(cluster) = cluster() else { return };
    let (_proxy, port) = kubectl_proxy().expect("a proxy of the cluster");
    let server = format!("http://127.0.0.1:{port}{PREFIX}");
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[("values.yaml", "testAnnotations: {jetway.test/logs: all is well}\n")]);
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": server } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        });
        let place = json!({ "namespace": namespace.name(), "release": "demo" });
        let by_kubeconfig = with(place.clone(), json!({ "kubeconfig": kubeconfig.to_string() }));
        let by_address = with(place, json!({ "cluster_url": format!("{server}/") }));
        for (revision, source) in [(1, &by_kubeconfig), (2, &by_address)] {
            let params = json!({ "chart": "chart", "values": "values.yaml", "check_is_ready": true, "test": true, "timeout": "1m" });
            let outcome = put(helm, cluster.programs(), source, params, inputs.path()).run();
            let version = revisions([revision])[0].clone();
            assert_eq!(outcome.json()["version"], version, "{helm:?}");
            assert!(outcome.stderr.contains("  | all is well\n"), "{helm:?}: {}", outcome.stderr);
            assert_eq!(check(source, version.clone()).json(), json!([version]), "{helm:?}");
            get(source, version).0.succeeded();
        }
        put(helm, cluster.programs(), &by_address, json!({ "rollback": true }), inputs.path()).run().succeeded();
        put(helm, cluster.programs(), &by_kubeconfig, json!({ "uninstall": true }), inputs.path()).run().succeeded();
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
    }
}

#[test]
fn no_proxy_of_the_worker_applies_to_networks() {
    let Some(cluster) = cluster() else { return };
    // Neither helm nor this program uses a proxy for `127.0.0.0/8`. Connections to `0.0.0.0` reach the same servers on Linux.
    let Some(port) = cluster.url().strip_prefix("https://127.0.0.1:") else { return };
    let mut kubeconfig: Value = serde_json::from_str(&cluster.kubeconfig()).unwrap();
    kubeconfig["clusters"][0]["cluster"]["server"] = json!(format!("https://0.0.0.0:{port}"));
    kubeconfig["clusters"][0]["cluster"]["tls-server-name"] = json!("kubernetes.default");
    let nowhere = "http://127.0.0.1:9";
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = with(source(&namespace), json!({ "kubeconfig": kubeconfig.to_string() }));
        let inputs = inputs(&[]);
        for [http, https, no] in [["http_proxy", "https_proxy", "no_proxy"], ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]]
        {
            let behind_proxy =
                |verb: Verb, exempt: &str| verb.env(http, nowhere).env(https, nowhere).env(no, exempt).run();
            let deploy = |exempt: &str| {
                let params = json!({ "chart": "chart" });
                behind_proxy(put(helm, cluster.programs(), &source, params, inputs.path()), exempt)
            };
            for exempt in ["0.0.0.0/8", "10.0.0.0/8,0.0.0.0", "localhost, 0.0.0.0/8 ,.example.com", "*"] {
                deploy(exempt).succeeded();
                let check = Verb::check("helm-release").request(&json!({ "source": source }));
                behind_proxy(check, exempt).succeeded();
            }
            let outcome = deploy("10.0.0.0/8,.example.com");
            outcome.failed();
            assert!(messages(&outcome).contains("proxy"), "{helm:?}, {no}: {}", outcome.stderr);
        }
    }
}

#[test]
fn check_and_put_go_through_the_socks_proxy_of_a_kubeconfig() {
    let Some(cluster) = cluster() else { return };
    let host = cluster.url().replace("https://", "");
    for (login, user) in [(None, ""), (Some(("bob", "s0cks-passw0rd")), "bob:s0cks-passw0rd@")] {
        for helm in Helm::BOTH {
            let namespace = cluster.namespace();
            let inputs = inputs(&[]);
            let proxy = SocksProxy::start(login);
            let mut kubeconfig: Value = serde_json::from_str(&cluster.kubeconfig()).unwrap();
            let address = format!("socks5://{user}127.0.0.1:{}", proxy.port());
            kubeconfig["clusters"][0]["cluster"]["proxy-url"] = json!(address);
            let source = with(source(&namespace), json!({ "kubeconfig": kubeconfig.to_string() }));
            let (programs, log) = watched(helm, cluster.programs(), inputs.path());
            let outcome = put(helm, &programs, &source, json!({ "chart": "chart" }), inputs.path()).run();
            assert_eq!(outcome.json()["version"], revisions([1])[0], "{helm:?}");
            // This program's own connection, and helm's.
            let requests = proxy.recorded_requests();
            assert!(requests.len() >= 2 && requests.iter().all(|request| *request == host), "{helm:?}: {requests:?}");
            assert_eq!(check(&source, Value::Null).json(), revisions([1]), "{helm:?}");
            assert!(proxy.recorded_requests().len() > requests.len(), "{helm:?}: the check went past the proxy");
            assert!(!std::fs::read_to_string(log).unwrap().contains("s0cks-passw0rd"));
            assert!(!outcome.stderr.contains("s0cks-passw0rd"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn unavailable_api_of_another_service_is_tolerated() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let _unavailable = UnavailableApi::add(&namespace);
    let inputs = inputs(&[]);
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let run = |params: Value| put(helm, cluster.programs(), &source(&namespace), params, inputs.path()).run();
        for replicas in [1, 2] {
            let overrides = json!([{ "key": "replicas", "value": replicas }]);
            let outcome = run(json!({
                "chart": "chart", "override_values": overrides, "show_diff": true, "check_is_ready": true, "test": true,
                "timeout": "1m",
            }));
            assert_eq!(outcome.json()["version"], revisions([replicas])[0], "{helm:?}");
        }
        run(json!({ "uninstall": true })).succeeded();
        assert_eq!(statuses(&namespace), Vec::<String>::new(), "{helm:?}");
    }
}
