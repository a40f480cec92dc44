//! Archives and layouts as other tools write them: the same image gets the same digest, whatever the registry holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::registry::image::{Blob, Compression, INDEX, Image, sha256};
use jetway_tests::registry::memory::Memory;
use jetway_tests::registry::tar::Tar;
use jetway_tests::registry::{Registry, run};
use jetway_tests::scratch;
use jetway_tests::verb::Runner;
use serde_json::{Value, json};

use crate::put::{image, save, tar};
use crate::support::{get, messages, put, source};

/// An archive of `docker save` with these layers.
fn archive(path: &Path, config: &[u8], layers: &[&[u8]], sources: &Value) {
    let names: Vec<String> = (0..layers.len()).map(|index| format!("{index}.tar.gz")).collect();
    let mut manifest = json!([{ "Config": "config.json", "RepoTags": ["app:1"], "Layers": names }]);
    if !sources.is_null() {
        manifest[0]["LayerSources"] = sources.clone();
    }
    let mut tar = Tar::new().file("config.json", 0o644, config);
    for (name, layer) in names.iter().zip(layers) {
        tar = tar.file(name, 0o644, layer);
    }
    fs::write(path, tar.file("manifest.json", 0o644, manifest.to_string().as_bytes()).finish()).unwrap();
}

/// The manifest that go-containerregistry creates for such an archive (`tarball.Image`): the fields in Go's order, and
/// Docker's media types.
fn manifest_of_go(config: &[u8], layers: &[&[u8]]) -> String {
    let descriptor = |media_type: &str, bytes: &[u8]| {
        format!(r#"{{"mediaType":"{media_type}","size":{},"digest":"{}"}}"#, bytes.len(), sha256(bytes))
    };
    let layers: Vec<String> =
        layers.iter().map(|layer| descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{},"layers":[{}]}}"#,
        descriptor("application/vnd.docker.container.image.v1+json", config),
        layers.join(",")
    )
}

#[test]
fn archive_with_compressed_layers_has_digest_of_established_resource() {
    let contents = [tar("one", b"1"), tar("two", b"2"), tar("three", b"3")];
    let of = |kinds: [Compression; 3]| -> Vec<Vec<u8>> {
        kinds.iter().zip(&contents).map(|(kind, content)| kind.layer(content).bytes).collect()
    };
    let ids: Vec<String> = contents.iter().map(|content| sha256(content)).collect();
    let config =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } }).to_string();
    for kinds in [
        [Compression::Gzip; 3],
        [Compression::Zstd, Compression::Gzip, Compression::Gzip],
        // If one layer is compressed, the others are pushed unchanged.
        [Compression::None, Compression::Gzip, Compression::None],
    ] {
        let (registry, inputs) = (Registry::start(), scratch::directory());
        let layers = of(kinds);
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        archive(&inputs.path().join("image.tar"), config.as_bytes(), &layers, &Value::Null);
        let source = source(&registry, "team/app", json!({ "tag": "1" }));
        let answer = put("registry-image", &source, &json!({ "image": "image.tar" }), inputs.path()).json();
        let expected = manifest_of_go(config.as_bytes(), &layers);
        assert_eq!(answer["version"]["digest"], json!(sha256(expected.as_bytes())), "{kinds:?}");
    }
}

/// Newer engines describe each layer in their archives, and the manifest contains these descriptors.
#[test]
fn archive_is_pushed_with_its_layer_descriptors() {
    let content = tar("one", b"1");
    let layer = Compression::Gzip.layer(&content);
    let config = json!({ "rootfs": { "type": "layers", "diff_ids": [sha256(&content)] } }).to_string();
    let (registry, inputs) = (Registry::start(), scratch::directory());
    let sources = json!({ sha256(&content): layer.descriptor() });
    archive(&inputs.path().join("image.tar"), config.as_bytes(), &[&layer.bytes], &sources);
    let source = source(&registry, "team/app", json!({ "tag": "1" }));
    let answer = put("registry-image", &source, &json!({ "image": "image.tar" }), inputs.path()).json();
    let expected = manifest_of_go(config.as_bytes(), &[&layer.bytes])
        .replace("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer.media_type);
    assert_eq!(answer["version"]["digest"], json!(sha256(expected.as_bytes())));
}

#[test]
fn archive_has_same_digest_for_all_states_of_the_tags() {
    let image = image(&[tar("a", b"a"), tar("b", b"b")]);
    let inputs = scratch::directory();
    let archive = inputs.path().join("image.tar");
    save(&image, &archive, "app:1");
    let push = |registry: &Registry| {
        let source = source(registry, "team/app", json!({ "tag": "1.0" }));
        put("registry-image", &source, &json!({ "image": "image.tar" }), inputs.path()).json()["version"]["digest"]
            .clone()
    };
    let (empty, other) = (Registry::start(), Registry::start());
    let digest = push(&empty);
    // The same image, compressed by another tool.
    other.copy(&format!("docker-archive:{}", archive.display()), "team/app:1.0", &["--format", "v2s2"]);
    other.copy(&format!("docker-archive:{}", archive.display()), "team/app:latest", &["--format", "oci"]);
    assert_eq!(push(&other), digest);
    assert_eq!(push(&empty), digest);
}

#[test]
fn layout_of_one_image_is_pushed_as_image() {
    let registry = Memory::start();
    let image = Image::named("x");
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
    let push = || {
        put("registry-image", &source, &json!({ "image": "layout" }), inputs.path()).json()["version"]["digest"].clone()
    };
    assert_eq!(push(), json!(image.manifest.digest));
    assert_eq!(registry.manifest("team/app:1"), Some(image.manifest.bytes.clone()));
    // A put of a layout that a get of an index has written pushes this index.
    let index = fs::read(inputs.path().join("layout/index.json")).unwrap();
    fs::write(inputs.path().join("digest"), sha256(&index)).unwrap();
    assert_eq!(push(), json!(sha256(&index)));
    fs::write(inputs.path().join("digest"), sha256(b"other")).unwrap();
    assert_eq!(push(), json!(image.manifest.digest));
}

#[test]
fn layout_may_omit_layers_that_the_registry_has() {
    let image = image(&[tar("base", b"base"), tar("own", b"own")]);
    let base = &image.layers[0];
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    fs::remove_file(inputs.path().join("layout/blobs").join(base.digest.replace(':', "/"))).unwrap();
    let registry = Registry::start();
    let source = source(&registry, "team/app", json!({ "tag": "1" }));
    let params = json!({ "image": "layout" });
    let outcome = put("registry-image", &source, &params, inputs.path());
    outcome.failed();
    assert!(
        messages(&outcome).contains("is missing locally and in `localhost:[PORT]/team/app`"),
        "{}",
        messages(&outcome)
    );
    registry.client().put_blob("team/app", base);
    let answer = put("registry-image", &source, &params, inputs.path()).json();
    assert_eq!(answer["version"]["digest"], json!(image.manifest.digest));
}

/// google/go-containerregistry#819: a build cache in a registry is an index whose entries are layers and a config.
#[test]
fn copies_build_cache_index_byte_for_byte() {
    let registry = Memory::start();
    let layer = Compression::Gzip.layer(&tar("x", b"1"));
    let config = Blob::new("application/vnd.buildkit.cacheconfig.v0", "{}");
    let index =
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [layer.descriptor(), config.descriptor()] });
    let cache = Image { manifest: Blob::new(INDEX, index.to_string()), config, layers: vec![layer.clone()] };
    registry.hold(&cache, "team/cache", "latest");
    let source = |path: &str| json!({ "repository": registry.repository(path), "tag": "latest" });
    let version = json!({ "tag": "latest", "digest": cache.manifest.digest });
    let target = scratch::directory();
    get("registry-image", &source("team/cache"), &version, json!({ "format": "oci-layout" }), target.path())
        .succeeded();
    assert!(target.path().join("oci/blobs").join(layer.digest.replace(':', "/")).exists());
    put("registry-image", &source("team/copy"), &json!({ "image": "oci" }), target.path()).succeeded();
    assert_eq!(registry.manifest("team/copy:latest"), Some(cache.manifest.bytes.clone()));
    let outcome = get("registry-image", &source("team/cache"), &version, json!({}), scratch::directory().path());
    outcome.failed();
    assert!(messages(&outcome).contains("has no image for"), "{}", messages(&outcome));
}

#[test]
fn accepts_paths_with_a_leading_slash() {
    let registry = Memory::start();
    let inputs = scratch::directory();
    Image::named("x").write_layout(&inputs.path().join("layout"));
    fs::write(inputs.path().join("tags"), "a b").unwrap();
    let source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
    // The path of the inputs, as the step sees it.
    let seen = match Runner::chosen() {
        Runner::Binary => inputs.path().display().to_string(),
        Runner::Image => "/tmp/build/put".to_owned(),
    };
    for path in ["/layout".to_owned(), format!("{seen}/layout")] {
        let params = json!({ "image": path, "additional_tags": "/tags" });
        put("registry-image", &source, &params, inputs.path()).succeeded();
    }
    assert!(registry.manifest("team/app:a").is_some());
    let outcome = put("registry-image", &source, &json!({ "image": "/../layout" }), inputs.path());
    outcome.failed();
    assert!(messages(&outcome).contains("must stay inside the directory of the inputs"), "{}", messages(&outcome));
}

/// concourse/registry-image-resource#345: users confuse the files that a build task writes.
#[test]
fn wrong_path_lists_available_paths() {
    let registry = Memory::start();
    let inputs = scratch::directory();
    let source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
    fs::create_dir(inputs.path().join("image")).unwrap();
    save(&image(&[tar("a", b"a")]), &inputs.path().join("image/image.tar"), "app:1");
    let problem = |path: &str| {
        let outcome = put("registry-image", &source, &json!({ "image": path }), inputs.path());
        outcome.failed();
        messages(&outcome)
    };
    assert!(problem("image").contains("hint: did you mean `image/image.tar`?"), "{}", problem("image"));
    assert!(problem("image/x.tar").contains("hint: available paths: `image/image.tar`"), "{}", problem("image/x.tar"));
    fs::remove_file(inputs.path().join("image/image.tar")).unwrap();
    Image::named("x").write_layout(&inputs.path().join("image/image"));
    assert!(
        problem("image/image.tar").contains("hint: available paths: `image/image`"),
        "{}",
        problem("image/image.tar")
    );
    assert!(problem("image").contains("hint: did you mean `image/image`?"), "{}", problem("image"));
}

#[test]
fn accepts_archives_with_any_compression() {
    let inputs = scratch::directory();
    let image = image(&[tar("a", b"a")]);
    let archive = inputs.path().join("image.tar");
    save(&image, &archive, "app:1");
    fs::write(inputs.path().join("root.tar"), tar("a", b"a")).unwrap();
    let registry = Memory::start();
    let source = json!({ "repository": registry.repository("team/app"), "tag": "1", "platform": "linux/amd64" });
    let digest = |key: &str, file: &str| {
        put("docker-image", &source, &json!({ key: file }), inputs.path()).json()["version"]["digest"].clone()
    };
    let (plain, imported) = (digest("load_file", "image.tar"), digest("import_file", "root.tar"));
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst"), ("xz", "xz"), ("bzip2", "bz2")] {
        for name in ["image.tar", "root.tar"] {
            run(Command::new(program).args(["-k", "-q", "-f"]).arg(inputs.path().join(name)));
        }
        assert_eq!(digest("load_file", &format!("image.tar.{ending}")), plain, "{program}");
        assert_eq!(digest("image", &format!("image.tar.{ending}")), plain, "{program}");
        if ["xz", "bz2"].contains(&ending) {
            assert_eq!(digest("import_file", &format!("root.tar.{ending}")), imported, "{program}");
        }
    }
}

/// An archive of a tool: the names and the compression of its layers do not matter.
#[test]
#[allow(clippy::too_many_lines, reason = "the archives are shown whole")]
fn pushes_archives_of_other_tools() {
    let layers = [tar("one", b"1"), tar("two", b"2")];
    let config = |layers: &[&Vec<u8>]| {
        let ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } }).to_string()
    };
    let different = config(&[&layers[0], &layers[1]]);
    let twice = config(&[&layers[0], &layers[0]]);
    let manifest = |names: &[&str], tags: &Value| {
        json!([{ "Config": "config.json", "RepoTags": tags, "Layers": names }]).to_string().into_bytes()
    };
    let (tags, long) = (json!(["app:1"]), format!("{}/layer.tar", "d".repeat(120)));
    let both = manifest(&["x/layer.tar", "y/layer.tar"], &tags);
    let plain = |archive: Tar| archive.file("x/layer.tar", 0o644, &layers[0]).file("y/layer.tar", 0o644, &layers[1]);
    let with_config = |archive: Tar, text: &str| archive.file("config.json", 0o644, text.as_bytes());
    let compressed = Compression::Gzip.layer(&layers[0]).bytes;
    let long_name = [long.as_bytes(), b"\0"].concat();
    let cases = [
        (
            "names with a `./`",
            &different,
            Tar::new()
                .directory("./", 0o755)
                .file("./x/layer.tar", 0o644, &layers[0])
                .file("./y/layer.tar", 0o644, &layers[1])
                .file("./config.json", 0o644, different.as_bytes())
                .file("./manifest.json", 0o644, &both),
        ),
        (
            "no tags",
            &different,
            with_config(plain(Tar::new()), &different).file(
                "manifest.json",
                0o644,
                &manifest(&["x/layer.tar", "y/layer.tar"], &Value::Null),
            ),
        ),
        (
            "tags in a text",
            &different,
            with_config(plain(Tar::new()), &different).file(
                "manifest.json",
                0o644,
                &manifest(&["x/layer.tar", "y/layer.tar"], &json!("app:1")),
            ),
        ),
        (
            "the manifest first",
            &different,
            plain(with_config(Tar::new().file("manifest.json", 0o644, &both), &different)),
        ),
        (
            "a long name of GNU",
            &different,
            with_config(
                Tar::new()
                    .entry(b"././@LongLink", b'L', 0o644, b"", long_name.len(), &long_name)
                    .file("cut", 0o644, &layers[0])
                    .file("y/layer.tar", 0o644, &layers[1]),
                &different,
            )
            .file("manifest.json", 0o644, &manifest(&[&long, "y/layer.tar"], &tags)),
        ),
        (
            "a compressed layer beside an empty index",
            &different,
            with_config(
                Tar::new().file("x/layer.tar", 0o644, &compressed).file("y/layer.tar", 0o644, &layers[1]),
                &different,
            )
            .file("index.json", 0o644, br#"{"schemaVersion":2,"manifests":[]}"#)
            .file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)
            .file("manifest.json", 0o644, &both),
        ),
        (
            "a layer by a symbolic link",
            &twice,
            with_config(
                Tar::new().file("x/layer.tar", 0o644, &layers[0]).link("y/layer.tar", "../x/layer.tar"),
                &twice,
            )
            .file("manifest.json", 0o644, &both),
        ),
        (
            "a layer by a hard link",
            &twice,
            with_config(
                Tar::new().file("x/layer.tar", 0o644, &layers[0]).hard_link("y/layer.tar", "x/layer.tar"),
                &twice,
            )
            .file("manifest.json", 0o644, &both),
        ),
    ];
    for (case, config, archive) in cases {
        let (registry, inputs) = (Memory::start(), scratch::directory());
        fs::write(inputs.path().join("image.tar"), archive.finish()).unwrap();
        let source = json!({ "repository": registry.repository("team/app"), "tag": "1" });
        let outcome = put("registry-image", &source, &json!({ "image": "image.tar" }), inputs.path());
        if case == "tags in a text" && outcome.code != Some(0) {
            assert!(messages(&outcome).contains("manifest.json"), "{case}: {}", messages(&outcome));
            continue;
        }
        assert_eq!(outcome.code, Some(0), "{case}: {}", outcome.stderr);
        let manifest: Value = serde_json::from_slice(&registry.manifest("team/app:1").expect(case)).unwrap();
        assert_eq!(manifest["config"]["digest"], json!(sha256(config.as_bytes())), "{case}");
        let pushed = manifest["layers"].as_array().unwrap();
        assert_eq!(pushed.len(), 2, "{case}");
        for layer in pushed {
            assert!(registry.blob(layer["digest"].as_str().unwrap()).is_some(), "{case}");
        }
    }
}

/// Builders write an index with the same image in two compressions: two manifests with one config.
#[test]
fn manifests_with_the_same_config_keep_their_layers() {
    let registry = Memory::start();
    let content = tar("x", b"1");
    let images = [Compression::Gzip, Compression::Zstd]
        .map(|compression| Image::of_archives(&json!({}), std::slice::from_ref(&content), compression));
    assert_eq!(images[0].config.digest, images[1].config.digest);
    let entries: Vec<Value> = images
        .iter()
        .map(|image| {
            registry.hold(image, "team/app", "one");
            let mut entry = image.manifest.descriptor();
            entry["platform"] = json!({ "architecture": "amd64", "os": "linux" });
            entry
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let index = Image { manifest: Blob::new(INDEX, index.to_string()), ..images[0].clone() };
    registry.hold(&index, "team/app", "latest");
    let source = |path: &str| json!({ "repository": registry.repository(path), "tag": "latest" });
    let version = json!({ "tag": "latest", "digest": index.manifest.digest });
    let target = scratch::directory();
    get("registry-image", &source("team/app"), &version, json!({ "format": "oci-layout" }), target.path()).succeeded();
    let other = Memory::start();
    let copy = json!({ "repository": other.repository("team/copy"), "tag": "latest" });
    put("registry-image", &copy, &json!({ "image": "oci" }), target.path()).succeeded();
    assert_eq!(other.manifest("team/copy:latest"), Some(index.manifest.bytes));
    for image in &images {
        assert_eq!(other.manifest(&image.manifest.digest), Some(image.manifest.bytes.clone()));
        assert_eq!(other.blob(&image.layers[0].digest), Some(image.layers[0].bytes.clone()));
    }
    let target = scratch::directory();
    get("registry-image", &source("team/app"), &version, json!({}), target.path()).succeeded();
    assert!(target.path().join("rootfs/x").exists());
}
