//! Responses that differ from the distribution specification, or that few registries send: every verb accepts them.

use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::memory::{Memory, error};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{Fault, RecordedRequest, Response};
use serde_json::{Value, json};

use crate::support::{check, get, messages, put, read, tags};

fn image(content: &str) -> Image {
    Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, content.as_bytes()).finish()], Compression::Gzip)
}

/// The response of a correct registry with one image, changed by `change`.
fn changed(request: &RecordedRequest, image: &Image, change: impl Fn(Response) -> Response) -> Option<Response> {
    let is_read = ["GET", "HEAD"].contains(&request.method.as_str());
    let reference = request.path().rsplit('/').next().unwrap_or_default();
    let is_meant = ["latest", &image.manifest.digest].contains(&reference)
        || image.layers.iter().chain([&image.config]).any(|blob| blob.digest == reference);
    (is_read && is_meant).then(|| change(jetway_tests::registry::hand_made::answer(image, request)))
}

fn source(registry: &Memory) -> Value {
    json!({ "repository": registry.repository("team/app"), "tag": "latest" })
}

/// Checks, gets and puts.
#[track_caller]
fn every_verb_works(registry: &Memory, image: &Image, case: &str) {
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    assert_eq!(check("registry-image", &source(registry), None).json(), json!([version]), "{case}");
    let target = scratch::directory();
    get("registry-image", &source(registry), &version, json!({}), target.path()).succeeded();
    assert_eq!(read(target.path(), "rootfs/a"), "x", "{case}");
    let inputs = scratch::directory();
    let other = self::image("y");
    other.write_layout(&inputs.path().join("layout"));
    let mut other_tag = source(registry);
    other_tag["tag"] = json!("other");
    let outcome = put("registry-image", &other_tag, &json!({ "image": "layout" }), inputs.path());
    assert_eq!(outcome.json()["version"]["digest"], json!(other.manifest.digest), "{case}");
    assert_eq!(registry.manifest("team/app:other"), Some(other.manifest.bytes), "{case}");
}

/// Proxies remove `Content-Length` and the digest.
#[test]
fn reads_bodies_without_a_length() {
    for (case, framed) in [
        ("chunked", Response::chunked as fn(Response) -> Response),
        ("until close", Response::until_close as fn(Response) -> Response),
    ] {
        let (registry, image) = (Memory::start(), image("x"));
        registry.hold(&image, "team/app", "latest");
        let held = image.clone();
        registry.twist(move |request| {
            changed(request, &held, |mut answer| {
                answer.headers.retain(|(name, _)| name != "Docker-Content-Digest");
                framed(answer)
            })
        });
        every_verb_works(&registry, &image, case);
    }
}

/// The connection cannot be reused, because the client would read the body as the next response.
#[test]
fn ignores_bodies_of_responses_to_head() {
    let (registry, image) = (Memory::start(), image("x"));
    registry.hold(&image, "team/app", "latest");
    for _ in 0..100 {
        registry.server().fail_next(Fault::BodyToHead);
    }
    every_verb_works(&registry, &image, "bodies");
}

/// The registry of a large cloud sent `Docker-Content-Digest` without the algorithm.
#[test]
fn ignores_digest_headers_without_an_algorithm() {
    let (registry, image) = (Memory::start(), image("x"));
    registry.hold(&image, "team/app", "latest");
    let held = image.clone();
    registry.twist(move |request| {
        changed(request, &held, |mut answer| {
            for (name, value) in &mut answer.headers {
                if name.as_str() == "Docker-Content-Digest" {
                    *value = value.replace("sha256:", "");
                }
            }
            answer
        })
    });
    every_verb_works(&registry, &image, "no algorithm");
}

/// For a GET by tag, a registry may return the digest of an index and the manifest of one of its images.
#[test]
fn ignores_digest_headers_of_another_manifest() {
    let (registry, image) = (Memory::start(), image("x"));
    registry.hold(&image, "team/app", "latest");
    let held = image.clone();
    registry.twist(move |request| {
        if request.path().ends_with("/tags/list") {
            return Some(Response::json(200, &json!({ "name": "team/app", "tags": ["latest"] })));
        }
        let is_by_tag = request.method == "GET" && request.path().ends_with("/latest");
        is_by_tag.then(|| {
            let wrong = format!("sha256:{}", "e".repeat(64));
            Response::bytes(200, &held.manifest.media_type, held.manifest.bytes.clone())
                .with("Docker-Content-Digest", &wrong)
        })
    });
    let by_age = json!({
        "repository": registry.repository("team/app"), "tag_regex": "^latest$", "created_at_sort": true,
    });
    let outcome = check("registry-image", &by_age, None);
    assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": image.manifest.digest }]));
    let copy = json!({ "repository": registry.repository("team/copy"), "tag": "copy" });
    let params = json!({ "pull_repository": registry.repository("team/app"), "pull_tag": "latest" });
    put("docker-image", &copy, &params, scratch::directory().path()).succeeded();
    assert_eq!(registry.manifest("team/copy:copy"), Some(image.manifest.bytes));
}

/// Behind a proxy, a registry may omit the port in the URL of an upload, where no server listens.
#[test]
fn corrects_or_reports_upload_url_without_port() {
    let registry = Memory::start();
    registry.twist(|request| {
        let is_start = request.method == "POST" && request.path().ends_with("/blobs/uploads/");
        is_start.then(|| Response::text(202, "").with("Location", "http://127.0.0.1/v2/team/app/blobs/uploads/0"))
    });
    let inputs = scratch::directory();
    image("x").write_layout(&inputs.path().join("layout"));
    let outcome = put("registry-image", &source(&registry), &json!({ "image": "layout" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("http://127.0.0.1/v2/team/app/blobs/uploads/0"), "{}", messages(&outcome));
    assert!(outcome.elapsed < std::time::Duration::from_secs(40), "{:?}", outcome.elapsed);
}

#[test]
fn sends_credentials_only_for_writes_to_a_public_registry() {
    let (registry, image) = (Memory::start(), image("x"));
    registry.hold(&image, "team/app", "latest");
    registry.twist(|request| {
        let is_write = !["GET", "HEAD"].contains(&request.method.as_str());
        (is_write && request.header("authorization").is_none())
            .then(|| error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Basic realm=\"x\""))
    });
    let mut source = source(&registry);
    crate::support::merge(&mut source, json!({ "username": "u", "password": "p4ssw0rd-of-u" }));
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    assert_eq!(check("registry-image", &source, None).json(), json!([version]));
    get("registry-image", &source, &version, json!({}), scratch::directory().path()).succeeded();
    assert!(registry.server().recorded_requests().iter().all(|request| request.header("authorization").is_none()));
    let inputs = scratch::directory();
    self::image("y").write_layout(&inputs.path().join("layout"));
    put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).succeeded();
    assert!(registry.server().recorded_requests().iter().any(|request| request.header("authorization").is_some()));
}

#[test]
fn accepts_registry_at_an_ipv6_address() {
    let (registry, image) = (Memory::start_ipv6(), image("x"));
    registry.hold(&image, "team/app", "latest");
    assert!(registry.repository("team/app").starts_with("[::1]:"));
    every_verb_works(&registry, &image, "IPv6");
}

/// Token servers have rate limits, too.
#[test]
fn retries_token_request_after_429() {
    for refusal in [
        Response::text(429, "slow down").with("Retry-After", "1"),
        Response::text(503, "busy").with("Retry-After", "1"),
        Response::text(503, "busy"),
        Response::text(429, "slow down"),
    ] {
        let (registry, image) = (Memory::start(), image("x"));
        registry.hold(&image, "team/app", "latest");
        let (is_first, case) = (std::sync::atomic::AtomicBool::new(true), format!("{refusal:?}"));
        registry.twist(move |request| {
            if request.path() == "/token" {
                let is_first = is_first.swap(false, std::sync::atomic::Ordering::SeqCst);
                let token = || Response::json(200, &json!({ "token": "t0ken" }));
                return Some(if is_first { refusal.clone() } else { token() });
            }
            (request.header("authorization") != Some("Bearer t0ken"))
                .then(|| error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Bearer realm=\"/token\",service=\"x\""))
        });
        assert_eq!(tags(&check("registry-image", &source(&registry), None)), ["latest"], "{case}");
    }
}
