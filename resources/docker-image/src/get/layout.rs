//! An image as a folder in the layout of the OCI: every platform of it, byte for byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;
use jetway::Result;
use serde_json::json;

use super::archive::fetch;
use super::progress::{Progress, amount};
use crate::concurrent;
use crate::digest::Digest;
use crate::image::manifest::{Content, Descriptor, Manifest};
use crate::image::media_type::{self, OCI_INDEX};
use crate::registry::Registry;

/// How many indexes may stand in each other.
const DEEPEST: usize = 4;

/// Writes an image, or all images of an index, into an empty folder.
pub(crate) async fn write(registry: &Registry<'_>, manifest: Manifest, at_once: usize, folder: &Path) -> Result<()> {
    let whither = || format!("cannot write into `{}`", folder.display());
    let mut blobs: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    let place = |digest: &Digest| folder.join("blobs").join(digest.algorithm()).join(digest.hex());
    let keep = |manifest: &Manifest| -> Result<()> {
        let path = place(&manifest.digest);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, &manifest.bytes))
            .with_context(whither)
    };
    let write = |name: &str, content: &[u8]| fs::write(folder.join(name), content).with_context(whither);
    fs::create_dir_all(folder.join("blobs/sha256")).with_context(whither)?;
    write("oci-layout", b"{\n    \"imageLayoutVersion\": \"1.0.0\"\n}")?;
    if let Content::Index(_) = &manifest.content {
        write("index.json", &manifest.bytes)?;
    } else {
        keep(&manifest)?;
        let entry =
            json!({ "mediaType": manifest.media_type, "size": manifest.bytes.len(), "digest": manifest.digest });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
        write("index.json", index.to_string().as_bytes())?;
        write("single-image-digest", manifest.digest.to_string().as_bytes())?;
    }
    let mut level = vec![manifest];
    for _ in 0..=DEEPEST {
        let mut children = Vec::new();
        for manifest in &level {
            match &manifest.content {
                Content::Index(index) => children.extend(index.manifests.iter().map(|entry| entry.digest.clone())),
                Content::Image(image) => {
                    for descriptor in image.layers.iter().chain([&image.config]) {
                        blobs.insert(descriptor.digest.clone(), descriptor.clone());
                    }
                }
            }
        }
        children.sort();
        children.dedup();
        level = concurrent::map(&children, at_once, async |digest| registry.manifest_of(digest).await).await?;
        level.iter().try_for_each(keep)?;
    }
    let foreign = |descriptor: &Descriptor| media_type::is_foreign(&descriptor.media_type);
    if blobs.values().any(foreign) {
        registry.context().console().warn("foreign layers, which no registry may hand out, are left out");
    }
    let wanted: Vec<Descriptor> = blobs.into_values().filter(|descriptor| !foreign(descriptor)).collect();
    let whole = wanted.iter().map(|blob| blob.size).sum();
    registry.context().console().step(format_args!("fetching {} blobs, {}", wanted.len(), amount(whole)));
    let progress = Progress::new(registry.context(), whole);
    let work = concurrent::map(&wanted, at_once, async |descriptor| {
        let path = place(&descriptor.digest);
        let file = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&path))
            .with_context(whither)?;
        fetch(registry, descriptor, &progress, |bytes, at| file.write_all_at(bytes, at).with_context(whither)).await
    });
    progress.during(work).await.map(drop)
}
