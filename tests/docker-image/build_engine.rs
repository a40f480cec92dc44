//! put with `build` and its own engine: the put starts dockerd and stops it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jetway_tests::engine::{self, BASE, bridge_address, docker, privileged};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::{self, Manner, Registry};
use jetway_tests::scratch;
use jetway_tests::verb::{Runner, Verb};
use serde_json::json;

use crate::build::inputs;
use crate::support::source;

#[test]
fn reports_output_of_engine_that_does_not_start() {
    if !layer::require(Layer::Program("dockerd")) {
        return;
    }
    let registry = Registry::start();
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\n")]);
    // dockerd validates its options first.
    let source = source(&registry, "x", json!({ "insecure_registries": ["not/a/registry"] }));
    let request = json!({ "source": source, "params": { "build": "app" } });
    let outcome = Verb::put("docker-image").request(&request).dir(inputs.path()).run();
    assert!(outcome.failed().stderr.contains("the container engine did not start"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("last output:") && outcome.stderr.contains("not/a/registry"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("privileged: true"), "{}", outcome.stderr);
    assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
}

/// Removes what a worker does not give to a privileged container: with cgroups version 1, its group allows only the
/// devices below (the defaults of the runtime specification) and no console (seen with Concourse 8.2.5). Version 2 has
/// no such group.
const WORKER: &str = "#!/bin/sh -e
group=$(sed -n 's/^[0-9]*:devices://p' /proc/self/cgroup)
if [ -n \"$group\" ]; then
  mkdir /worker
  mount -t cgroup -o devices devices /worker
  echo a >/worker/$group/devices.deny
  for rule in 'c *:* m' 'b *:* m' 'c 1:3 rwm' 'c 1:5 rwm' 'c 1:7 rwm' 'c 1:8 rwm' 'c 1:9 rwm' 'c 5:0 rwm' 'c 5:2 rwm' 'c 136:* rwm'; do
    echo $rule >/worker/$group/devices.allow
  done
  umount /worker
  rmdir /worker
fi
exec \"$@\"
";

/// A put in the image as a worker runs it, with its own network, so that its engine does not conflict with this
/// machine's.
fn in_image(request: &serde_json::Value, inputs: &std::path::Path, disk: &std::path::Path) -> Verb {
    let worker = disk.join("worker");
    std::fs::write(&worker, WORKER).unwrap();
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    Verb::put("docker-image")
        .runner(Runner::Image)
        .wrapped_by("/scratch/worker")
        .request(request)
        .dir(inputs)
        .docker_arguments(privileged())
        .docker_arguments(["--network=bridge", "--volume", &format!("{}:/scratch", disk.display())])
}

#[test]
fn engine_in_the_image_builds_pushes_and_leaves_nothing() {
    if !layer::require(Layer::Image("docker-image")) || !engine::require() {
        return;
    }
    let registry = Registry::start_for_containers(&bridge_address());
    let repository = registry.repository("inside");
    let inputs = inputs(&[
        ("app/Dockerfile", "FROM BASE\nRUN echo built inside > /x\n"),
        ("base/repository", "jetway-tests/base"),
        ("base/tag", "busybox"),
    ]);
    docker(&["save", "--output", inputs.path().join("base/image").to_str().unwrap(), BASE]);
    let disk = scratch::directory();
    for builder in ["0", "1"] {
        let source = source(&registry, "inside", json!({ "insecure_registries": [registry.host()] }));
        let params = json!({ "build": "app", "load_base": "base", "docker_buildkit": builder });
        let request = json!({ "source": source, "params": params });
        let outcome = in_image(&request, inputs.path(), disk.path()).run();
        let digest = outcome.json()["version"]["digest"].clone();
        assert!(outcome.stderr.contains("started a container engine in"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
        let listed = Command::new("skopeo")
            .args([
                "inspect",
                "--tls-verify=false",
                "--format",
                "{{.Digest}}",
                &format!("docker://{repository}:latest"),
            ])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), digest.as_str().unwrap());
    }
}

/// Neither a `# syntax=` line nor the network selects another frontend.
#[test]
fn engine_in_the_image_uses_buildkit_by_default() {
    if !layer::require(Layer::Image("docker-image")) || !engine::require() {
        return;
    }
    let registry = Registry::start_for_containers(&bridge_address());
    let inputs = inputs(&[
        (
            "app/Dockerfile",
            "FROM --platform=$BUILDPLATFORM BASE AS tools\nRUN <<EOF\nset -e\necho $((6 * 7)) > /answer\nEOF\n\
             FROM BASE\nCOPY --link --chmod=755 --from=tools /answer /\nCOPY <<EOF /greeting\nhello\nEOF\n\
             RUN --mount=type=cache,target=/kept grep 42 /answer && grep hello /greeting\n",
        ),
        ("base/repository", "jetway-tests/base"),
        ("base/tag", "busybox"),
    ]);
    docker(&["save", "--output", inputs.path().join("base/image").to_str().unwrap(), BASE]);
    let disk = scratch::directory();
    let source = source(&registry, "today", json!({ "insecure_registries": [registry.host()] }));
    let request = json!({ "source": source, "params": { "build": "app", "load_base": "base" } });
    let outcome = in_image(&request, inputs.path(), disk.path()).run();
    assert!(outcome.succeeded().stderr.contains("RUN --mount=type=cache"), "{}", outcome.stderr);
    let params = json!({ "build": "app", "load_base": "base", "docker_buildkit": "0" });
    let request = json!({ "source": request["source"], "params": params });
    let outcome = in_image(&request, inputs.path(), disk.path()).run();
    let hint = "`BUILDPLATFORM` in the Dockerfile requires BuildKit: remove `docker_buildkit: 0` from params";
    assert!(outcome.failed().stderr.contains(hint), "{}", outcome.stderr);
}

/// The engine is started with experimental features.
#[test]
fn engine_in_the_image_squashes_layers() {
    if !layer::require(Layer::Image("docker-image")) || !engine::require() || !layer::require(Layer::Program("skopeo"))
    {
        return;
    }
    let registry = Registry::start_for_containers(&bridge_address());
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\nCOPY a /\nCOPY b /\n"), ("app/a", "a"), ("app/b", "b")]);
    let disk = scratch::directory();
    let source = source(&registry, "one", json!({ "insecure_registries": [registry.host()] }));
    let request = json!({ "source": source, "params": { "build": "app", "squash": true } });
    in_image(&request, inputs.path(), disk.path()).run().succeeded();
    let image = format!("docker://{}:latest", registry.repository("one"));
    let manifest = registry::run(Command::new("skopeo").args(["inspect", "--raw", "--tls-verify=false", &image]));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
}

/// Some workers run steps with an init as the first process.
#[test]
fn engine_in_the_image_starts_under_an_init() {
    if !layer::require(Layer::Image("docker-image")) || !engine::require() {
        return;
    }
    let registry = Registry::start_for_containers(&bridge_address());
    let inputs = inputs(&[
        ("app/Dockerfile", "FROM BASE\nRUN echo built under an init > /x\n"),
        ("base/repository", "jetway-tests/base"),
        ("base/tag", "busybox"),
    ]);
    docker(&["save", "--output", inputs.path().join("base/image").to_str().unwrap(), BASE]);
    let disk = scratch::directory();
    let source = source(&registry, "init", json!({ "insecure_registries": [registry.host()] }));
    let request = json!({ "source": source, "params": { "build": "app", "load_base": "base" } });
    let outcome = in_image(&request, inputs.path(), disk.path()).docker_arguments(["--init"]).run();
    outcome.succeeded();
    assert!(!outcome.stderr.contains("cannot prepare control groups"), "{}", outcome.stderr);
    assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn abort_stops_the_engine_in_the_image() {
    if !layer::require(Layer::Image("docker-image")) || !engine::require() {
        return;
    }
    let registry = Registry::start_for_containers(&bridge_address());
    let inputs = inputs(&[
        ("app/Dockerfile", "FROM BASE\nRUN echo begun && sleep 1000\n"),
        ("base/repository", "jetway-tests/base"),
        ("base/tag", "busybox"),
    ]);
    docker(&["save", "--output", inputs.path().join("base/image").to_str().unwrap(), BASE]);
    let disk = scratch::directory();
    let request =
        json!({ "source": source(&registry, "x", json!({})), "params": { "build": "app", "load_base": "base" } });
    let mut running = in_image(&request, inputs.path(), disk.path()).spawn();
    running.wait_for_stderr("begun\n");
    let engine = running.wait_for_child("dockerd");
    running.terminate();
    let outcome = running.wait(Duration::from_secs(10));
    assert_ne!(outcome.code, Some(0));
    assert!(!engine.is_alive());
    assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn engine_in_the_image_uses_mirror_and_ca_of_a_registry() {
    if !layer::require(Layer::Image("docker-image")) || !engine::require() || !layer::require(Layer::Program("skopeo"))
    {
        return;
    }
    let address = bridge_address();
    let registry = Registry::with(&Manner { tls: true, address: Some(&address), ..Manner::default() });
    let mirror = Registry::start_for_containers(&address);
    let archive = scratch::directory();
    let archive = archive.path().join("base.tar");
    docker(&["save", "--output", archive.to_str().unwrap(), BASE]);
    let archive = format!("docker-archive:{}", archive.display());
    // The base images: an image of Docker Hub on the mirror, and an image of the registry.
    mirror.copy(&archive, "library/jetway-mirrored:1", &[]);
    registry.copy(&archive, "team/base:1", &[]);
    let own = registry.repository("team/base:1");
    let inputs = inputs(&[
        ("mirrored/Dockerfile", "FROM jetway-mirrored:1\nRUN echo mirrored > /x\n"),
        ("own/Dockerfile", &format!("FROM {own}\nRUN echo own > /x\n")),
    ]);
    let disk = scratch::directory();
    let keys = json!({
        "registry_mirror": format!("http://{}", mirror.host()),
        "ca_certs": [{ "domain": registry.host(), "cert": registry.authority() }],
    });
    for (build, builder) in [("mirrored", "0"), ("own", "1")] {
        let params = json!({ "build": build, "docker_buildkit": builder });
        let request = json!({ "source": source(&registry, "team/app", keys.clone()), "params": params });
        let outcome = in_image(&request, inputs.path(), disk.path()).run();
        let digest = outcome.json()["version"]["digest"].clone();
        assert_eq!(outcome.leftovers(), Vec::<PathBuf>::new());
        // A check with the same keys, by the binary outside of the image.
        let check =
            Verb::check("docker-image").request(&json!({ "source": source(&registry, "team/app", keys.clone()) }));
        assert_eq!(check.run().json(), json!([{ "digest": digest }]));
    }
    assert!(mirror.requests().iter().any(|request| request.starts_with("GET /v2/library/jetway-mirrored/blobs/")));
    assert!(registry.requests().iter().any(|request| request.starts_with("GET /v2/team/base/")));
}
