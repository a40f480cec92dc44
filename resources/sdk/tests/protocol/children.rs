//! Child processes: their environment, their output, and their end.

use std::time::{Duration, Instant};

use jetway::MASK;
use serde_json::{Value, json};

use crate::run::{counter, is_alive};

/// A source that runs a shell script as its child.
fn script(script: &str, token: &str) -> Value {
    json!({"run": ["sh", "-c", script], "token": token})
}

#[test]
fn masks_every_encoding_of_a_secret_in_output_of_a_child() {
    let token = "p&ss word/+";
    for form in [token, "cCZzcyB3b3JkLys=", "Ym9iOnAmc3Mgd29yZC8r", "p%26ss%20word%2F%2B", "p%26ss+word%2f%2b"] {
        let source = json!({"run": ["sh", "-c", "echo \"got <$0>\"; echo \"got <$0>\" >&2", form], "token": token});
        let outcome = counter("check").source(&source).outcome();
        outcome.response();
        assert!(!outcome.stderr.contains(form), "{form}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.matches(MASK).count(), 2, "{form}: {}", outcome.stderr);
    }
}

#[test]
fn masks_multi_line_key_line_by_line() {
    let key = "-----BEGIN KEY-----\nTGluZSBudW1iZXIgb25l\nTGluZSBudW1iZXIgdHdv\n-----END KEY-----\n";
    let outcome = counter("check").source(&script("cat; echo bad key TGluZSBudW1iZXIgdHdv >&2", key)).outcome();
    outcome.response();
    assert!(!outcome.stderr.contains("TGluZ"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("-----BEGIN KEY-----\n"), "{}", outcome.stderr);
}

#[test]
fn masks_secret_in_the_error_of_a_failed_child() {
    let outcome = counter("check").source(&script("echo denied: $(cat) >&2; exit 3", "hunter2")).outcome();
    assert_eq!(
        outcome.failure(),
        format!("denied: {MASK}\nerror: `sh` ended with exit code 3\n  caused by: denied: {MASK}\n")
    );
}

#[test]
fn secrets_are_not_in_arguments_or_environment() {
    let show =
        "for file in cmdline environ; do tr '\\0' ' ' < /proc/$$/$file; tr '\\0' ' ' < /proc/$PPID/$file; echo; done";
    let outcome = counter("check").source(&script(show, "hunter2")).outcome();
    outcome.response();
    assert!(outcome.stderr.contains("NO_COLOR=1"), "{}", outcome.stderr);
    // If the output contained a secret, it would contain a mask.
    assert!(!outcome.stderr.contains("hunter2") && !outcome.stderr.contains(MASK), "{}", outcome.stderr);
}

#[test]
fn finds_programs_without_path() {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
    let env = json!({ "run": ["env"], "token": "hunter2" });
    for run in [counter("check").without_env("PATH"), counter("check").env("PATH", "")] {
        let outcome = run.source(&env).outcome();
        outcome.response();
        assert!(outcome.stderr.contains(path), "{}", outcome.stderr);
    }
    let outcome = counter("check").source(&env).outcome();
    assert!(outcome.stderr.contains("PATH=/usr/bin:/bin\n"), "{}", outcome.stderr);
}

#[test]
fn passes_secret_to_a_child_by_a_private_file() {
    let outcome = counter("check").source(&json!({"misbehave": ["companion"], "token": "hunter2"})).outcome();
    outcome.response();
    assert_eq!(outcome.stderr, "told: the token for [\"an argument\"]\n");
    assert!(outcome.leftovers.is_empty(), "{:?}", outcome.leftovers);
}

#[test]
fn reports_missing_program() {
    let outcome = counter("check").source(&json!({"run": ["no-such-program"]})).outcome();
    assert_eq!(
        outcome.failure(),
        "error: cannot run `no-such-program`\n  caused by: No such file or directory (os error 2)\n\
         hint: is `no-such-program` installed and on PATH?\n"
    );
}

#[test]
fn reports_signal_that_ended_a_child() {
    let outcome = counter("check").source(&script("kill -KILL $$", "")).outcome();
    assert_eq!(outcome.failure(), "error: `sh` was ended by a signal (signal: 9 (SIGKILL))\n");
}

#[test]
fn ends_silent_child_with_its_descendants() {
    let mut source = script("sleep 1000 & echo $!; sleep 1000", "");
    source["silence_limit"] = json!(1);
    let mut run = counter("check").source(&source).start();
    let grandchild = run.line("");
    let outcome = run.outcome();
    assert!(!is_alive(&grandchild));
    assert!(
        outcome
            .failure()
            .ends_with("error: `sh` wrote no output for 1 s and was stopped\nhint: `silence_limit` sets how long\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn ends_background_processes_of_a_child() {
    let begin = Instant::now();
    let mut run = counter("check").source(&script("sleep 1000 & echo $!", "")).start();
    let left = run.line("");
    run.outcome().response();
    assert!(!is_alive(&left));
    // A background process holds the pipe open; the verb does not wait long for it.
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn passes_on_long_lines_and_progress() {
    let outcome = counter("check").source(&script("printf 'a\\rb\\rdone\\n'; printf %2000s x; echo", "")).outcome();
    outcome.response();
    assert!(outcome.stderr.starts_with("done\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("x\n"));
}
