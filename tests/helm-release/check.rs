//! check: the deployed revisions in helm's records.

use std::time::Duration;

use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::process::wait_until;
use serde_json::{Value, json};

use crate::support::{check, deploy, fill, messages, revisions, source, source_with_token, with};

#[test]
fn returns_the_latest_deployed_revision_first_and_then_all_newer_ones() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = source(&namespace);
        for replicas in ["replicas=1", "replicas=2", "replicas=3"] {
            deploy(&namespace, helm, "demo", &["--set", replicas]);
        }
        assert_eq!(check(&source, Value::Null).json(), revisions([3]), "{helm:?}");
        assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1, 2, 3]), "{helm:?}");
        assert_eq!(check(&source, revisions([3])[0].clone()).json(), revisions([3]), "{helm:?}");
        // The record of the known revision is gone; newer revisions are still returned.
        namespace.kubectl(&["delete", "secret", "sh.helm.release.v1.demo.v1"]);
        assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([2, 3]), "{helm:?}");
    }
}

#[test]
fn returns_all_revisions_of_a_reinstalled_release() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let source = source(&namespace);
    for replicas in ["replicas=1", "replicas=2", "replicas=3"] {
        deploy(&namespace, Helm::Four, "demo", &["--set", replicas]);
    }
    namespace.helm(Helm::Four, &["uninstall", "demo"]);
    deploy(&namespace, Helm::Four, "demo", &[]);
    deploy(&namespace, Helm::Four, "demo", &["--set=replicas=2"]);
    let outcome = check(&source, revisions([3])[0].clone());
    assert_eq!(outcome.json(), revisions([1, 2]));
    assert_eq!(
        messages(&outcome),
        "warning: the latest revision of `demo` is 2, but the known version is revision 3: the release was \
         reinstalled, and all its revisions are versions; Concourse starts no builds for versions that it has \
         seen before\n"
    );
}

#[test]
fn returns_failed_revisions_only_with_their_status() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        deploy(&namespace, helm, "demo", &[]);
        // A description with the word that the established resource searched for.
        deploy(
            &namespace,
            helm,
            "demo",
            &["--set=image=broken-deployed", "--wait", "--timeout=6s", "--description=deployed"],
        );
        let source = source(&namespace);
        assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1]), "{helm:?}");
        let all = with(source, json!({ "statuses": ["deployed", "failed"] }));
        assert_eq!(check(&all, revisions([1])[0].clone()).json(), revisions([1, 2]), "{helm:?}");
        assert_eq!(
            check(&with(all, json!({ "statuses": ["failed"] })), Value::Null).json(),
            revisions([2]),
            "{helm:?}"
        );
    }
}

#[test]
fn returns_nothing_for_a_release_that_was_never_deployed_and_says_so() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    deploy(&namespace, Helm::Four, "demo", &["--set=image=broken", "--wait", "--timeout=6s"]);
    let outcome = check(&source(&namespace), Value::Null);
    assert_eq!(outcome.json(), json!([]));
    assert_eq!(messages(&outcome), "no version yet: revision 1 of `demo` is `failed`\n");
}

#[test]
fn missing_release_is_an_error_that_suggests_a_similar_name() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let name = namespace.name();
    let outcome = check(&source(&namespace), Value::Null);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        format!(
            "error: there is no release `demo` in the namespace `{name}`\nhint: the namespace has no releases; \
             the first put creates one\n"
        )
    );
    deploy(&namespace, Helm::Four, "demo", &[]);
    let outcome = check(&with(source(&namespace), json!({ "release": "demmo" })), Value::Null);
    outcome.failed();
    assert!(messages(&outcome).ends_with("hint: did you mean `demo`?\n"), "{}", outcome.stderr);
    // A release with the same name in another namespace is another release.
    check(&with(source(&namespace), json!({ "namespace": "default" })), Value::Null).failed();
}

#[test]
fn accepts_versions_without_a_revision() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let source = source(&namespace);
    let uninstalled = json!({ "release": "demo", "uninstalled": "true" });
    assert_eq!(check(&source, uninstalled.clone()).json(), json!([uninstalled]));
    deploy(&namespace, Helm::Three, "demo", &[]);
    for version in [
        json!({ "release": "demo", "tested": "true" }),
        json!({ "release": "N/A", "revision": "N/A" }),
        json!({ "release": "other", "revision": "7" }),
        uninstalled,
    ] {
        assert_eq!(check(&source, version.clone()).json(), revisions([1]), "{version}");
    }
    // As in the established resource: if the source has no release, the version names it.
    let mut without = source.clone();
    without.as_object_mut().unwrap().remove("release");
    assert_eq!(check(&without, revisions([1])[0].clone()).json(), revisions([1]));
    // Each put may name its own release.
    assert_eq!(check(&without, Value::Null).json(), json!([]));
}

#[test]
fn costs_one_request_for_any_number_of_revisions() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let (token, user) = namespace.account("reader", &[("get,list", "secrets")]);
    let source = source_with_token(cluster, &namespace, &token);
    deploy(&namespace, Helm::Four, "demo", &[]);
    fill(&namespace, 50);
    assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions(1..=50));
    if cluster.asked_by(&user).is_some() {
        let request =
            wait_until(Duration::from_secs(10), || cluster.asked_by(&user).filter(|request| !request.is_empty()));
        let request = request.expect("the request is logged");
        assert_eq!(request.len(), 1, "{request:?}");
        assert!(
            request[0].starts_with("list ") && request[0].contains("labelSelector=owner%3Dhelm%2Cname%3Ddemo"),
            "{request:?}"
        );
    }
}

#[test]
fn reads_records_in_config_maps() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let chart = crate::support::chart();
    for helm in Helm::BOTH {
        let deployed = namespace
            .helm_command(helm)
            .env("HELM_DRIVER", "configmap")
            .args(["upgrade", "--install", "demo"])
            .arg(&chart)
            .output()
            .unwrap();
        assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    }
    let source = with(source(&namespace), json!({ "storage": "configmap" }));
    assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1, 2]));
    let (outcome, directory) = crate::support::get(&source, revisions([2])[0].clone());
    outcome.succeeded();
    assert_eq!(std::fs::read_to_string(directory.path().join("notes.txt")).unwrap().trim(), "hello from demo 2");
}
