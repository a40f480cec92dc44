//! Uploads git-lfs files before a push.

use std::path::Path;

use anyhow::Context as _;
use git2::Repository;
use jetway::Result;
use jetway_git_client::transport::git::Git;
use jetway_git_client::transport::lfs::explain;

/// Uploads the objects of HEAD, unless the repository has the `pre-push` hook of git-lfs, which does it. A repository
/// that a task created may lack the hook.
pub(crate) async fn upload(git: &Git<'_>, repository: &Repository, directory: &Path) -> Result<()> {
    let common = repository.commondir();
    let has_objects = common.join("lfs/objects").is_dir();
    let hook = std::fs::read_to_string(common.join("hooks/pre-push")).unwrap_or_default();
    if !has_objects || hook.contains("git-lfs") || hook.contains("git lfs") {
        return Ok(());
    }
    let address = git.remote().address.as_str();
    let is_origin = |remote: git2::Remote<'_>| remote.url().is_ok_and(|url| url == address);
    // For a named remote, git-lfs knows which objects the server has, and does not scan the whole history.
    let remote = if repository.find_remote("origin").is_ok_and(is_origin) { "origin" } else { address };
    let push = git.push_tool("git-lfs").label("git lfs push").directory(directory);
    let finished = push.args(["push", "--", remote, "HEAD"]).progress(None).run().await?;
    explain(finished).with_context(|| git.cannot("upload git-lfs files to"))?;
    Ok(())
}
