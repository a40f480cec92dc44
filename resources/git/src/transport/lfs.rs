//! Files that git-lfs keeps beside the repository.
//!
//! git calls git-lfs while it checks files out and before it pushes. It is told so here, for every command, rather than by
//! the machine's configuration, so that what a get brings does not depend on that.

use jetway::{Advise as _, Finished, Result};

/// Whether files arrive, or the pointers that stand for them in commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lfs {
    /// The files.
    Files,
    /// The pointers; git-lfs need not be there then.
    Pointers,
}

/// How often git-lfs tries to fetch or send an object.
const TRIES: &str = "3";

/// The variable that names the file to which git-lfs writes how far it is.
const PROGRESS: &str = "GIT_LFS_PROGRESS";

impl Lfs {
    /// Settings of git by which it is so. A server may be silent for `silence` seconds.
    pub(crate) fn settings(self, silence: u64) -> Vec<(&'static str, String)> {
        let [clean, smudge, process, required] = match self {
            // As `git lfs install` has them.
            Self::Files => ["git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process", "true"],
            Self::Pointers => ["", "", "", "false"],
        };
        vec![
            ("filter.lfs.clean", clean.to_owned()),
            ("filter.lfs.smudge", smudge.to_owned()),
            ("filter.lfs.process", process.to_owned()),
            ("filter.lfs.required", required.to_owned()),
            ("lfs.activitytimeout", silence.to_string()),
            ("lfs.dialtimeout", silence.to_string()),
            ("lfs.transfer.maxretries", TRIES.to_owned()),
            // A connection that is shared leaves its socket behind in the temporary directory.
            ("lfs.ssh.autoMultiplex", "false".to_owned()),
        ]
    }

    /// The variable by which git-lfs shows a sign of life while it is at a large file, which git itself does not.
    pub(crate) fn sign_of_life() -> (&'static str, &'static str) {
        (PROGRESS, "/dev/stderr")
    }
}

/// The finished command, or an error that tells in a user's words why git-lfs has failed it.
pub(crate) fn explain(finished: Finished) -> Result<Finished> {
    let finished = without_progress(finished);
    if finished.is_success() {
        return Ok(finished);
    }
    let error = finished.failure();
    let said = finished.stderr.to_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
    let is_lfs = any(&["git-lfs", "smudge filter lfs", "lfs:"]);
    Err(if is_lfs && any(&["git-lfs: not found", "git-lfs: command not found", "git-lfs: no such file"]) {
        error.hint(
            "this repository needs git-lfs, which is not installed; `disable_git_lfs: true` checks out the pointers",
        )
    } else if is_lfs && any(&["authentication required", "authorization error", "credentials"]) {
        error
            .hint("`username` and `password` go to the host of `uri` only; set `submodule_credentials` for other hosts")
    } else {
        error
    })
}

/// The finished command without what git-lfs said of how far it was.
pub(crate) fn without_progress(mut finished: Finished) -> Finished {
    let is_progress =
        |line: &&str| ["download ", "upload ", "checkout ", "Downloading "].iter().any(|word| line.starts_with(word));
    let is_log = |line: &&str| line.starts_with("Errors logged to ") || line.starts_with("Use `git lfs logs last`");
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| !is_progress(line) && !is_log(line)).collect();
    finished.stderr = lines.join("\n");
    finished
}
