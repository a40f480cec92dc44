//! Writes an image as an OCI layout: every platform of it, byte for byte.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;
use jetway::{Interrupted, Result};
use serde_json::json;

use crate::concurrent;
use crate::digest::Digest;
use crate::get::archive::fetch;
use crate::image::manifest::{Content, Descriptor, Manifest, total};
use crate::image::media_type::{OCI_INDEX, is_foreign};
use crate::image::walk::everything;
use crate::progress::{Progress, amount};
use crate::registry::Registry;

/// Writes an image, or all images of an index, into an empty directory.
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
    let wanted = found.blobs;
    let whole = total(&wanted);
    let count = wanted.len();
    let plural = if count == 1 { "" } else { "s" };
    registry.context().console().step(format_args!("fetching {count} blob{plural}, {}", amount(whole)));
    let progress = Progress::new(registry.context(), whole);
    let work = concurrent::map(&wanted, at_once, async |descriptor| {
        let path = place(&descriptor.digest);
        let file = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&path))
            .with_context(whither)?;
        let write = |bytes: &[u8], at: u64| file.write_all_at(bytes, at).with_context(whither);
        match fetch(registry, descriptor, &progress, write).await {
            // Registries do not serve foreign layers: a consumer of the layout downloads them from their `urls`.
            Err(error) if is_foreign(&descriptor.media_type) && !Interrupted::caused(&error) => {
                fs::remove_file(&path).with_context(whither)?;
                let causes: Vec<String> = jetway::lines(&error).iter().map(|line| line.text().to_owned()).collect();
                registry.context().console().warn(format_args!(
                    "cannot fetch foreign layer `{}`; omitting it: {}",
                    descriptor.digest,
                    causes.join(": ")
                ));
                Ok(())
            }
            other => other,
        }
    });
    progress.during(work).await.map(drop)
}
