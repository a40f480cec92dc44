//! An image as a folder in the layout of the OCI: every platform of it, byte for byte.

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
use crate::image::manifest::{Content, Descriptor, Manifest, total};
use crate::image::media_type::OCI_INDEX;
use crate::image::walk::everything;
use crate::registry::Registry;

/// Writes an image, or all images of an index, into an empty folder.
pub(crate) async fn write(registry: &Registry<'_>, manifest: Manifest, at_once: usize, folder: &Path) -> Result<()> {
    let whither = || format!("cannot write into `{}`", folder.display());
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
    let root = manifest.digest.clone();
    let found =
        everything(manifest, at_once, async |entry: &Descriptor| registry.manifest_of(&entry.digest).await).await?;
    found.manifests.iter().filter(|manifest| manifest.digest != root).try_for_each(keep)?;
    if found.has_foreign {
        registry.context().console().warn("foreign layers, which no registry may hand out, are left out");
    }
    let wanted = found.blobs;
    let whole = total(&wanted);
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
