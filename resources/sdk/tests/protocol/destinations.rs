//! The directory of a get and of a put.

use std::fs;

use serde_json::json;

use crate::run::{counter, entries};

const REQUEST: &str = r#"{"source": {}, "version": {"number": "5"}}"#;

#[test]
fn a_destination_is_made_when_it_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    counter("in").arg(root.path().join("a/b")).input(REQUEST).outcome().response();
    assert_eq!(fs::read_to_string(root.path().join("a/b/number")).unwrap(), "5");
}

#[test]
fn a_destination_that_has_something_in_it_is_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("precious"), "").unwrap();
    let outcome = counter("in").arg(root.path()).input(REQUEST).outcome();
    assert_eq!(outcome.failure(), format!("error: the destination `{}` is not empty\n", root.path().display()));
    assert_eq!(entries(root.path()), [root.path().join("precious")]);
}

#[test]
fn a_destination_that_is_a_file_or_below_one_is_refused() {
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
fn a_destination_that_cannot_be_made_is_named() {
    // Nobody, not even root, makes directories there; the reason that is given depends on who tries.
    let outcome = counter("in").arg("/sys/kernel/jetway").input(REQUEST).outcome();
    let beginning = "error: cannot create the destination `/sys/kernel/jetway`\n  caused by: ";
    assert!(outcome.failure().starts_with(beginning), "{}", outcome.stderr);
}

#[test]
fn a_request_is_looked_at_before_the_destination_is_touched() {
    let root = tempfile::tempdir().unwrap();
    let outcome = counter("in").arg(root.path().join("new")).source(&json!({"direcion": "up"})).outcome();
    assert!(outcome.failure().starts_with("error: the request has 1 problem"), "{}", outcome.stderr);
    assert!(entries(root.path()).is_empty());
}

#[test]
fn inputs_must_be_there() {
    let request = r#"{"params": {"file": "x"}}"#;
    let outcome = counter("out").arg("/nowhere/inputs").input(request).outcome();
    assert_eq!(outcome.failure(), "error: the directory of the inputs `/nowhere/inputs` does not exist\n");
}
