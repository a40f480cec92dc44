//! Creates the tag of a put.

use std::path::PathBuf;

use anyhow::Context as _;
use git2::Oid;
use jetway::Result;
use jetway_git_client::object_id::object_id;

use crate::push::work_tree::WorkTree;

/// A tag to put on the pushed commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Its name.
    pub(crate) name: String,
    /// The file with its message, for an annotated one.
    pub(crate) message: Option<PathBuf>,
}

impl WorkTree<'_> {
    /// Creates the object of an annotated tag on HEAD; returns `false` if the server already has the tag on this
    /// commit.
    pub(super) async fn make_tag(&self, tag: &Tag, branch: Option<&str>) -> Result<bool> {
        let head = self.head()?;
        let what = || format!("cannot create the tag `{}`", tag.name);
        let Some(message) = &tag.message else { return Ok(true) };
        // A new annotated tag is always another object, because it contains the time. So reuse the server's.
        if self.tagged_on_server(&tag.name, branch).await? == Some(head) {
            return Ok(false);
        }
        // `--cleanup=whitespace` keeps lines that begin with `#`.
        let make = self.command("tag").args(["--annotate", "--force", "--cleanup=whitespace", "--file"]).arg(message);
        make.args(["--", &tag.name, "HEAD"]).run().await?.success().with_context(what)?;
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
