//! A verb leaves no process and no private file behind, however it ends.

use std::time::{Duration, Instant};

use jetway::MASK;
use rustix::process::Signal;
use serde_json::json;

use crate::run::{Outcome, Running, counter, entries, is_alive, wait_until};

/// The time in which a verb ends after a signal: two seconds, and a margin for a busy machine.
const SOON: Duration = Duration::from_millis(2500);

/// Interrupts a run, and returns its outcome and the time that it took to end.
fn interrupted(run: Running, signal: Signal) -> (Outcome, Duration) {
    let begin = Instant::now();
    run.signal(signal);
    (run.outcome(), begin.elapsed())
}

#[test]
fn signal_ends_descendants_and_removes_private_files() {
    for (signal, name, code) in [(Signal::TERM, "SIGTERM", 143), (Signal::INT, "SIGINT", 130)] {
        let script = "sleep 1000 & echo child $$; echo grandchild $!; wait";
        let source = json!({"misbehave": ["private-file"], "token": "hunter2", "run": ["sh", "-c", script]});
        let mut run = counter("check").source(&source).start();
        let processes = [run.line("child "), run.line("grandchild ")];
        let (outcome, took) = interrupted(run, signal);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""));
        let expected = format!("error: `sh` did not finish\n  caused by: interrupted by {name}\n");
        assert!(outcome.stderr.ends_with(&expected), "{}", outcome.stderr);
        assert!(processes.iter().all(|process| !is_alive(process)), "{processes:?}");
        assert!(outcome.leftovers.is_empty(), "{:?}", outcome.leftovers);
        assert!(took < SOON, "{took:?}");
    }
}

#[test]
fn signal_ends_grandchild_that_ignores_sigterm_in_time() {
    let script = "trap '' TERM; sh -c 'echo deaf $$; while :; do sleep 1; done'";
    let mut run = counter("check").source(&json!({"run": ["sh", "-c", script]})).start();
    let deaf = run.line("deaf ");
    let (outcome, took) = interrupted(run, Signal::TERM);
    assert_eq!(outcome.code, Some(143));
    assert!(!is_alive(&deaf));
    assert!(took < SOON, "{took:?}");
}

#[test]
fn ended_child_may_clean_up_and_log() {
    let directory = tempfile::tempdir().unwrap();
    let done = directory.path().join("done");
    // A process that writes to a pipe without a reader is killed by SIGPIPE, before the next statement.
    let tidy =
        format!("echo cancelled; echo cancelled >&2; sleep 0.2; echo again >&2; echo >'{}'; exit 1", done.display());
    let script =
        format!("trap \"{}\" TERM; echo listening >&2; while :; do sleep 0.05; done", tidy.replace('"', "\\\""));
    let mut run = counter("check").source(&json!({"run": ["sh", "-c", script]})).start();
    run.line("listening");
    let (outcome, _) = interrupted(run, Signal::TERM);
    assert_eq!(outcome.code, Some(143));
    assert!(outcome.stderr.contains("cancelled\n") && outcome.stderr.contains("again\n"), "{}", outcome.stderr);
    assert!(done.exists(), "the child came to its end");
}

#[test]
fn signal_ends_wait_for_standard_input() {
    let run = counter("check").start();
    run.listens();
    // Standard input stays open: only the signal ends the wait.
    let begin = Instant::now();
    run.signal(Signal::TERM);
    let outcome = run.ended();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(143), "error: interrupted by SIGTERM\n"));
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[test]
fn signal_ends_waiting_and_unresponsive_verbs() {
    let run = counter("check").source(&json!({"misbehave": ["wait"]})).start();
    run.listens();
    let (outcome, took) = interrupted(run, Signal::TERM);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(143), "error: interrupted by SIGTERM\n"));
    assert!(took < SOON, "{took:?}");
    let mut run = counter("check").source(&json!({"misbehave": ["private-file", "deaf"]})).start();
    run.line("deaf");
    let (outcome, took) = interrupted(run, Signal::TERM);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(143), "deaf\nerror: the work did not stop within 1.7 s\n  caused by: interrupted by SIGTERM\n")
    );
    assert!(outcome.leftovers.is_empty(), "{:?}", outcome.leftovers);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn signal_ends_verb_and_child_that_ignore_it() {
    let script = "trap '' TERM; echo child $$; while :; do sleep 1; done";
    let source = json!({"misbehave": ["private-file", "deaf-parent"], "token": "hunter2", "run": ["sh", "-c", script]});
    let mut run = counter("check").source(&source).start();
    let child = run.line("child ");
    let (outcome, took) = interrupted(run, Signal::TERM);
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert!(!is_alive(&child));
    assert!(outcome.leftovers.is_empty(), "{:?}", outcome.leftovers);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn cleaning_child_has_more_time_to_end() {
    let script = "trap 'sleep 2.5; echo set right >&2; exit 1' TERM; echo listening >&2; while :; do sleep 0.05; done";
    let mut run = counter("check").source(&json!({"cleans_up": true, "run": ["sh", "-c", script]})).start();
    run.line("listening");
    let (outcome, took) = interrupted(run, Signal::TERM);
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("set right\n"), "{}", outcome.stderr);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn signal_ends_verb_with_busy_runtime_and_removes_private_files() {
    let source = json!({"misbehave": ["private-file", "busy"], "token": "hunter2"});
    let mut run = counter("check").source(&source).start();
    run.line("busy");
    let (outcome, took) = interrupted(run, Signal::TERM);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(143), "busy\nerror: interrupted by SIGTERM\n"));
    assert!(outcome.leftovers.is_empty(), "{:?}", outcome.leftovers);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn leaves_no_core_dump() {
    let script = "grep 'core file' /proc/self/limits >&2; grep 'core file' /proc/$PPID/limits >&2";
    let outcome = counter("check").source(&json!({"run": ["sh", "-c", script]})).outcome();
    let limits: Vec<Vec<&str>> = outcome.stderr.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(limits.len(), 2, "{}", outcome.stderr);
    assert!(limits.iter().all(|words| words.get(4..6) == Some(&["0", "0"])), "{}", outcome.stderr);
}

#[test]
fn other_processes_of_the_user_cannot_read_its_memory() {
    let outcome = counter("check").source(&json!({"misbehave": ["dumpable"]})).outcome();
    assert_eq!(outcome.stderr, "dumpable: Ok(NotDumpable)\n");
}

#[test]
fn next_run_removes_leftovers_of_a_killed_run() {
    let temporary = tempfile::tempdir().unwrap();
    let source = json!({"misbehave": ["private-file", "wait"], "token": "hunter2"});
    let run = counter("check").temporary(temporary.path()).source(&source).start();
    let has_token = || entries(temporary.path()).iter().any(|entry| entry.join("token").exists());
    wait_until(has_token);
    let (outcome, _) = interrupted(run, Signal::KILL);
    assert_eq!(outcome.code, None);
    assert!(has_token());
    let source = json!({"misbehave": ["private-file"], "token": "hunter2"});
    counter("check").temporary(temporary.path()).source(&source).outcome().response();
    assert!(entries(temporary.path()).is_empty());
}

#[test]
fn panic_has_its_own_exit_code_and_leaves_no_secrets_or_files() {
    let source = json!({"misbehave": ["print", "private-file", "panic"], "token": "hunter2"});
    let outcome = counter("check").source(&source).outcome();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(70), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("error: this is a bug in jetway, please report it\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&format!("the token is {MASK}")), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hunter2"));
    assert!(outcome.leftovers.is_empty(), "{:?}", outcome.leftovers);
}
