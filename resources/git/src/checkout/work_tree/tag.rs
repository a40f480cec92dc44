//! Fetches only one tag, for `version_type: tags`.

use std::path::Path;

use anyhow::Context as _;
use git2::{Oid, Repository};
use jetway::Result;
use jetway_git_client::transport::git::Git;
use jetway_git_client::transport::refusal::Refusal;

use super::{CheckoutRequest, FetchTags};

impl CheckoutRequest<'_> {
    /// Fetches a tag at its depth, without any branch, as `git clone --depth=1 --branch TAG` does.
    pub(crate) async fn fetch_tag(
        &mut self,
        git: &Git<'_>,
        destination: &Path,
        tag: &str,
        commit: Oid,
    ) -> Result<Repository> {
        let refspec = format!("+refs/tags/{tag}:refs/tags/{tag}");
        let repository = self.init(git, destination, None, Some(&refspec), commit.object_format())?;
        let tags = if self.tags == FetchTags::All { "--tags" } else { "--no-tags" };
        let fetch = |depth: Option<u32>| {
            git.network("fetch")
                .directory(destination)
                .args(["--progress", "--no-write-fetch-head", tags])
                .args(depth.map(|depth| format!("--depth={depth}")))
                .args(["origin", &refspec])
                .progress(None)
                .run()
        };
        let mut finished = fetch(self.depth).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = fetch(None).await?;
        }
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            git.context().console().warn(format_args!("tag `{tag}` was deleted since the version was found"));
        } else {
            git.explain(finished, None).with_context(|| git.cannot("fetch"))?;
        }
        self.needs_notes = self.depth.is_none();
        // The tag may have been moved since the version was found.
        self.ensure_commit(git, destination, &repository, commit).await?;
        Ok(repository)
    }
}
