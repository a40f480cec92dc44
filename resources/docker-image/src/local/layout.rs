//! OCI layouts: `index.json`, and blobs by their digests (the image specification of the OCI, "Image Layout").

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};

use super::store::{Part, Store};
use super::{Blob, Image, Whole};
use crate::digest::Digest;
use crate::image::manifest::{self, Content, Descriptor, Manifest};
use crate::image::media_type::{DOCKER_LIST, OCI_INDEX};
use crate::image::walk::{DEEPEST, Everything, everything};

/// Beside a layout's index: the digest of the one image that was fetched.
const SINGLE: &str = "single-image-digest";

/// The image in a layout: the one that was fetched where it is known which, or else all that the index names.
///
/// An index that holds nothing but another index is passed over: builders make such.
pub(crate) async fn read(store: &Store) -> Result<Image> {
    let root = match store.find(SINGLE)? {
        Some(single) => {
            let text = String::from_utf8_lossy(&single.read(1024)?).into_owned();
            let digest: Digest = text.trim().parse().map_err(|problem: String| anyhow!("`{SINGLE}`: {problem}"))?;
            manifest_at(store, &digest, "")?
        }
        None => index(store)?,
    };
    let Everything { manifests, blobs, .. } =
        everything(root, 1, async |entry: &Descriptor| manifest_of(store, entry)).await?;
    let mut found = Vec::new();
    for descriptor in blobs {
        let part = blob(store, &descriptor.digest)?;
        if part.size() != descriptor.size {
            let (digest, size) = (&descriptor.digest, descriptor.size);
            return Err(anyhow!("the blob `{digest}` has {} bytes, the manifest says {size}", part.size()));
        }
        found.push(Blob { descriptor, part });
    }
    Ok(Image::Whole(Whole { manifests, blobs: found }))
}

/// What `index.json` leads to.
fn index(store: &Store) -> Result<Manifest> {
    let file = store.find("index.json")?;
    let file = file
        .context("there is no `index.json` in it")
        .hint("an image is an OCI layout, which is a directory with an `index.json`, or an archive of `docker save`")?;
    let bytes = file.read(manifest::LARGEST).context("cannot read `index.json`")?;
    let mut root = Manifest::parse(bytes, OCI_INDEX).map_err(|problem| anyhow!("`index.json`: {problem}"))?;
    for _ in 0..DEEPEST {
        let only = match &root.content {
            Content::Index(index) => match index.manifests.as_slice() {
                [] => return Err(anyhow!("`index.json` names no image")),
                [only] if [OCI_INDEX, DOCKER_LIST].contains(&only.media_type.as_str()) => only.clone(),
                _ => return Ok(root),
            },
            Content::Image(_) => return Err(anyhow!("`index.json` is the manifest of an image, and not an index")),
        };
        root = manifest_of(store, &only)?;
    }
    Err(anyhow!("`index.json` is an index in more than {DEEPEST} indexes"))
}

fn manifest_of(store: &Store, entry: &Descriptor) -> Result<Manifest> {
    let manifest = manifest_at(store, &entry.digest, &entry.media_type).with_context(|| match &entry.platform {
        Some(platform) => format!("cannot read the image for {platform}"),
        None => "cannot read what the index names".to_owned(),
    })?;
    if manifest.bytes.len() as u64 != entry.size {
        let (digest, size, found) = (&entry.digest, entry.size, manifest.bytes.len());
        return Err(anyhow!("the manifest `{digest}` has {found} bytes, the index says {size}"));
    }
    Ok(manifest)
}

fn manifest_at(store: &Store, digest: &Digest, media_type: &str) -> Result<Manifest> {
    let bytes = blob(store, digest)?.read(manifest::LARGEST).with_context(|| format!("cannot read `{digest}`"))?;
    if !digest.is_of(&bytes) {
        return Err(anyhow!("the blob `{digest}` has the digest {}", Digest::of(&bytes)));
    }
    let mut manifest = Manifest::parse(bytes, media_type).map_err(|problem| anyhow!("`{digest}`: {problem}"))?;
    manifest.digest = digest.clone();
    Ok(manifest)
}

fn blob(store: &Store, digest: &Digest) -> Result<Part> {
    let found = store.find(&format!("blobs/{}/{}", digest.algorithm(), digest.hex()))?;
    found.with_context(|| format!("the blob `{digest}` is missing"))
}
