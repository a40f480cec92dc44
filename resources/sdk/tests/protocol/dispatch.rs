//! How the name of the binary and the arguments select a verb.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::json;

use crate::run::{COUNTER, Run, called, counter};

/// A link of this name to the counter, in a directory of this path.
fn link(directory: &str, name: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join(directory);
    std::fs::create_dir_all(&directory).unwrap();
    let link = directory.join(name);
    symlink(COUNTER, &link).unwrap();
    (root, link)
}

#[test]
fn runs_check_in_and_out_as_links_in_opt_resource() {
    let inputs = tempfile::tempdir().unwrap();
    std::fs::write(inputs.path().join("last"), "7").unwrap();
    let (_root, check) = link("opt/resource", "check");
    assert_eq!(called(&check).source(&json!({"initial": 3})).outcome().response(), json!([{"number": "3"}]));
    let (root, get) = link("opt/resource", "in");
    let request = json!({"source": {"names": {"seven": 7}}, "version": {"number": "7"}}).to_string();
    let response = called(&get).arg(root.path().join("new")).input(request).outcome().response();
    assert_eq!(response, json!({"version": {"number": "7"}, "metadata": [{"name": "name", "value": "seven"}]}));
    assert_eq!(std::fs::read_to_string(root.path().join("new/number")).unwrap(), "7");
    let (_root, put) = link("opt/resource", "out");
    let request = json!({"source": {"direction": "down"}, "params": {"file": "last"}}).to_string();
    let response = called(&put).arg(inputs.path()).input(request).outcome().response();
    assert_eq!(response, json!({"version": {"number": "6"}, "metadata": [{"name": "previous", "value": "7"}]}));
}

#[test]
fn rejects_other_names_in_opt_resource() {
    let (_root, link) = link("opt/resource", "chekc");
    let outcome = called(&link).source(&json!({})).outcome();
    assert_eq!(outcome.failure(), "error: called as `chekc`, expected `check`, `in` or `out`\n");
}

#[test]
fn accepts_sub_commands_outside_of_opt_resource() {
    let (_root, link) = link("bin", "jetway-counter");
    assert_eq!(called(&link).arg("check").source(&json!({})).outcome().response(), json!([{"number": "0"}]));
}

#[test]
fn accepts_get_and_put_for_in_and_out() {
    let directory = tempfile::tempdir().unwrap();
    let request = json!({"source": {}, "version": {"number": "1"}, "params": {"file": "n"}}).to_string();
    counter("get").arg(directory.path()).input(request).outcome().response();
    let response = counter("put").arg(directory.path()).input(r#"{"params": {"file": "n"}}"#).outcome().response();
    assert_eq!(response["version"], json!({"number": "2"}));
}

#[test]
fn prints_help_and_version_without_a_request() {
    let help = counter("--help").outcome();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for text in ["Numbers, one after the other\n", "[alias: get]", "[alias: put]", "echo '{\"source\": {...}}' |"] {
        assert!(help.stdout.contains(text), "`{text}` is not in {}", help.stdout);
    }
    let version = counter("--version").outcome();
    assert_eq!((version.code, version.stdout.as_str()), (Some(0), "jetway-counter 1.2.3\n"));
    let get = counter("get").arg("--help").outcome();
    assert!(get.stdout.contains("an empty directory, created if it does not exist"), "{}", get.stdout);
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    for arguments in [&["chekc"][..], &["in"], &["check", "there"]] {
        let run = arguments[1..].iter().fold(counter(arguments[0]), Run::arg);
        let outcome = run.outcome();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.stderr.contains("Usage: counter"), "{}", outcome.stderr);
    }
}

#[test]
fn requires_the_directory_argument() {
    let (_root, link) = link("opt/resource", "in");
    assert_eq!(
        called(&link).source(&json!({})).outcome().failure(),
        "error: `in` needs a directory as its argument\n\
         hint: usage: jetway-counter in DIRECTORY < request.json (jetway-counter 1.2.3)\n"
    );
}
