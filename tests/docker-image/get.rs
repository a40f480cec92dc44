//! get of the format `rootfs`: the same files as umoci unpacks from an image of skopeo.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::registry::image::{Blob, Compression, Image, sha256};
use jetway_tests::registry::tar::Tar;
use jetway_tests::registry::{Registry, run};
use jetway_tests::scratch;
use jetway_tests::tree::tree;
use serde_json::{Value, json};

use crate::support::{get, read, source};

/// Two layers with every kind of entry.
fn everything() -> Vec<Vec<u8>> {
    let long = format!("usr/bin/{}", "x".repeat(200));
    let base = Tar::new()
        .directory("./", 0o755)
        .directory("etc/", 0o755)
        .file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
        .directory("usr/", 0o755)
        .directory("usr/bin/", 0o755)
        .file("usr/bin/su", 0o4755, b"su")
        .hard_link("usr/bin/su-too", "usr/bin/su")
        .with("SCHILY.xattr.user.note", "of a file")
        .with("mtime", "1700000000.123456789")
        .file("usr/bin/tool", 0o2755, b"tool")
        .link("bin", "usr/bin")
        .link("absolute", "/usr/bin")
        .link("dangling", "/nowhere")
        .with("uid", "1000")
        .with("gid", "70000")
        .directory("home/", 0o755)
        .with("uid", "1000")
        .file("home/owned", 0o600, b"mine")
        .directory("tmp/", 0o1777)
        .with("path", long.as_bytes())
        .file("short", 0o644, b"long")
        .directory("run/", 0o755)
        .entry(b"run/pipe", b'6', 0o622, b"", 0, b"")
        .directory("gone/", 0o755)
        .file("gone/file", 0o644, b"gone")
        .directory("opaque/", 0o700)
        .file("opaque/below", 0o644, b"below")
        .directory("opaque/sub/", 0o755)
        .file("opaque/sub/below", 0o644, b"below")
        .file("replaced", 0o644, b"a file first")
        .directory("directory-first/", 0o755)
        .file("directory-first/inside", 0o644, b"x")
        .file("empty", 0o644, b"")
        .file("big", 0o644, &vec![7; 700_000]);
    let top = Tar::new()
        .file("bin/through-a-link", 0o755, b"through")
        .whiteout("gone")
        .directory("opaque/", 0o750)
        .file("opaque/before", 0o644, b"before")
        .file("opaque/.wh..wh..opq", 0o644, b"")
        .file("opaque/after", 0o644, b"after")
        .directory("replaced/", 0o711)
        .file("replaced/inside", 0o644, b"now a directory")
        .file("directory-first", 0o640, b"now a file")
        .with("SCHILY.xattr.user.of-a-directory", "1")
        .directory("etc/", 0o751)
        .file("etc/passwd", 0o600, b"root:x:0:0:root:/root:/bin/sh\n")
        .hard_link("etc/passwd-", "etc/passwd");
    vec![base.finish(), top.finish()]
}

/// An image of these layers in a registry, with its digest and its layout on disk.
fn pushed(layers: &[Vec<u8>], compression: Compression) -> (Registry, String, tempfile::TempDir) {
    let image = Image::of_archives(
        &json!({ "Env": ["A=b"], "Cmd": ["sh"], "User": "1000", "Labels": { "z": "1", "a": "<&>" } }),
        layers,
        compression,
    );
    let layout = scratch::directory();
    image.write_layout(layout.path());
    let registry = Registry::start();
    if compression == Compression::Gzip {
        registry.copy(&format!("oci:{}:x", layout.path().display()), "team/app:latest", &[]);
    } else {
        // skopeo would change the compression.
        image.push(registry.client(), "team/app", "latest");
    }
    (registry, image.manifest.digest, layout)
}

fn version(digest: &str) -> Value {
    json!({ "tag": "latest", "digest": digest })
}

fn unpacked_by_umoci(layout: &Path) -> tempfile::TempDir {
    let bundle = scratch::directory();
    let image = format!("{}:x", layout.display());
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(bundle.path().join("b")));
    bundle
}

#[test]
fn unpacks_like_umoci_with_any_compression() {
    // umoci supports only gzip.
    let (_registry, _, layout) = pushed(&everything(), Compression::Gzip);
    let judge = unpacked_by_umoci(layout.path());
    let theirs = tree(&judge.path().join("b/rootfs"));
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let (registry, digest, _) = pushed(&everything(), compression);
        let target = scratch::directory();
        let outcome = get(
            "registry-image",
            &source(&registry, "team/app", json!({})),
            &version(&digest),
            json!({}),
            target.path(),
        );
        outcome.succeeded();
        let ours = tree(&target.path().join("rootfs"));
        for (path, line) in &theirs {
            assert_eq!(ours.get(path), Some(line), "{}", path.display());
        }
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    }
}

#[test]
fn writes_files_of_registry_image() {
    let (registry, digest, _) = pushed(&everything(), Compression::Gzip);
    let target = scratch::directory();
    let keys = json!({ "label_regex": "^z", "tag": "latest" });
    let outcome =
        get("registry-image", &source(&registry, "team/app", keys), &version(&digest), json!({}), target.path());
    let repository = registry.repository("team/app");
    assert_eq!(
        outcome.json(),
        json!({
            "version": version(&digest),
            "metadata": [
                { "name": "repository", "value": repository }, { "name": "tag", "value": "latest" }, { "name": "z", "value": "1" },
            ],
        })
    );
    let file = |name: &str| read(target.path(), name);
    assert_eq!((file("repository"), file("tag"), file("digest")), (repository, "latest".to_owned(), digest));
    assert_eq!(file("metadata.json"), "{\"cmd\":[\"sh\"],\"entrypoint\":null,\"env\":[\"A=b\"],\"user\":\"1000\"}\n");
    assert_eq!(file("labels.json"), r#"{"a":"\u003c\u0026\u003e","z":"1"}"#);
    let mut names: Vec<_> = fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["digest", "labels.json", "metadata.json", "repository", "rootfs", "tag"]);
}

#[test]
fn writes_files_of_docker_image() {
    let (registry, digest, _) = pushed(&everything(), Compression::Gzip);
    let target = scratch::directory();
    let outcome = get(
        "docker-image",
        &source(&registry, "team/app", json!({})),
        &json!({ "digest": digest }),
        json!({}),
        target.path(),
    );
    let file = |name: &str| read(target.path(), name);
    let id = file("image-id").trim_end().to_owned();
    assert_eq!(outcome.json()["version"], json!({ "digest": digest }));
    assert_eq!(outcome.json()["metadata"][2], json!({ "name": "image", "value": id[7..19] }));
    assert_eq!((file("tag"), file("digest")), ("latest\n".to_owned(), format!("{digest}\n")));
    let metadata: Value = serde_json::from_str(&file("metadata.json")).unwrap();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    // `/etc/passwd` of the upper layer does not contain this user id.
    assert_eq!(metadata, json!({ "env": [path, "A=b", "HOME=/"] }));
    let inspected: Value = serde_json::from_str(&file("docker_inspect.json")).unwrap();
    assert_eq!(inspected[0]["Id"], json!(id));
    assert_eq!(inspected[0]["Config"]["Cmd"], json!(["sh"]));
    assert!(target.path().join("rootfs/usr/bin/su").exists());
}

#[test]
fn skip_download_requires_existing_image() {
    let (registry, digest, _) = pushed(&everything(), Compression::Gzip);
    let target = scratch::directory();
    let before = registry.requests().len();
    let params = json!({ "skip_download": true });
    get("registry-image", &source(&registry, "team/app", json!({})), &version(&digest), params.clone(), target.path())
        .succeeded();
    assert_eq!(registry.requests().split_off(before), [format!("HEAD /v2/team/app/manifests/{digest} 200")]);
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 3);
    let gone = sha256(b"gone");
    let target = scratch::directory();
    let outcome =
        get("registry-image", &source(&registry, "team/app", json!({})), &version(&gone), params, target.path());
    outcome.failed();
    assert!(outcome.stderr.contains(&format!("no longer has the image `{gone}`")), "{}", outcome.stderr);
}

#[test]
fn shows_matching_labels_and_annotations() {
    let registry = Registry::start();
    let mut image = Image::new(&json!({ "config": { "Labels": { "team": "jets", "other": "x" } } }), Vec::new());
    let mut manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    manifest["annotations"] = json!({ "org.example.b": "2", "org.example.a": "1", "com.example.c": "3" });
    image.manifest = Blob::new(&image.manifest.media_type.clone(), manifest.to_string());
    let digest = image.push(registry.client(), "team/app", "latest");
    let shown = |keys: Value, params: Value| {
        let outcome = get(
            "registry-image",
            &source(&registry, "team/app", keys),
            &version(&digest),
            params,
            scratch::directory().path(),
        );
        let metadata = outcome.json()["metadata"].clone();
        let entries = metadata.as_array().unwrap().iter().skip(2);
        entries
            .map(|entry| format!("{}={}", entry["name"].as_str().unwrap(), entry["value"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    for params in [json!({}), json!({ "skip_download": true }), json!({ "format": "oci-layout" })] {
        assert_eq!(
            shown(json!({ "annotation_regex": "^org\\.", "label_regex": "team" }), params.clone()),
            ["team=jets", "org.example.a=1", "org.example.b=2"]
        );
        assert_eq!(shown(json!({ "annotation_regex": "nothing" }), params.clone()), Vec::<String>::new());
        assert_eq!(shown(json!({}), params), Vec::<String>::new());
    }
}

#[test]
fn image_without_layers_has_no_rootfs() {
    let registry = Registry::start();
    let digest = Image::named("x").push(registry.client(), "team/app", "latest");
    let target = scratch::directory();
    get("registry-image", &source(&registry, "team/app", json!({})), &version(&digest), json!({}), target.path())
        .succeeded();
    assert!(!target.path().join("rootfs").exists());
    assert_eq!(read(target.path(), "metadata.json"), "{\"cmd\":null,\"entrypoint\":null,\"env\":null,\"user\":\"\"}\n");
}

#[test]
fn platform_selects_image_of_index() {
    let registry = Registry::start();
    let client = registry.client();
    let mut entries = Vec::new();
    for (architecture, variant) in [("amd64", Value::Null), ("arm64", json!("v8")), ("arm", json!("v7"))] {
        let layer = Tar::new().file("architecture", 0o644, architecture.as_bytes()).finish();
        let image = Image::of_archives(&json!({}), &[layer], Compression::None);
        image.push(client, "team/app", architecture);
        let mut entry = image.manifest.descriptor();
        entry["platform"] = json!({ "os": "linux", "architecture": architecture, "variant": variant });
        entries.push(entry);
    }
    let index = "application/vnd.oci.image.index.v1+json";
    let inner = json!({ "schemaVersion": 2, "mediaType": index, "manifests": entries }).to_string();
    let inner_digest = client.put_manifest("team/app", "inner", index, inner.as_bytes());
    let platform = json!({ "os": "linux", "architecture": "arm64" });
    let outer = json!({ "schemaVersion": 2, "mediaType": index, "manifests": [
        { "mediaType": index, "digest": inner_digest, "size": inner.len(), "platform": platform } ] });
    let outer_digest = client.put_manifest("team/app", "outer", index, outer.to_string().as_bytes());
    let fetched = |digest: &str, source_platform: Value, params: Value| {
        let target = scratch::directory();
        let mut keys = json!({});
        keys["platform"] = source_platform;
        let outcome =
            get("registry-image", &source(&registry, "team/app", keys), &version(digest), params, target.path());
        let read = fs::read_to_string(target.path().join("rootfs/architecture")).unwrap_or_default();
        (outcome, read)
    };
    for (platform, expected) in [
        (json!("linux/arm64/v8"), "arm64"),
        (json!({ "architecture": "arm64/v8" }), "arm64"),
        (json!({ "architecture": "arm", "os": "linux", "variant": "v7" }), "arm"),
        (Value::Null, "amd64"),
    ] {
        let (outcome, read) = fetched(&inner_digest, platform.clone(), json!({}));
        outcome.succeeded();
        assert_eq!(read, expected, "{platform}");
    }
    assert_eq!(fetched(&inner_digest, json!("linux/arm64"), json!({ "platform": { "architecture": "arm" } })).1, "arm");
    assert_eq!(fetched(&outer_digest, json!("linux/arm64"), json!({})).1, "arm64");
    let (outcome, _) = fetched(&inner_digest, json!("linux/s390x"), json!({}));
    outcome.failed();
    assert!(outcome.stderr.contains("has no image for linux/s390x"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("it has images for linux/amd64, linux/arm64/v8, linux/arm/v7"),
        "{}",
        outcome.stderr
    );
}
