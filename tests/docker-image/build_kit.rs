//! put with `build`: features that only BuildKit has.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::engine::{self, Images, docker};
use jetway_tests::layer::{self, Layer};
use jetway_tests::process;
use jetway_tests::registry::Registry;
use serde_json::json;

use crate::build::{by_engine, inputs, put, run};
use crate::support::source;

const VALUE: &str = "s3cr3t-of-the-pipeline";
const FILE: &str = "s3cr3t-of-a-file";

#[test]
fn secrets_are_visible_only_to_the_step_that_mounts_them() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("secrets");
    let _images = Images::of(&repository);
    // BuildKit's cache ignores secrets: the marker makes the step unique.
    let recipe = format!(
        "FROM BASE\nRUN --mount=type=secret,id=value --mount=type=secret,id=a-file --mount=type=secret,id=name echo {repository} \
         && cat /run/secrets/value /run/secrets/a-file /run/secrets/name && wc -c < /run/secrets/value > /length \
         && sha256sum /run/secrets/* > /sums && sleep 1\n"
    );
    let inputs = inputs(&[("app/Dockerfile", &recipe), ("keys/token", FILE)]);
    let params = json!({
        "build": "app",
        "secrets": { "value": VALUE, "a-file": { "source": "keys/token" }, "name": { "env": "BUILD_NAME" } },
    });
    let running = by_engine(&source(&registry, "secrets", json!({})), &params, inputs.path()).spawn();
    running.wait_for_stderr("RUN --mount");
    for process in process::descendants(std::process::id()) {
        assert!(!process.command.contains(VALUE) && !process.command.contains(FILE), "{}", process.command);
    }
    let outcome = running.wait(std::time::Duration::from_mins(2));
    outcome.succeeded();
    // The step prints the secrets, and the log masks them.
    assert!(outcome.stderr.contains("((redacted))"), "{}", outcome.stderr);
    let image = format!("{repository}:latest");
    assert_eq!(run(&image, &["cat", "/length"]), VALUE.len().to_string());
    assert_eq!(
        run(&image, &["sh", "-c", "find / -xdev -type f -exec grep -l s3cr3t {} + | grep -v /proc; ls /run; true"]),
        "secrets"
    );
    let history = docker(&["history", "--no-trunc", &image]);
    let config = docker(&["inspect", &image]);
    for text in [&history, &config, &outcome.stderr, &String::from_utf8_lossy(&outcome.stdout).into_owned()] {
        assert!(!text.contains(VALUE) && !text.contains(FILE), "{text}");
    }
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn ssh_key_is_in_the_agent_but_not_in_the_image() {
    if !engine::require() || !layer::require(Layer::Program("ssh-agent")) {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("agent");
    let _images = Images::of(&repository);
    // BuildKit's cache ignores agents: the marker makes the step unique.
    let recipe = format!("FROM BASE\nCOPY ssh /\nRUN --mount=type=ssh echo {repository} && ssh-add -L > /answer\n");
    let inputs = inputs(&[("app/Dockerfile", &recipe)]);
    take_along("/usr/bin/ssh-add", &inputs.path().join("app/ssh"));
    let key = inputs.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let key = fs::read_to_string(key).unwrap();
    let params = json!({ "build": "app", "ssh": key });
    let outcome = put(&source(&registry, "agent", json!({})), &params, inputs.path());
    outcome.succeeded();
    let image = format!("{repository}:latest");
    let answer = run(&image, &["cat", "/answer"]);
    assert_eq!(answer.rsplit_once(' ').unwrap().0, public.trim());
    let line = key.lines().nth(1).unwrap();
    assert_eq!(run(&image, &["sh", "-c", &format!("find / -xdev -type f -exec grep -l {line} {{}} +; true")]), "");
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn cache_to_registry_pushes_the_cache_tag() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("kept");
    let _images = Images::of(&repository);
    let recipe = format!("FROM BASE\nCOPY x /x\nRUN echo {repository} && cp /x /y\n");
    let inputs = inputs(&[("app/Dockerfile", &recipe), ("app/x", "x")]);
    let params = json!({ "build": "app", "cache": true, "cache_tag": "cache", "cache_to": "registry" });
    let source = source(&registry, "kept", json!({}));
    let first = put(&source, &params, inputs.path()).json();
    let digest = first["version"]["digest"].as_str().unwrap().to_owned();
    let pushed = |tag: &str| registry.requests().contains(&format!("PUT /v2/kept/manifests/{tag} 201"));
    assert!(pushed("latest") && pushed("cache"));
    let cache = json!({ "repository": repository, "tag": "cache" });
    assert_eq!(crate::support::check("docker-image", &cache, None).json(), json!([{ "digest": digest }]));
    Images::of(&repository).remove();
    let second = put(&source, &params, inputs.path());
    second.succeeded();
    assert!(second.stderr.contains(&format!("importing cache manifest from {repository}:cache")), "{}", second.stderr);
}

#[test]
fn logs_each_step_and_whether_it_was_cached() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("cached");
    let _images = Images::of(&repository);
    let stamp = format!("FROM BASE\nCOPY x /x\nRUN echo {repository} && cp /x /y\n");
    let inputs = inputs(&[("app/Dockerfile", &stamp), ("app/x", "x")]);
    let params = json!({ "build": "app", "docker_buildkit": 1, "cache": true });
    let source = source(&registry, "cached", json!({}));
    let first = put(&source, &params, inputs.path());
    first.succeeded();
    assert!(first.stderr.contains("[3/3] RUN echo") && first.stderr.contains(" DONE "), "{}", first.stderr);
    assert!(first.stderr.contains("ERROR: ") && first.stderr.contains("not found"), "{}", first.stderr);
    // The engine may still have the steps in its cache, which all tests share. The log shows the steps that come from
    // the registry.
    Images::of(&repository).remove();
    let second = put(&source, &params, inputs.path());
    second.succeeded();
    assert!(second.stderr.contains(" CACHED") && !second.stderr.contains("ERROR"), "{}", second.stderr);
    assert!(second.stderr.contains(&format!("importing cache manifest from {repository}:latest")), "{}", second.stderr);
    assert!(second.stderr.contains("cached steps: 2 of 2"), "{}", second.stderr);
}

#[test]
fn reports_failed_step_with_its_last_lines() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let inputs = inputs(&[("app/Dockerfile", "FROM BASE\nRUN echo about to fail && exit 3\n")]);
    for builder in ["0", "1"] {
        let params = json!({ "build": "app", "docker_buildkit": builder });
        let outcome = put(&source(&registry, "failing", json!({})), &params, inputs.path());
        let report = outcome.failed().stderr.split("error").last().unwrap().to_owned();
        let report = format!("error{report}\n{}", outcome.stderr);
        assert!(report.contains("RUN echo about to fail && exit 3` failed"), "{report}");
        assert!(report.contains("last output:\n    about to fail"), "{report}");
    }
}

/// Copies a program and its libraries to the same paths in the context.
fn take_along(program: &str, root: &Path) {
    let libraries = Command::new("ldd").arg(program).output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for path in paths.chain([program]) {
        let to = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::copy(program, root.join("bin/ssh-add")).unwrap();
}
