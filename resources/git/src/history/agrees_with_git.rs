//! Property tests: patterns match the same texts here as in git and grep.

#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::cell::Cell;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::history::message_filter::MessageFilter;
use crate::pattern::Pattern;
use crate::pattern::posix_regex::Dialect;

/// Runs a program without user configuration; returns its output, or `None` if it failed.
fn run(directory: &Path, program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut child = Command::new(program)
        .current_dir(directory)
        .args(arguments)
        .env("LC_ALL", "C")
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_DIR", "repository.git")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    // grep exits with 1 if nothing matches.
    let is_success = output.status.success() || (program == "grep" && output.status.code() == Some(1));
    is_success.then(|| String::from_utf8(output.stdout).unwrap())
}

/// Creates a bare repository with a commit for each message; returns the hashes.
fn repository(directory: &Path, messages: &[String]) -> Vec<String> {
    run(directory, "git", &["init", "-q", "--bare", "repository.git"], b"").unwrap();
    let commit = |(index, message): (usize, &String)| {
        let (when, length) = (1_700_000_000 + index, message.len());
        format!("commit refs/heads/main\ncommitter A <a@b> {when} +0000\ndata {length}\n{message}\n")
    };
    let stream: String = messages.iter().enumerate().map(commit).collect();
    run(directory, "git", &["fast-import", "--quiet"], stream.as_bytes()).unwrap();
    let listed = run(directory, "git", &["rev-list", "--reverse", "refs/heads/main"], b"").unwrap();
    listed.lines().map(str::to_owned).collect()
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", "fix", "x.y", "*", "+", "[z]", "(a)", "{2}", "^", "$", "|", "_", "", " "])
        .prop_map(str::to_owned)
}

fn message() -> impl Strategy<Value = String> {
    let line = prop::collection::vec(word(), 0..6).prop_map(|words| words.concat());
    // A message needs a subject, or git treats it as empty.
    prop::collection::vec(line, 0..4).prop_map(|lines| format!("subject\n{}\n", lines.join("\n")))
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "x",
        ".",
        "*",
        "^",
        "$",
        "\\(",
        "\\)",
        "\\|",
        "\\+",
        "\\?",
        "\\{2\\}",
        "\\{1,2\\}",
        "[ab]",
        "[^a]",
        "[[:alpha:]]",
        "[]a]",
        "[a-",
        "\\b",
        "\\B",
        "\\<",
        "\\>",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "\\.",
        "\\*",
        "(",
        ")",
        "+",
        "?",
        "|",
        "{",
        "}",
        "{2}",
        "\\[",
        "]",
        "-",
        "_",
        " ",
        "fix",
    ]);
    // glibc handles two adjacent anchors inconsistently (`^\\B` fails where `\\B` alone matches).
    let anchors = |pieces: &[&str]| pieces.iter().filter(|piece| ANCHORS.contains(piece)).count();
    let pieces = prop::collection::vec(piece, 0..7).prop_filter("two anchors in a row", move |pieces| {
        let of_consuming = |piece: &&str| piece.len() == 1 && !"*+?^$".contains(*piece) || piece.starts_with('[');
        pieces.split(of_consuming).all(|between| anchors(between) <= 1)
    });
    pieces.prop_map(|pieces| pieces.concat())
}

const ANCHORS: [&str; 6] = ["^", "$", "\\b", "\\B", "\\<", "\\>"];

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

/// Patterns that only git or only this crate accepts are skipped: the comparison is about their meaning.
#[test]
fn commit_filter_matches_the_same_messages_as_git() {
    let directory = tempfile::tempdir().unwrap();
    let mut runner = runner(1);
    let messages = prop::collection::vec(message(), 60).new_tree(&mut runner).unwrap().current();
    let commits = repository(directory.path(), &messages);
    assert_eq!(commits.len(), messages.len());
    let case = (prop::collection::vec(pattern(), 1..3), any::<bool>(), any::<bool>(), any::<bool>());
    let compared = Cell::new(0);
    self::runner(600)
        .run(&case, |(patterns, all, inverted, extended)| {
            let mut arguments = vec!["rev-list".to_owned(), "--reverse".to_owned(), "refs/heads/main".to_owned()];
            arguments.extend(patterns.iter().map(|pattern| format!("--grep={pattern}")));
            let options = [(all, "--all-match"), (inverted && !all, "--invert-grep"), (extended, "--extended-regexp")];
            arguments.extend(options.iter().filter(|(is_set, _)| *is_set).map(|(_, option)| (*option).to_owned()));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let Some(theirs) = run(directory.path(), "git", &arguments, b"") else { return Ok(()) };
            let key = if inverted { "exclude" } else { "include" };
            let filter = serde_json::json!({ key: patterns, format!("{key}_all_match"): all });
            let settings = if extended { vec![("grep.patternType", "extended")] } else { Vec::new() };
            let settings: Vec<_> =
                settings.iter().map(|(name, value)| serde_json::json!({ "name": name, "value": value })).collect();
            let source = serde_json::json!({ "uri": "u", "commit_filter": filter, "git_config": settings });
            let source = serde_json::from_value(source).unwrap();
            let Ok(filter) = MessageFilter::of(&source) else {
                // An invalid pattern that git treats as literal text is refused here.
                return Ok(());
            };
            let passing = messages.iter().zip(&commits).filter(|(message, _)| filter.passes(message.as_bytes()));
            let ours: Vec<&str> = passing.map(|(_, commit)| commit.as_str()).collect();
            let theirs: Vec<&str> = theirs.lines().collect();
            // git cannot invert `--all-match`: with both options it finds nothing.
            let rest = || commits.iter().map(String::as_str).filter(|commit| !theirs.contains(commit)).collect();
            let theirs = if inverted && all { rest() } else { theirs };
            let differs = |commit: &&str| ours.contains(commit) != theirs.contains(commit);
            let first = commits.iter().map(String::as_str).position(|commit| differs(&commit));
            prop_assert_eq!(first.map(|index| &messages[index]), None, "{:?}", patterns);
            compared.set(compared.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(compared.get() > 200, "only {} patterns were accepted by both", compared.get());
}

const NAMES: [&str; 16] = [
    "v1",
    "v1.0",
    "v1.0.1",
    "v10",
    "1",
    "release/1",
    "release/v1.0",
    "a-b",
    "a_b",
    "ab",
    "a",
    "b",
    "a.b",
    "V1",
    "(a)",
    "a+b",
];

#[test]
fn tag_filter_matches_the_same_names_as_git() {
    let directory = tempfile::tempdir().unwrap();
    repository(directory.path(), &["one".to_owned()]);
    for name in NAMES {
        run(directory.path(), "git", &["tag", name, "refs/heads/main"], b"").unwrap();
    }
    let piece = prop::sample::select(vec![
        "*",
        "?",
        "v",
        "1",
        "0",
        ".",
        "/",
        "a",
        "b",
        "[ab]",
        "[!v]",
        "[^v]",
        "[a-z]",
        "[[:digit:]]",
        "[]a]",
        "\\a",
        "\\*",
        "-",
        "[a-]",
        "[\\a]",
        "[",
        "]",
        "release",
        "**",
        "[:",
        ":]",
    ]);
    let glob = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let compared = Cell::new(0);
    runner(400)
        .run(&glob.prop_filter("an option", |glob| !glob.starts_with('-')), |glob| {
            let Ok(pattern) = Pattern::glob(&glob) else { return Ok(()) };
            let Some(theirs) = run(directory.path(), "git", &["tag", "--list", &glob], b"") else { return Ok(()) };
            let mut ours: Vec<&str> = NAMES.into_iter().filter(|name| pattern.matches(name.as_bytes())).collect();
            ours.sort_unstable();
            prop_assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{}", glob);
            compared.set(compared.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(compared.get() > 150, "only {} globs were accepted by both", compared.get());
}

/// When this test fails after an upgrade of globset, `pattern/glob.rs` may have lost its reason.
#[test]
fn globset_does_not_match_the_same_names() {
    let directory = tempfile::tempdir().unwrap();
    repository(directory.path(), &["one".to_owned()]);
    let names = ["{a,b}", "a", "b/c", "b/x/c", "x"];
    for name in names {
        run(directory.path(), "git", &["tag", name, "refs/heads/main"], b"").unwrap();
    }
    for (glob, expected, by_globset) in
        [("{a,b}", &["{a,b}"][..], &["a"][..]), ("b/**/c", &["b/x/c"], &["b/c", "b/x/c"]), ("**/x", &[], &["x"])]
    {
        let theirs = run(directory.path(), "git", &["tag", "--list", glob], b"").unwrap();
        assert_eq!(theirs.lines().collect::<Vec<_>>(), expected, "{glob}");
        let pattern = Pattern::glob(glob).unwrap();
        let matched =
            |matches: &dyn Fn(&str) -> bool| names.into_iter().filter(|name| matches(name)).collect::<Vec<_>>();
        assert_eq!(matched(&|name| pattern.matches(name.as_bytes())), expected, "{glob}");
        let globset = globset::Glob::new(glob).unwrap().compile_matcher();
        assert_eq!(matched(&|name| globset.is_match(name)), by_globset, "{glob}");
    }
}

#[test]
fn tag_regex_matches_the_same_names_as_grep() {
    let directory = tempfile::tempdir().unwrap();
    let names = NAMES.join("\n") + "\n";
    let piece = prop::sample::select(vec![
        "v",
        "1",
        "0",
        "\\.",
        ".",
        "/",
        "a",
        "b",
        "[ab]",
        "[^v]",
        "[0-9]",
        "*",
        "+",
        "?",
        "{2}",
        "{1,}",
        "(",
        ")",
        "|",
        "^",
        "$",
        "\\w",
        "\\b",
        "\\(",
        "\\+",
        "[[:digit:]]",
        ".*",
        "[0-9]+",
        "v.*",
    ]);
    let regex = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let compared = Cell::new(0);
    runner(400)
        .run(&regex, |regex| {
            let Ok(pattern) = Pattern::whole_regex(Dialect::Extended, &regex) else { return Ok(()) };
            let arguments = ["-E", "-x", "-e", &regex];
            let Some(theirs) = run(directory.path(), "grep", &arguments, names.as_bytes()) else { return Ok(()) };
            let ours: Vec<&str> = NAMES.into_iter().filter(|name| pattern.matches(name.as_bytes())).collect();
            prop_assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{}", regex);
            compared.set(compared.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(compared.get() > 150, "only {} regular expressions were accepted by both", compared.get());
}
