//! Finds or builds the binaries under test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The binary of a resource type. See [`named`].
pub fn resource(kind: &str) -> PathBuf {
    named(&format!("jetway-{kind}"))
}

/// Finds a binary of the workspace in the directory `JETWAY_BINARIES`. Without that variable, builds it, once per process and with
/// the profile of the tests. A binary has the name of its package, except the `jetway` command and `jetway-registry-image`.
pub fn named(name: &str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    // After a test has panicked here and so reported its failure, the next test tries again.
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    built.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| find(name)).clone()
}

fn find(name: &str) -> PathBuf {
    if let Some(directory) = std::env::var_os("JETWAY_BINARIES") {
        let path = Path::new(&directory).join(name);
        assert!(path.is_file(), "JETWAY_BINARIES has no `{name}`: there is no {}", path.display());
        return path.canonicalize().expect("resolve the binary's path");
    }
    let package = match name {
        "jetway" => "jetway-cli",
        "jetway-registry-image" => "jetway-docker-image",
        other => other,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root"))
        .args(["build", "--quiet", "--package", package, "--bin", name, "--message-format=json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    of_no_package(&mut cargo);
    let output = cargo.output().expect("start cargo");
    assert!(output.status.success(), "cargo build --package {package} failed");
    let executable = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.unwrap_or_else(|| panic!("cargo built no `{name}`"))
}

/// Removes the variables that cargo has set for this program from a command that runs cargo.
///
/// Cargo sets variables with the package of the programs that it runs. Build scripts that read the same variables (such as
/// ring's) would run again, here and in the next build from a shell, and everything that depends on them would be built again.
pub fn of_no_package(command: &mut Command) {
    let of_this_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_this_package) {
            command.env_remove(name);
        }
    }
}
