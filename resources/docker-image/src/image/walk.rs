//! Everything that an image is made of, through all of its indexes.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;

use anyhow::anyhow;
use jetway::Result;

use super::manifest::{Content, Descriptor, Manifest};
use super::media_type::is_foreign;
use crate::digest::Digest;

/// How many indexes may stand in each other. Builders make two.
pub(crate) const DEEPEST: usize = 4;

/// How many manifests an index may lead to in all.
const MOST_MANIFESTS: usize = 1000;

/// Manifests and blobs.
#[derive(Debug, Default)]
pub(crate) struct Everything {
    /// What an index names stands before it; the root is the last.
    pub(crate) manifests: Vec<Manifest>,
    /// Configurations and layers, each once. Foreign layers are not among them: no registry hands those out.
    pub(crate) blobs: Vec<Descriptor>,
}

/// All that `root` leads to, by way of `read`.
pub(crate) async fn everything(
    root: Manifest,
    read: impl AsyncFn(&Descriptor) -> Result<Manifest>,
) -> Result<Everything> {
    let mut walk = Walk { found: Everything::default(), manifests: HashSet::new(), blobs: HashSet::new() };
    walk.visit(root, &read, 0).await?;
    Ok(walk.found)
}

struct Walk {
    found: Everything,
    manifests: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

impl Walk {
    fn visit<'w, R: AsyncFn(&Descriptor) -> Result<Manifest>>(
        &'w mut self,
        manifest: Manifest,
        read: &'w R,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + 'w>> {
        Box::pin(async move {
            if !self.manifests.insert(manifest.digest.clone()) {
                return Ok(());
            }
            if self.manifests.len() > MOST_MANIFESTS {
                return Err(anyhow!("the index leads to more than {MOST_MANIFESTS} manifests"));
            }
            match &manifest.content {
                Content::Image(image) => {
                    let layers = image.layers.iter().filter(|layer| !is_foreign(&layer.media_type));
                    for blob in layers.chain([&image.config]) {
                        if self.blobs.insert(blob.digest.clone()) {
                            self.found.blobs.push(blob.clone());
                        }
                    }
                }
                Content::Index(_) if depth >= DEEPEST => {
                    return Err(anyhow!("`{}` is an index in more than {DEEPEST} indexes", manifest.digest));
                }
                Content::Index(index) => {
                    for entry in &index.manifests {
                        if !self.manifests.contains(&entry.digest) {
                            let child = read(entry).await?;
                            self.visit(child, read, depth + 1).await?;
                        }
                    }
                }
            }
            self.found.manifests.push(manifest);
            Ok(())
        })
    }
}
