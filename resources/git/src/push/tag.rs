//! Creates the tag of a put.

use std::path::PathBuf;

use anyhow::Context as _;
use git2::Oid;
use jetway::Result;
use jetway_git_client::object_id::object_id;

use crate::push::work_tree::WorkTree;

/// The tag that a put creates on the pushed commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    /// The file with the message of an annotated tag; `None` for a lightweight tag.
    pub(crate) message: Option<PathBuf>,
}

impl WorkTree<'_> {
    /// Creates an annotated tag on HEAD; returns `false` if the server already has the tag on this commit. Does nothing
    /// for a lightweight tag.
    pub(super) async fn make_tag(&self, tag: &Tag, branch: Option<&str>) -> Result<bool> {
        let head = self.head()?;
        let error = || format!("cannot create the tag `{}`", tag.name);
        let Some(message) = &tag.message else { return Ok(true) };
        // Keep the tag of the server: a new annotated tag would be another object, because it contains the time.
        if self.tagged_on_server(&tag.name, branch).await? == Some(head) {
            return Ok(false);
        }
        // `--cleanup=whitespace` keeps lines that begin with `#`.
        let make = self.command("tag").args(["--annotate", "--force", "--cleanup=whitespace", "--file"]).arg(message);
        make.args(["--", &tag.name, "HEAD"]).run().await?.success().with_context(error)?;
        Ok(true)
    }

    /// The commit that an annotated tag on the server points to.
    async fn tagged_on_server(&self, name: &str, branch: Option<&str>) -> Result<Option<Oid>> {
        let peeled = format!("refs/tags/{name}^{{}}");
        let listing = self.git.network("ls-remote").args(["--tags", "--"]).arg(&self.git.remote().address);
        let listing = self.git.explain(listing.arg(format!("refs/tags/{name}*")).quiet().run().await?, branch);
        let text = listing.with_context(|| self.git.cannot("read"))?.text();
        let found = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == peeled);
        Ok(found.and_then(|(hash, _)| object_id(hash).ok()))
    }
}
