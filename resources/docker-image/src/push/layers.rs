//! The layers of an image on disk that has no manifest: an archive of `docker save`, or a file system.
//!
//! The same archive always gets the same manifest. If an archive holds compressed layers, they are sent as they are,
//! and the manifest is the one that Go tools make of that archive. If it holds none, each layer is
//! compressed here, once.
//!
//! A registry knows a layer by the digest of its compressed form. To find a layer in the registry without compressing
//! it, the manifests of the put's tags and of `latest` are read: if a configuration has the `diff_id`, the compressed
//! layer is reused if its gzip header says that this compressor made it from that content.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use flate2::{Compression as Level, GzBuilder};
use jetway::Result;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::background::{self, Stop};
use crate::concurrent;
use crate::digest::{Digest, Hasher};
use crate::image::config;
use crate::image::manifest::{Content as ManifestContent, Descriptor, Manifest};
use crate::image::media_type::{DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST};
use crate::layer::content::{Allowance, Content};
use crate::layer::decompress::Compression;
use crate::local::archive::diff_ids;
use crate::local::store::Part;
use crate::local::{Layer, Layered};
use crate::push::elsewhere::is_elsewhere;
use crate::registry::blobs::Temporary;
use crate::registry::uploads::Outgoing;
use crate::registry::{Reference, Registry};

/// The compression level. On programs and libraries it is within a tenth of the smallest size, in half the time; the
/// next lower level is a fifth larger.
const LEVEL: u32 = 2;

/// The compressor's name in the gzip header of a layer. It changes whenever the compressor's output changes.
const COMPRESSOR: &str = "jetway 1";

/// How many tags are searched for reusable layers.
const MAX_SEARCHED_TAGS: usize = 4;

/// The read buffer's size, in bytes.
const PIECE: usize = 256 * 1024;

/// Tags and layers found in the registry.
#[derive(Debug, Default)]
struct RegistryContent {
    /// The digests of the tags' manifests.
    tags: Vec<(String, Digest)>,
    /// Compressed layers by their `diff_id`.
    layers: HashMap<Digest, Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewManifest<'m> {
    schema_version: u32,
    media_type: &'m str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// Pushes layers and configuration. Returns the image's manifest, and a tag that already points to it.
pub(super) async fn send(to: &Registry<'_>, image: &Layered, tags: &[String]) -> Result<(Manifest, Option<String>)> {
    let is_packed = image.layers.iter().any(|layer| layer.compression != Compression::Plain);
    let known = if is_packed { RegistryContent::default() } else { RegistryContent::find(to, image, tags).await? };
    let processors = Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get));
    // An image may have the same layer more than once.
    let is_same = |a: &Layer, b: &Layer| a.diff_id == b.diff_id && (!is_packed || a.part == b.part);
    let mut distinct: Vec<&Layer> = Vec::new();
    for layer in &image.layers {
        if !distinct.iter().any(|known| is_same(known, layer)) {
            distinct.push(layer);
        }
    }
    let arrive = async |layer: &&Layer| {
        if is_packed { packed(to, layer, &processors).await } else { plain(to, layer, &known, &processors).await }
    };
    let (digest, size) = (Digest::of(&image.config), image.config.len() as u64);
    let config = async {
        if !to.has_blob(&digest, size).await? {
            to.upload(&digest, Outgoing::Bytes(&image.config), None).await?;
        }
        Ok(())
    };
    let (descriptors, ()) = tokio::try_join!(concurrent::map(&distinct, to.uploads_at_once(), arrive), config)?;
    let mut layers = Vec::new();
    for layer in &image.layers {
        let place = distinct.iter().position(|known| is_same(known, layer));
        layers.extend(place.and_then(|place| descriptors.get(place)).cloned());
    }
    let new = NewManifest {
        schema_version: 2,
        media_type: DOCKER_MANIFEST,
        config: Descriptor::new(DOCKER_CONFIG, digest, size),
        layers,
    };
    let manifest = Manifest::parse(serde_json::to_vec(&new)?, DOCKER_MANIFEST).map_err(|problem| anyhow!(problem))?;
    let seen = known.tags.into_iter().find(|(_, digest)| *digest == manifest.digest).map(|(tag, _)| tag);
    Ok((manifest, seen))
}

/// Ensures that the registry has a layer of an archive with compressed layers, unchanged, and returns its descriptor.
async fn packed(to: &Registry<'_>, layer: &Layer, processors: &Semaphore) -> Result<Descriptor> {
    let part = layer.part.clone();
    let hash = background::run(to.context(), move |stop| part.digest(Hasher::sha256(), stop));
    let digest = hash.await.with_context(|| format!("cannot read layer `{}`", layer.diff_id))?;
    let found = Descriptor::new(DOCKER_LAYER, digest, layer.part.size());
    let descriptor = match &layer.source {
        Some(source) if is_elsewhere(source) => return Ok(source.clone()),
        Some(source) if source.digest == found.digest && source.size == found.size => source.clone(),
        _ => found,
    };
    if !to.has_blob(&descriptor.digest, descriptor.size).await? {
        let checked = {
            let _permit = processors.acquire().await?;
            let (part, id, allowance) = (layer.part.clone(), layer.diff_id.clone(), to.allowance(layer.part.size()));
            background::run(to.context(), move |stop| check(&part, id, allowance, stop)).await
        };
        checked.with_context(|| format!("cannot upload layer `{}`", layer.diff_id))?;
        to.upload(&descriptor.digest, Outgoing::Part(&layer.part), None).await?;
    }
    Ok(descriptor)
}

/// Ensures that the registry has the compressed form of a plain layer, and returns its descriptor.
async fn plain(
    to: &Registry<'_>,
    layer: &Layer,
    known: &RegistryContent,
    processors: &Semaphore,
) -> Result<Descriptor> {
    if let Some(source) = layer.source.as_ref().filter(|source| is_elsewhere(source)) {
        return Ok(source.clone());
    }
    if let Some(there) = known.layers.get(&layer.diff_id)
        && to.has_blob(&there.digest, there.size).await?
        && to.blob_begins_with(there, &header(&layer.diff_id)?).await?
    {
        return Ok(Descriptor::new(DOCKER_LAYER, there.digest.clone(), there.size));
    }
    let file = compressed_file(to, layer)?;
    let compressed = {
        let _permit = processors.acquire().await?;
        let (layer_part, id, path) = (layer.part.clone(), layer.diff_id.clone(), file.path().to_owned());
        background::run(to.context(), move |stop| compress(&layer_part, &id, &path, stop)).await
    };
    let (digest, size) = compressed.with_context(|| format!("cannot compress layer `{}`", layer.diff_id))?;
    if !to.has_blob(&digest, size).await? {
        let part = Part { path: file.path().to_owned(), range: 0..size };
        to.upload(&digest, Outgoing::Part(&part), None).await?;
    }
    Ok(Descriptor::new(DOCKER_LAYER, digest, size))
}

/// Checks that a compressed layer has the `diff_id` of the configuration.
fn check(part: &Part, diff_id: Digest, mut allowance: Allowance, stop: &Stop) -> Result<()> {
    let mut content = Content::new(part.open()?, Some(diff_id), &mut allowance)?;
    let mut piece = vec![0; PIECE];
    while content.read(&mut piece)? > 0 {
        stop.check()?;
    }
    Ok(())
}

/// The gzip header of a layer that is compressed here: it names the compressor and the `diff_id`.
fn builder(diff_id: &Digest) -> GzBuilder {
    GzBuilder::new().comment(format!("{COMPRESSOR} {diff_id}"))
}

/// The bytes of this gzip header.
fn header(diff_id: &Digest) -> Result<Vec<u8>> {
    let comment = format!("{COMPRESSOR} {diff_id}");
    let empty = builder(diff_id).write(Vec::new(), Level::new(LEVEL)).finish()?;
    let place = empty.windows(comment.len()).position(|window| window == comment.as_bytes());
    let end = place.context("the header has no comment")?.saturating_add(comment.len()).saturating_add(1);
    Ok(empty.get(..end).unwrap_or_default().to_vec())
}

fn compressed_file(to: &Registry<'_>, layer: &Layer) -> Result<Temporary> {
    let directory = to.context().private_directory().directory("layers")?;
    Ok(Temporary::new(directory.join(layer.diff_id.hex())))
}

/// Compresses a layer into a file, and verifies its `diff_id`. Returns the digest and the size.
///
/// The result is reproducible: it has no timestamp.
fn compress(part: &Part, diff_id: &Digest, path: &Path, stop: &Stop) -> Result<(Digest, u64)> {
    let mut plain = diff_id.hasher();
    let mut reader = part.open()?;
    let target = Hashed { file: File::create(path)?, hasher: Hasher::sha256(), size: 0 };
    let mut encoder = builder(diff_id).write(target, Level::new(LEVEL));
    let mut piece = vec![0; PIECE];
    loop {
        stop.check()?;
        let read = reader.read(&mut piece)?;
        if read == 0 {
            break;
        }
        let piece = piece.get(..read).unwrap_or_default();
        plain.update(piece);
        encoder.write_all(piece)?;
    }
    let Hashed { hasher, size, .. } = encoder.finish()?;
    let found = plain.finish();
    if found != *diff_id {
        return Err(anyhow!("it has the digest {found}, which does not match the image's configuration"));
    }
    Ok((hasher.finish(), size))
}

/// A writer that hashes what it writes to a file.
struct Hashed {
    file: File,
    hasher: Hasher,
    size: u64,
}

impl std::io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl RegistryContent {
    /// Reads the manifests of the tags. If the registry does not answer, every layer is sent.
    async fn find(to: &Registry<'_>, image: &Layered, tags: &[String]) -> Result<Self> {
        let own = Digest::of(&image.config);
        let mut known = Self::default();
        let latest = "latest".to_owned();
        let mut looked: Vec<&String> = Vec::new();
        for tag in tags.iter().chain([&latest]) {
            if looked.contains(&tag) || looked.len() >= MAX_SEARCHED_TAGS {
                continue;
            }
            looked.push(tag);
            let Some(manifest) = to.manifest_if_readable(Reference::Tag(tag)).await? else { continue };
            known.tags.push((tag.clone(), manifest.digest.clone()));
            let ManifestContent::Image(there) = &manifest.content else { continue };
            let ids = if there.config.digest == own {
                image.layers.iter().map(|layer| layer.diff_id.clone()).collect()
            } else {
                let bytes = to.small_blob(&there.config, config::MAX_CONFIG_BYTES).await.unwrap_or_default();
                diff_ids(&bytes).unwrap_or_default()
            };
            if ids.len() != there.layers.len() {
                continue;
            }
            known.layers.extend(ids.into_iter().zip(there.layers.iter().cloned()));
            if there.config.digest == own {
                return Ok(known);
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(content: &[u8]) -> (Vec<u8>, Digest) {
        let directory = tempfile::tempdir().unwrap();
        let (plain, packed) = (directory.path().join("plain"), directory.path().join("packed"));
        std::fs::write(&plain, content).unwrap();
        let (digest, _) =
            compress(&Part::of_file(&plain).unwrap(), &Digest::of(content), &packed, &Stop::default()).unwrap();
        (std::fs::read(packed).unwrap(), digest)
    }

    #[test]
    fn compresses_a_layer_to_the_same_bytes_in_every_release() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        // If this digest changes, layers of earlier releases do not match any more: change `COMPRESSOR` too.
        let (_, digest) = compressed(&content);
        assert_eq!(digest.to_string(), "sha256:8dd09f6069c97334c54512640b8aa7b0f89bc458eedd77c2d806944ff570c98e");
    }

    #[test]
    fn recognizes_a_layer_of_its_own_by_the_header() {
        let (packed, _) = compressed(b"text");
        assert!(packed.starts_with(&header(&Digest::of(b"text")).unwrap()));
        assert!(!packed.starts_with(&header(&Digest::of(b"other")).unwrap()));
    }
}
