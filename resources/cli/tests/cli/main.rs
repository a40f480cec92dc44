//! Black-box tests of the `jetway` command.

// Test helpers may panic, because a failure in a helper must fail the test.
#![allow(clippy::unwrap_used)]

mod broken;
mod multi_branch;
mod readme;
mod verbs;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory to work in, removed at the end.
struct TestDirectory(tempfile::TempDir);

/// The exit code and the output of a command.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl TestDirectory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and replaces `PLACE` in the text by this directory.
    fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("PLACE", &self.path().display().to_string())).unwrap();
        self
    }

    /// Runs `jetway` in this directory. The arguments are separated by blanks.
    fn jetway(&self, arguments: &str) -> Outcome {
        let arguments = arguments.replace("PLACE", &self.path().display().to_string());
        self.run(Command::new(env!("CARGO_BIN_EXE_jetway")).args(arguments.split(' ').filter(|word| !word.is_empty())))
    }

    fn shell(&self, line: &str) -> Outcome {
        self.run(Command::new("sh").args(["-c", line]))
    }

    fn run(&self, command: &mut Command) -> Outcome {
        let binaries = PathBuf::from(env!("CARGO_BIN_EXE_jetway"));
        let path = format!("{}:{}", binaries.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let output = command
            .current_dir(self.path())
            .env_clear()
            .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("NO_COLOR", "1"), ("LC_ALL", "C")])
            .env("TMPDIR", self.path())
            // Fixed authors and dates, so that the commit hashes are the same in every run.
            .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
                [("NAME", "A"), ("EMAIL", "a@b.c"), ("DATE", "2026-01-02T03:04:05Z")]
                    .map(|(what, value)| (format!("GIT_{who}_{what}"), value))
            }))
            .output()
            .unwrap();
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.path().display().to_string(), "PLACE");
        Outcome { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Creates `repo.git`, with the commits `one` and `two` on `main`.
    fn repository(&self) -> &Self {
        let made = self.shell(
            "set -e; git init -q -b main work; cd work; echo one > file; git add .; git commit -qm one; \
             echo two > file; git commit -qam two; cd ..; git clone -q --bare work repo.git",
        );
        assert_eq!((made.code, made.stderr.as_str()), (0, ""));
        self
    }
}

const ONE: &str = "524f3107060bbb785c25e0920d00466d60438024";
const TWO: &str = "86778228e9826d3446235e7b4a29df1711a26187";
