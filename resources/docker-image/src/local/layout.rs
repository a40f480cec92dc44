//! Reads OCI layouts: `index.json`, and blobs by digest (OCI image specification, "Image Layout").

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};

use crate::digest::Digest;
use crate::image::manifest::{self, Content, Descriptor, Manifest};
use crate::image::media_type::{DOCKER_LIST, OCI_INDEX};
use crate::image::walk::{DEEPEST, Everything, everything};
use crate::local::store::{Part, Store};
use crate::local::{Blob, Image, Whole};

/// The file beside a layout's index with the digest of the single image that was fetched.
const SINGLE: &str = "single-image-digest";

/// The file that a get writes beside its layout, with the digest of what it fetched.
const FETCHED: &str = "digest";

/// Reads the image in a layout: the image whose digest is in a file, or else the content of the index.
///
/// If an index has a single entry, the entry is used instead, because builders always write an index. But an index that
/// was fetched from a registry is kept.
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
        // Builders omit blobs that the registry already has: the layers of the base image.
        let part = store.find(&place_of(&descriptor.digest))?;
        if let Some(part) = part.as_ref().filter(|part| part.size() != descriptor.size) {
            let (digest, size) = (&descriptor.digest, descriptor.size);
            return Err(anyhow!("blob `{digest}` has {} bytes; the manifest requires {size}", part.size()));
        }
        found.push(Blob { descriptor, part });
    }
    Ok(Image::Whole(Whole { manifests, blobs: found }))
}

/// Resolves `index.json`.
fn index(store: &Store) -> Result<Manifest> {
    let file = store.find("index.json")?;
    let file = file
        .context("it has no `index.json`")
        .hint("expected an OCI layout, which is a directory with `index.json`, or an archive of `docker save`")?;
    let bytes = file.read(manifest::MAX_MANIFEST_BYTES).context("cannot read `index.json`")?;
    let mut root = Manifest::parse(bytes, OCI_INDEX).map_err(|problem| anyhow!("`index.json`: {problem}"))?;
    if was_fetched(store, &root.digest)? {
        return Ok(root);
    }
    for depth in 0..=DEEPEST {
        let only = match &root.content {
            Content::Index(index) => match index.manifests.as_slice() {
                [] => return Err(anyhow!("`index.json` lists no image")),
                [only] if [OCI_INDEX, DOCKER_LIST].contains(&only.media_type.as_str()) => only.clone(),
                // An index inside the layout is pushed as an index, even with one platform: its author chose to create
                // it.
                [only] if depth == 0 && only.is_manifest() => only.clone(),
                _ => return Ok(root),
            },
            Content::Image(_) if depth == 0 => {
                return Err(anyhow!("`index.json` is an image manifest; expected an index"));
            }
            Content::Image(_) => return Ok(root),
        };
        root = manifest_of(store, &only)?;
    }
    Err(anyhow!("`index.json` is nested in more than {DEEPEST} indexes"))
}

/// Whether a get fetched this index, according to the file beside the layout.
fn was_fetched(store: &Store, index: &Digest) -> Result<bool> {
    let Some(file) = store.find_beside(FETCHED)? else { return Ok(false) };
    let text = file.read(1024).unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).trim() == index.to_string())
}

fn manifest_of(store: &Store, entry: &Descriptor) -> Result<Manifest> {
    let manifest = manifest_at(store, &entry.digest, &entry.media_type).with_context(|| match &entry.platform {
        Some(platform) => format!("cannot read the image for {platform}"),
        None => "cannot read the manifests of the index".to_owned(),
    })?;
    if manifest.bytes.len() as u64 != entry.size {
        let (digest, size, found) = (&entry.digest, entry.size, manifest.bytes.len());
        return Err(anyhow!("manifest `{digest}` has {found} bytes; the index requires {size}"));
    }
    Ok(manifest)
}

fn manifest_at(store: &Store, digest: &Digest, media_type: &str) -> Result<Manifest> {
    let bytes =
        blob(store, digest)?.read(manifest::MAX_MANIFEST_BYTES).with_context(|| format!("cannot read `{digest}`"))?;
    if !digest.is_of(&bytes) {
        return Err(anyhow!("blob `{digest}` has the digest {}", Digest::of(&bytes)));
    }
    let mut manifest = Manifest::parse(bytes, media_type).map_err(|problem| anyhow!("`{digest}`: {problem}"))?;
    manifest.digest = digest.clone();
    Ok(manifest)
}

fn blob(store: &Store, digest: &Digest) -> Result<Part> {
    let found = store.find(&place_of(digest))?;
    found.with_context(|| format!("blob `{digest}` is missing"))
}

/// The path of a blob in a layout.
fn place_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}
