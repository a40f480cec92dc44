//! Finds the server's default branch during a fetch of other refs.
//!
//! `git clone` creates `origin/HEAD`, but `git fetch` before git 2.48 does not, nor does it print the server's HEAD. So
//! the fetch has a pattern that only HEAD matches, to list it, and a negative refspec, to not fetch it. git's packet
//! trace has the server's answer. This saves a request.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use git2::Repository;
use jetway::{Command, Result};
use jetway_git_client::transport::git::Git;

/// The most bytes that are read of a trace. The list of refs is at the beginning.
const LONGEST_TRACE: u64 = 1024 * 1024;

/// The packet trace of a fetch.
pub(crate) struct RemoteHead {
    trace: PathBuf,
}

impl RemoteHead {
    /// The refspecs that make git list HEAD without fetching it.
    pub(crate) const REFSPECS: &'static [&'static str] = &["+HEAD*:refs/jetway/HEAD*", "^HEAD"];

    /// Chooses the file for the trace.
    pub(crate) fn new(git: &Git<'_>) -> Result<Self> {
        Ok(Self { trace: git.context().private_directory().path()?.join("packets") })
    }

    /// Adds the trace to a fetch.
    pub(crate) fn ask(&self, fetch: Command) -> Command {
        fetch.env("GIT_TRACE_PACKET", &self.trace)
    }

    /// The default branch, if the server named it. Removes the trace.
    pub(crate) fn branch(&self) -> Option<String> {
        let mut text = Vec::new();
        File::open(&self.trace).ok()?.take(LONGEST_TRACE).read_to_end(&mut text).ok()?;
        let _ = std::fs::remove_file(&self.trace);
        branch_in(&String::from_utf8_lossy(&text))
    }
}

/// Parses the target of HEAD, from gitprotocol-v2 ("ls-refs": `HASH HEAD symref-target:REF`) or the older protocol
/// (gitprotocol-capabilities, "symref": `symref=HEAD:REF`).
fn branch_in(trace: &str) -> Option<String> {
    trace.lines().find_map(|line| {
        // The receiver is `fetch`, or `remote-curl` for the older protocol over http.
        let (_, packet) = line.split_once("< ")?;
        let target = packet.split_once(" HEAD symref-target:").or_else(|| packet.split_once(" symref=HEAD:"))?.1;
        target.split([' ', '\\']).next()?.strip_prefix("refs/heads/").map(str::to_owned)
    })
}

/// Creates `origin/HEAD`, as `git clone` does, if the default branch was fetched.
pub(crate) fn set_origin_head(repository: &Repository, branch: Option<&str>) -> Result<()> {
    let Some(target) = branch.map(|branch| format!("refs/remotes/origin/{branch}")) else { return Ok(()) };
    if repository.find_reference(&target).is_ok() {
        let made = repository.reference_symbolic("refs/remotes/origin/HEAD", &target, true, "jetway: fetched");
        made.context("cannot write `refs/remotes/origin/HEAD`")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_branch_is_read_from_both_protocols() {
        let version_2 = "21:47:44.6 pkt-line.c:80 packet:  fetch> ref-prefix HEAD\n\
                         21:47:44.6 pkt-line.c:80 packet:  fetch< 11aa HEAD symref-target:refs/heads/a/b\n";
        assert_eq!(branch_in(version_2).as_deref(), Some("a/b"));
        let version_0 = "t packet: remote-curl< 11aa HEAD\\0multi_ack symref=HEAD:refs/heads/main object-format=sha1\n";
        assert_eq!(branch_in(version_0).as_deref(), Some("main"));
        for other in ["t packet: fetch< 11aa HEAD\n", "t packet: fetch< 1 HEAD symref-target:refs/x\n", ""] {
            assert_eq!(branch_in(other), None);
        }
    }
}
