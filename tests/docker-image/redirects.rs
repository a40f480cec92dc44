//! Registries that redirect: blob stores, gateways, and rejected mounts.

use jetway_tests::registry::hand_made::part;
use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::memory::{Memory, error};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use serde_json::json;

use crate::support::{check, get, merge, messages, put, read};

fn image() -> Image {
    Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::Gzip)
}

/// A blob store that serves the blobs of an image by digest.
fn store(image: &Image) -> StandIn {
    let image = image.clone();
    StandIn::start(move |request| {
        let digest = request.path().trim_start_matches('/');
        let blob = image.layers.iter().chain([&image.config]).find(|blob| blob.digest == digest);
        blob.map_or_else(|| Response::text(404, ""), |blob| part(&blob.bytes, request))
    })
}

/// The digest protects the blob, so the store may use plain HTTP; go-containerregistry and docker accept this, too.
#[test]
fn fetches_blobs_from_store_over_plain_http() {
    let image = image();
    let (store, registry) = (store(&image), Memory::start_tls());
    registry.hold(&image, "team/app", "latest");
    let url = store.url();
    registry.twist(move |request| {
        if request.header("authorization").is_none() {
            return Some(Response::text(401, "").with("WWW-Authenticate", "Basic realm=\"x\""));
        }
        let (_, digest) = request.path().split_once("/blobs/sha256:")?;
        Some(Response::text(307, "").with("Location", &format!("{url}/sha256:{digest}")))
    });
    let source = json!({
        "repository": registry.repository("team/app"), "ca_certs": [registry.server().authority()],
        "username": "u", "password": "p4ssw0rd-of-u",
    });
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    let target = scratch::directory();
    get("registry-image", &source, &version, json!({}), target.path()).succeeded();
    assert_eq!(read(target.path(), "rootfs/a"), "x");
    assert!(store.recorded_requests().iter().all(|request| request.header("authorization").is_none()));
}

/// google/go-containerregistry#2333: a gateway redirects all requests to another registry, which returns tokens without
/// a login.
#[test]
fn follows_gateway_to_another_registry() {
    let (own, gateway) = (Memory::start(), Memory::start());
    let image = image();
    own.hold(&image, "team/app", "latest");
    let host = own.server().url().replace("127.0.0.1", "localhost");
    let realm = format!("{host}/token");
    own.twist(move |request| {
        if request.path() == "/token" {
            return Some(Response::json(200, &json!({ "token": "t0ken" })));
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        (request.header("authorization") != Some("Bearer t0ken"))
            .then(|| error(401, "UNAUTHORIZED").with("WWW-Authenticate", &challenge))
    });
    gateway.twist(move |request| Some(Response::text(307, "").with("Location", &format!("{host}{}", request.target))));
    let source = json!({ "repository": gateway.repository("team/app"), "tag": "latest" });
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    assert_eq!(check("registry-image", &source, None).json(), json!([version]));
    let target = scratch::directory();
    get("registry-image", &source, &version, json!({}), target.path()).succeeded();
    assert_eq!(read(target.path(), "rootfs/a"), "x");
    let inputs = scratch::directory();
    let other = Image::of_archives(&json!({}), &[Tar::new().file("b", 0o644, b"y").finish()], Compression::Gzip);
    other.write_layout(&inputs.path().join("layout"));
    let outcome = put("registry-image", &source, &json!({ "image": "layout" }), inputs.path());
    assert_eq!(outcome.json()["version"]["digest"], json!(other.manifest.digest));
    assert_eq!(own.manifest("team/app:latest"), Some(other.manifest.bytes.clone()));
    // The gateway's credentials are sent to the gateway only.
    let mut with_login = source.clone();
    merge(&mut with_login, json!({ "username": "u", "password": "p4ssw0rd-of-u" }));
    check("registry-image", &with_login, None).succeeded();
    let basic =
        |request: &RecordedRequest| request.header("authorization").is_some_and(|header| header.starts_with("Basic"));
    assert!(!own.server().recorded_requests().iter().any(basic));
}

#[test]
fn uploads_blob_after_rejected_mount() {
    for status in [400, 401, 403, 404, 405, 500] {
        let registry = Memory::start();
        let image = image();
        registry.hold(&image, "team/base", "latest");
        registry.twist(move |request| {
            // Blobs of another repository are not visible in this repository.
            if request.method == "HEAD" && request.path().contains("/team/app/blobs/") {
                return Some(Response::text(404, ""));
            }
            request.query("mount").map(|_| error(status, "UNSUPPORTED"))
        });
        let inputs = scratch::directory();
        let source = json!({ "repository": registry.repository("team/app"), "tag": "latest" });
        let params = json!({ "pull_repository": registry.repository("team/base"), "pull_tag": "latest" });
        let outcome = put("docker-image", &source, &params, inputs.path());
        assert_eq!(outcome.json()["version"]["digest"], json!(image.manifest.digest), "{status}");
        assert_eq!(registry.manifest("team/app:latest"), Some(image.manifest.bytes));
    }
}

/// distribution/distribution#2055: a URL that a store has signed for a GET is invalid for a HEAD.
#[test]
fn uploads_blob_if_store_rejects_head() {
    for status in [400, 403, 405] {
        let registry = Memory::start();
        let image = image();
        registry.hold(&image, "team/old", "latest");
        let store = StandIn::start(move |_| Response::text(status, "SignatureDoesNotMatch"));
        let url = store.url();
        registry.twist(move |request| {
            let is_blob = request.method == "HEAD" && request.path().contains("/blobs/");
            is_blob.then(|| Response::text(307, "").with("Location", &format!("{url}/x")))
        });
        let inputs = scratch::directory();
        image.write_layout(&inputs.path().join("layout"));
        let source = json!({ "repository": registry.repository("team/app"), "tag": "latest" });
        put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).succeeded();
        assert_eq!(registry.manifest("team/app:latest"), Some(image.manifest.bytes));
    }
}

/// concourse/registry-image-resource#33: the layers of Microsoft's base images are at Microsoft's own URLs.
#[test]
fn fetches_foreign_layer_from_url_in_the_manifest() {
    let mut image = image();
    let store = store(&image);
    let layer = image.layers[0].clone();
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    manifest["layers"][0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    manifest["layers"][0]["urls"] = json!([format!("{}/{}", store.url(), layer.digest)]);
    image.manifest = jetway_tests::registry::image::Blob::new(&image.manifest.media_type.clone(), manifest.to_string());
    let registry = Memory::start();
    registry.hold(&image, "team/app", "latest");
    registry.forget(&layer.digest);
    let source = json!({ "repository": registry.repository("team/app"), "username": "u", "password": "p4ssw0rd" });
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    for (format, file) in [
        ("rootfs", "rootfs/a".to_owned()),
        ("oci", "image.tar".to_owned()),
        ("oci-layout", format!("oci/blobs/{}", layer.digest.replace(':', "/"))),
    ] {
        let target = scratch::directory();
        get("registry-image", &source, &version, json!({ "format": format }), target.path()).succeeded();
        assert!(target.path().join(file).exists(), "{format}");
    }
    assert!(store.recorded_requests().iter().all(|request| request.header("authorization").is_none()));
    // The content must match the manifest.
    let liar = StandIn::start(|_| Response::text(200, "something else"));
    manifest["layers"][0]["urls"] = json!([format!("{}/x", liar.url())]);
    image.manifest = jetway_tests::registry::image::Blob::new(&image.manifest.media_type.clone(), manifest.to_string());
    registry.hold(&image, "team/app", "latest");
    registry.forget(&layer.digest);
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    let outcome = get("registry-image", &source, &version, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(messages(&outcome).contains("bytes of it; the manifest requires"), "{}", messages(&outcome));
}

/// An image with a layer of this type and these URLs.
fn foreign(media_type: &str, urls: &[String]) -> Image {
    let mut image = image();
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    manifest["layers"][0]["mediaType"] = json!(media_type);
    if !urls.is_empty() {
        manifest["layers"][0]["urls"] = json!(urls);
    }
    image.manifest = jetway_tests::registry::image::Blob::new(&image.manifest.media_type.clone(), manifest.to_string());
    image
}

const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

#[test]
fn tries_each_url_of_a_foreign_layer() {
    let plain = image();
    let (good, empty, liar) =
        (store(&plain), StandIn::start(|_| Response::text(404, "")), StandIn::start(|_| Response::text(200, "other")));
    let layer = &plain.layers[0].digest;
    let nowhere = "http://127.0.0.1:1/layer".to_owned();
    let urls = ["no address".to_owned(), nowhere, empty.url(), liar.url(), format!("{}/{layer}", good.url())];
    let image = foreign(FOREIGN, &urls);
    let registry = Memory::start();
    registry.hold(&image, "team/app", "latest");
    registry.forget(layer);
    let source = json!({ "repository": registry.repository("team/app"), "username": "u", "password": "p4ssw0rd" });
    let version = json!({ "tag": "latest", "digest": image.manifest.digest });
    let target = scratch::directory();
    get("registry-image", &source, &version, json!({}), target.path()).succeeded();
    assert_eq!(read(target.path(), "rootfs/a"), "x");
    for server in [&good, &empty, &liar] {
        assert!(server.recorded_requests().iter().all(|request| request.header("authorization").is_none()));
        assert_eq!(server.recorded_requests().len(), 1);
    }
}

#[test]
fn reports_unreachable_host_of_foreign_layer() {
    for media_type in [FOREIGN, "application/vnd.oci.image.layer.v1.tar+gzip"] {
        let image = foreign(media_type, &["http://127.0.0.1:1/layer".to_owned()]);
        let registry = Memory::start();
        registry.hold(&image, "team/app", "latest");
        registry.forget(&image.layers[0].digest);
        let source = json!({ "repository": registry.repository("team/app") });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        let outcome = get("registry-image", &source, &version, json!({}), scratch::directory().path());
        outcome.failed();
        assert!(outcome.stderr.contains("127.0.0.1:1/layer"), "{}", outcome.stderr);
        assert!(messages(&outcome).contains("hint: the layer is stored outside the registry"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("check that the repository"), "{}", outcome.stderr);
    }
}

/// Newer base images of Windows have no `urls`, and most registries also store non-distributable layers.
#[test]
fn prefers_the_registry_for_foreign_layers() {
    let elsewhere = StandIn::start(|_| Response::text(404, ""));
    for (media_type, urls) in [
        (FOREIGN, vec![elsewhere.url()]),
        (FOREIGN, vec![]),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", vec![elsewhere.url()]),
    ] {
        let image = foreign(media_type, &urls);
        let registry = Memory::start();
        registry.hold(&image, "team/app", "latest");
        let source = json!({ "repository": registry.repository("team/app") });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        let target = scratch::directory();
        get("registry-image", &source, &version, json!({}), target.path()).succeeded();
        assert_eq!(read(target.path(), "rootfs/a"), "x");
    }
    assert_eq!(elsewhere.recorded_requests().len(), 0);
}
