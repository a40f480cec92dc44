//! Logins to the API server, and the errors of rejected logins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::scratch;
use jetway_tests::tls_cases::{self, Refusals};
use jetway_tests::verb::{Runner, Verb};
use serde_json::{Value, json};

use crate::support::{check, deploy, get, inputs, messages, put, revisions, source, source_with_token, with};

#[test]
fn logs_in_with_each_kind_of_credentials() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    deploy(&namespace, Helm::Four, "demo", &[]);
    let (token, _) = namespace.account("reader", &[("get,list", "secrets")]);
    let by_token = source_with_token(cluster, &namespace, &token);
    let mut without_authority = by_token.clone();
    without_authority.as_object_mut().unwrap().remove("cluster_ca");
    let base64 = STANDARD.encode(cluster.authority());
    let by_name = cluster.url().replace("127.0.0.1", "localhost");
    let mut sources = vec![
        with(by_token.clone(), json!({ "token": format!("{token}\n") })),
        with(without_authority.clone(), json!({ "cluster_ca_base64": base64 })),
        with(by_token.clone(), json!({ "cluster_ca": base64 })),
        with(without_authority, json!({ "insecure_cluster": true })),
        with(by_token, json!({ "cluster_url": by_name, "tls_server_name": "kubernetes.default" })),
    ];
    if let Some((certificate, key)) = cluster.certificate() {
        let mut by_certificate = sources[0].clone();
        by_certificate.as_object_mut().unwrap().remove("token");
        let (certificate, key) = (STANDARD.encode(certificate), STANDARD.encode(key));
        sources.push(with(by_certificate, json!({ "admin_cert": certificate, "admin_key": key })));
    }
    let mut kubeconfig: Value = serde_json::from_str(&cluster.kubeconfig()).unwrap();
    kubeconfig["contexts"][0]["name"] = json!("one");
    kubeconfig["current-context"] = json!("");
    sources
        .push(with(source(&namespace), json!({ "kubeconfig": kubeconfig.to_string(), "kubeconfig_context": "one" })));
    for source in sources {
        assert_eq!(check(&source, Value::Null).json(), revisions([1]), "{source:#}");
    }
}

#[test]
fn insecure_cluster_overrides_an_authority() {
    let Some(cluster) = cluster() else { return };
    let other = jetway_tests::stand_in::StandIn::start_tls(|_| jetway_tests::stand_in::Response::text(200, "{}"));
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let everything = [("*", "secrets,pods,services,configmaps"), ("*", "deployments.apps,replicasets.apps")];
        let (token, _) = namespace.account("deployer", &everything);
        let source = source_with_token(cluster, &namespace, &token);
        let inputs = inputs(&[]);
        for (revision, authority) in [(1, cluster.authority()), (2, other.authority().to_owned())] {
            let source = with(source.clone(), json!({ "cluster_ca": authority, "insecure_cluster": true }));
            let outcome = put(helm, cluster.programs(), &source, json!({ "chart": "chart" }), inputs.path()).run();
            let version = revisions([revision])[0].clone();
            assert_eq!(outcome.json()["version"], version, "{helm:?}");
            get(&source, version.clone()).0.succeeded();
            assert_eq!(check(&source, version).json(), revisions([revision]), "{helm:?}");
        }
    }
}

#[test]
fn error_for_an_invalid_token_says_so() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let source = source_with_token(cluster, &namespace, "hunter2hunter2");
    let outcome = check(&source, Value::Null);
    outcome.failed();
    let messages = messages(&outcome);
    assert!(messages.starts_with("error: the API server rejected the credentials\n"), "{messages}");
    assert!(messages.contains(" answered 401 Unauthorized"), "{messages}");
    assert!(
        messages.ends_with("hint: check that the token or certificate has not expired, and is for this cluster\n"),
        "{messages}"
    );
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn error_for_a_missing_role_names_the_verb_and_the_kind() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let (token, user) = namespace.account("nobody", &[]);
    let outcome = check(&source_with_token(cluster, &namespace, &token), Value::Null);
    outcome.failed();
    let (messages, name) = (messages(&outcome), namespace.name());
    assert!(
        messages.starts_with(&format!(
            "error: the API server denied the request: secrets is forbidden: User \"{user}\" cannot list \
             resource \"secrets\""
        )),
        "{messages}"
    );
    let hint = format!("hint: the user needs a role that allows `list` on `secrets` in the namespace `{name}`\n");
    assert!(messages.ends_with(&hint), "{messages}");
    assert!(!outcome.stderr.contains(&token), "{}", outcome.stderr);
}

#[test]
fn sends_no_token_to_a_server_of_another_authority() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let other = jetway_tests::stand_in::StandIn::start_tls(|_| jetway_tests::stand_in::Response::text(200, "{}"));
    let source =
        with(source_with_token(cluster, &namespace, "s3cret-token"), json!({ "cluster_ca": other.authority() }));
    let outcome = check(&source, Value::Null);
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.contains("the server's certificate is not signed by the authority that is set for it"), "{text}");
    assert!(text.contains("hint: the API server's authority is `cluster_ca`"), "{text}");
    // A server of another authority gets no request.
    let source = with(source_with_token(cluster, &namespace, "s3cret-token"), json!({ "cluster_url": other.url() }));
    check(&source, Value::Null).failed();
    assert!(other.recorded_requests().is_empty());
}

#[test]
fn rejects_a_certificate_for_another_name() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let source = with(source_with_token(cluster, &namespace, "t"), json!({ "tls_server_name": "other.example" }));
    let outcome = check(&source, Value::Null);
    outcome.failed();
    assert!(messages(&outcome).contains("the server's certificate is for another name"), "{}", outcome.stderr);
}

#[test]
fn unreachable_cluster_is_an_error_within_the_timeout() {
    let source = json!({ "cluster_url": "http://127.0.0.1:1", "release": "demo" });
    let verb = jetway_tests::verb::Verb::check("helm-release").request(&json!({ "source": source }));
    let outcome = verb.run();
    outcome.failed();
    assert!(messages(&outcome).contains("`127.0.0.1` refused the connection"), "{}", outcome.stderr);
    assert!(outcome.leftovers().is_empty());
}

#[test]
fn in_cluster_fails_outside_a_pod() {
    let outcome = check(&json!({ "in_cluster": true, "release": "demo" }), Value::Null);
    outcome.failed();
    assert!(messages(&outcome).starts_with("error: this worker does not run in a pod"), "{}", outcome.stderr);
}

#[test]
fn logs_in_with_the_service_account_of_a_pod() {
    // The service account is mounted at a fixed path, which a test cannot write on this machine. The case of the binary
    // is `containers::worker_in_a_pod_logs_in_with_its_service_account`.
    if Runner::chosen() == Runner::Binary {
        return;
    }
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let (token, account) = namespace.account("worker", &[("*", "secrets"), ("*", "deployments.apps")]);
    let mounted = scratch::directory();
    for (name, text) in
        [("token", &token), ("ca.crt", &cluster.authority()), ("namespace", &namespace.name().to_owned())]
    {
        std::fs::write(mounted.path().join(name), text).unwrap();
    }
    let volume = format!("{}:/var/run/secrets/kubernetes.io/serviceaccount:ro", mounted.path().display());
    let (host, port) = cluster.url().trim_start_matches("https://").rsplit_once(':').expect("a port");
    let source = json!({ "in_cluster": true, "release": "demo", "namespace": namespace.name() });
    let as_pod = |verb: Verb| {
        let verb = verb.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        verb.docker_arguments(["--volume", &volume]).run()
    };
    let inputs = inputs(&[]);
    let deploy = put(Helm::Four, cluster.programs(), &source, json!({ "chart": "chart" }), inputs.path());
    assert_eq!(as_pod(deploy).json()["version"], revisions([1])[0]);
    let check = Verb::check("helm-release").request(&json!({ "source": source }));
    assert_eq!(as_pod(check).json(), revisions([1]));
    if let Some(request) = cluster.asked_by(&account) {
        assert!(request.iter().any(|request| request.starts_with("create /api/v1/namespaces/")), "{request:?}");
    }
}

#[test]
fn leaves_nothing_on_the_disk() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    deploy(&namespace, Helm::Four, "demo", &[]);
    let outcome = check(&source(&namespace), Value::Null);
    outcome.succeeded();
    assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
}

#[test]
fn accepts_every_kind_of_certificate_and_rejects_bad_ones_with_a_reason() {
    let refusals = Refusals {
        unknown: &["localhost", "the server's certificate is not signed by", "`cluster_ca`"],
        ..tls_cases::REFUSALS
    };
    tls_cases::check(&refusals, |url, authority| {
        let source = json!({
            "cluster_url": url, "cluster_ca": authority, "token": "s3cret-token", "namespace": "default", "release": "demo",
        });
        check(&source, Value::Null)
    });
}
