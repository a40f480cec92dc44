//! The crate `jetway` as it is published, and a type in a workspace of its own that uses it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jetway_tests::registry::run;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::Verb;
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};

use crate::{blocks, read, root};

const RELEASE: &str = env!("CARGO_PKG_VERSION");

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    binaries::of_no_package(&mut cargo);
    cargo.current_dir(root());
    cargo
}

/// Packages the crate as `cargo publish` does, and unpacks it in `directory`.
fn packaged(directory: &Path) -> PathBuf {
    let target = directory.join("target");
    let package = ["package", "--quiet", "--package", "jetway", "--locked", "--allow-dirty", "--no-verify"];
    run(cargo().args(package).arg("--target-dir").arg(&target));
    let archive = target.join("package").join(format!("jetway-{RELEASE}.crate"));
    run(Command::new("tar").args(["--extract", "--gzip", "--file"]).arg(archive).arg("--directory").arg(directory));
    directory.join(format!("jetway-{RELEASE}"))
}

/// Builds the example with the packaged crate.
fn example(jetway: &Path) -> PathBuf {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--message-format=json-render-diagnostics"]);
    build.arg("--manifest-path").arg(root().join("examples/releases/Cargo.toml"));
    build.arg("--target-dir").arg(scratch::target_directory());
    build.arg("--config").arg(format!("patch.crates-io.jetway.path={:?}", jetway.display().to_string()));
    let messages = run(&mut build);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executables = messages.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    executables.reduce(|_, last| last).expect("cargo built the example")
}

#[test]
fn example_in_its_own_workspace_runs_with_the_packaged_crate() {
    let directory = scratch::directory();
    let jetway = packaged(directory.path());
    let mut files: Vec<String> = fs::read_dir(&jetway)
        .expect("list the package")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    // Of the commit, if this is a checkout.
    files.retain(|name| name != ".cargo_vcs_info.json");
    files.sort();
    assert_eq!(files, ["Cargo.lock", "Cargo.toml", "Cargo.toml.orig", "LICENSE", "README.md", "src"]);
    let manifest = read(&jetway.join("Cargo.toml"));
    for key in ["description", "documentation", "readme", "keywords", "categories", "license", "rust-version"] {
        assert!(manifest.contains(&format!("\n{key} = ")), "the package has no {key}");
    }
    assert!(!manifest.contains("\npath = \"../") && !manifest.contains("[[bin]]"), "{manifest}");

    let program = example(&jetway);
    let list = json!([{ "number": "1.0", "notes": "first" }, { "number": "1.1", "notes": "second" }]);
    let server = StandIn::start_tls(move |_| Response::bytes(200, "application/json", list.to_string()));
    let source = json!({ "url": server.url(), "ca_certs": [server.authority()] });
    let check = Verb::check("releases").binary(&program);
    let check = check.request(&json!({ "source": source })).run();
    assert_eq!(check.json(), json!([{ "number": "1.1" }]));
}

#[test]
fn page_shows_the_example_as_it_is() {
    let page = read(&root().join("docs/your-own-type.md"));
    let shown = blocks(&page, "rust");
    let source = read(&root().join("examples/releases/src/main.rs"));
    assert!(shown.iter().any(|(_, block)| *block == source), "docs/your-own-type.md and the example differ");
}

/// Every build and test of the workspace is one with the oldest compiler that it supports.
#[test]
fn oldest_supported_compiler_is_the_one_that_tests_use() {
    let toolchain = read(&root().join("rust-toolchain.toml"));
    let stated = env!("CARGO_PKG_RUST_VERSION");
    assert!(toolchain.contains(&format!("channel = \"{stated}.0\"")), "{toolchain}");
    let example = read(&root().join("examples/releases/Cargo.toml"));
    assert!(example.contains(&format!("rust-version = \"{stated}\"")), "{example}");
    let readme = read(&root().join("resources/sdk/README.md"));
    assert!(readme.contains(&format!("needs Rust {stated} or newer")));
}
