//! The images hold what Concourse looks for, and little else.
//!
//! What a resource does is tested elsewhere, by the same cases for the binary and the image; here is what only an image can get
//! wrong. Each test looks at every folder of `images/` that has a Dockerfile.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code"
)]

mod bundles;
mod git;
mod helm_release;
mod least;
mod release;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jetway_tests::binaries;
use jetway_tests::layer::{self, Layer};
use jetway_tests::scratch;
use jetway_tests::verb::{Runner, Verb};
use serde_json::{Value, json};

/// Megabytes that an image may add to its base. The tools that a type cannot do without are most of it. An image without a
/// base is its binary and little else.
const MAX_MEGABYTES: [(&str, u64); 8] = [
    ("docker-image", 200),
    ("git", 63),
    ("github-pr", 63),
    ("github-status", 8),
    ("helm-release", 90),
    ("jira", 8),
    ("registry-image", 12),
    ("slack", 8),
];

/// The programs that an image without a base has beside its binary, each for what cannot be done without it: helm deploys, and the
/// shell is for post-renderers and plugins, which are scripts as a rule.
fn companions(kind: &str) -> &'static [&'static str] {
    if kind == "helm-release" { &["bin/busybox", "usr/local/bin/helm"] } else { &[] }
}

/// The types that have an image and whose image is here.
fn kinds() -> Vec<String> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("images");
    let entries = std::fs::read_dir(images).unwrap().map(Result::unwrap);
    let kinds = entries
        .filter(|entry| entry.path().join("Dockerfile").is_file())
        .map(|entry| entry.file_name().into_string().unwrap());
    kinds.filter(|kind| layer::require(Layer::Image(kind))).collect()
}

fn docker(arguments: &[&str]) -> Output {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the engine knows of an image.
fn inspect(image: &str) -> Value {
    let output = docker(&["image", "inspect", image]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].take()
}

/// The recipe of an image.
fn recipe(kind: &str) -> String {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("images");
    std::fs::read_to_string(images.join(kind).join("Dockerfile")).unwrap()
}

/// Whether the image stands on nothing: then there is no program in it to look around with.
fn is_from_scratch(kind: &str) -> bool {
    recipe(kind).lines().any(|line| line == "FROM scratch")
}

/// Runs a command in a container without a network.
fn inside(kind: &str, command: &[&str]) -> String {
    let (program, arguments) = command.split_first().unwrap();
    let image = layer::image_name(kind);
    let mut all = vec!["run", "--rm", "--network", "none", "--entrypoint", program, &image];
    all.extend(arguments);
    String::from_utf8(docker(&all).stdout).unwrap().trim_end().to_owned()
}

/// A file of an image's file system.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// As `ls -l` shows it: `drwxrwxrwt`.
    mode: String,
    owner: String,
    size: u64,
    /// Where a link leads, and nothing for all else.
    target: String,
}

/// All that is in an image, by path, as the engine hands it out: `opt/resource/check`.
fn files(kind: &str) -> BTreeMap<String, Entry> {
    let created = docker(&["create", "--entrypoint", "/none", &layer::image_name(kind)]);
    let container = String::from_utf8(created.stdout).unwrap().trim().to_owned();
    let script = format!("docker export {container} | tar --list --verbose --numeric-owner");
    let listed = Command::new("sh").args(["-c", &script]).output().unwrap();
    docker(&["rm", &container]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let entry = |line: &str| {
        // `lrwxrwxrwx 0/0  0 1970-01-01 00:00 opt/resource/in -> /usr/local/bin/jetway-slack`
        let mut words = line.split_whitespace();
        let [mode, owner, size, _, _] = std::array::from_fn(|_| words.next().unwrap_or_default().to_owned());
        let name = words.collect::<Vec<_>>().join(" ");
        let (path, target) = name.split_once(" -> ").unwrap_or((&name, ""));
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        (path, Entry { mode, owner, size: size.parse().unwrap_or_default(), target: target.to_owned() })
    };
    String::from_utf8_lossy(&listed.stdout).lines().map(entry).collect()
}

#[test]
fn the_verbs_are_links_to_the_binary_on_the_path() {
    for kind in kinds() {
        let files = files(&kind);
        let binary = format!("usr/local/bin/jetway-{kind}");
        for verb in ["check", "in", "out"] {
            assert_eq!(files[&format!("opt/resource/{verb}")].target, format!("/{binary}"), "{kind} {verb}");
        }
        let Entry { mode, owner, .. } = &files[&binary];
        assert_eq!((mode.as_str(), owner.as_str()), ("-rwxr-xr-x", "0/0"), "{kind}");
    }
}

#[test]
fn what_a_runtime_expects_is_there() {
    for kind in kinds() {
        let files = files(&kind);
        assert_eq!(files["tmp"].mode, "drwxrwxrwt", "{kind}");
        assert_eq!(files["etc/passwd"].mode, "-rw-r--r--", "{kind}");
        // The worker's certificates are mounted here.
        assert_eq!(files["etc/ssl/certs"].mode, "drwxr-xr-x", "{kind}");
    }
}

#[test]
fn labels_say_what_it_is() {
    for kind in kinds() {
        let labels = &inspect(&layer::image_name(&kind))["Config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.title"], format!("jetway-{kind}"));
        assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert!(
            labels["org.opencontainers.image.description"].as_str().unwrap().starts_with("Concourse resource type")
        );
    }
}

/// What the image of a type stands on, as `images/build.sh` finds it.
fn base_of(kind: &str) -> String {
    if let Ok(base) = std::env::var("JETWAY_BASE") {
        return base;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let dockerfile = std::fs::read_to_string(root.join("images").join(kind).join("Dockerfile")).unwrap();
    let base = dockerfile.lines().find_map(|line| line.strip_prefix("ARG BASE="));
    base.map(str::to_owned).unwrap_or_default()
}

#[test]
fn it_is_the_base_with_a_few_small_layers() {
    for kind in kinds() {
        let (name, base) = (layer::image_name(&kind), base_of(&kind));
        let size = |image: &Value| image["Size"].as_u64().unwrap() / 1_000_000;
        let (below, size_below) =
            if is_from_scratch(&kind) { (Vec::new(), 0) } else { (layers(&base), size(&inspect(&base))) };
        let (all, image) = (layers(&name), inspect(&name));
        assert!(all.starts_with(&below), "the base has changed since: run `make images`");
        assert!(all.len() - below.len() <= 4, "{} layers on top of the base", all.len() - below.len());
        println!("image {kind}: {} MB, {} MB of it on top of the base", size(&image), size(&image) - size_below);
        let (_, most) = MAX_MEGABYTES.iter().find(|(name, _)| *name == kind).expect("a limit for each image");
        assert!(size(&image) - size_below <= *most, "{kind}: more than {most} MB on top of the base");
    }
}

#[test]
fn an_image_without_a_base_holds_the_binary_and_no_program_but_those_that_it_needs() {
    for kind in kinds().into_iter().filter(|kind| is_from_scratch(kind)) {
        let files = files(&kind);
        let programs: Vec<&String> = files
            .iter()
            .filter(|(_, entry)| entry.mode.starts_with('-') && entry.mode.contains('x') && entry.size > 0)
            .map(|(path, _)| path)
            .collect();
        let binary = format!("usr/local/bin/jetway-{kind}");
        let mut expected: Vec<&str> = companions(&kind).iter().copied().chain([binary.as_str()]).collect();
        expected.sort_unstable();
        assert_eq!(programs, expected);
        let bytes: u64 = files.values().map(|entry| entry.size).sum();
        let (_, most) = MAX_MEGABYTES.iter().find(|(name, _)| *name == kind).expect("a limit for each image");
        assert!(bytes < most * 1024 * 1024, "{kind}: {bytes} bytes");
        assert!(!files.keys().any(|path| path.starts_with("etc/ssl/certs/")), "{kind}: certificates of its own");
    }
}

#[test]
fn nothing_of_the_installation_is_left() {
    for kind in kinds().into_iter().filter(|kind| !is_from_scratch(kind)) {
        let leftovers = "find /var/lib/apt/lists /var/cache/apt /tmp /root /usr/share/man /etc/dpkg/dpkg.cfg.d/jetway \
                         -type f ! -name .bashrc ! -name .profile 2>/dev/null; true";
        assert_eq!(inside(&kind, &["sh", "-c", leftovers]), "");
    }
}

#[test]
fn a_request_that_is_none_is_refused_with_words() {
    for kind in kinds() {
        for verb in [Verb::check(&kind), Verb::get(&kind), Verb::put(&kind)] {
            let directory = scratch::directory();
            let outcome = verb.runner(Runner::Image).dir(directory.path()).stdin("{").run();
            assert!(outcome.failed().stderr.contains("error"), "{}", outcome.stderr);
        }
    }
}

/// What the image says it is made of: names and versions of crates and programs.
fn made_of(kind: &str) -> Vec<(String, String, Value)> {
    let created = docker(&["create", "--entrypoint", "/none", &layer::image_name(kind)]);
    let container = String::from_utf8(created.stdout).unwrap().trim().to_owned();
    let script =
        format!("docker cp {container}:/usr/local/share/sbom/jetway-{kind}.cdx.json - | tar --extract --to-stdout");
    let read = Command::new("sh").args(["-c", &script]).output().unwrap();
    docker(&["rm", &container]);
    let bill: Value = serde_json::from_slice(&read.stdout).expect("a bill of materials");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    assert_eq!(bill["metadata"]["component"]["name"], format!("jetway-{kind}"));
    let component = |one: &Value| {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        (text("name"), text("version"), one.clone())
    };
    bill["components"].as_array().unwrap().iter().map(component).collect()
}

#[test]
fn what_it_is_made_of_is_told_crate_by_crate() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    for kind in kinds() {
        let (programs, crates): (Vec<_>, Vec<_>) =
            made_of(&kind).into_iter().partition(|(_, _, one)| one["type"] == "application");
        for (name, version, one) in &crates {
            let locked = format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&locked), "{kind}: {name} {version}");
            assert_eq!(one["purl"], format!("pkg:cargo/{name}@{version}"));
            assert!(one["licenses"][0]["expression"].is_string(), "{kind}: {one}");
        }
        let has = |wanted: &str| crates.iter().any(|(name, _, _)| name == wanted);
        assert!(["jetway", "tokio", "rustls", "serde_json"].into_iter().all(has), "{kind}");
        assert!(!["jetway-tests", "proptest", "serde_derive"].into_iter().any(has), "{kind}");
        let names: Vec<&str> = programs.iter().map(|(name, _, _)| name.as_str()).collect();
        assert_eq!(names, if kind == "helm-release" { vec!["helm", "busybox"] } else { vec![] }, "{kind}");
        for (_, _, one) in &programs {
            assert_eq!(one["hashes"][0]["content"].as_str().unwrap().len(), 64, "{one}");
        }
    }
}

/// The layers of an image, from the lowest.
fn layers(image: &str) -> Vec<Value> {
    inspect(image)["RootFS"]["Layers"].as_array().unwrap().clone()
}

#[test]
fn the_layer_with_the_binary_is_the_same_however_often_it_is_built() {
    let base = base_of("git");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("images/build.sh");
    for (kind, below) in [("git", base.as_str()), ("slack", "scratch")] {
        if !layer::require(Layer::Image(kind)) {
            continue;
        }
        let built = [1, 2].map(|number| {
            let context = scratch::directory();
            let archive = context.path().join("rootfs.tar");
            let mut command = Command::new(&script);
            binaries::of_no_package(&mut command);
            let output = command.arg("--archive").arg(&archive).arg(kind).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::write(context.path().join("Dockerfile"), format!("FROM {below}\nADD rootfs.tar /\n")).unwrap();
            let image = format!("jetway-tests/layer-{kind}:{number}");
            let built = Command::new("docker")
                .env("DOCKER_BUILDKIT", "0")
                .args(["build", "--quiet", "--no-cache", "--tag", &image])
                .arg(context.path())
                .output()
                .unwrap();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            let layers = layers(&image);
            docker(&["rmi", "--force", &image]);
            layers
        });
        assert_eq!(built[0], built[1], "{kind}");
        assert_eq!(built[0].last(), layers(&layer::image_name(kind)).last(), "{kind}: it is what the image has");
    }
}
