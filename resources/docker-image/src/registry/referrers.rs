//! Referrers (manifests with a `subject`), for registries without the referrers API.
//!
//! Such a registry does not answer a push with the header `OCI-Subject`. Then the client maintains the list: an index
//! under the referrers tag, which is built from the subject's digest (OCI distribution specification, "Pushing
//! Manifests with Subject").

use anyhow::{Context as _, anyhow};
use jetway::Result;
use serde::Serialize;

use crate::digest::Digest;
use crate::image::manifest::{Content, Descriptor, Manifest};
use crate::image::media_type::OCI_INDEX;
use crate::registry::client::Registry;
use crate::registry::manifests::Reference;

/// The index that lists the referrers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'m> {
    schema_version: u32,
    media_type: &'m str,
    manifests: Vec<Descriptor>,
}

impl Registry<'_> {
    /// Adds a manifest to the list of the referrers of `subject`.
    pub(super) async fn name_referrer(&self, subject: &Digest, manifest: &Manifest) -> Result<()> {
        let tag = format!("{}-{}", subject.algorithm(), subject.hex());
        let added = async {
            let mut manifests = match self.manifest(Reference::Tag(&tag)).await? {
                Some(Manifest { content: Content::Index(index), .. }) => index.manifests,
                Some(_) => return Err(anyhow!("tag `{tag}` exists, but is not an index")),
                None => Vec::new(),
            };
            if manifests.iter().any(|known| known.digest == manifest.digest) {
                return Ok(());
            }
            manifests.push(manifest.as_referrer());
            let list = List { schema_version: 2, media_type: OCI_INDEX, manifests };
            let list = Manifest::parse(serde_json::to_vec(&list)?, OCI_INDEX).map_err(|problem| anyhow!(problem))?;
            Box::pin(self.put_manifest(Reference::Tag(&tag), &list)).await
        };
        added.await.with_context(|| format!("cannot add `{}` to the referrers of `{subject}`", manifest.digest))
    }
}
