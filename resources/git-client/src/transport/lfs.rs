//! Settings and errors of git-lfs.
//!
//! git runs git-lfs as a filter during checkouts and as a hook before pushes. The filter is configured here for each
//! command, so that a get does not depend on the machine's configuration.

use jetway::{Advise as _, Finished, Result};

use crate::transport::error_texts::{Meaning, means};

/// Whether a checkout contains git-lfs files or their pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lfs {
    /// Download the files.
    Files,
    /// Keep the pointers. git-lfs need not be installed.
    Pointers,
}

/// How many times git-lfs tries to download or upload an object.
const TRIES: &str = "3";

/// The variable with the file that git-lfs writes its progress to.
const PROGRESS: &str = "GIT_LFS_PROGRESS";

impl Lfs {
    /// The git settings for this mode. `server_timeout` is in seconds.
    pub fn settings(self, server_timeout: u64) -> Vec<(&'static str, String)> {
        let [clean, smudge, process, required] = match self {
            // The values that `git lfs install` writes.
            Self::Files => ["git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process", "true"],
            Self::Pointers => ["", "", "", "false"],
        };
        vec![
            ("filter.lfs.clean", clean.to_owned()),
            ("filter.lfs.smudge", smudge.to_owned()),
            ("filter.lfs.process", process.to_owned()),
            ("filter.lfs.required", required.to_owned()),
            ("lfs.activitytimeout", server_timeout.to_string()),
            ("lfs.dialtimeout", server_timeout.to_string()),
            ("lfs.transfer.maxretries", TRIES.to_owned()),
            // A shared ssh connection would leave a socket in the temporary directory.
            ("lfs.ssh.autoMultiplex", "false".to_owned()),
        ]
    }

    /// The variable that makes git-lfs print its progress, so that the transfer of a large file does not count as
    /// silence.
    pub fn progress_variable() -> (&'static str, &'static str) {
        (PROGRESS, "/dev/stderr")
    }
}

/// Turns a failed command into an error, with a hint if git-lfs caused the failure.
pub fn explain(finished: Finished) -> Result<Finished> {
    let finished = without_progress(finished);
    if finished.is_success() {
        return Ok(finished);
    }
    let error = finished.failure();
    let messages = finished.stderr.to_lowercase();
    let any = |meaning| means(&messages, meaning);
    Err(if any(Meaning::Lfs) && any(Meaning::NoLfs) {
        error.hint(
            "this repository needs git-lfs, which is not installed; `disable_git_lfs: true` checks out the pointers",
        )
    } else if any(Meaning::Lfs) && any(Meaning::LfsLogin) {
        error.hint(
            "the credentials of the source are sent only to its own host; set `submodule_credentials` for other hosts",
        )
    } else {
        error
    })
}

/// Removes the progress lines of git-lfs from stderr.
pub fn without_progress(mut finished: Finished) -> Finished {
    let is_progress =
        |line: &&str| ["download ", "upload ", "checkout ", "Downloading "].iter().any(|word| line.starts_with(word));
    let is_log = |line: &&str| line.starts_with("Errors logged to ") || line.starts_with("Use `git lfs logs last`");
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| !is_progress(line) && !is_log(line)).collect();
    finished.stderr = lines.join("\n");
    finished
}
