//! The `git` program, cut off from whatever is configured on the machine.

use std::path::Path;
use std::process::{Command, Output};

/// Who authors and commits everything in the fixtures.
pub const IDENTITY: (&str, &str) = ("Ada Fixture", "ada@example.com");

/// When the first commit of a repository is made; each one after it is a minute later, so that ids are the same every time.
pub const FIRST_COMMIT: u64 = 1_700_000_000;

/// The variables of a `git` that reads nobody's configuration and asks nobody for a password.
pub const ISOLATION: [(&str, &str); 5] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C"),
];

/// `git` in `directory`, with nothing of the caller's environment but the search path.
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

/// Runs `git` in `directory` and gives what it printed, without the last line's end. Its failure is the test's.
pub fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory).args(arguments).output().expect("start git");
    answer(output, arguments)
}

/// What a finished `git` printed; panics with its messages when it failed.
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

/// The variables that give both dates of a commit or tag.
pub(crate) fn dates(seconds: u64) -> [(&'static str, String); 2] {
    [("GIT_AUTHOR_DATE", format!("@{seconds} +0000")), ("GIT_COMMITTER_DATE", format!("@{seconds} +0000"))]
}

/// Where programs are looked up, in tests as in a worker's container.
pub fn search_path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned())
}
