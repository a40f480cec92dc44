//! put with `build` and a remote engine over TLS or ssh, and with an engine that does not start.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jetway_tests::certificates::Authority;
use jetway_tests::engine::{self, Images};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::Registry;
use jetway_tests::ssh_git::{SshGit, key_pair};
use jetway_tests::tls_engine::TlsEngine;
use jetway_tests::verb::{Outcome, Runner, Verb};
use jetway_tests::{git, process, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::build::inputs;
use crate::support::source;

fn put(registry: &Registry, host: &Value, params: &Value, inputs: &Path) -> Outcome {
    let source = source(registry, "built", json!({ "docker_host": host }));
    Verb::put("docker-image").request(&json!({ "source": source, "params": params })).dir(inputs).run()
}

#[test]
fn engine_over_tls_requires_the_client_certificate() {
    if !engine::require() {
        return;
    }
    let (registry, own) = (Registry::start(), TlsEngine::start());
    let _images = Images::of(&registry.repository("built"));
    // This test removes the image, so no other test may use it.
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
fn engine_over_ssh_uses_private_key_and_known_hosts() {
    if !engine::require() || !layer::require(Layer::Ssh) {
        return;
    }
    let (registry, ssh) = (Registry::start(), SshGit::start());
    let repository = registry.repository("built");
    let _images = Images::of(&repository);
    // This test removes the image, so no other test may use it.
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

/// A program instead of `dockerd`, and a put that starts it.
fn put_with_dockerd(script: &str, startup_timeout: u64) -> (TempDir, Verb) {
    let house = scratch::directory();
    let engine = house.path().join("dockerd");
    fs::write(&engine, script).unwrap();
    fs::set_permissions(&engine, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir(house.path().join("inputs")).unwrap();
    fs::create_dir(house.path().join("inputs/app")).unwrap();
    fs::write(house.path().join("inputs/app/Dockerfile"), "FROM scratch\n").unwrap();
    // The put sends no request to the registry before the engine has started. Pipelines write numbers as text, too.
    let source = json!({ "repository": "localhost:9/x", "startup_timeout": startup_timeout.to_string() });
    let request = json!({ "source": source, "params": { "build": "app" } });
    let path = format!("{}:{}", house.path().display(), git::search_path());
    let put = Verb::put("docker-image").request(&request).dir(house.path().join("inputs")).env("PATH", &path);
    (house, put)
}

/// Values for `startup_timeout`, in seconds. The first is enough, unless the machine is so busy that the program cannot
/// write its first line in that time.
const LIMITS: [u64; 4] = [1, 4, 16, 64];

#[track_caller]
fn too_late(outcome: &Outcome, limit: u64) {
    outcome.failed();
    let problem = format!("the container engine did not start in {limit} s");
    for text in [problem.as_str(), "set `startup_timeout` in the source", "privileged: true"] {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
    assert!(outcome.elapsed.as_secs() < limit + 19, "{:?}", outcome.elapsed);
    assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn stops_engine_that_takes_too_long_to_start() {
    let script =
        "#!/bin/sh\necho 'level=info msg=\"still thinking\"'\necho $$ > \"$(dirname \"$0\")/pid\"\nexec sleep 1000\n";
    for limit in LIMITS {
        let (house, put) = put_with_dockerd(script, limit);
        let outcome = put.run();
        too_late(&outcome, limit);
        let pid = fs::read_to_string(house.path().join("pid")).unwrap_or_default();
        if pid.trim().is_empty() {
            continue;
        }
        assert!(outcome.stderr.contains("still thinking"), "{}", outcome.stderr);
        // The container has its own process ids.
        let runs = fs::read(Path::new("/proc").join(pid.trim()).join("cmdline")).unwrap_or_default();
        assert_ne!(runs, b"sleep\x001000\x00", "it does not run on");
        return;
    }
    panic!("a shell script says nothing within {} s", LIMITS[LIMITS.len() - 1]);
}

#[test]
fn stops_engine_that_accepts_connections_without_a_response() {
    // The socket is in a temporary directory of the container.
    if Runner::chosen() == Runner::Image {
        return;
    }
    // This test accepts connections to the socket, and sends no response.
    let script = "#!/bin/sh\necho \"$2\" > \"$0.new\"\nmv \"$0.new\" \"$0.host\"\nexec sleep 1000\n";
    for limit in LIMITS {
        let (house, put) = put_with_dockerd(script, limit);
        let running = put.spawn();
        let named = process::wait_until(Duration::from_secs(limit), || {
            fs::read_to_string(house.path().join("dockerd.host")).ok()
        });
        let socket = named.as_deref().and_then(|host| host.trim().strip_prefix("unix://"));
        // The directory does not exist any more if the put has already failed.
        let listener = socket.and_then(|socket| UnixListener::bind(socket).ok());
        let outcome = running.wait(Duration::from_secs(limit + 60));
        too_late(&outcome, limit);
        let was_asked = listener.is_some_and(|listener| {
            listener.set_nonblocking(true).unwrap();
            listener.accept().is_ok()
        });
        if was_asked {
            return;
        }
    }
    panic!("nobody asked the engine");
}
