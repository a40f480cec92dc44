//! Eventually consistent registries: requests are retried within limits.

use std::sync::atomic::{AtomicUsize, Ordering};

use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::memory::{Memory, error};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response};
use serde_json::{Value, json};

use crate::support::{check, get, messages, put};

fn image() -> Image {
    Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::Gzip)
}

/// Answers the first `count` requests that match `is_meant` with `answer`.
fn at_first(
    registry: &Memory,
    count: usize,
    answer: Response,
    is_meant: impl Fn(&RecordedRequest) -> bool + Send + Sync + 'static,
) {
    let left = AtomicUsize::new(count);
    registry.twist(move |request| {
        let is_due = is_meant(request)
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        is_due.then(|| answer.clone())
    });
}

fn filled() -> (Memory, Image, Value, Value) {
    let (registry, image) = (Memory::start(), image());
    registry.hold(&image, "team/app", "latest");
    let source = json!({ "repository": registry.repository("team/app"), "tag": "latest" });
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    (registry, image, source, version)
}

#[test]
fn retries_get_of_manifest_or_layer_after_404() {
    for (what, params) in
        [("/manifests/", json!({})), ("/manifests/", json!({ "skip_download": true })), ("/blobs/", json!({}))]
    {
        let (registry, _, source, version) = filled();
        at_first(&registry, 2, error(404, "MANIFEST_UNKNOWN"), move |request| request.path().contains(what));
        let outcome = get("registry-image", &source, &version, params, scratch::directory().path());
        outcome.succeeded();
        assert!(outcome.stderr.contains("(yet); retrying"), "{}", outcome.stderr);
    }
}

#[test]
fn fails_when_image_stays_missing() {
    let (registry, _, source, version) = filled();
    registry.twist(|request| request.path().contains("/manifests/").then(|| error(404, "MANIFEST_UNKNOWN")));
    let outcome = get("registry-image", &source, &version, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(messages(&outcome).contains("no longer has the image"), "{}", messages(&outcome));
    let manifests =
        registry.server().recorded_requests().iter().filter(|request| request.path().contains("/manifests/")).count();
    assert_eq!(manifests, 3);
}

/// A check does not wait, because the next check comes within a minute.
#[test]
fn check_requests_missing_tag_once() {
    for kind in ["registry-image", "docker-image"] {
        let (registry, _, source, _) = filled();
        registry.twist(|request| request.path().contains("/manifests/").then(|| error(404, "MANIFEST_UNKNOWN")));
        assert_eq!(check(kind, &source, None).json(), json!([]));
        let count = registry
            .server()
            .recorded_requests()
            .iter()
            .filter(|request| request.path().contains("/manifests/"))
            .count();
        assert_eq!(count, 1);
    }
}

fn put_layout(registry: &Memory, image: &Image) -> jetway_tests::verb::Outcome {
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let source = json!({ "repository": registry.repository("team/new"), "tag": "1" });
    put("registry-image", &source, &json!({ "image": "layout" }), inputs.path())
}

/// distribution/distribution#2225, concourse/registry-image-resource#278.
#[test]
fn uploads_again_after_blob_unknown() {
    type Meant = fn(&RecordedRequest) -> bool;
    let is_manifest: Meant = |request| request.method == "PUT" && request.path().contains("/manifests/");
    let is_upload: Meant = |request| request.method == "PATCH";
    let is_end: Meant = |request| request.method == "PUT" && request.path().contains("/uploads/");
    for (status, code, is_meant) in [
        (404, "MANIFEST_BLOB_UNKNOWN", is_manifest),
        (400, "MANIFEST_BLOB_UNKNOWN", is_manifest),
        (400, "BLOB_UPLOAD_INVALID", is_upload),
        (404, "BLOB_UPLOAD_UNKNOWN", is_upload),
        (400, "BLOB_UPLOAD_INVALID", is_end),
        (404, "BLOB_UPLOAD_INVALID", is_end),
    ] {
        let (registry, image) = (Memory::start(), image());
        at_first(&registry, 1, error(status, code), is_meant);
        put_layout(&registry, &image).succeeded();
        assert_eq!(registry.manifest("team/new:1"), Some(image.manifest.bytes.clone()), "{status} {code}");
        assert!(registry.blob(&image.layers[0].digest).is_some());
    }
}

#[test]
fn prefers_hint_for_error_code_over_hint_for_status() {
    let (registry, image) = (Memory::start(), image());
    registry.twist(|request| {
        let is_meant = request.method == "PUT" && request.path().contains("/manifests/");
        is_meant.then(|| error(404, "MANIFEST_BLOB_UNKNOWN"))
    });
    let outcome = put_layout(&registry, &image);
    outcome.failed();
    assert!(
        messages(&outcome).contains("hint: the registry does not have the uploaded blobs yet"),
        "{}",
        messages(&outcome)
    );
    assert!(!messages(&outcome).contains("check that the repository"), "{}", messages(&outcome));
    registry.twist(|request| (request.method == "POST").then(|| error(404, "NAME_UNKNOWN")));
    let outcome = put_layout(&registry, &self::image());
    assert!(outcome.stderr.is_empty() || !outcome.stderr.contains("uploaded blobs"), "{}", outcome.stderr);
}

/// The messages come from real registries: goharbor/harbor#17390 (a quota), moby/buildkit#3776 and
/// googlecontainertools/kaniko#3481 (an immutable tag in ECR), openshift/oc-mirror#253 (a media type in Quay),
/// distribution/distribution#2867 (an upload with status 404). The codes come from the distribution specification.
#[test]
fn rejected_push_has_hint_for_code_and_status() {
    let cases = [
        (
            "PATCH",
            403,
            "DENIED",
            "adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 MiB will exceed the configured upper limit of 10.0 MiB.",
            "the storage quota of `",
        ),
        ("PUT manifests", 403, "DENIED", "Quota has been exceeded on namespace", "the storage quota of `"),
        (
            "PUT manifests",
            400,
            "TAG_INVALID",
            "The image tag '1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable.",
            "the registry does not allow this tag to be overwritten",
        ),
        (
            "PUT manifests",
            412,
            "PRECONDITION",
            "Failed to process request due to 'app:1' configured as immutable.",
            "the registry does not allow this tag to be overwritten",
        ),
        ("PUT manifests", 404, "TAG_INVALID", "manifest tag did not match URI", "the registry rejected this tag"),
        (
            "PUT manifests",
            403,
            "MANIFEST_INVALID",
            "manifest invalid",
            "the registry does not accept this type of manifest",
        ),
        (
            "PUT manifests",
            404,
            "MANIFEST_INVALID",
            "manifest invalid",
            "the registry does not accept this type of manifest",
        ),
        ("PUT manifests", 415, "UNSUPPORTED", "media type", "the registry does not accept this type of manifest"),
        ("PUT manifests", 404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", "does not have the uploaded blobs"),
        ("PUT manifests", 403, "MANIFEST_UNVERIFIED", "manifest failed signature verification", "requires a signature"),
        ("PATCH", 404, "BLOB_UPLOAD_INVALID", "blob upload invalid", "the registry could not continue the upload"),
        ("PATCH", 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", "the registry lost the upload"),
        (
            "PUT uploads",
            400,
            "SIZE_INVALID",
            "provided length did not match content length",
            "different bytes than were sent",
        ),
        (
            "PUT uploads",
            403,
            "DIGEST_INVALID",
            "provided digest did not match uploaded content",
            "different bytes than were sent",
        ),
        ("POST", 403, "NAME_INVALID", "invalid repository name", "the registry rejected the name `team/new`"),
        ("POST", 404, "NAME_UNKNOWN", "repository name not known to registry", "check that the repository"),
        (
            "POST",
            405,
            "DENIED",
            "requested access to the resource is denied",
            "the credentials require the scope `push`",
        ),
    ];
    std::thread::scope(|scope| {
        for (step, status, code, message, hint) in cases {
            scope.spawn(move || {
                let registry = Memory::start();
                registry.twist(move |request| {
                    let (method, part) = step.split_once(' ').unwrap_or((step, ""));
                    let is_meant = request.method == method && request.path().contains(part);
                    let body = json!({ "errors": [{ "code": code, "message": message }] });
                    if request.header("authorization").is_none() {
                        return Some(error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Basic realm=\"x\""));
                    }
                    is_meant.then(|| Response::json(status, &body))
                });
                let inputs = scratch::directory();
                image().write_layout(&inputs.path().join("layout"));
                let source = json!({
                    "repository": registry.repository("team/new"), "tag": "1", "username": "u", "password": "p4ssw0rd-of-u",
                });
                let outcome = put("registry-image", &source, &json!({ "image": "layout" }), inputs.path());
                outcome.failed();
                let text = messages(&outcome);
                assert!(text.contains(code) || text.contains(message), "{code}: {text}");
                let hints: Vec<&str> = text.lines().filter(|line| line.contains("hint:")).collect();
                assert!(hints.len() == 1 && hints[0].contains(hint), "{status} {code}: {text}");
            });
        }
    });
}

/// The distribution specification, "Pushing Manifests with Subject": a registry without a list of referrers does not
/// send `OCI-Subject`, and the client keeps the list under a tag.
#[test]
fn adds_manifest_with_subject_to_the_referrers_tag() {
    let (registry, image) = (Memory::start(), image());
    let subject = image.manifest.descriptor();
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "artifactType": "application/x-proof",
        "manifests": [image.manifest.descriptor(), image.manifest.descriptor()], "subject": subject,
        "annotations": { "org.example.team": "jets" },
    });
    let inputs = scratch::directory();
    let layout = inputs.path().join("layout");
    image.write_layout(&layout);
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let source = json!({ "repository": registry.repository("team/new"), "tag": "1" });
    let push = || {
        put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).succeeded();
    };
    push();
    push();
    let tag = image.manifest.digest.replace(':', "-");
    let list: Value = serde_json::from_slice(&registry.manifest(&format!("team/new:{tag}")).expect("a list")).unwrap();
    let entries = list["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["artifactType"], json!("application/x-proof"));
    assert_eq!(entries[0]["annotations"], json!({ "org.example.team": "jets" }));
    // A registry with its own list keeps it itself.
    let registry = Memory::start();
    registry.twist(|request| {
        let is_meant = request.method == "PUT" && request.path().contains("/manifests/");
        is_meant.then(|| Response::text(201, "").with("OCI-Subject", "sha256:x"))
    });
    let source = json!({ "repository": registry.repository("team/new"), "tag": "1" });
    put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).succeeded();
    assert!(!registry.server().recorded_requests().iter().any(|request| request.path().contains(&tag)));
}
