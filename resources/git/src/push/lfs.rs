//! The files of git-lfs that a push needs on the server.

use std::path::Path;

use anyhow::Context as _;
use git2::Repository;
use jetway::Result;

use crate::transport::git::Git;
use crate::transport::lfs::explain;

/// Sends the objects that a push of `refspecs` needs, where the repository has no hook that makes git-lfs do it: a task may
/// have made the repository in a way that installs none.
pub(crate) async fn upload(git: &Git<'_>, repository: &Repository, directory: &Path) -> Result<()> {
    let common = repository.commondir();
    let has_objects = common.join("lfs/objects").is_dir();
    let hook = std::fs::read_to_string(common.join("hooks/pre-push")).unwrap_or_default();
    if !has_objects || hook.contains("git-lfs") || hook.contains("git lfs") {
        return Ok(());
    }
    let address = git.remote().address.as_str();
    let is_origin = |remote: git2::Remote<'_>| remote.url().is_ok_and(|url| url == address);
    // Of a remote with a name, git-lfs knows what the server has, and does not look through all of history.
    let remote = if repository.find_remote("origin").is_ok_and(is_origin) { "origin" } else { address };
    let push = git.push_tool("git-lfs").label("git lfs push").directory(directory);
    let finished = push.args(["push", "--", remote, "HEAD"]).progress(None).run().await?;
    explain(finished).with_context(|| git.cannot("upload git-lfs files to"))?;
    Ok(())
}
