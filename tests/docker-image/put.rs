//! put of existing images: the result in the registry, and the saved uploads.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::layer::{Layer, require};
use jetway_tests::registry::image::{Blob, INDEX, Image, LAYER, sha256};
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER, run};
use jetway_tests::scratch;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{merge, messages, put, source};

/// A program for x86-64 that ends with the status 42: an ELF header, one segment, twelve bytes of code.
const PROGRAM: [u8; 132] = {
    let mut elf = [0_u8; 132];
    let head: [u8; 64] = [
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0, 0x78, 0, 0x40, 0, 0, 0, 0,
        0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    ];
    let segment: [u8; 56] = [
        1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 132, 0,
        0, 0, 0, 0, 0, 0, 132, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
    ];
    let code: [u8; 12] = [0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let mut at = 0;
    while at < 132 {
        elf[at] = if at < 64 {
            head[at]
        } else if at < 120 {
            segment[at - 64]
        } else {
            code[at - 120]
        };
        at += 1;
    }
    elf
};

/// A tar archive with one executable file.
pub(crate) fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let directory = scratch::directory();
    fs::write(directory.path().join(name), content).unwrap();
    let output = Command::new("tar")
        .args(["--create", "--owner=0", "--group=0", "--mode=0755", "--mtime=@0", "--directory"])
        .arg(directory.path())
        .arg(name)
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Incompressible bytes, the same in every run.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// An image with uncompressed layers.
pub(crate) fn image(layers: &[Vec<u8>]) -> Image {
    let layers: Vec<Blob> = layers.iter().map(|layer| Blob::new(LAYER, layer.clone())).collect();
    let ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Entrypoint": ["/program"] },
        "rootfs": { "type": "layers", "diff_ids": ids },
    });
    Image::new(&config, layers)
}

/// An archive of `docker save`, as skopeo writes it.
pub(crate) fn save(image: &Image, archive: &Path, name: &str) {
    let layout = scratch::directory();
    image.write_layout(layout.path());
    let (from, to) =
        (format!("oci:{}:x", layout.path().display()), format!("docker-archive:{}:{name}", archive.display()));
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &from, &to]));
}

/// Inputs with an archive `build/image.tar`.
fn saved(image: &Image) -> TempDir {
    let inputs = scratch::directory();
    fs::create_dir(inputs.path().join("build")).unwrap();
    save(image, &inputs.path().join("build/image.tar"), "app:1");
    inputs
}

/// Inputs with a layout `build/layout`.
fn laid_out(image: &Image) -> TempDir {
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("build/layout"));
    inputs
}

fn program_image() -> Image {
    image(&[tar("program", &PROGRAM), tar("noise", &noise(100_000))])
}

/// The output of `skopeo inspect`.
fn inspect(registry: &Registry, name: &str, arguments: &[&str]) -> String {
    let name = format!("docker://{}", registry.repository(name));
    run(Command::new("skopeo").args(["inspect", "--tls-verify=false"]).args(arguments).arg(name))
}

/// The requests since `before`, sorted, without requests to `/v2/`.
fn since(registry: &Registry, before: usize) -> Vec<String> {
    let mut requests = registry.requests().split_off(before);
    requests.sort();
    requests
}

#[test]
fn pushes_archive_of_docker_save() {
    let registry = Registry::start();
    let inputs = saved(&program_image());
    let outcome = put(
        "registry-image",
        &source(&registry, "team/app", json!({ "tag": "1.0" })),
        &json!({ "image": "build/*.tar" }),
        inputs.path(),
    );
    let answer = outcome.json();
    let digest = answer["version"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(answer["version"]["tag"], json!("1.0"));
    assert_eq!(
        answer["metadata"],
        json!([{ "name": "repository", "value": registry.repository("team/app") }, { "name": "tags", "value": "1.0" }])
    );
    assert_eq!(sha256(inspect(&registry, "team/app:1.0", &["--raw"]).trim_end().as_bytes()), digest);
    // skopeo verifies every digest, and every layer against the config.
    let copy = scratch::directory();
    let (from, to) =
        (format!("docker://{}:1.0", registry.repository("team/app")), format!("oci:{}:x", copy.path().display()));
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", &from, &to]));
    let unpacked = copy.path().join("unpacked");
    let mut umoci = Command::new("umoci");
    umoci.args(["unpack", "--rootless", "--image"]).arg(format!("{}:x", copy.path().display())).arg(&unpacked);
    run(&mut umoci);
    assert_eq!(fs::read(unpacked.join("rootfs/program")).unwrap(), PROGRAM);
    assert_eq!(fs::read(unpacked.join("rootfs/noise")).unwrap(), noise(100_000));
    if require(Layer::Engine) {
        let name = format!("{}@{digest}", registry.repository("team/app"));
        let status = Command::new("docker").args(["run", "--rm", "--quiet", &name]).status();
        let status = match status {
            Ok(status) if status.code() != Some(125) => status,
            // Old command lines of docker do not support `--quiet`.
            _ => Command::new("docker").args(["run", "--rm", &name]).status().unwrap(),
        };
        let _ = Command::new("docker").args(["rmi", &name]).output();
        assert_eq!(status.code(), Some(42));
    }
}

#[test]
fn second_put_of_an_archive_uploads_nothing() {
    let registry = Registry::start();
    let image = program_image();
    let inputs = saved(&image);
    let source = source(&registry, "team/app", json!({ "tag": "1.0" }));
    let params = json!({ "image": "build/image.tar" });
    let first = put("registry-image", &source, &params, inputs.path()).json();
    let before = registry.requests().len();
    let second = put("registry-image", &source, &params, inputs.path()).json();
    assert_eq!(first, second);
    let requests = since(&registry, before);
    assert_eq!(requests.iter().filter(|request| request.starts_with("HEAD /v2/team/app/blobs/")).count(), 3);
    assert_eq!(
        requests.into_iter().filter(|request| !request.contains("/blobs/")).collect::<Vec<_>>(),
        ["GET /v2/team/app/manifests/1.0 200"]
    );
}

#[test]
fn does_not_upload_layer_of_previous_image() {
    let registry = Registry::start();
    let base = tar("base", &noise(200_000));
    let params = json!({ "image": "build/image.tar" });
    let put_it = |tag: &str, top: &[u8]| {
        let inputs = saved(&image(&[base.clone(), tar("top", top)]));
        put("registry-image", &source(&registry, "team/app", json!({ "tag": tag })), &params, inputs.path())
            .succeeded();
    };
    put_it("latest", b"one");
    let before = registry.requests().len();
    put_it("1.1", b"two");
    let requests = since(&registry, before);
    // The new layer and the new config.
    assert_eq!(requests.iter().filter(|request| request.starts_with("PATCH")).count(), 2, "{requests:#?}");
    let copy = scratch::directory();
    let from = format!("docker://{}:1.1", registry.repository("team/app"));
    let to = format!("oci:{}:x", copy.path().display());
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", &from, &to]));
}

#[test]
fn layout_keeps_digests_and_second_put_sends_only_heads() {
    let registry = Registry::start();
    let image = program_image();
    let inputs = laid_out(&image);
    let source = source(&registry, "team/app", json!({ "tag": "1.0" }));
    let params = json!({ "image": "build/layout" });
    let answer = put("registry-image", &source, &params, inputs.path()).json();
    assert_eq!(answer["version"], json!({ "tag": "1.0", "digest": image.manifest.digest }));
    assert_eq!(inspect(&registry, "team/app:1.0", &["--raw"]).trim_end().as_bytes(), image.manifest.bytes);
    let before = registry.requests().len();
    assert_eq!(put("registry-image", &source, &params, inputs.path()).json(), answer);
    let mut expected: Vec<String> = image
        .layers
        .iter()
        .chain([&image.config])
        .map(|blob| format!("HEAD /v2/team/app/blobs/{} 200", blob.digest))
        .chain(["HEAD /v2/team/app/manifests/1.0 200".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(since(&registry, before), expected);
}

#[test]
fn pushes_the_only_image_of_a_layout() {
    let registry = Registry::start();
    let image = program_image();
    let inputs = laid_out(&image);
    fs::write(inputs.path().join("build/layout/single-image-digest"), &image.manifest.digest).unwrap();
    let source = source(&registry, "team/app", json!({ "tag": "1.0" }));
    let answer = put("registry-image", &source, &json!({ "image": "build/layout" }), inputs.path()).json();
    assert_eq!(answer["version"]["digest"], json!(image.manifest.digest));
}

#[test]
fn unwraps_nested_index_and_keeps_annotations() {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let layout = inputs.path().join("layout");
    let (amd64, arm64) = (Image::named("amd64"), Image::named("arm64"));
    amd64.write_layout(&layout);
    arm64.write_layout(&layout);
    let entry = |image: &Image, architecture: &str| {
        let mut entry = image.manifest.descriptor();
        merge(&mut entry, json!({ "platform": { "os": "linux", "architecture": architecture } }));
        entry
    };
    let inner = json!({
        "schemaVersion": 2, "mediaType": INDEX, "annotations": { "org.example.team": "jets" },
        "manifests": [entry(&amd64, "amd64"), entry(&arm64, "arm64")],
    });
    let inner = Blob::new(INDEX, inner.to_string());
    fs::write(layout.join("blobs").join(inner.digest.replace(':', "/")), &inner.bytes).unwrap();
    let outer = json!({ "schemaVersion": 2, "manifests": [inner.descriptor()] });
    fs::write(layout.join("index.json"), outer.to_string()).unwrap();
    let source = source(&registry, "team/app", json!({ "tag": "multi" }));
    let answer = put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).json();
    assert_eq!(answer["version"]["digest"], json!(inner.digest));
    assert_eq!(inspect(&registry, "team/app:multi", &["--raw"]).trim_end().as_bytes(), inner.bytes);
    for (architecture, image) in [("amd64", &amd64), ("arm64", &arm64)] {
        let config = inspect(&registry, "team/app:multi", &["--override-arch", architecture, "--config", "--raw"]);
        assert_eq!(config.trim_end().as_bytes(), image.config.bytes);
    }
}

#[test]
fn load_selects_by_id_and_load_file_by_name() {
    let registry = Registry::start();
    let image = program_image();
    let inputs = saved(&image);
    let directory = inputs.path().join("build");
    fs::rename(directory.join("image.tar"), directory.join("image")).unwrap();
    let source = source(&registry, "team/app", json!({}));
    let id = || fs::write(directory.join("image-id"), format!("{}\n", image.config.digest)).unwrap();
    id();
    let loaded = put("docker-image", &source, &json!({ "load": "build" }), inputs.path()).json();
    let short = &image.config.digest["sha256:".len()..][..12];
    assert_eq!(
        loaded["metadata"],
        json!([
            { "name": "image", "value": short },
            { "name": "repository", "value": registry.repository("team/app") },
            { "name": "tags", "value": "latest" },
        ])
    );
    assert_eq!(loaded["version"].as_object().unwrap().keys().collect::<Vec<_>>(), ["digest"]);
    for params in [
        json!({ "load_file": "build/image" }),
        json!({ "load_file": "build/image", "load_repository": "app", "load_tag": "1" }),
    ] {
        assert_eq!(put("docker-image", &source, &params, inputs.path()).json(), loaded);
    }
    let named = json!({ "load_file": "build/image", "load_repository": "other" });
    let outcome = put("docker-image", &source, &named, inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("the archive has no image `other:latest`"), "{}", messages(&outcome));
    fs::write(directory.join("image-id"), sha256(b"other")).unwrap();
    let outcome = put("docker-image", &source, &json!({ "load": "build" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("of `image-id`"), "{}", messages(&outcome));
}

#[test]
fn import_file_is_reproducible() {
    let registry = Registry::start();
    let inputs = scratch::directory();
    fs::write(inputs.path().join("root.tar"), tar("program", &PROGRAM)).unwrap();
    run(Command::new("gzip").arg("--keep").arg(inputs.path().join("root.tar")));
    let source = source(&registry, "team/app", json!({ "platform": "linux/amd64" }));
    let import = |file: &str| put("docker-image", &source, &json!({ "import_file": file }), inputs.path());
    let answer = import("root.tar").json();
    assert_eq!(import("root.tar").json(), answer);
    let config: Value = serde_json::from_str(&inspect(&registry, "team/app:latest", &["--config", "--raw"])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!([sha256(&tar("program", &PROGRAM))]));
    // The same layer with another compression gives an image with the same id.
    assert_eq!(import("root.tar.gz").json()["metadata"][0], answer["metadata"][0]);
    fs::write(inputs.path().join("text"), "no archive".repeat(200)).unwrap();
    let outcome = import("text");
    outcome.failed();
    assert!(messages(&outcome).contains("it is not a tar archive"), "{}", messages(&outcome));
    // Empty files are not images.
    fs::write(inputs.path().join("empty"), "").unwrap();
    fs::write(inputs.path().join("page"), format!("<html>{}", "x".repeat(2000))).unwrap();
    fs::create_dir(inputs.path().join("directory")).unwrap();
    fs::write(inputs.path().join("nothing"), "").unwrap();
    run(Command::new("gzip").arg(inputs.path().join("nothing")));
    let before = registry.requests().len();
    for file in ["empty", "page", "directory", "nothing.gz"] {
        let outcome = import(file);
        outcome.failed();
        assert!(messages(&outcome).contains(file), "{}", messages(&outcome));
    }
    assert!(!registry.requests().split_off(before).iter().any(|request| request.starts_with("PUT")));
    if require(Layer::Engine) {
        let name = format!("{}@{}", registry.repository("team/app"), answer["version"]["digest"].as_str().unwrap());
        let status = Command::new("docker").args(["run", "--rm", &name, "/program"]).status().unwrap();
        let _ = Command::new("docker").args(["rmi", &name]).output();
        assert_eq!(status.code(), Some(42));
    }
}

#[test]
fn mounts_blobs_of_same_registry_and_copies_others() {
    let registry = Registry::start();
    let image = image(&[tar("noise", &noise(100_000))]);
    let digest = image.push(registry.client(), "base/image", "3");
    let before = registry.requests().len();
    let params = json!({ "pull_repository": registry.repository("base/image"), "pull_tag": "3" });
    let inputs = scratch::directory();
    let answer = put("docker-image", &source(&registry, "team/app", json!({})), &params, inputs.path()).json();
    assert_eq!(answer["version"], json!({ "digest": digest }));
    let requests = since(&registry, before);
    assert_eq!(requests.iter().filter(|request| request.starts_with("POST")).count(), 2, "{requests:#?}");
    assert!(
        !requests.iter().any(|request| request.starts_with("PATCH") || request.starts_with("GET /v2/base/image/blobs"))
    );

    let other = Registry::start();
    let answer = put("docker-image", &source(&other, "team/app", json!({})), &params, inputs.path()).json();
    assert_eq!(answer["version"], json!({ "digest": digest }));
    let raw = inspect(&other, "team/app:latest", &["--raw"]);
    assert_eq!(raw.trim_end().as_bytes(), image.manifest.bytes);
    let missing = json!({ "pull_repository": registry.repository("base/image"), "pull_tag": "4" });
    let outcome = put("docker-image", &source(&other, "team/app", json!({})), &missing, inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("has no tag `4`"), "{}", messages(&outcome));
}

#[test]
fn sends_credentials_for_push_when_challenged() {
    let registry = Registry::with(&Manner { htpasswd: true, tls: true, ..Manner::default() });
    let inputs = saved(&program_image());
    let params = json!({ "image": "build/image.tar" });
    let mut keys = json!({ "tag": "1", "ca_certs": [registry.authority()], "username": USER, "password": PASSWORD });
    let outcome = put("registry-image", &source(&registry, "team/app", keys.clone()), &params, inputs.path());
    assert_eq!(outcome.json()["version"]["tag"], json!("1"));
    assert!(!outcome.stderr.contains(PASSWORD));
    keys["password"] = json!("n0t-the-password");
    let outcome = put("registry-image", &source(&registry, "team/app", keys), &params, inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("rejected the credentials"), "{}", messages(&outcome));
    assert!(!outcome.stderr.contains("n0t-the-password"));
}
