//! Manifests that belong to another one (`subject`), on registries that keep no list of them.
//!
//! Such a registry does not answer a push with the header `OCI-Subject`. The client keeps the list then: an index under a tag that is
//! made of the subject's digest (the distribution specification of the OCI, "Pushing Manifests with Subject").

use anyhow::{Context as _, anyhow};
use jetway::Result;
use serde::Serialize;

use crate::digest::Digest;
use crate::image::manifest::{Content, Descriptor, Manifest};
use crate::image::media_type::OCI_INDEX;
use crate::registry::client::Registry;
use crate::registry::manifests::Asked;

/// The list, as an index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'m> {
    schema_version: u32,
    media_type: &'m str,
    manifests: Vec<Descriptor>,
}

impl Registry<'_> {
    /// Adds a manifest to the list of those that belong to `subject`.
    pub(super) async fn name_referrer(&self, subject: &Digest, manifest: &Manifest) -> Result<()> {
        let tag = format!("{}-{}", subject.algorithm(), subject.hex());
        let added = async {
            let mut manifests = match self.manifest(Asked::Tag(&tag)).await? {
                Some(Manifest { content: Content::Index(index), .. }) => index.manifests,
                Some(_) => return Err(anyhow!("the tag `{tag}` is there, and no index")),
                None => Vec::new(),
            };
            if manifests.iter().any(|known| known.digest == manifest.digest) {
                return Ok(());
            }
            manifests.push(manifest.as_referrer());
            let list = List { schema_version: 2, media_type: OCI_INDEX, manifests };
            let list = Manifest::parse(serde_json::to_vec(&list)?, OCI_INDEX).map_err(|problem| anyhow!(problem))?;
            Box::pin(self.put_manifest(Asked::Tag(&tag), &list)).await
        };
        added.await.with_context(|| format!("cannot list `{}` among those that belong to `{subject}`", manifest.digest))
    }
}
