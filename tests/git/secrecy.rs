//! Assertions that secrets are not leaked.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jetway_tests::verb::{Outcome, Running};

/// Asserts that no secret is in the output of the verb, or in a file that it left in its home and temporary
/// directories.
#[track_caller]
pub(crate) fn assert_no_secret_in_output(outcome: &Outcome, secrets: &[&str]) {
    let printed = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert_absent(&outcome.stderr, secrets, "standard error");
    assert_absent(&printed, secrets, "standard output");
    for file in outcome.leftovers().into_iter().filter(|path| path.is_file()) {
        assert_absent_from_file(&file, secrets);
    }
}

/// Asserts that the verb has left no private file, only the cache of checks.
#[track_caller]
pub(crate) fn assert_no_private_file(outcome: &Outcome) {
    let is_cache = |path: &Path| path.components().any(|part| part.as_os_str() == "jetway-git-cache");
    let left: Vec<_> = outcome.leftovers().into_iter().filter(|path| !is_cache(path)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Asserts that no secret is in a file below the directory, such as the destination of a get.
#[track_caller]
pub(crate) fn assert_no_secret_below(directory: &Path, secrets: &[&str]) {
    for entry in std::fs::read_dir(directory).expect("list a directory").flatten() {
        let path = entry.path();
        match entry.file_type().expect("the kind of an entry") {
            kind if kind.is_dir() => assert_no_secret_below(&path, secrets),
            kind if kind.is_file() => assert_absent_from_file(&path, secrets),
            _ => {}
        }
    }
}

/// Asserts that no secret is in an argument or an environment variable of a process that the verb has started.
#[track_caller]
pub(crate) fn assert_no_secret_in_processes(running: &Running, secrets: &[&str]) {
    let children = running.children();
    assert!(!children.is_empty(), "the verb has started a process");
    for child in children {
        for file in ["cmdline", "environ"] {
            let content = std::fs::read(format!("/proc/{}/{file}", child.pid)).unwrap_or_default();
            assert_absent(&String::from_utf8_lossy(&content), secrets, &format!("{file} of {}", child.command));
        }
    }
}

#[track_caller]
fn assert_absent_from_file(file: &Path, secrets: &[&str]) {
    let content = std::fs::read(file).expect("read a file");
    assert_absent(&String::from_utf8_lossy(&content), secrets, &file.display().to_string());
}

#[track_caller]
fn assert_absent(text: &str, secrets: &[&str], place: &str) {
    for secret in secrets {
        for line in secret.lines().filter(|line| line.len() >= 8 && !line.starts_with("-----")) {
            assert!(!text.contains(line), "a secret is in {place}:\n{text}");
            let encoded = STANDARD_NO_PAD.encode(line);
            assert!(!text.contains(&encoded), "a secret is in {place}, in base64:\n{text}");
        }
    }
}
