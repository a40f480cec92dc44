//! The directory of a get and of a put.

use std::fs;

use serde_json::json;

use crate::run::{counter, entries};

const REQUEST: &str = r#"{"source": {}, "version": {"number": "5"}}"#;

#[test]
fn creates_missing_destination() {
    let root = tempfile::tempdir().unwrap();
    counter("in").arg(root.path().join("a/b")).input(REQUEST).outcome().response();
    assert_eq!(fs::read_to_string(root.path().join("a/b/number")).unwrap(), "5");
}

#[test]
fn keeps_content_of_destination() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("precious"), "").unwrap();
    let outcome = counter("in").arg(root.path()).input(REQUEST).outcome();
    assert_eq!(outcome.failure(), format!("error: the destination `{}` is not empty\n", root.path().display()));
    assert_eq!(entries(root.path()), [root.path().join("precious")]);
}

#[test]
fn rejects_destination_that_is_a_file_or_below_one() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let outcome = counter("in").arg(&file).input(REQUEST).outcome();
    assert_eq!(outcome.failure(), format!("error: the destination `{}` is not a directory\n", file.display()));
    let below = file.join("below");
    let outcome = counter("in").arg(&below).input(REQUEST).outcome();
    assert_eq!(
        outcome.failure(),
        format!(
            "error: cannot create the destination `{}`\n  caused by: Not a directory (os error 20)\n",
            below.display()
        )
    );
}

#[test]
fn reports_destination_that_cannot_be_created() {
    // Not even root can create directories there; the reason depends on the user.
    let outcome = counter("in").arg("/sys/kernel/jetway").input(REQUEST).outcome();
    let beginning = "error: cannot create the destination `/sys/kernel/jetway`\n  caused by: ";
    assert!(outcome.failure().starts_with(beginning), "{}", outcome.stderr);
}

#[test]
fn validates_request_before_creating_the_destination() {
    let root = tempfile::tempdir().unwrap();
    let outcome = counter("in").arg(root.path().join("new")).source(&json!({"direcion": "up"})).outcome();
    assert!(outcome.failure().starts_with("error: the request has 1 problem"), "{}", outcome.stderr);
    assert!(entries(root.path()).is_empty());
}

#[test]
fn requires_inputs() {
    let request = r#"{"params": {"file": "x"}}"#;
    let outcome = counter("out").arg("/nowhere/inputs").input(request).outcome();
    assert_eq!(outcome.failure(), "error: the directory of the inputs `/nowhere/inputs` does not exist\n");
}
