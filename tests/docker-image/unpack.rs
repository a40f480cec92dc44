//! Layers whose entries replace each other, and unusual owners and times.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use jetway_tests::registry::hand_made::HandMade;
use jetway_tests::registry::image::{Blob, Compression, Image, LAYER};
use jetway_tests::registry::tar::Tar;
use jetway_tests::scratch;
use serde_json::json;
use tempfile::TempDir;

use crate::hostile::fetch;

/// The root file system of an image with these layers.
fn unpacked(layers: &[Vec<u8>]) -> (TempDir, PathBuf) {
    let image = Image::of_archives(&json!({}), layers, Compression::Gzip);
    let target = scratch::directory();
    fetch(&HandMade::start(&image), &image, json!({}), target.path()).succeeded();
    let root = target.path().join("rootfs");
    (target, root)
}

#[track_caller]
fn content(file: PathBuf) -> String {
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()))
}

/// Builders write such layers when a step replaces a directory by a link.
#[test]
fn replacing_a_directory_with_a_link_keeps_the_target() {
    let below = Tar::new().directory("a/", 0o755).file("a/a", 0o644, b"1").directory("b/", 0o755);
    let below = below.file("b/keep", 0o644, b"kept").file("b/a", 0o644, b"mine").finish();
    let whiteout_first = Tar::new().whiteout("a/a").directory("/", 0o755).link("a", "b").directory("b/", 0o755);
    let link_first = Tar::new().directory("/", 0o755).link("a", "b").whiteout("a/a").directory("b/", 0o755);
    for (above, keeps_other) in [(whiteout_first, true), (link_first, false)] {
        let (_target, root) = unpacked(&[below.clone(), above.finish()]);
        assert_eq!(fs::read_link(root.join("a")).unwrap(), PathBuf::from("b"));
        assert_eq!(content(root.join("b/keep")), "kept");
        // A whiteout may follow the link.
        assert!(!keeps_other || content(root.join("b/a")) == "mine");
    }
}

#[test]
fn replacing_a_hard_link_keeps_the_other_names() {
    let below = Tar::new().file("usr/libexec/git", 0o755, b"git").hard_link("usr/bin/git", "usr/libexec/git");
    let below = below.file("etc/conf", 0o644, b"old").finish();
    let middle = Tar::new().whiteout("usr/bin/git").link("usr/bin/git", "/usr/libexec/git");
    let middle = middle.hard_link("kept/conf", "etc/conf").finish();
    let above = Tar::new().file("etc/conf", 0o644, b"new").finish();
    let (_target, root) = unpacked(&[below, middle, above]);
    assert_eq!(fs::read_link(root.join("usr/bin/git")).unwrap(), PathBuf::from("/usr/libexec/git"));
    assert_eq!(content(root.join("usr/libexec/git")), "git");
    assert_eq!(fs::metadata(root.join("usr/libexec/git")).unwrap().mode() & 0o777, 0o755);
    assert_eq!((content(root.join("kept/conf")), content(root.join("etc/conf"))), ("old".into(), "new".into()));
}

#[test]
fn last_entry_of_a_name_wins() {
    let layer = Tar::new()
        .file("f", 0o644, b"1")
        .file("./f", 0o644, b"2")
        .file("/f", 0o644, b"3")
        .directory("d/", 0o755)
        .file("d/inside", 0o644, b"1")
        .file("d", 0o644, b"now a file")
        .file("g", 0o644, b"a file first")
        .directory("g/", 0o755)
        .file("g/inside", 0o644, b"1")
        .file("target", 0o644, b"target")
        .link("l", "target")
        .file("l", 0o644, b"own")
        .directory("k/", 0o755)
        .file("k/keep", 0o644, b"kept")
        .directory("./k/", 0o700);
    let (_target, root) = unpacked(&[layer.finish()]);
    for (path, expected) in
        [("f", "3"), ("d", "now a file"), ("g/inside", "1"), ("target", "target"), ("l", "own"), ("k/keep", "kept")]
    {
        assert_eq!(content(root.join(path)), expected, "{path}");
    }
    assert!(!fs::symlink_metadata(root.join("l")).unwrap().is_symlink());
    assert_eq!(fs::metadata(root.join("k")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn keeps_times_and_owners_at_their_limits() {
    let (year_1, year_9999) = ("-62135596800", "253402300799");
    let layer = Tar::new()
        .with("mtime", "-1")
        .file("before-1970", 0o644, b"x")
        .with("mtime", "-0.5")
        .file("half", 0o644, b"x")
        .with("mtime", year_1)
        .file("year-1", 0o644, b"x")
        .with("mtime", year_9999)
        .file("year-9999", 0o644, b"x")
        .with("mtime", year_1)
        .directory("directory/", 0o755)
        .with("mtime", year_1)
        .link("link", "half")
        .with("uid", "2097152")
        .with("gid", "3000000")
        .file("large-owner", 0o644, b"x")
        .with("uid", "4294967294")
        .file("largest-owner", 0o644, b"x")
        .with("uid", "-2")
        .file("below-zero", 0o644, b"x")
        .with("uid", "-1")
        .with("gid", "-1")
        .file("unset", 0o644, b"x");
    let (_target, root) = unpacked(&[layer.finish()]);
    let metadata = |path: &str| fs::metadata(root.join(path)).unwrap();
    assert_eq!((metadata("before-1970").mtime(), metadata("before-1970").mtime_nsec()), (-1, 0));
    assert_eq!((metadata("half").mtime(), metadata("half").mtime_nsec()), (-1, 500_000_000));
    // A file system without such times uses the nearest time.
    assert!(metadata("year-1").mtime() < 0 && metadata("year-9999").mtime() > 4_000_000_000);
    if rustix::process::geteuid().is_root() {
        assert_eq!((metadata("large-owner").uid(), metadata("large-owner").gid()), (2_097_152, 3_000_000));
        for path in ["largest-owner", "below-zero"] {
            assert_eq!(metadata(path).uid(), u32::MAX - 1, "{path}");
        }
        assert_eq!(metadata("unset").uid(), 0, "chown(2) takes -1 for no change");
    }
}

/// Some tools pad a compressed layer to whole blocks; its digest includes the padding.
#[test]
fn accepts_zeros_after_a_compressed_layer() {
    let archive = Tar::new().file("a", 0o644, b"x").finish();
    let layer = [Compression::Gzip.layer(&archive).bytes, vec![0; 512]].concat();
    let image = Image::new(&json!({}), vec![Blob::new(&format!("{LAYER}+gzip"), layer)]);
    let target = scratch::directory();
    fetch(&HandMade::start(&image), &image, json!({}), target.path()).succeeded();
    assert_eq!(content(target.path().join("rootfs/a")), "x");
}

/// Other tools omit fields, write `null`, and describe more steps than layers.
#[test]
fn reads_configs_of_other_tools() {
    let archive = Tar::new().file("a", 0o644, b"x").finish();
    let layer = Compression::Gzip.layer(&archive);
    let registry = jetway_tests::registry::memory::Memory::start();
    for config in [
        json!({ "config": { "Labels": { "a": null, "b": "c" }, "Env": ["A=b"] } }),
        json!({ "config": { "Labels": null, "Env": null, "Cmd": null, "Entrypoint": null, "User": null, "Volumes": null } }),
        json!({ "config": null, "created": null }),
        json!({ "created": "2024-05-06T07:08:09.123456789+02:00", "config": { "ExposedPorts": null } }),
        json!({ "created": "", "history": [{ "created_by": "a" }, { "created_by": "b" }, { "created_by": "c" }] }),
        json!({}),
    ] {
        let image = Image::new(&config, vec![layer.clone()]);
        registry.hold(&image, "team/app", "b-1");
        registry.twist(|request| {
            let list = json!({ "name": "team/app", "tags": ["b-1"] });
            request.path().ends_with("/tags/list").then(|| jetway_tests::stand_in::Response::json(200, &list))
        });
        let repository = registry.repository("team/app");
        let version = json!({ "tag": "b-1", "digest": image.manifest.digest });
        let target = scratch::directory();
        let source = json!({ "repository": repository });
        crate::support::get("registry-image", &source, &version, json!({}), target.path()).succeeded();
        assert_eq!(content(target.path().join("rootfs/a")), "x", "{config}");
        let by_age = json!({ "repository": repository, "tag_regex": "^b-", "created_at_sort": true });
        assert_eq!(crate::support::check("registry-image", &by_age, None).json(), json!([version]), "{config}");
    }
}
