//! Runs the `git` program, isolated from the machine's configuration.

use std::path::Path;
use std::process::{Command, Output};

/// The author and committer of all commits in the fixtures.
pub const IDENTITY: (&str, &str) = ("Ada Fixture", "ada@example.com");

/// The time of a repository's first commit. Each later one is a minute later, so that commit hashes are reproducible.
pub const FIRST_COMMIT: u64 = 1_700_000_000;

/// The variables that make `git` ignore all configuration and never prompt for a password.
pub const ISOLATION: [(&str, &str); 5] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C"),
];

/// Builds a `git` command in `directory` that inherits only `PATH` from the environment.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", search_path())
        .envs(ISOLATION)
        .envs([("GIT_AUTHOR_NAME", IDENTITY.0), ("GIT_AUTHOR_EMAIL", IDENTITY.1)])
        .envs([("GIT_COMMITTER_NAME", IDENTITY.0), ("GIT_COMMITTER_EMAIL", IDENTITY.1)]);
    command
}

/// Runs `git` in `directory` and returns its output without the final newline. Panics if it fails.
pub fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory).args(arguments).output().expect("start git");
    answer(output, arguments)
}

/// The output of a finished `git`; panics with its stderr if it failed.
pub(crate) fn answer(output: Output, arguments: &[&str]) -> String {
    assert!(
        output.status.success(),
        "git {} failed ({}): {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let mut text = String::from_utf8(output.stdout).expect("git printed UTF-8");
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// The variables that set the author and committer dates.
pub(crate) fn dates(seconds: u64) -> [(&'static str, String); 2] {
    [("GIT_AUTHOR_DATE", format!("@{seconds} +0000")), ("GIT_COMMITTER_DATE", format!("@{seconds} +0000"))]
}

/// The `PATH` of programs, in tests as in a worker's container.
pub fn search_path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned())
}
