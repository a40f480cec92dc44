//! put of invalid images, and over unreliable connections.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jetway_tests::registry::image::{Compression, Image, sha256};
use jetway_tests::registry::proxy::{Proxy, Trouble};
use jetway_tests::registry::receiver::Receiver;
use jetway_tests::registry::{Registry, run};
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::{Container, Verb};
use jetway_tests::{process, scratch};
use serde_json::{Value, json};

use crate::put::{image, noise, save, tar};
use crate::support::{messages, put, source};

/// Debian's registry discards a partial upload, so the upload starts again.
#[test]
fn restarts_upload_that_the_registry_lost() {
    let registry = Registry::start();
    let proxy = Proxy::start(&registry, Trouble::Cut { times: 3, after: 1_500_000 });
    let image = image(&[tar("noise", &noise(5_000_000))]);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("image"));
    let keys = json!({ "repository": proxy.repository("team/app"), "tag": "1", "max_concurrent_uploads": 1 });
    put("registry-image", &keys, &json!({ "image": "image" }), inputs.path()).succeeded();
    assert_eq!(proxy.cuts_left(), 0);
    let to = format!("oci:{}:x", inputs.path().join("copy").display());
    let from = format!("docker://{}:1", registry.repository("team/app"));
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", &from, &to]));
}

/// The distribution specification: a registry reports the received bytes, and accepts the rest.
#[test]
fn resumes_upload_that_was_cut_off() {
    let registry = Receiver::start(3, 1_500_000);
    let image = image(&[tar("noise", &noise(5_000_000))]);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("image"));
    let keys = json!({ "repository": registry.repository("team/app"), "tag": "1", "max_concurrent_uploads": 1 });
    put("registry-image", &keys, &json!({ "image": "image" }), inputs.path()).succeeded();
    let layer = &image.layers[0];
    assert_eq!(registry.blob(&layer.digest).as_deref(), Some(layer.bytes.as_slice()));
    let requests = registry.requests();
    assert_eq!(requests.iter().filter(|request| request.starts_with("POST")).count(), 2, "{requests:#?}");
    let ranges: Vec<&str> = requests.iter().filter_map(|request| request.strip_prefix("PATCH ")).collect();
    let last = layer.bytes.len() - 1;
    let expected = [1_500_000, 3_000_000, 4_500_000].map(|from| format!("{from}-{last}"));
    assert_eq!(ranges, ["", &expected[0], &expected[1], &expected[2], ""]);
}

/// If a registry does not support chunks, each blob is sent with the request that names it.
#[test]
fn falls_back_to_monolithic_upload() {
    let registry = Receiver::without_parts();
    let image = image(&[tar("noise", &noise(500_000))]);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("image"));
    let keys = json!({ "repository": registry.repository("team/app"), "tag": "1" });
    put("registry-image", &keys, &json!({ "image": "image" }), inputs.path()).succeeded();
    assert_eq!(registry.blob(&image.layers[0].digest).as_deref(), Some(image.layers[0].bytes.as_slice()));
}

/// The steps of a push: the method, and a part of the path.
const STEPS: [(&str, &str); 6] = [
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PATCH", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("HEAD", "/manifests/"),
    ("PUT", "/manifests/"),
];

/// The statuses that go-containerregistry retries (`pkg/v1/remote/options.go`, `retryableStatusCodes`, and 429).
const TRANSIENT: [u16; 8] = [408, 429, 499, 500, 502, 503, 504, 522];

#[test]
fn retries_transient_status_at_every_step_of_a_push() {
    std::thread::scope(|scope| {
        for status in TRANSIENT {
            scope.spawn(move || {
                let registry = Receiver::start(0, 0);
                for (method, path) in STEPS {
                    registry.fail(method, path, status, 1);
                }
                let image = image(&[tar("noise", &noise(10_000))]);
                let inputs = scratch::directory();
                image.write_layout(&inputs.path().join("image"));
                let keys =
                    json!({ "repository": registry.repository("team/app"), "tag": "1", "max_concurrent_uploads": 1 });
                put("registry-image", &keys, &json!({ "image": "image" }), inputs.path()).succeeded();
                let layer = &image.layers[0];
                assert_eq!(registry.blob(&layer.digest).as_deref(), Some(layer.bytes.as_slice()), "{status}");
            });
        }
    });
}

#[test]
fn push_limits_requests_on_permanent_failure() {
    std::thread::scope(|scope| {
        // The request for the current tag only saves work; the push continues without its response.
        for (method, path) in STEPS.into_iter().filter(|step| *step != ("HEAD", "/manifests/")) {
            scope.spawn(move || {
                let registry = Receiver::start(0, 0);
                registry.fail(method, path, 500, usize::MAX);
                let image = image(&[tar("noise", &noise(10_000))]);
                let inputs = scratch::directory();
                image.write_layout(&inputs.path().join("image"));
                let keys =
                    json!({ "repository": registry.repository("team/app"), "tag": "1", "max_concurrent_uploads": 1 });
                let outcome = put("registry-image", &keys, &json!({ "image": "image" }), inputs.path());
                outcome.failed();
                let sent = registry.requests().iter().filter(|request| request.starts_with(method)).count();
                // Two blobs, five attempts each, and one more round of an upload that the client has retried.
                assert!((2..=20).contains(&sent), "{method} {path}: {sent} requests");
            });
        }
    });
}

#[test]
fn fails_when_upload_is_always_cut_off() {
    let registry = Registry::start();
    let proxy = Proxy::start(&registry, Trouble::Cut { times: 1000, after: 1 });
    let inputs = scratch::directory();
    image(&[tar("noise", &noise(100_000))]).write_layout(&inputs.path().join("image"));
    let keys = json!({ "repository": proxy.repository("team/app"), "tag": "1" });
    let outcome = put("registry-image", &keys, &json!({ "image": "image" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("cannot upload `sha256:"), "{}", messages(&outcome));
}

#[test]
fn does_not_send_credentials_to_another_upload_server() {
    let storage = Receiver::start(0, 0);
    let registry = Receiver::with_storage(&storage);
    let image = image(&[tar("noise", &noise(500_000))]);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("image"));
    let keys = json!({ "repository": registry.repository("team/app"), "tag": "1", "username": "u", "password": "s3cret-word" });
    put("registry-image", &keys, &json!({ "image": "image" }), inputs.path()).succeeded();
    assert_eq!(storage.blob(&image.layers[0].digest).as_deref(), Some(image.layers[0].bytes.as_slice()));
    assert!(registry.logins() > 0);
    assert_eq!(storage.logins(), 0);
}

#[test]
fn interrupted_put_leaves_no_files() {
    let registry = Registry::start();
    let proxy = Proxy::start(&registry, Trouble::Stall("PATCH "));
    let inputs = scratch::directory();
    save(&image(&[tar("noise", &noise(2_000_000))]), &inputs.path().join("image.tar"), "app:1");
    let request = json!({
        "source": { "repository": proxy.repository("team/app"), "tag": "1" }, "params": { "image": "image.tar" }
    });
    let container = Container::new();
    let running = Verb::put("registry-image").request(&request).dir(inputs.path()).container(&container).spawn();
    process::wait_until(Duration::from_secs(20), || proxy.has_stalled().then_some(())).expect("an upload");
    running.terminate();
    let outcome = running.wait(Duration::from_secs(10));
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert_eq!(container.leftovers(), [] as [std::path::PathBuf; 0]);
}

/// A put of a layout that `spoil` has changed. Returns the error, and asserts that no tag was pushed.
fn spoilt(spoil: impl FnOnce(&Path, &Image)) -> String {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let image = image(&[tar("noise", &noise(1000))]);
    let layout = inputs.path().join("image");
    image.write_layout(&layout);
    fs::write(inputs.path().join("secret"), "s").unwrap();
    spoil(&layout, &image);
    refused(&registry, json!({ "image": "image" }), inputs.path())
}

fn refused(registry: &Registry, params: Value, inputs: &Path) -> String {
    let outcome = put("registry-image", &source(registry, "team/app", json!({ "tag": "1" })), &params, inputs);
    outcome.failed();
    assert!(!registry.requests().iter().any(|request| request.starts_with("PUT /v2/team/app/manifests/")));
    messages(&outcome)
}

#[track_caller]
fn says(text: &str, expected: &str) {
    assert!(text.contains(expected), "{text}");
}

#[test]
fn rejects_inconsistent_layout() {
    let blob = |layout: &Path, digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
    let text = spoilt(|layout, image| {
        let mut bytes = image.layers[0].bytes.clone();
        bytes[700] ^= 1;
        fs::write(blob(layout, &image.layers[0].digest), bytes).unwrap();
    });
    says(&text, "has the digest sha256:");
    let text = spoilt(|layout, image| fs::write(blob(layout, &image.layers[0].digest), "short").unwrap());
    says(&text, "has 5 bytes; the manifest requires 10240");
    let text = spoilt(|layout, image| fs::write(blob(layout, &image.manifest.digest), "{}").unwrap());
    says(&text, "has the digest sha256:");
    let text = spoilt(|layout, image| fs::remove_file(blob(layout, &image.config.digest)).unwrap());
    says(&text, "is missing");
    let text = spoilt(|layout, _| fs::remove_file(layout.join("index.json")).unwrap());
    says(&text, "it has no `index.json`");
    let text = spoilt(|layout, _| fs::write(layout.join("index.json"), r#"{"manifests":[]}"#).unwrap());
    says(&text, "`index.json` lists no image");
    let text = spoilt(|layout, _| fs::write(layout.join("single-image-digest"), "sha256:../../../secret").unwrap());
    says(&text, "`single-image-digest`: expected a digest");
    let text = spoilt(|layout, _| {
        let index = json!({ "manifests": [{ "mediaType": "x", "digest": "sha256:../../secret", "size": 1 }] });
        fs::write(layout.join("index.json"), index.to_string()).unwrap();
    });
    says(&text, "expected a digest");
}

#[test]
fn rejects_layout_links_outside_the_inputs() {
    let outside = scratch::directory();
    fs::write(outside.path().join("secret"), "s").unwrap();
    let text = spoilt(|layout, image| {
        let blob = layout.join("blobs").join(image.layers[0].digest.replace(':', "/"));
        fs::remove_file(&blob).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), &blob).unwrap();
    });
    says(&text, "it is a link to a path outside the directory of the inputs");
}

#[test]
fn rejects_inconsistent_archive() {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let archive = inputs.path().join("image.tar");
    let image = image(&[tar("noise", &noise(100_000))]);
    save(&image, &archive, "app:1");
    let params = json!({ "image": "image.tar" });
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
    says(&refused(&registry, params.clone(), inputs.path()), "the archive is truncated in");

    // A byte of the layer, which is the largest part of the archive.
    let mut spoilt = whole.clone();
    let at = spoilt.windows(64).position(|window| window == &noise(100_000)[..64]).unwrap();
    spoilt[at] ^= 1;
    fs::write(&archive, spoilt).unwrap();
    says(&refused(&registry, params.clone(), inputs.path()), "which does not match the image's configuration");

    fs::write(&archive, "this is no archive".repeat(100)).unwrap();
    says(
        &refused(&registry, params.clone(), inputs.path()),
        "the archive is invalid: the checksum of a header is wrong",
    );
    fs::write(&archive, tar("other", b"x")).unwrap();
    says(&refused(&registry, params.clone(), inputs.path()), "it has no `manifest.json`");

    // A gzip-compressed archive is valid.
    fs::write(&archive, &whole).unwrap();
    run(Command::new("gzip").arg(&archive));
    let keys = source(&registry, "team/app", json!({ "tag": "1" }));
    put("registry-image", &keys, &json!({ "image": "image.tar.gz" }), inputs.path()).succeeded();
}

#[test]
fn rejects_compressed_layer_that_does_not_match_configuration() {
    let registry = Registry::start();
    let (inputs, files) = (scratch::directory(), scratch::directory());
    let layer = tar("own", b"own");
    for (diff_id, is_taken) in [(sha256(&layer), true), (sha256(b"another"), false)] {
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "diff_ids": [diff_id] } });
        fs::write(files.path().join("config.json"), config.to_string()).unwrap();
        let manifest = json!([{ "Config": "config.json", "RepoTags": null, "Layers": ["layer.tar.gz"] }]);
        fs::write(files.path().join("manifest.json"), manifest.to_string()).unwrap();
        fs::write(files.path().join("layer.tar.gz"), Compression::Gzip.layer(&layer).bytes).unwrap();
        let archive = inputs.path().join("image.tar");
        let mut pack = Command::new("tar");
        run(pack.arg("--create").arg("--file").arg(archive).arg("--directory").arg(files.path()).arg("."));
        let path = if is_taken { "taken" } else { "refused" };
        let keys = source(&registry, path, json!({ "tag": "1" }));
        let outcome = put("registry-image", &keys, &json!({ "image": "image.tar" }), inputs.path());
        if is_taken {
            outcome.succeeded();
        } else {
            outcome.failed();
            says(&messages(&outcome), "cannot upload layer `sha256:");
            says(&messages(&outcome), "the image's configuration requires sha256:");
        }
    }
}

/// Some registries answer a HEAD with another length.
#[test]
fn uploads_blob_when_registry_has_another_length() {
    let registry = StandIn::start(|request| match (request.method.as_str(), request.path()) {
        ("HEAD", path) if path.contains("/blobs/") => Response::bytes(200, "application/octet-stream", [0; 3]),
        ("POST", path) => Response::text(202, "").with("Location", &format!("{path}1")),
        ("PATCH", path) => Response::text(202, "").with("Location", path),
        ("PUT", _) => Response::text(201, ""),
        _ => Response::text(404, ""),
    });
    let image = image(&[tar("own", b"own")]);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("image"));
    let keys = json!({ "repository": format!("{}/team/app", registry.url().replace("http://", "")), "tag": "1" });
    put("registry-image", &keys, &json!({ "image": "image" }), inputs.path()).succeeded();
    let sent = |method: &str| registry.recorded_requests().iter().filter(|request| request.method == method).count();
    assert_eq!(sent("PATCH"), 2, "the layer and the configuration");
}

#[test]
fn rejects_archive_links_outside_the_archive() {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let files = scratch::directory();
    let write = |name: &str, text: &str| fs::write(files.path().join(name), text).unwrap();
    let pack = || {
        let archive = inputs.path().join("image.tar");
        let mut pack = Command::new("tar");
        run(pack.arg("--create").arg("--file").arg(archive).arg("--directory").arg(files.path()).arg("."));
    };
    let id = sha256(b"");
    write("config.json", &json!({ "rootfs": { "diff_ids": [id] } }).to_string());
    std::os::unix::fs::symlink("/etc/hostname", files.path().join("link.tar")).unwrap();
    for layer in ["../../etc/hostname", "/etc/hostname", "link.tar", "none.tar"] {
        write("manifest.json", &json!([{ "Config": "config.json", "RepoTags": null, "Layers": [layer] }]).to_string());
        pack();
        says(&refused(&registry, json!({ "image": "image.tar" }), inputs.path()), "is missing");
    }
    write("manifest.json", &json!([{ "Config": "config.json", "Layers": [] }]).to_string());
    pack();
    let text = refused(&registry, json!({ "image": "image.tar" }), inputs.path());
    says(&text, "the number of layers differs: 0 in the archive, 1 in the image's configuration");
}

#[test]
fn requires_exactly_one_existing_image() {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let of = |params: Value| refused(&registry, params, inputs.path());
    says(&of(json!({})), "the params name no image to push");
    says(&of(json!({ "image": "x", "load": "y" })), "`params.load`: excludes `image`");
    says(&of(json!({ "image": "../x" })), "`params.image`: must stay inside the directory of the inputs");
    says(&of(json!({ "image": "x.tar" })), "no file in the inputs matches `x.tar`");
    says(&of(json!({ "load_file": "x.tar" })), "the file or directory does not exist in the inputs");
    says(&of(json!({ "load_tag": "x", "load_file": "y" })), "`params.load_tag`: requires `load_repository`");
    says(&of(json!({ "pull_repository": "a:b" })), "`params.pull_repository`: must not contain a tag");
    let trusted = source(
        &registry,
        "team/app",
        json!({ "tag": "1", "content_trust": { "repository_key": "k3y-of-the-repository" } }),
    );
    for params in [json!({ "image": "x.tar" }), json!({ "build": "x" })] {
        let outcome = put("registry-image", &trusted, &params, inputs.path());
        outcome.failed();
        says(&messages(&outcome), "`content_trust` (Notary v1 signatures) is not supported");
    }
}
