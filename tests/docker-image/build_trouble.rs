//! put with `build` and mistakes in the inputs, the Dockerfile, the registry, the engine, or timeouts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jetway_tests::engine::{self, Images};
use jetway_tests::registry::hand_made::HandMade;
use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::tar::Tar;
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::stand_in::Response;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::json;

use crate::build::{by_engine, inputs, put};
use crate::support::{messages, source};

#[test]
fn reports_missing_inputs_before_any_engine_request() {
    let registry = Registry::start();
    let inputs = inputs(&[
        ("app/Dockerfile", "FROM scratch\n"),
        ("bad/Dockerfile", "FROM scratch\n"),
        ("bad/.dockerignore", "[\n"),
        ("empty/x", ""),
        ("tag", "a b\n"),
        ("list.json", "[1]"),
    ]);
    std::os::unix::fs::symlink("/etc", inputs.path().join("out")).unwrap();
    for (params, text) in [
        (json!({ "build": "none" }), "directory `none` does not exist in the inputs"),
        (json!({ "build": "empty" }), "Dockerfile `empty/Dockerfile` does not exist in the inputs"),
        (json!({ "build": "app", "dockerfile": "Dockerfile" }), "Dockerfile `Dockerfile` does not exist in the inputs"),
        (json!({ "build": "bad" }), "`[` is not a valid pattern"),
        (json!({ "build": "out" }), "outside the directory of the inputs"),
        (json!({ "build": "../x" }), "must stay inside the directory of the inputs"),
        (json!({ "build": "app", "tag": "nothing" }), "the file does not exist in the inputs"),
        (json!({ "build": "app", "tag": "tag" }), "`a b` is not a valid tag"),
        (json!({ "build": "app", "build_args_file": "list.json" }), "it is not a JSON object"),
        (
            json!({ "build": "app", "secrets": { "x": { "env": "NOPE" } } }),
            "the environment variable `NOPE` is not set in the step",
        ),
        (json!({ "build": "app", "docker_buildkit": "maybe" }), "expected `1` or `0`, found `maybe`"),
        (json!({ "build": "app", "cache_to": "registry" }), "`registry` requires `cache_tag`"),
        (json!({}), "the params name no image to push"),
    ] {
        // A request to this engine would fail with another error.
        let source = source(&registry, "x", json!({ "docker_host": "unix:///nowhere.sock" }));
        let request = json!({ "source": source, "params": params });
        let outcome = Verb::put("docker-image").request(&request).dir(inputs.path()).run();
        assert!(outcome.failed().stderr.contains(text), "{params}: {}", outcome.stderr);
    }
}

/// A build whose base image is in a registry that answers the first requests with `trouble`.
fn upon(builder: &str, troubles: usize, trouble: &Response) -> Outcome {
    let (registry, config) = (Registry::start(), json!({ "architecture": "amd64", "os": "linux" }));
    let base =
        HandMade::start(&Image::of_archives(&config, &[Tar::new().file("a", 0o644, b"x").finish()], Compression::Gzip));
    let (left, trouble) = (AtomicUsize::new(troubles), trouble.clone());
    base.twist(move |request| match request.path() {
        "/v2/" => Some(Response::json(200, &json!({}))),
        path if path.contains("/manifests/") => {
            let is_due = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            is_due.then(|| trouble.clone())
        }
        _ => None,
    });
    let _images = (Images::of(&base.repository()), Images::of(&registry.repository("upon")));
    let inputs =
        inputs(&[("app/Dockerfile", &format!("ARG X=1\nFROM {}\nCOPY b /\n", base.repository())), ("app/b", "")]);
    let params = json!({ "build": "app", "docker_buildkit": builder });
    put(&source(&registry, "upon", json!({})), &params, inputs.path())
}

#[test]
fn retries_fetch_of_base_image() {
    if !engine::require() {
        return;
    }
    // The classic builder sends two requests for each attempt: HEAD and GET.
    for (builder, expected) in [("0", 2), ("1", 3)] {
        let warning = "warning: cannot fetch the base image; retrying in";
        let attempts = |outcome: &Outcome| messages(outcome).matches(warning).count() + 1;
        let busy = Response::text(503, "busy");
        let outcome = upon(builder, 2, &busy);
        outcome.succeeded();
        assert_eq!(attempts(&outcome), expected, "{builder}: {}", outcome.stderr);
        let outcome = upon(builder, usize::MAX, &busy);
        outcome.failed();
        assert_eq!(attempts(&outcome), 3, "{builder}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(": 503 "), "{builder}: {}", outcome.stderr);
        for refusal in [Response::text(404, "no"), Response::text(403, "no")] {
            let outcome = upon(builder, usize::MAX, &refusal);
            outcome.failed();
            assert_eq!(attempts(&outcome), 1, "{builder}: {}", outcome.stderr);
        }
    }
}

/// Without the JSON of the distribution specification, as the proxy in front of a registry answers.
#[test]
fn retries_fetch_of_base_image_after_429() {
    if !engine::require() {
        return;
    }
    // BuildKit itself retries the request.
    for (builder, expected) in [("0", 1), ("1", 0)] {
        let outcome = upon(builder, 2, &Response::text(429, "busy"));
        outcome.succeeded();
        let retries = messages(&outcome).matches("warning: cannot fetch the base image; retrying in").count();
        assert_eq!(retries, expected, "{builder}: {}", outcome.stderr);
    }
}

#[test]
fn reports_invalid_dockerfile() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let inputs = inputs(&[("app/Dockerfile", "FROM BASE\nRUUN x\n")]);
    for builder in ["0", "1"] {
        let params = json!({ "build": "app", "docker_buildkit": builder });
        let outcome = put(&source(&registry, "bad", json!({})), &params, inputs.path());
        assert!(outcome.failed().stderr.to_lowercase().contains("unknown instruction: ruun"), "{}", outcome.stderr);
    }
}

#[test]
fn error_of_the_classic_builder_only_suggests_docker_buildkit() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    for (recipe, feature) in [
        ("FROM --platform=$BUILDPLATFORM scratch\nCOPY x /\n", "`BUILDPLATFORM` in the Dockerfile"),
        ("FROM scratch\nCOPY --chmod=755 x /\n", "`COPY --chmod`"),
        ("FROM scratch\nCOPY --link x /\n", "`COPY --link`"),
        ("FROM BASE\nRUN --mount=type=cache,target=/c true\n", "`RUN --mount`"),
        ("FROM scratch\nCOPY <<EOF /x\nhello\nEOF\n", "the here-document of `COPY`"),
    ] {
        let inputs = inputs(&[("app/Dockerfile", recipe), ("app/x", "")]);
        for (params, advice) in [
            (json!({ "docker_buildkit": "0" }), "requires BuildKit: remove `docker_buildkit: 0` from params"),
            (
                json!({ "memory": "256m" }),
                "requires BuildKit: replace `memory`, which requires the classic builder, by `docker_buildkit: 1` in params",
            ),
        ] {
            let mut params = params;
            params["build"] = json!("app");
            let outcome = put(&source(&registry, "today", json!({})), &params, inputs.path());
            assert!(outcome.failed().stderr.contains(&format!("{feature} {advice}")), "{}", outcome.stderr);
        }
    }
}

#[test]
fn fails_when_registry_rejects_or_is_unreachable() {
    if !engine::require() {
        return;
    }
    let registry = Registry::with(&Manner { htpasswd: true, ..Manner::default() });
    let repository = registry.repository("refused");
    let _images = Images::of(&repository);
    let inputs = inputs(&[("app/Dockerfile", "FROM BASE\nLABEL a=b\n")]);
    let params = json!({ "build": "app" });
    let wrong = source(&registry, "refused", json!({ "username": USER, "password": "wr0ng-pass" }));
    let outcome = put(&wrong, &params, inputs.path());
    assert!(outcome.failed().stderr.contains(&format!("cannot push `{repository}:latest`")), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("check that `username` and `password` are valid for the registry"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("wr0ng-pass"), "{}", outcome.stderr);

    let right = source(&registry, "refused", json!({ "username": USER, "password": PASSWORD }));
    drop(registry);
    let outcome = put(&right, &params, inputs.path());
    assert!(outcome.failed().stderr.contains("connection refused"), "{}", outcome.stderr);
}

#[test]
fn reports_address_of_unreachable_engine() {
    let registry = Registry::start();
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\n")]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (host, text) in [
        ("unix:///nowhere.sock".to_owned(), "cannot connect to the container engine at `unix:///nowhere.sock`"),
        (format!("tcp://127.0.0.1:{port}"), "cannot connect to the container engine at `tcp://127.0.0.1:"),
        (
            format!("tcp://127.0.0.1:{}", registry.host().rsplit_once(':').unwrap().1),
            "the server at this address is not a container engine (status 404 Not Found)",
        ),
        ("npipe:////./pipe/x".to_owned(), "expected `unix:///var/run/docker.sock`"),
    ] {
        let source = source(&registry, "x", json!({ "docker_host": host }));
        let request = json!({ "source": source, "params": { "build": "app" } });
        let outcome = Verb::put("docker-image").request(&request).dir(inputs.path()).run();
        assert!(outcome.failed().stderr.contains(text), "{host}: {}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn abort_ends_the_build_on_the_engine() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    for builder in ["0", "1"] {
        let mark = format!("{}{builder}", registry.host().replace(':', "-"));
        let recipe = format!("FROM BASE\nRUN echo begun {mark} && sleep 1000\n");
        let inputs = inputs(&[("app/Dockerfile", &recipe)]);
        let params = json!({ "build": "app", "docker_buildkit": builder, "secrets": if builder == "1" { json!({"s": "value-of-it"}) } else { json!({}) } });
        let running = by_engine(&source(&registry, "aborted", json!({})), &params, inputs.path()).spawn();
        running.wait_for_stderr(&format!("begun {mark}\n"));
        running.terminate();
        let outcome = running.wait(Duration::from_secs(10));
        assert_ne!(outcome.code, Some(0));
        assert!(outcome.stderr.contains("interrupted by SIGTERM"), "{}", outcome.stderr);
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
        let runs = || {
            let listed = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
            String::from_utf8_lossy(&listed.stdout)
                .lines()
                .any(|line| line.contains("sleep 1000") && line.contains(&mark))
        };
        let ended = jetway_tests::process::wait_until(Duration::from_secs(20), || (!runs()).then_some(()));
        assert!(ended.is_some(), "the step of builder {builder} still runs");
    }
}
