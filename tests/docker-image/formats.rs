//! get of the other formats: archives for engines, and OCI layouts. skopeo reads both for comparison.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::engine::{Images, docker};
use jetway_tests::layer::{Layer, require};
use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::tar::Tar;
use jetway_tests::registry::{Registry, run};
use jetway_tests::scratch;
use jetway_tests::tree::tree;
use serde_json::{Value, json};

use crate::support::{get, read, source};

fn image(content: &str, compression: Compression) -> Image {
    let first = Tar::new().directory("etc/", 0o755).with("SCHILY.xattr.user.x", "1").file(
        "etc/name",
        0o4711,
        content.as_bytes(),
    );
    let first = first.hard_link("etc/same", "etc/name").link("link", "etc/name").finish();
    let second = Tar::new().file("second", 0o644, &[7; 5000]).finish();
    Image::of_archives(&json!({ "Labels": { "a": "b" } }), &[first, second], compression)
}

fn fetch(kind: &str, registry: &Registry, digest: &str, params: Value, target: &Path) {
    let version = json!({ "tag": "1.0", "digest": digest });
    let source = source(registry, "team/app", json!({ "tag": "1.0" }));
    get(kind, &source, &version, params, target).succeeded();
}

/// The digest of an image's config as skopeo reads it, which is the same in every format.
fn id(from: &str) -> String {
    let directory = scratch::directory();
    let to = format!("dir:{}", directory.path().display());
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", from, &to]));
    let manifest: Value = serde_json::from_str(&read(directory.path(), "manifest.json")).expect("a manifest");
    manifest["config"]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn oci_archive_has_unchanged_layers() {
    for (compression, ending) in [(Compression::Gzip, ".tar.gz"), (Compression::Zstd, ".tar.zst")] {
        let registry = Registry::start();
        let image = image("x", compression);
        let digest = image.push(registry.client(), "team/app", "1.0");
        let target = scratch::directory();
        fetch("registry-image", &registry, &digest, json!({ "format": "oci" }), target.path());
        let archive = target.path().join("image.tar");
        assert_eq!(id(&format!("docker-archive:{}", archive.display())), image.config.digest);
        assert_eq!(read(target.path(), "labels.json"), r#"{"a":"b"}"#);
        let listed = run(Command::new("tar").arg("-tf").arg(&archive));
        let names: Vec<&str> = listed.lines().collect();
        let layer = |index: usize| format!("{}{ending}", image.layers[index].digest.trim_start_matches("sha256:"));
        assert_eq!(names, [image.config.digest.as_str(), &layer(0), &layer(1), "manifest.json"]);
        let list = run(Command::new("tar").arg("-xOf").arg(&archive).arg("manifest.json"));
        let list: Value = serde_json::from_str(&list).expect("a list");
        assert_eq!(list[0]["RepoTags"], json!([format!("{}:1.0", registry.repository("team/app"))]));
        assert!(!target.path().join("rootfs").exists());
    }
}

#[test]
fn oci_layout_has_all_platforms_byte_for_byte() {
    let registry = Registry::start();
    let client = registry.client();
    let images = [("amd64", image("amd64", Compression::Gzip)), ("arm64", image("arm64", Compression::Gzip))];
    let mut entries = Vec::new();
    for (architecture, image) in &images {
        image.push(client, "team/app", architecture);
        let mut entry = image.manifest.descriptor();
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entries.push(entry);
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries }).to_string();
    let digest = client.put_manifest("team/app", "1.0", media_type, index.as_bytes());
    let target = scratch::directory();
    fetch("registry-image", &registry, &digest, json!({ "format": "oci-layout" }), target.path());
    assert_eq!(read(target.path(), "oci/index.json"), index);
    for (_, image) in &images {
        for blob in image.layers.iter().chain([&image.config, &image.manifest]) {
            let path = format!("oci/blobs/{}", blob.digest.replace(':', "/"));
            assert!(fs::read(target.path().join(&path)).expect("a blob") == blob.bytes, "{path}");
        }
    }
    // A single image gets its own index.
    let target = scratch::directory();
    fetch("registry-image", &registry, &images[0].1.manifest.digest, json!({ "format": "oci-layout" }), target.path());
    assert_eq!(read(target.path(), "oci/single-image-digest"), images[0].1.manifest.digest);
    assert_eq!(id(&format!("oci:{}", target.path().join("oci").display())), images[0].1.config.digest);
}

#[test]
fn save_and_rootfs_write_archives() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let registry = Registry::start();
        let image = image("x", compression);
        let digest = image.push(registry.client(), "team/app", "1.0");
        let target = scratch::directory();
        fetch("docker-image", &registry, &digest, json!({ "save": true, "rootfs": true }), target.path());
        let archive = target.path().join("image");
        assert_eq!(id(&format!("docker-archive:{}", archive.display())), image.config.digest);
        assert_eq!(read(target.path(), "image-id").trim_end(), image.config.digest);
        let copy = scratch::directory();
        let mut tar = Command::new("tar");
        tar.args(["--xattrs", "--xattrs-include=*", "-xpf"])
            .arg(target.path().join("rootfs.tar"))
            .arg("-C")
            .arg(copy.path());
        run(&mut tar);
        assert_eq!(tree(copy.path()), tree(&target.path().join("rootfs")));
    }
}

/// Many images contain the same layer several times.
#[test]
fn archive_has_a_repeated_layer_twice() {
    let layer = |name: &str| Tar::new().file(name, 0o644, b"x").finish();
    let image = Image::of_archives(&json!({}), &[layer("a"), layer("b"), layer("a")], Compression::Gzip);
    let registry = Registry::start();
    let digest = image.push(registry.client(), "team/app", "1.0");
    for (kind, params, file) in [
        ("registry-image", json!({ "format": "oci" }), "image.tar"),
        ("docker-image", json!({ "save": true }), "image"),
    ] {
        let target = scratch::directory();
        fetch(kind, &registry, &digest, params, target.path());
        let archive = target.path().join(file);
        assert_eq!(id(&format!("docker-archive:{}", archive.display())), image.config.digest, "{kind}");
        if require(Layer::Engine) {
            let name = format!("{}:1.0", registry.repository("team/app"));
            let _images = Images::of(&registry.repository("team/app"));
            docker(&["load", "--input", archive.to_str().unwrap()]);
            let shown = docker(&["inspect", "--format", "{{.Id}} {{len .RootFS.Layers}}", &name]);
            assert_eq!(shown.trim(), format!("{} 3", image.config.digest), "{kind}");
        }
    }
}

#[test]
fn rejects_unknown_format_with_valid_ones() {
    let target = scratch::directory();
    let source = json!({ "repository": "x" });
    let version = json!({ "digest": format!("sha256:{}", "0".repeat(64)) });
    let outcome = get("registry-image", &source, &version, json!({ "format": "ocy" }), target.path());
    outcome.failed();
    let says = "`params.format`: expected `rootfs`, `oci` or `oci-layout`, found `ocy`; did you mean `oci`?";
    assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
}
