//! Standard output contains only the response; messages go to standard error.

use std::fs::File;
use std::process::Stdio;

use serde_json::json;

use crate::run::counter;

#[test]
fn only_the_response_reaches_standard_output() {
    let source = json!({"misbehave": ["print"], "run": ["echo", "printed by a child of the SDK"]});
    let outcome = counter("check").source(&source).outcome();
    assert_eq!(outcome.stdout, "[{\"number\":\"0\"}]\n");
    for line in ["printed by the program", "printed by its child", "printed by a child of the SDK", "without an end"] {
        assert!(outcome.stderr.contains(line), "`{line}` is not in {}", outcome.stderr);
    }
}

#[test]
fn failed_verb_leaves_standard_output_empty() {
    let outcome = counter("check").source(&json!({"misbehave": ["print"], "run": ["false"]})).outcome();
    assert!(outcome.failure().ends_with("error: `false` ended with exit code 1\n"), "{}", outcome.stderr);
}

#[test]
fn rejects_version_that_concourse_would_reject() {
    let directory = tempfile::tempdir().unwrap();
    for misbehaviour in ["empty-version", "number-version"] {
        let source = json!({"misbehave": [misbehaviour]});
        let expected = "error: a version must be a map of strings that is not empty\n";
        assert_eq!(counter("check").source(&source).outcome().failure(), expected);
        let request = json!({"source": source, "version": {"number": "1"}}).to_string();
        let get = counter("in").arg(directory.path().join(misbehaviour)).input(request).outcome();
        assert!(get.failure().ends_with(expected), "{}", get.stderr);
    }
}

#[test]
fn fails_when_response_cannot_be_written() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let outcome = counter("check").stdout(full).source(&json!({})).outcome();
    assert_eq!(
        outcome.failure(),
        "error: cannot write the response to standard output\n  caused by: No space left on device (os error 28)\n"
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let outcome = counter("check").stdout(Stdio::from(writer)).source(&json!({})).outcome();
    assert_eq!(
        outcome.failure(),
        "error: cannot write the response to standard output\n  caused by: Broken pipe (os error 32)\n"
    );
}

#[test]
fn errors_are_coloured_unless_no_color_or_a_dumb_terminal() {
    let shown = |name: &str, value: &str| {
        let outcome = counter("check").env("NO_COLOR", "").env(name, value).input("[]").outcome();
        outcome.failure().contains('\x1b')
    };
    assert!(shown("TERM", ""));
    assert!(shown("TERM", "xterm"));
    assert!(!shown("TERM", "dumb"));
    assert!(!shown("NO_COLOR", "1"));
}
