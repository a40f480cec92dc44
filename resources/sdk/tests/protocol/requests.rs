//! Valid and invalid requests on standard input.

use std::fmt::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::run::counter;

/// Each invalid request with its exact message: lines `$ VERB REQUEST`, each followed by the output on standard error.
const WRONG: &str = include_str!("wrong_requests.txt");

#[test]
fn wrong_requests_have_exact_messages() {
    let destination = tempfile::tempdir().unwrap();
    let mut seen = String::new();
    for line in WRONG.lines().filter(|line| line.starts_with(['$', '#']) || line.is_empty()) {
        let _ = writeln!(seen, "{line}");
        let Some((verb, request)) = line.strip_prefix("$ ").and_then(|line| line.split_once(' ')) else { continue };
        let run = counter(verb).input(request);
        let run = if verb == "check" { run } else { run.arg(destination.path()) };
        seen.push_str(run.outcome().failure());
    }
    if seen != WRONG {
        let now = std::env::temp_dir().join("wrong_requests.txt");
        std::fs::write(&now, &seen).unwrap();
        panic!("the messages are not those of `wrong_requests.txt`; what they are now is in `{}`", now.display());
    }
}

#[test]
fn missing_request_is_reported_with_an_example() {
    let expected = "error: there is no request on standard input\n\
                    hint: send one JSON object, as Concourse does: echo '{\"source\": {...}}' | jetway-counter check; \
                    see `jetway-counter check --help`\n";
    assert_eq!(counter("check").stdin(Stdio::null()).outcome().failure(), expected);
    assert_eq!(counter("check").outcome().failure(), expected);
    assert_eq!(counter("check").input(" \n\t ").outcome().failure(), expected);
}

#[test]
fn rejects_request_that_is_not_text() {
    let outcome = counter("check").input(b"{\"source\": {\"token\": \"\xff\xfe\"}}".to_vec()).outcome();
    assert_eq!(
        outcome.failure(),
        "error: the request on standard input is not valid JSON\n  \
         caused by: invalid unicode code point at line 1 column 23\n"
    );
}

#[test]
fn rejects_large_request_before_reading_all_of_it() {
    let request = json!({"source": {"token": "x".repeat(17 * 1024 * 1024)}}).to_string();
    let outcome = counter("check").input(request).outcome();
    assert_eq!(outcome.failure(), "error: the request on standard input is larger than 16 MiB\n");
}

#[test]
fn accepts_scalars_as_pipelines_write_them() {
    let source = json!({"initial": "41", "steps": [{"by": "2", "times": 3.0}], "names": {"x": "1"}, "token": 12345});
    let request = json!({"source": source, "version": {"number": 41}, "params": {"ignored": "in a check"}});
    let response = counter("check").input(request.to_string()).outcome().response();
    assert_eq!(response, json!([{"number": "41"}, {"number": "47"}]));
}

#[test]
fn null_counts_as_absent() {
    let request = r#"{"source": {"initial": null, "token": null}, "version": null, "params": null}"#;
    assert_eq!(counter("check").input(request).outcome().response(), json!([{"number": "0"}]));
    assert_eq!(counter("check").input(r#"{"source": null}"#).outcome().response(), json!([{"number": "0"}]));
}

#[test]
fn warns_of_unknown_keys() {
    let source = json!({"colour": "red", "steps": [{"by": 1, "globs": ["*"]}]});
    let request = json!({"source": source, "version": {"number": "7"}, "params": {"push": true}});
    let destination = tempfile::tempdir().unwrap();
    let outcome = counter("in").arg(destination.path()).input(request.to_string()).outcome();
    assert_eq!(outcome.response()["version"], json!({"number": "7"}));
    assert_eq!(
        outcome.stderr,
        "warning: `source.colour`: unknown key, ignored\n\
         warning: `source.steps[0].globs`: unknown key, ignored\n\
         warning: `params.push`: unknown key, ignored\n\
         wrote number 7\n"
    );
}

#[test]
fn ignores_unknown_parts() {
    let request = json!({"source": {"initial": 3}, "scope": {"team": "main"}, "trace_id": "1", "parms": {}});
    let outcome = counter("check").input(request.to_string()).outcome();
    assert_eq!(outcome.response(), json!([{"number": "3"}]));
    assert_eq!(outcome.stderr, "warning: `parms`: unknown key, ignored; did you mean `params`?\n");
}

#[test]
fn warns_of_keys_in_another_case_and_reads_them() {
    let outcome = counter("check").source(&json!({"Initial": 3, "STEPS": []})).outcome();
    assert_eq!(outcome.response(), json!([{"number": "3"}]));
    assert_eq!(
        outcome.stderr,
        "warning: `source.Initial`: the key is written `initial`\n\
         warning: `source.STEPS`: the key is written `steps`\n"
    );
}

#[test]
fn ignores_unset_variables_and_trailing_newlines() {
    let source = json!({
        "initial": "41\n", "direction": "", "steps": "", "names": {}, "token": "", "run": [""], "silence_limit": "",
        "misbehave": [""],
    });
    assert_eq!(counter("check").source(&source).outcome().response(), json!([{"number": "41"}]));
    let down = json!({"direction": "down\n", "steps": [{"by": "2 ", "times": ""}]});
    let request = json!({"source": down, "version": {"number": "41"}});
    let response = counter("check").input(request.to_string()).outcome().response();
    assert_eq!(response, json!([{"number": "41"}, {"number": "39"}]));
}

#[test]
fn allow_unknown_keys_warns_of_misspelt_keys() {
    let source = json!({"allow_unknown_keys": "true", "steps": [{"by": 1, "tims": 2}], "roman": true});
    let outcome = counter("check").source(&source).outcome();
    assert_eq!(outcome.response(), json!([{"number": "0"}]));
    assert_eq!(
        outcome.stderr,
        "warning: `source.steps[0].tims`: unknown key, ignored since `allow_unknown_keys` is set; did you mean `times`?\n\
         warning: `source.roman`: known, but not supported by this release, ignored since `allow_unknown_keys` is set\n"
    );
}

#[test]
fn ignores_unknown_keys_of_a_version() {
    let request = json!({"source": {}, "version": {"number": "4", "branch": "of another release"}});
    assert_eq!(counter("check").input(request.to_string()).outcome().response()[0], json!({"number": "4"}));
}
