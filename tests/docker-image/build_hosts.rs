//! put with `build` by an engine elsewhere, over TLS or by ssh, and by one that does not start.

use std::fs;
use std::path::{Path, PathBuf};

use jetway_tests::certificates::Authority;
use jetway_tests::engine::{self, Images};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::Registry;
use jetway_tests::ssh_git::{SshGit, key_pair};
use jetway_tests::tls_engine::TlsEngine;
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};

use crate::build::inputs;
use crate::support::source;

fn put(registry: &Registry, host: &Value, params: &Value, inputs: &Path) -> Outcome {
    let source = source(registry, "built", json!({ "docker_host": host }));
    Verb::put("docker-image").request(&json!({ "source": source, "params": params })).dir(inputs).run()
}

#[test]
fn an_engine_over_tls_builds_for_who_shows_its_certificate() {
    if !engine::require() {
        return;
    }
    let (registry, own) = (Registry::start(), TlsEngine::start());
    let _images = Images::of(&registry.repository("built"));
    // An image that no other test has, and takes away.
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\nCOPY x /x\n"), ("app/x", &registry.host())]);
    let identity = own.client();
    let host = json!({
        "url": own.url(), "ca_cert": own.authority(),
        "client_cert": identity.certificate, "client_key": identity.key,
    });
    for builder in [0, 1] {
        let params = json!({ "build": "app", "docker_buildkit": builder });
        let outcome = put(&registry, &host, &params, inputs.path());
        let digest = outcome.json()["version"]["digest"].clone();
        assert!(digest.as_str().unwrap().starts_with("sha256:"), "{digest}");
        assert!(registry.requests().contains(&"PUT /v2/built/manifests/latest 201".to_owned()));
        assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
    }
    let stranger = Authority::new();
    let other = stranger.client("jetway");
    for (key, value, says) in [
        ("ca_cert", stranger.pem(), "not signed by a trusted authority"),
        ("client_cert", "", "cannot use `docker_host`"),
        ("client_cert", &other.certificate, "cannot use `docker_host`"),
    ] {
        let mut host = host.clone();
        host[key] = json!(value);
        if key == "client_cert" {
            host["client_key"] = json!(if value.is_empty() { "" } else { &other.key });
        }
        let outcome = put(&registry, &host, &json!({ "build": "app" }), inputs.path());
        assert!(outcome.failed().stderr.contains(says), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("cannot use `docker_host` ({})", own.url())), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("PRIVATE KEY"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
    }
}

#[test]
fn an_engine_is_reached_by_ssh_with_the_key_and_the_host_that_are_named() {
    if !engine::require() || !layer::require(Layer::Ssh) {
        return;
    }
    let (registry, ssh) = (Registry::start(), SshGit::start());
    let repository = registry.repository("built");
    let _images = Images::of(&repository);
    // An image that no other test has, and takes away.
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\nCOPY x /x\n"), ("app/x", &registry.host())]);
    let host = json!({
        "url": format!("ssh://{}@127.0.0.1:{}{}", ssh.user(), ssh.port(), engine::SOCKET),
        "private_key": ssh.deploy_key().private, "known_hosts": ssh.known_hosts(),
    });
    let params = json!({ "build": "app" });
    let outcome = put(&registry, &host, &params, inputs.path());
    outcome.succeeded();
    assert!(registry.requests().contains(&"PUT /v2/built/manifests/latest 201".to_owned()));
    assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
    let another = key_pair("ed25519", None);
    for (key, value, says) in [
        ("private_key", another.private.clone(), "Permission denied"),
        ("known_hosts", format!("[127.0.0.1]:{} {}", ssh.port(), another.public), "Host key verification failed"),
    ] {
        let mut host = host.clone();
        host[key] = json!(value);
        let outcome = put(&registry, &host, &params, inputs.path());
        assert!(outcome.failed().stderr.contains(says), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("cannot reach the container engine at `ssh://"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("PRIVATE KEY"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
    }
}

#[test]
fn an_engine_that_takes_too_long_to_start_is_stopped_and_quoted() {
    let (registry, house) = (Registry::start(), scratch::directory());
    let engine = house.path().join("dockerd");
    let script =
        "#!/bin/sh\necho 'level=info msg=\"still thinking\"'\necho $$ > \"$(dirname \"$0\")/pid\"\nexec sleep 1000\n";
    fs::write(&engine, script).unwrap();
    fs::set_permissions(&engine, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\n")]);
    // Pipelines write it as a text too.
    let source = source(&registry, "x", json!({ "startup_timeout": "1" }));
    let request = json!({ "source": source, "params": { "build": "app" } });
    let path = format!("{}:{}", house.path().display(), git::search_path());
    let outcome = Verb::put("docker-image").request(&request).dir(inputs.path()).env("PATH", &path).run();
    outcome.failed();
    for text in [
        "the container engine did not start within 1 s",
        "`startup_timeout` in source",
        "still thinking",
        "privileged: true",
    ] {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
    assert!(outcome.elapsed.as_secs() < 20, "{:?}", outcome.elapsed);
    let pid = fs::read_to_string(house.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it does not run on");
    assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
}
