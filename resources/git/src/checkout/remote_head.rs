//! Finds the server's default branch during a fetch of other refs, without another request.
//!
//! `git clone` creates `origin/HEAD`. `git fetch` before git 2.48 does not, and does not print the server's HEAD
//! either. So two refspecs are added to the fetch: a pattern that only HEAD matches, so that the server lists HEAD, and
//! a negative refspec, so that git does not fetch it. The server's response is in git's packet trace.

use anyhow::Context as _;
use git2::Repository;
use jetway::Result;

/// The refspecs that make git list HEAD without fetching it.
pub(crate) const LIST_HEAD: &[&str] = &["+HEAD*:refs/jetway/HEAD*", "^HEAD"];

/// Parses the default branch from a received packet: `HASH HEAD symref-target:REF` in protocol version 2
/// (gitprotocol-v2, "ls-refs"), `symref=HEAD:REF` in older versions (gitprotocol-capabilities, "symref").
pub(crate) fn default_branch(packet: &str) -> Option<String> {
    let target = packet.split_once(" HEAD symref-target:").or_else(|| packet.split_once(" symref=HEAD:"))?.1;
    target.split([' ', '\\']).next()?.strip_prefix("refs/heads/").map(str::to_owned)
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
        let version_2 = "11aa HEAD symref-target:refs/heads/a/b";
        assert_eq!(default_branch(version_2).as_deref(), Some("a/b"));
        let version_0 = "11aa HEAD\\0multi_ack symref=HEAD:refs/heads/main object-format=sha1";
        assert_eq!(default_branch(version_0).as_deref(), Some("main"));
        for other in ["11aa HEAD", "1 HEAD symref-target:refs/x", "ref-prefix HEAD", ""] {
            assert_eq!(default_branch(other), None);
        }
    }
}
