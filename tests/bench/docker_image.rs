//! The docker-image resource: a put of an archive of `docker save` with plain layers, fresh and again, beside skopeo.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::registry::image::{Blob, Image, LAYER};
use jetway_tests::registry::{Registry, run};
use jetway_tests::verb::{Container, Verb};
use jetway_tests::{git, scratch};
use serde_json::json;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// What is measured.
pub(crate) const WHAT: &str = "an image of four plain layers, 128 MB in all, and a registry on loopback";

/// How large a layer is, in bytes.
const LAYER_SIZE: usize = 32_000_000;

/// How many layers there are.
const LAYERS: u64 = 4;

/// Measures a put that compresses and sends, one that finds all of it there, and skopeo doing the same.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let registry = Registry::start();
    let inputs = scratch::directory();
    let archive = inputs.path().join("image.tar");
    save(&archive);
    // A new registry each time, which nobody can remember.
    let newest = RefCell::new(None);
    let fresh = || {
        let registry = newest.replace(Some(Registry::start()));
        drop(registry);
        newest.borrow().as_ref().map(|registry: &Registry| registry.repository("bench/new")).expect("a registry")
    };
    // Each program finds its own image again: a copy by skopeo under the same tag would replace the layers of the put.
    let (known, copied) = (registry.repository("bench/known"), registry.repository("bench/copied"));
    let put = |repository: &str| {
        let source = json!({ "repository": repository, "tag": "1" });
        let container = Container::new();
        let input = container.temporary().join("request.json");
        let request = json!({ "source": source, "params": { "image": "image.tar" } });
        fs::write(&input, request.to_string()).expect("write a request");
        Run::verb(&Verb::put("registry-image").dir(inputs.path()), input, container)
    };
    let copy = |repository: &str, remembers: bool| {
        let container = Container::new();
        let mut command = Command::new("skopeo");
        command.env_clear().env("PATH", git::search_path()).env("HOME", container.home());
        // Which registries have which layers it remembers for root outside of the home. In a new container, as a put has it,
        // there is nothing of that.
        if !remembers {
            command.env("_CONTAINERS_ROOTLESS_UID", "1000");
        }
        command.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        command.arg(format!("docker-archive:{}", archive.display())).arg(format!("docker://{repository}:1"));
        Run::raw(command).in_container(container)
    };
    assert!(put(&known).cost().status.success(), "the first put");
    assert!(copy(&copied, false).cost().status.success(), "the first copy");
    let case = |name, floor, limits, prepare| Case { name, floor, limits, succeeds: true, prepare };
    let memory = Limits { children: Some(0), peak_rss: Some(64 * 1024 * 1024), ..Limits::default() };
    let cases = vec![
        case("skopeo copy", None, Limits::default(), Box::new(|| copy(&fresh(), false)) as Box<dyn FnMut() -> Run>),
        case("put", Some("skopeo copy"), Limits { ratio: Some(1.2), ..memory }, Box::new(|| put(&fresh()))),
        case("skopeo copy again", None, Limits::default(), Box::new(|| copy(&copied, false))),
        case("skopeo copy again, which remembers", None, Limits::default(), Box::new(|| copy(&copied, true))),
        case("put again", Some("skopeo copy again"), Limits { ratio: Some(0.2), ..memory }, Box::new(|| put(&known))),
    ];
    in_turns(runs, cases)
}

/// An archive whose layers compress as programs do: to something more than a third.
fn save(archive: &Path) {
    let layers = (1..=LAYERS).map(|seed| {
        let files = scratch::directory();
        fs::write(files.path().join("file"), content(seed)).expect("write a file");
        let mut tar = Command::new("tar");
        tar.args(["--create", "--mtime=@0", "--directory"]).arg(files.path()).arg("file");
        Blob::new(LAYER, tar.output().expect("run tar").stdout)
    });
    let layers: Vec<Blob> = layers.collect();
    let ids: Vec<&String> = layers.iter().map(|layer| &layer.digest).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } });
    let layout = scratch::directory();
    Image::new(&config, layers).write_layout(layout.path());
    let (from, to) =
        (format!("oci:{}:x", layout.path().display()), format!("docker-archive:{}:app:1", archive.display()));
    run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &from, &to]));
}

/// Words in an order of their own, with numbers that do not come back.
fn content(seed: u64) -> String {
    const WORDS: [&str; 8] =
        ["layer", "registry", "manifest", "_ZN4core3fmt", "\tmov %rax,", "digest", "return", "\0\0\0\0"];
    let mut state = seed;
    let mut text = String::with_capacity(LAYER_SIZE + 64);
    while text.len() < LAYER_SIZE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[usize::try_from(state >> 61).unwrap_or(0)];
        write!(text, "{word} {:x} ", state >> 40 & 0xffff).expect("a string");
    }
    text
}
