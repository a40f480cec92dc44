//! Limits: a full disk, decompression bombs, and layers that do not match the image config.

use std::fs;
use std::path::Path;

use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::hand_made::HandMade;
use jetway_tests::registry::image::{Blob, Compression, Image, LAYER, sha256};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use jetway_tests::small_disk::SmallDisk;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::get;

const MEGABYTE: usize = 1024 * 1024;

fn fetch(kind: &str, image: &Image, params: Value, target: &Path) -> Outcome {
    let registry = HandMade::start(image);
    let source = json!({ "repository": registry.repository() });
    get(kind, &source, &json!({ "tag": "latest", "digest": image.manifest.digest }), params, target)
}

/// Incompressible bytes.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56).to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn full_disk_is_reported_and_leaves_no_partial_files() {
    if !layer::require(Layer::Mount) {
        return;
    }
    let large = Tar::new().directory("d", 0o555).file("d/file", 0o644, &noise(3 * MEGABYTE)).finish();
    let zeros = Tar::new().file("file", 0o644, &vec![1; 3 * MEGABYTE]).finish();
    let half = Tar::new().file("file", 0o644, &vec![1; MEGABYTE * 5 / 4]).finish();
    for (layer, compression, kind, params) in [
        // The downloaded layer does not fit, in any format.
        (&large, Compression::Gzip, "registry-image", json!({})),
        (&large, Compression::None, "registry-image", json!({ "format": "oci" })),
        (&large, Compression::None, "registry-image", json!({ "format": "oci-layout" })),
        // The unpacked layer does not fit.
        (&zeros, Compression::Gzip, "registry-image", json!({})),
        (&zeros, Compression::Zstd, "docker-image", json!({ "save": true })),
        // The additional archive does not fit.
        (&half, Compression::Gzip, "docker-image", json!({ "rootfs": true })),
        (&half, Compression::Zstd, "docker-image", json!({ "save": true })),
    ] {
        let image = Image::of_archives(&json!({}), std::slice::from_ref(layer), compression);
        let disk = SmallDisk::mount(2 * 1024 * 1024);
        let outcome = fetch(kind, &image, params.clone(), disk.path());
        outcome.failed();
        assert!(outcome.stderr.contains("No space left on device"), "{params}: {}", outcome.stderr);
        assert_eq!(names(disk.path()), Vec::<String>::new(), "{params}");
    }
}

#[test]
fn put_reports_full_temporary_directory() {
    if !layer::require(Layer::Mount) {
        return;
    }
    let disk = SmallDisk::mount(2 * 1024 * 1024);
    let image = Image::of_archives(
        &json!({}),
        &[Tar::new().file("file", 0o644, &noise(3 * MEGABYTE)).finish()],
        Compression::None,
    );
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let archive = inputs.path().join("image.tar");
    let mut tar = std::process::Command::new("tar");
    assert!(
        tar.arg("-C").arg(inputs.path().join("layout")).arg("-czf").arg(&archive).arg(".").status().unwrap().success()
    );
    let registry = HandMade::start(&image);
    let request =
        json!({ "source": { "repository": registry.repository(), "tag": "x" }, "params": { "image": "image.tar" } });
    let put = Verb::put("registry-image").request(&request).dir(inputs.path());
    let outcome = put.env("TMPDIR", disk.path().to_str().unwrap()).run();
    outcome.failed();
    assert!(outcome.stderr.contains("No space left on device"), "{}", outcome.stderr);
    assert_eq!(names(disk.path()), Vec::<String>::new());
}

#[test]
fn rejects_decompression_bomb() {
    // More than 1 GiB after the end of the archive: it needs no disk space, but reading it takes long.
    let mut content = Tar::new().file("file", 0o644, b"x").finish();
    content.resize(64 * MEGABYTE, 0);
    let first = zstd::encode_all(&content[..], 1).unwrap();
    let more = zstd::encode_all(&vec![1; 64 * MEGABYTE][..], 1).unwrap();
    let layer = [first, more.repeat(17)].concat();
    assert!(layer.len() < MEGABYTE, "{}", layer.len());
    let image = Image::new(&json!({}), vec![Blob::new(&format!("{LAYER}+zstd"), layer)]);
    for (kind, params) in [("registry-image", json!({})), ("docker-image", json!({ "save": true }))] {
        let target = scratch::directory();
        let outcome = fetch(kind, &image, params, target.path());
        outcome.failed();
        assert!(outcome.stderr.contains("cannot unpack layer 1"), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("bytes; to allow more, set `max_unpacked_size` in the source"),
            "{}",
            outcome.stderr
        );
        assert_eq!(names(target.path()), Vec::<String>::new());
    }
}

/// A preallocated database or a disk image compresses well, and its zeros need no disk space.
#[test]
fn unpacks_large_file_of_zeros_as_a_hole() {
    use std::os::unix::fs::MetadataExt as _;
    let size = 1300 * MEGABYTE;
    let header = Tar::new().entry(b"disk.img", b'0', 0o644, b"", size, b"").cut(512);
    let parts = [header, vec![0; 64 * MEGABYTE]].map(|part| zstd::encode_all(&part[..], 1).unwrap());
    let layer = [parts[0].clone(), parts[1].repeat(21)].concat();
    let image = Image::new(&json!({}), vec![Blob::new(&format!("{LAYER}+zstd"), layer)]);
    let target = scratch::directory();
    fetch("docker-image", &image, json!({ "rootfs": true }), target.path()).succeeded();
    for (name, least) in [("rootfs/disk.img", size), ("rootfs.tar", size)] {
        let file = std::fs::metadata(target.path().join(name)).unwrap();
        assert!(
            file.len() >= least as u64 && file.blocks() * 512 < MEGABYTE as u64,
            "{name}: {} blocks",
            file.blocks()
        );
    }
}

#[test]
fn max_unpacked_size_sets_the_limit() {
    let mut content = Tar::new().file("file", 0o644, &vec![1; 2 * MEGABYTE]).finish();
    content.resize(3 * MEGABYTE, 0);
    let image = Image::of_archives(&json!({}), &[content], Compression::Gzip);
    let with = |size: &str| {
        let registry = HandMade::start(&image);
        let source = json!({ "repository": registry.repository(), "max_unpacked_size": size });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        get("registry-image", &source, &version, json!({}), scratch::directory().path())
    };
    with("3m").succeeded();
    let outcome = with("1m");
    outcome.failed();
    assert!(
        outcome.stderr.contains("exceeds the limit of 1048576 bytes; to allow more, set `max_unpacked_size`"),
        "{}",
        outcome.stderr
    );
    let outcome = with("much");
    outcome.failed();
    assert!(
        outcome.stderr.contains("`source.max_unpacked_size`: expected a size such as `500m` or `20g`, found `much`"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn rejects_layers_that_do_not_match_the_configuration() {
    let (own, other) = (Tar::new().file("a", 0o644, b"own").finish(), Tar::new().file("a", 0o644, b"other").finish());
    let of = |layers: &[&[u8]], diff_ids: &[&[u8]], compression: Compression| {
        let diff_ids: Vec<String> = diff_ids.iter().map(|content| sha256(content)).collect();
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "diff_ids": diff_ids } });
        Image::new(&config, layers.iter().map(|layer| compression.layer(layer)).collect())
    };
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for (image, says) in [
            (of(&[&own], &[&other], compression), "the image's configuration requires sha256:"),
            (of(&[&own, &other], &[&other, &own], compression), "cannot unpack layer 1"),
            (
                of(&[&own, &other], &[&own], compression),
                "the number of layers differs: 2 in the manifest, 1 in the image's configuration",
            ),
        ] {
            let target = scratch::directory();
            let outcome = fetch("registry-image", &image, json!({}), target.path());
            outcome.failed();
            assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
            assert_eq!(names(target.path()), Vec::<String>::new());
        }
        // Bytes after the end of the archive count for the `diff_id`, as with engines.
        let mut padded = own.clone();
        padded.resize(10_240, 0);
        let target = scratch::directory();
        fetch("registry-image", &of(&[&padded], &[&padded], compression), json!({}), target.path()).succeeded();
        // Some artifacts have no `diff_ids`.
        let target = scratch::directory();
        fetch("registry-image", &of(&[&own], &[], compression), json!({}), target.path()).succeeded();
    }
    // A compressed layer that is damaged after the end of its archive, so that all files are intact.
    let mut gzip = Compression::Gzip.layer(&own).bytes;
    let last = gzip.len() - 5;
    gzip[last] ^= 1;
    let image = Image::new(&json!({}), vec![Blob::new(&format!("{LAYER}+gzip"), gzip)]);
    fetch("registry-image", &image, json!({}), scratch::directory().path()).failed();
}
