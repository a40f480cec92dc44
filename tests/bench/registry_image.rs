//! The registry-image resource: a check, and a get of an image with six layers.

use std::cell::RefCell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::{Registry, run};
use jetway_tests::verb::{Container, Verb};
use jetway_tests::{git, scratch};
use serde_json::json;
use tempfile::TempDir;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// What is measured.
pub(crate) const WHAT: &str = "an image of 600 MB in six layers, and a registry on loopback";

/// How much each layer holds, in bytes, and how many there are.
const LAYER: u64 = 100_000_000;
const LAYERS: usize = 6;

/// How many tags are versions, each of another image.
const TAGS: usize = 500;

/// An image this large is not fetched more often than that.
const MAX_RUNS: usize = 5;

const MEGABYTE: u64 = 1024 * 1024;

/// Measures a get as `rootfs` beside skopeo and umoci, which do the same in two steps, one as `oci-layout` beside fetching, writing
/// and hashing the same blobs, and a check beside skopeo; a check of one tag beside its one request, and one of many versions beside
/// a HEAD for each, one after the other.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let registry = Registry::start();
    let image = image();
    let digest = image.push(registry.client(), "bench/app", "latest");
    let blobs: Vec<String> = image.layers.iter().chain([&image.config]).map(|blob| blob.digest.clone()).collect();
    drop(image);
    let repository = registry.repository("bench/app");
    let directory = scratch::directory();
    let request = |name: &str, request: serde_json::Value| {
        let path = directory.path().join(name);
        std::fs::write(&path, request.to_string()).expect("write a request");
        path
    };
    let source = json!({ "repository": repository, "tag": "latest" });
    let check = request("check.json", json!({ "source": source }));
    let version = json!({ "tag": "latest", "digest": digest });
    let get = request("get.json", json!({ "source": source, "version": version }));
    let params = json!({ "format": "oci-layout" });
    let layout = request("layout.json", json!({ "source": source, "version": version, "params": params }));
    let targets = Targets::default();
    let target = || targets.create();
    let shell = |text: String| script(&text).env("HOME", directory.path());
    let limits = |ratio: f64, megabytes: u64| Limits {
        ratio: Some(ratio),
        peak_rss: Some(megabytes * MEGABYTE),
        children: Some(0),
        ..Limits::default()
    };
    let cases = vec![
        floor("skopeo inspect", || {
            shell(format!("skopeo inspect --raw --tls-verify=false docker://{repository}:latest"))
        }),
        Case {
            name: "check",
            floor: Some("skopeo inspect"),
            limits: limits(1.0, 30),
            succeeds: true,
            prepare: Box::new(|| in_container(&Verb::check("registry-image"), &check)),
        },
        floor("skopeo copy, umoci unpack", || shell(copy_and_unpack(&repository, &target()))),
        Case {
            name: "get",
            floor: Some("skopeo copy, umoci unpack"),
            limits: Limits { cpu_ratio: Some(0.6), ..limits(0.6, 64) },
            succeeds: true,
            prepare: Box::new(|| in_container(&Verb::get("registry-image").dir(target()), &get)),
        },
        floor("curl, openssl dgst, gzip, tar", || {
            let unpack = "; mkdir rootfs; for blob in $(ls -S sha256-* | head -n 6); do gzip -dc <$blob | tar --extract --directory rootfs; done";
            shell(fetch_and_hash(&registry.host(), &blobs, &target()) + unpack)
        }),
        Case {
            name: "get, once more",
            floor: Some("curl, openssl dgst, gzip, tar"),
            limits: Limits { ratio: None, cpu_ratio: Some(1.4), ..limits(1.0, 64) },
            succeeds: true,
            prepare: Box::new(|| in_container(&Verb::get("registry-image").dir(target()), &get)),
        },
        floor("curl, openssl dgst", || shell(fetch_and_hash(&registry.host(), &blobs, &target()))),
        Case {
            name: "get as oci-layout",
            floor: Some("curl, openssl dgst"),
            limits: Limits { ratio: None, cpu_ratio: Some(1.3), ..limits(1.0, 64) },
            succeeds: true,
            prepare: Box::new(|| in_container(&Verb::get("registry-image").dir(target()), &layout)),
        },
    ];
    let mut all = in_turns(runs.min(MAX_RUNS), cases);
    all.extend(shapes(&registry, runs));
    all.extend(one_tag(&registry, &check, runs));
    all.extend(many_versions(&registry, runs));
    all
}

/// The directories that runs write to. They are removed in the end: making files where as many were just removed costs the
/// file system extra.
#[derive(Default)]
struct Targets(RefCell<Vec<TempDir>>);

impl Targets {
    /// Creates an empty directory.
    fn create(&self) -> PathBuf {
        let target = scratch::directory();
        let path = target.path().to_owned();
        self.0.borrow_mut().push(target);
        path
    }
}

/// An image of another shape.
struct Shape {
    name: &'static str,
    /// The name of its floor, skopeo and umoci.
    floor: &'static str,
    layers: usize,
    /// The number of files in each layer.
    files: usize,
    /// The size of each file, in bytes.
    size: usize,
}

const SHAPES: [Shape; 2] = [
    Shape {
        name: "get, 40,000 small files",
        floor: "skopeo copy, umoci unpack: 40,000 small files",
        layers: 2,
        files: 20_000,
        size: 300,
    },
    Shape {
        name: "get, 80 layers",
        floor: "skopeo copy, umoci unpack: 80 layers",
        layers: 80,
        files: 10,
        size: 50_000,
    },
];

/// Measures gets of images with many files and with many layers.
fn shapes(registry: &Registry, runs: usize) -> Vec<Measured> {
    let directory = scratch::directory();
    let targets = Targets::default();
    let target = || targets.create();
    let mut cases = Vec::new();
    for (number, shape) in SHAPES.iter().enumerate() {
        let archives: Vec<Vec<u8>> = (0..shape.layers).map(|layer| shape.archive(layer)).collect();
        let path = format!("bench/shape-{number}");
        let digest =
            Image::of_archives(&json!({}), &archives, Compression::Gzip).push(registry.client(), &path, "latest");
        let repository = registry.repository(&path);
        let input = directory.path().join(format!("{number}.json"));
        let source = json!({ "repository": repository, "tag": "latest" });
        let request = json!({ "source": source, "version": { "tag": "latest", "digest": digest } });
        std::fs::write(&input, request.to_string()).expect("write a request");
        let (home, target) = (directory.path(), &target);
        cases.push(floor(shape.floor, move || script(&copy_and_unpack(&repository, &target())).env("HOME", home)));
        cases.push(Case {
            name: shape.name,
            floor: Some(shape.floor),
            limits: Limits { ratio: Some(0.6), peak_rss: Some(64 * MEGABYTE), children: Some(0), ..Limits::default() },
            succeeds: true,
            prepare: Box::new(move || in_container(&Verb::get("registry-image").dir(target()), &input)),
        });
    }
    in_turns(runs.min(MAX_RUNS), cases)
}

impl Shape {
    /// A layer of files whose content compresses as text does.
    fn archive(&self, layer: usize) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..self.files {
            let line = format!("{:x} of file {number} in layer {layer}\n", number.wrapping_mul(0x9e37_79b9));
            let content: String = line.chars().cycle().take(self.size).collect();
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let path = format!("layer-{layer}/folder-{}/file-{number}", number % 100);
            archive.append_data(&mut header, path, content.as_bytes()).expect("write an archive");
        }
        archive.into_inner().expect("write an archive")
    }
}

/// A script that does a get's work with skopeo and umoci.
fn copy_and_unpack(repository: &str, target: &Path) -> String {
    let target = target.display();
    format!(
        "skopeo --insecure-policy copy --quiet --src-tls-verify=false docker://{repository}:latest oci:{target}/oci:x; \
         umoci unpack --image {target}/oci:x {target}/bundle"
    )
}

/// Measures what a check of one tag costs beyond its one request.
fn one_tag(registry: &Registry, check: &Path, runs: usize) -> Vec<Measured> {
    let head = head(&[format!("http://{}/v2/bench/app/manifests/latest", registry.host())]);
    let cases = vec![
        floor("curl, one HEAD", || script(&head)),
        Case {
            name: "check, one tag",
            floor: Some("curl, one HEAD"),
            limits: Limits {
                over: Some(Duration::from_millis(15)),
                peak_rss: Some(30 * MEGABYTE),
                children: Some(0),
                ..Limits::default()
            },
            succeeds: true,
            prepare: Box::new(|| in_container(&Verb::check("registry-image"), check)),
        },
    ];
    in_turns(runs, cases)
}

/// Measures a check of many versions.
fn many_versions(registry: &Registry, runs: usize) -> Vec<Measured> {
    let tags: Vec<String> = (0..TAGS).map(|number| format!("1.{}.{}", number / 10, number % 10)).collect();
    for tag in &tags {
        Image::named(tag).push(registry.client(), "bench/tags", tag);
    }
    let heads = heads(&registry.host(), &tags);
    let directory = scratch::directory();
    let versions = directory.path().join("versions.json");
    let request = json!({ "source": { "repository": registry.repository("bench/tags") } });
    std::fs::write(&versions, request.to_string()).expect("write a request");
    let cases = vec![
        floor("curl, 500 HEADs in turn", || script(&heads)),
        Case {
            name: "check, 500 versions",
            floor: Some("curl, 500 HEADs in turn"),
            limits: Limits {
                wall: Some(Duration::from_millis(280)),
                ratio: Some(1.0),
                peak_rss: Some(30 * MEGABYTE),
                children: Some(0),
                ..Limits::default()
            },
            succeeds: true,
            prepare: Box::new(|| in_container(&Verb::check("registry-image"), &versions)),
        },
    ];
    in_turns(runs, cases)
}

/// One verb, in a container of its own.
fn in_container(verb: &Verb, input: &Path) -> Run {
    Run::verb(verb, input, Container::new())
}

/// Commands as people write them, by a shell.
fn script(text: &str) -> Run {
    let mut command = Command::new("sh");
    command.env_clear().env("PATH", git::search_path()).args(["-ec", text]);
    Run::raw(command)
}

/// What a verb is measured beside.
fn floor<'a>(name: &'static str, prepare: impl FnMut() -> Run + 'a) -> Case<'a> {
    Case { name, floor: None, limits: Limits::default(), succeeds: true, prepare: Box::new(prepare) }
}

/// A script that asks for the digest of each tag, one after the other on one connection.
fn heads(host: &str, tags: &[String]) -> String {
    let urls: Vec<String> = tags.iter().map(|tag| format!("http://{host}/v2/bench/tags/manifests/{tag}")).collect();
    head(&urls)
}

fn head(urls: &[String]) -> String {
    let accept =
        "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    format!("curl --silent --fail --head --header '{accept}' {} >/dev/null", urls.join(" "))
}

/// A script that fetches blobs, writes them and hashes them: what a layout cannot do without.
fn fetch_and_hash(host: &str, blobs: &[String], target: &Path) -> String {
    let fetch = blobs.iter().map(|digest| {
        let name = digest.replace(':', "-");
        format!("--output {name} http://{host}/v2/bench/app/blobs/{digest}")
    });
    let (fetch, target) = (fetch.collect::<Vec<_>>().join(" "), target.display());
    format!("cd {target}; curl --no-progress-meter --fail --parallel {fetch}; openssl dgst -sha256 sha256-* > sums")
}

/// An image of this machine's own programs and libraries, in layers of about the same size.
fn image() -> Image {
    let mut files = Vec::new();
    list(Path::new("/usr"), &mut files);
    files.sort();
    let mut files = files.into_iter();
    let mut archives = Vec::new();
    for _ in 0..LAYERS {
        let mut size = 0;
        let mut names = Vec::new();
        for (path, length) in files.by_ref() {
            names.push(path);
            size += length;
            if size >= LAYER {
                break;
            }
        }
        archives.push(archive(&names));
    }
    Image::of_archives(&json!({}), &archives, Compression::Gzip)
}

fn list(directory: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if metadata.is_dir() {
            list(&entry.path(), files);
        } else if metadata.is_file() && metadata.len() < LAYER / 4 {
            files.push((entry.path(), metadata.len()));
        }
    }
}

fn archive(names: &[PathBuf]) -> Vec<u8> {
    let directory = scratch::directory();
    let (list, archive) = (directory.path().join("list"), directory.path().join("layer.tar"));
    let mut text = std::fs::File::create(&list).expect("write a list");
    for name in names {
        writeln!(text, "{}", name.display()).expect("write a list");
    }
    run(Command::new("tar").args(["-C", "/", "--absolute-names", "-cf"]).arg(&archive).arg("-T").arg(&list));
    std::fs::read(archive).expect("read an archive")
}
