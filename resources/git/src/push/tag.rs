//! The tag that a put makes.

use std::path::PathBuf;

use anyhow::Context as _;
use git2::Oid;
use jetway::Result;

use crate::object_id::object_id;
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
    /// Makes the object of an annotated tag on HEAD; `false` when the server has the tag there already.
    pub(super) async fn make_tag(&self, tag: &Tag, branch: Option<&str>) -> Result<bool> {
        let head = self.head()?;
        let what = || format!("cannot make the tag `{}`", tag.name);
        let Some(message) = &tag.message else { return Ok(true) };
        // An annotated tag made anew is another object each time, though it says the same of the same commit.
        if self.tagged_on_server(&tag.name, branch).await? == Some(head) {
            return Ok(false);
        }
        // Lines that begin with `#` are headings, not comments.
        let make = self.command("tag").args(["--annotate", "--force", "--cleanup=whitespace", "--file"]).arg(message);
        make.args(["--", &tag.name, "HEAD"]).run().await?.success().with_context(what)?;
        Ok(true)
    }

    /// The commit that an annotated tag on the server leads to.
    async fn tagged_on_server(&self, name: &str, branch: Option<&str>) -> Result<Option<Oid>> {
        let peeled = format!("refs/tags/{name}^{{}}");
        let listing = self.git.network("ls-remote").args(["--tags", "--"]).arg(&self.git.remote().address);
        let listing = self.git.explain(listing.arg(format!("refs/tags/{name}*")).quiet().run().await?, branch);
        let text = listing.with_context(|| self.git.cannot("read"))?.text();
        let found = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == peeled);
        Ok(found.and_then(|(hash, _)| object_id(hash).ok()))
    }
}
