//! put with `build` and stand-ins for an engine, for responses that a real engine does not send on request.
//!
//! The responses are those of the Engine API (<https://docs.docker.com/reference/api/engine/version/v1.41/>):
//! `SystemPing`, `ImageBuild`, `ImageTag`, `ImageInspect`, `ImagePush` and `ImageCreate`.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use jetway_tests::aws::Key;
use jetway_tests::registry::Registry;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::build::inputs;
use crate::support::{merge, source};

const ID: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DIGEST: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The error of Go's HTTP client for a slow registry.
const TOO_SLOW: &str = "Get \"https://r.example/v2/\": net/http: request canceled while waiting for connection \
                        (Client.Timeout exceeded while awaiting headers)";

/// Messages of an engine: JSON objects (`BuildInfo`, `PushImageInfo` and `CreateImageInfo` of the reference), one on
/// each line.
fn messages(all: &[Value]) -> Response {
    let lines: Vec<String> = all.iter().map(|message| format!("{message}\r\n")).collect();
    Response::bytes(200, "application/json", lines.concat())
}

/// A failure after the status 200: `errorDetail` of the reference, and `error` for older clients.
fn failed(text: &str) -> Response {
    messages(&[
        json!({ "status": "The push refers to repository" }),
        json!({ "errorDetail": { "message": text }, "error": text }),
    ])
}

/// The result of a push: `PushResult` in `api/types` of moby/moby.
fn pushed() -> Response {
    messages(&[json!({ "aux": { "Tag": "x", "Digest": DIGEST, "Size": 1 } })])
}

/// An error status with `ErrorResponse` of the reference and its media type.
fn refused(status: u16, message: &str) -> Response {
    Response::bytes(status, "application/json", json!({ "message": message }).to_string())
}

/// `SystemPing` of an engine with this API version.
fn ping(version: &str) -> Response {
    Response::text(200, "OK")
        .with("Api-Version", version)
        .with("Docker-Experimental", "false")
        .with("Cache-Control", "no-cache, no-store, must-revalidate")
        .with("Pragma", "no-cache")
}

/// An engine that builds everything; `push` returns the response to a push by its number.
fn engine(push: impl Fn(usize, &RecordedRequest) -> Response + Send + Sync + 'static) -> StandIn {
    let pushes = AtomicUsize::new(0);
    StandIn::start(move |request| match request.path().rsplit('/').next() {
        Some("_ping") => ping("1.41"),
        Some("build") => messages(&[
            json!({ "stream": "Step 1/1 : FROM scratch\n" }),
            json!({ "aux": { "ID": ID } }),
            json!({ "stream": "Successfully built aaaaaaaaaaaa\n" }),
        ]),
        Some("tag") => Response::text(201, ""),
        Some("json") => Response::bytes(200, "application/json", json!({ "Id": ID }).to_string()),
        Some("push" | "create") => push(pushes.fetch_add(1, Ordering::SeqCst), request),
        _ => refused(404, "page not found"),
    })
}

fn put(engine: &StandIn, more: Value) -> Outcome {
    let (registry, inputs) = (Registry::start(), inputs(&[("app/Dockerfile", "FROM scratch\n"), ("tags", "one two")]));
    let host = format!("tcp://127.0.0.1:{}", engine.port());
    let mut params = json!({ "build": "app" });
    merge(&mut params, more);
    let request = json!({ "source": source(&registry, "app", json!({ "docker_host": host })), "params": params });
    Verb::put("docker-image").request(&request).dir(inputs.path()).run()
}

/// The tag and push requests, with the image and the tag.
fn named(engine: &StandIn) -> Vec<String> {
    let requests = engine.recorded_requests();
    let of = |request: &RecordedRequest| {
        let what = request.path().rsplit('/').next()?.to_owned();
        let image = if request.path().contains(ID) { "the id" } else { "the name" };
        matches!(what.as_str(), "tag" | "push")
            .then(|| format!("{what} {image} {}", request.query("tag").unwrap_or_default()))
    };
    requests.iter().filter_map(of).collect()
}

#[test]
fn retries_push_to_slow_registry() {
    for first in [failed(TOO_SLOW), refused(500, TOO_SLOW)] {
        let engine = engine(move |number, _| if number == 0 { first.clone() } else { pushed() });
        let outcome = put(&engine, json!({}));
        assert_eq!(outcome.json()["version"], json!({ "digest": DIGEST }));
        assert!(outcome.stderr.contains("; retrying in 1 s: Get \"https://r.example/v2/\""), "{}", outcome.stderr);
    }
}

#[test]
fn retries_push_at_most_three_times() {
    let engine = engine(|_, _| failed("received unexpected HTTP status: 503 Service Unavailable"));
    let outcome = put(&engine, json!({}));
    outcome.failed();
    assert_eq!(named(&engine).iter().filter(|request| request.starts_with("push")).count(), 3);
    assert!(outcome.stderr.contains("503 Service Unavailable"), "{}", outcome.stderr);
}

#[test]
fn does_not_retry_rejected_push() {
    for refusal in ["denied: requested access to the resource is denied", "unauthorized: authentication required"] {
        let engine = engine(move |_, _| failed(refusal));
        let outcome = put(&engine, json!({}));
        outcome.failed();
        assert_eq!(named(&engine), ["tag the id latest", "push the name latest"]);
        assert!(
            outcome.stderr.contains("check that `username` and `password` are valid for the registry"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn retries_cache_pull_from_slow_registry() {
    let pulls = Arc::new(Mutex::new(0));
    let count = Arc::clone(&pulls);
    let engine = engine(move |_, request| {
        if request.path().ends_with("/push") {
            return pushed();
        }
        *count.lock().unwrap() += 1;
        if *count.lock().unwrap() == 1 { failed(TOO_SLOW) } else { messages(&[json!({ "status": "Pulled" })]) }
    });
    let outcome = put(&engine, json!({ "cache": true }));
    outcome.succeeded();
    assert_eq!(*pulls.lock().unwrap(), 2);
    assert!(!outcome.stderr.contains("no cache from"), "{}", outcome.stderr);
}

#[test]
fn pushes_the_built_image_when_its_name_is_moved() {
    let engine = engine(|_, _| pushed());
    put(&engine, json!({ "additional_tags": "tags" })).succeeded();
    // Before each push, the put tags the built image again.
    let expected = ["latest", "one", "two"].map(|tag| [format!("tag the id {tag}"), format!("push the name {tag}")]);
    assert_eq!(named(&engine), expected.concat());
}

#[test]
fn failed_push_reports_pushed_tags() {
    let engine = engine(|number, _| if number == 1 { failed("denied: no") } else { pushed() });
    let outcome = put(&engine, json!({ "additional_tags": "tags" }));
    outcome.failed();
    assert!(outcome.stderr.contains("pushed: `latest`; not pushed: `one`, `two`"), "{}", outcome.stderr);
}

#[test]
fn builder_defaults_to_that_of_the_engine() {
    // Docker sends `Builder-Version` since 23; `2` is BuildKit. See `SystemPing` in the API's reference. podman sends
    // it without a value.
    for (version, params, expected) in [
        (Some("2"), json!({}), "/session"),
        (Some("2"), json!({ "docker_buildkit": "0" }), "/build"),
        (Some("2"), json!({ "memory": "256m" }), "/build"),
        (Some(""), json!({}), "/build"),
        (None, json!({}), "/build"),
        (None, json!({ "docker_buildkit": "1" }), "/session"),
    ] {
        let engine = StandIn::start(move |request| match request.path().rsplit('/').next() {
            Some("_ping") => {
                let answer = ping("1.45");
                version.map_or(answer.clone(), |version| answer.with("Builder-Version", version))
            }
            _ => refused(404, "page not found"),
        });
        put(&engine, params.clone()).failed();
        let requests = engine.recorded_requests();
        let last = requests.last().unwrap().path();
        assert!(last.ends_with(expected), "{version:?} {params}: {last}");
    }
}

#[test]
fn cache_to_registry_requires_cache_tag_and_buildkit() {
    let engine = engine(|_, _| pushed());
    let outcome = put(&engine, json!({ "cache_to": "registry", "cache_tag": "cache", "docker_buildkit": "0" }));
    // The stand-in has no sessions, which BuildKit needs.
    outcome.failed();
    assert!(outcome.stderr.contains("check that it supports BuildKit"), "{}", outcome.stderr);
    let outcome = put(&engine, json!({ "cache_to": "registry" }));
    outcome.failed();
    assert!(outcome.stderr.contains("`params.cache_to`: `registry` requires `cache_tag`"), "{}", outcome.stderr);
    let outcome = put(&engine, json!({ "cache_to": "registry", "cache_tag": "a b" }));
    outcome.failed();
    assert!(outcome.stderr.contains("`params.cache_tag`: is not a valid tag"), "{}", outcome.stderr);
}

/// A transient error is retried only before the first step, so that no step runs twice.
#[test]
fn does_not_retry_build_after_a_step_has_run() {
    for (steps, attempts) in [(&["ARG X", "FROM $X"][..], 3), (&["FROM a", "COPY a b", "FROM c"], 1)] {
        let lines = steps
            .iter()
            .enumerate()
            .map(|(number, step)| json!({ "stream": format!("Step {}/{} : {step}\n", number + 1, steps.len()) }));
        let error = json!({ "errorDetail": { "message": TOO_SLOW }, "error": TOO_SLOW });
        let answer = messages(&lines.chain([error]).collect::<Vec<_>>());
        let engine = StandIn::start(move |request| match request.path().rsplit('/').next() {
            Some("_ping") => ping("1.41"),
            Some("build") => answer.clone(),
            _ => refused(404, "page not found"),
        });
        put(&engine, json!({})).failed();
        let builds = engine.recorded_requests().iter().filter(|request| request.path().ends_with("/build")).count();
        assert_eq!(builds, attempts, "{steps:?}");
    }
}

/// Amazon's registries need credentials that a client requests before a pull, in each region.
#[test]
fn engine_gets_credentials_for_ecr_registries_of_the_dockerfile() {
    let (first, second) =
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "210987654321.dkr.ecr.us-east-1.amazonaws.com");
    // <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html>
    let amazon = StandIn::start(|request| {
        let region = ["eu-west-1", "us-east-1"]
            .into_iter()
            .find(|region| Key::new("AKIDEXAMPLE", "s3cret-of-the-key").has_signed(request, region, "ecr").is_ok());
        let Some(region) = region else { return crate::ecr::amazon_json(400, &json!({ "message": "no such key" })) };
        let token = STANDARD.encode(format!("AWS:token-for-{region}"));
        let data = json!([{ "authorizationToken": token, "expiresAt": 1.7e9, "proxyEndpoint": "https://x.example" }]);
        crate::ecr::amazon_json(200, &json!({ "authorizationData": data }))
    });
    let engine = engine(|_, _| pushed());
    let recipe = format!("ARG OTHER\nFROM \\\n  # the base\n  {first}/team/base:1 \\\n  AS one\nFROM $OTHER\n");
    let (registry, inputs) = (Registry::start(), inputs(&[("app/Dockerfile", &recipe)]));
    let host = format!("tcp://127.0.0.1:{}", engine.port());
    let keys = json!({
        "docker_host": host, "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "s3cret-of-the-key",
    });
    let params = json!({ "build": "app", "build_args": { "OTHER": format!("{second}/base") } });
    let request = json!({ "source": source(&registry, "app", keys.clone()), "params": params });
    let put = Verb::put("docker-image").request(&request).dir(inputs.path());
    let outcome = put.clone().env("AWS_ENDPOINT_URL_ECR", &amazon.url()).run();
    outcome.succeeded();
    let configs = |engine: &StandIn| -> Vec<Value> {
        let header = |request: &RecordedRequest| URL_SAFE.decode(request.header("x-registry-config")?).ok();
        engine
            .recorded_requests()
            .iter()
            .filter_map(header)
            .map(|config| serde_json::from_slice(&config).unwrap())
            .collect()
    };
    let config = configs(&engine).remove(0);
    for (registry, region) in [(first, "eu-west-1"), (second, "us-east-1")] {
        assert_eq!(config[registry]["username"], "AWS");
        assert_eq!(config[registry]["password"], format!("token-for-{region}"));
    }
    // The credentials may not be needed: a base image may be public, or in the engine.
    let refusing = StandIn::start(|_| crate::ecr::amazon_json(400, &json!({ "message": "no" })));
    let outcome = put.env("AWS_ENDPOINT_URL_ECR", &refusing.url()).run();
    outcome.succeeded();
    assert!(outcome.stderr.contains(&format!("cannot get credentials for `{first}`")), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("s3cret-of-the-key"), "{}", outcome.stderr);
}

#[test]
fn rejects_invalid_image_id_of_a_base() {
    let engine = engine(|_, _| pushed());
    let files = [("app/Dockerfile", "FROM scratch\n"), ("base/image", ""), ("base/image-id", "x/../../containers")];
    let (registry, inputs) = (Registry::start(), inputs(&files));
    let host = format!("tcp://127.0.0.1:{}", engine.port());
    let source = source(&registry, "app", json!({ "docker_host": host }));
    let request = json!({ "source": source, "params": { "build": "app", "load_base": "base" } });
    let outcome = Verb::put("docker-image").request(&request).dir(inputs.path()).run();
    outcome.failed();
    assert!(outcome.stderr.contains("`image-id` in `base`"), "{}", outcome.stderr);
    assert_eq!(engine.recorded_requests().len(), 0);
}

#[test]
fn fails_when_engine_sends_no_response() {
    // The kernel accepts the connections, but no program reads them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (registry, inputs) = (Registry::start(), inputs(&[("app/Dockerfile", "FROM scratch\n")]));
    let host = format!("tcp://{}", silent.local_addr().unwrap());
    let source = source(&registry, "app", json!({ "docker_host": host }));
    let request = json!({ "source": source, "params": { "build": "app" } });
    let outcome = Verb::put("docker-image").request(&request).dir(inputs.path()).run();
    outcome.failed();
    assert!(outcome.stderr.contains(&format!("cannot use `docker_host` ({host})")), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no response after 30 s"), "{}", outcome.stderr);
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}
