//! Property tests: in a random history, a search with small windows finds the same commits as git with the whole
//! history.

#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use jetway::{BuildMetadata, Colour, Console, Context, Redactor};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const BRANCHES: [&str; 3] = ["main", "left", "right"];

/// Windows that are too small for a history of a few commits.
const SMALL: Windows = Windows { first: 2, growth: 2, deepest: 16 };

#[derive(Debug, Clone)]
enum Step {
    /// A commit, this many minutes after the previous one (negative: before it).
    Commit {
        branch: usize,
        minutes: i64,
    },
    Merge {
        into: usize,
        from: usize,
        minutes: i64,
    },
    /// A branch is created at the tip of another.
    Branch {
        branch: usize,
        at: usize,
    },
    /// A branch is replaced by a new root commit.
    NewRoot {
        branch: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let branch = || 0..BRANCHES.len();
    // A commit may be older than its parents, because clocks differ.
    let minutes = || prop_oneof![4 => 0..5_i64, 1 => -90..90_i64];
    prop_oneof![
        8 => (branch(), minutes()).prop_map(|(branch, minutes)| Step::Commit { branch, minutes }),
        4 => (branch(), branch(), minutes()).prop_map(|(into, from, minutes)| Step::Merge { into, from, minutes }),
        2 => (branch(), branch()).prop_map(|(branch, at)| Step::Branch { branch, at }),
        1 => branch().prop_map(|branch| Step::NewRoot { branch }),
    ]
}

/// Runs git; returns its output, or `None` if it failed.
fn git(directory: &Path, arguments: &[&str], input: &str) -> Option<String> {
    let mut child = std::process::Command::new("git")
        .current_dir(directory)
        .args(arguments)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Creates the history of the steps in a bare repository; returns all commits.
fn make_history(directory: &Path, steps: &[Step]) -> Vec<Oid> {
    git(directory, &["init", "-q", "--bare", "--initial-branch=main", "."], "").unwrap();
    for (key, value) in [("uploadpack.allowFilter", "true"), ("gc.auto", "0"), ("fastimport.unpackLimit", "0")] {
        git(directory, &["config", key, value], "").unwrap();
    }
    let mut stream = String::new();
    let (mut marks, mut now) = (0, 1_700_000_000_i64);
    let mut tips: [Option<usize>; BRANCHES.len()] = [None; BRANCHES.len()];
    let mut commit = |branch: usize, parents: &[usize], minutes: i64| {
        (marks, now) = (marks + 1, now + 60 * minutes);
        let (name, message) = (BRANCHES[branch], format!("commit {marks}"));
        write!(stream, "reset refs/heads/{name}\n\ncommit refs/heads/{name}\nmark :{marks}\n").unwrap();
        write!(stream, "committer A <a@b> {now} +0000\ndata {}\n{message}\n", message.len()).unwrap();
        for (word, parent) in std::iter::once("from").chain(std::iter::repeat("merge")).zip(parents) {
            writeln!(stream, "{word} :{parent}").unwrap();
        }
        write!(stream, "M 100644 inline f{}\ndata {}\n{message}\n\n", marks % 3, message.len()).unwrap();
        marks
    };
    for branch in 0..BRANCHES.len() {
        tips[branch] = Some(commit(branch, tips[0].as_slice(), 1));
    }
    for step in steps {
        match *step {
            Step::Commit { branch, minutes } => tips[branch] = Some(commit(branch, tips[branch].as_slice(), minutes)),
            Step::Merge { into, from, minutes } if tips[into] != tips[from] => {
                let parents: Vec<usize> = tips[into].into_iter().chain(tips[from]).collect();
                tips[into] = Some(commit(into, &parents, minutes));
            }
            Step::Merge { .. } => {}
            Step::Branch { branch, at } => tips[branch] = Some(commit(branch, tips[at].as_slice(), 1)),
            Step::NewRoot { branch } => tips[branch] = Some(commit(branch, &[], 1)),
        }
    }
    // Keep the commits that are no longer on any branch, as servers do for a while.
    for mark in 1..=marks {
        write!(stream, "reset refs/kept/{mark}\nfrom :{mark}\n\n").unwrap();
    }
    git(directory, &["fast-import", "--quiet", "--force", "--date-format=raw-permissive"], &stream).unwrap();
    git(directory, &["config", "uploadpack.hideRefs", "refs/kept"], "").unwrap();
    git(directory, &["config", "uploadpack.allowAnySHA1InWant", "true"], "").unwrap();
    commits(&git(directory, &["rev-list", "--all"], "").unwrap())
}

fn commits(lines: &str) -> Vec<Oid> {
    lines.lines().map(|line| object_id(line).unwrap()).collect()
}

/// The result that git computes from the whole history.
fn expected(directory: &Path, known: Oid) -> SearchResult {
    let known = known.to_string();
    let is_before = git(directory, &["merge-base", "--is-ancestor", &known, "main"], "").is_some();
    if git(directory, &["merge-base", &known, "main"], "").is_none() {
        let newest = git(directory, &["rev-parse", "main"], "").unwrap();
        return SearchResult { known_is_on_branch: false, commits: commits(&newest) };
    }
    // The range `known..main` would be wrong: git walks by date, and includes an older commit if clocks differ by much.
    let before: HashSet<Oid> = commits(&git(directory, &["rev-list", &known], "").unwrap()).into_iter().collect();
    let chain = commits(&git(directory, &["rev-list", "--first-parent", "--reverse", "main"], "").unwrap());
    let newer = chain.into_iter().filter(|commit| !before.contains(commit)).collect();
    SearchResult { known_is_on_branch: is_before, commits: newer }
}

fn source(directory: &Path, more: &serde_json::Value) -> Source {
    let mut source = serde_json::json!({ "uri": format!("file://{}", directory.display()), "branch": "main" });
    source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(source).unwrap()
}

fn context(directory: &Path) -> Context {
    let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
    Context::new(BuildMetadata::default(), console, directory.to_owned())
}

/// Runs the search with small windows, in a container that may have a cache.
fn search(container: &Path, source: &Source, known: Option<Oid>, tip: Option<Oid>) -> SearchResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let context = context(container);
        let git = Git::new(&context, &source.access(), false).await.unwrap();
        let mut history = History::open(&git, source, None).unwrap();
        history.windows = SMALL;
        history.search(known, tip).await.unwrap()
    })
}

fn hold<T: std::fmt::Debug>(cases: u32, strategy: impl Strategy<Value = T>, law: impl Fn(T)) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let law = |value| {
        law(value);
        Ok(())
    };
    TestRunner::new(config).run(&strategy, law).unwrap();
}

/// Checks that the commits after two versions are those that git lists, in fresh containers and in one with a cache.
/// The numbers select the versions.
fn agrees_with_git(steps: &[Step], (first, second): (usize, usize)) {
    let server = tempfile::tempdir().unwrap();
    let all = make_history(server.path(), steps);
    let source = source(server.path(), &serde_json::json!({}));
    let tip = commits(&git(server.path(), &["rev-parse", "main"], "").unwrap())[0];
    let used = tempfile::tempdir().unwrap();
    for known in [all[first % all.len()], all[second % all.len()]] {
        let fresh = tempfile::tempdir().unwrap();
        for container in [fresh.path(), used.path()] {
            let found = search(container, &source, Some(known), Some(tip));
            assert_eq!(found, expected(server.path(), known), "{known}");
        }
    }
}

#[test]
fn commits_after_any_version_agree_with_git_for_small_windows() {
    let known = (any::<usize>(), any::<usize>());
    hold(24, (prop::collection::vec(step(), 6..30), known), |(steps, known)| agrees_with_git(&steps, known));
}

/// For a fetch by date, git's server listed a commit at the boundary without sending it. The next fetch then failed
/// with "error in object: unshallow".
#[test]
fn missing_commit_at_the_boundary_does_not_break_later_fetches() {
    let steps = [
        Step::Commit { branch: 0, minutes: 3 },
        Step::Merge { into: 2, from: 0, minutes: 45 },
        Step::Commit { branch: 0, minutes: 2 },
        Step::Commit { branch: 0, minutes: -56 },
        Step::Commit { branch: 1, minutes: 3 },
        Step::Merge { into: 1, from: 0, minutes: 0 },
        Step::Commit { branch: 0, minutes: 1 },
        Step::Commit { branch: 0, minutes: 3 },
        Step::Merge { into: 0, from: 1, minutes: 2 },
        Step::Commit { branch: 2, minutes: 4 },
    ];
    for known in 0..steps.len() + BRANCHES.len() {
        agrees_with_git(&steps, (known, known));
    }
}

#[test]
fn newest_commits_of_a_path_agree_with_git_for_small_windows() {
    hold(12, (prop::collection::vec(step(), 6..30), 1..6_usize), |(steps, wanted)| {
        let server = tempfile::tempdir().unwrap();
        make_history(server.path(), &steps);
        let keys = serde_json::json!({ "paths": ["f0"], "version_depth": wanted });
        let source = source(server.path(), &keys);
        let listed = git(server.path(), &["rev-list", "--first-parent", "main", "--", "f0"], "").unwrap();
        let mut newest = commits(&listed);
        newest.truncate(wanted);
        newest.reverse();
        let container = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let found = search(container.path(), &source, None, None);
            assert_eq!(found, SearchResult { known_is_on_branch: false, commits: newest.clone() });
        }
    });
}

/// Builds a chain with these commits.
fn chain(commits: &[u8], end: ChainEnd) -> Chain {
    Chain { commits: commits.iter().map(|number| object_id(&format!("{number:040x}")).unwrap()).collect(), end }
}

#[test]
fn commit_at_the_boundary_is_omitted_only_if_its_parent_is_needed() {
    let cut = chain(&[1, 2, 3], ChainEnd::Boundary);
    assert_eq!(cut.certain(true).map(<[Oid]>::len), Some(2));
    assert_eq!(cut.certain(false).map(<[Oid]>::len), Some(3));
    assert_eq!(chain(&[1, 2, 3], ChainEnd::Root).certain(true).map(<[Oid]>::len), Some(3));
    assert!(chain(&[], ChainEnd::Root).certain(true).is_none());
}
