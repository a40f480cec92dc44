//! The work tree that a put pushes from.

use std::path::PathBuf;

use anyhow::Context as _;
use git2::{Oid, Repository};
use jetway::{Command, Finished, Result};
use jetway_git_client::transport::git::Git;

/// A work tree, its repository, and the server.
pub(crate) struct WorkTree<'p> {
    pub(crate) git: &'p Git<'p>,
    /// The directory of the work tree.
    pub(crate) directory: PathBuf,
    pub(crate) repository: &'p Repository,
}

impl WorkTree<'_> {
    /// The commit that HEAD names.
    pub(crate) fn head(&self) -> Result<Oid> {
        self.repository.refname_to_id("HEAD").context("the repository has no commit to push")
    }

    /// Fetches a ref. `deeper` is an option such as `--deepen=50`, to extend a shallow history.
    pub(super) async fn fetch(&self, refspec: &str, deeper: Option<&str>) -> Result<Finished> {
        self.git
            .network("fetch")
            .directory(&self.directory)
            .args(["--progress", "--no-tags", "--no-write-fetch-head"])
            .args(deeper)
            .args(["--", &self.git.remote().address, refspec])
            .progress(None)
            .run()
            .await
    }

    /// Builds a git command in the work tree.
    pub(super) fn command(&self, subcommand: &str) -> Command {
        self.git.command(subcommand).directory(&self.directory).env("GIT_EDITOR", "true").quiet()
    }
}
