//! Layers that are not compressed yet: each is compressed once, and not at all when the registry has it.
//!
//! A registry knows a layer by the digest of its compressed form, which depends on the compressor. What the layer is without
//! that, its `diff_id`, stands in an image's configuration. So the manifests that the tags of the put, and `latest`, point to
//! now are looked at: where the configuration is ours, so are all the layers; where a `diff_id` is, so is that layer. (An
//! engine compares each layer with its `diff_id` when it pulls: a registry that lies about one gets nobody to run it.)

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use jetway::Result;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::background::{self, Stop};
use crate::concurrent;
use crate::digest::{Digest, Hasher};
use crate::image::config;
use crate::image::manifest::{Content as ManifestContent, Descriptor, Manifest};
use crate::image::media_type::{
    DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST,
};
use crate::layer::content::{Allowance, Content};
use crate::layer::decompress::Compression;
use crate::local::archive::diff_ids;
use crate::local::store::Part;
use crate::local::{Layer, Layered};
use crate::registry::blobs::Temporary;
use crate::registry::uploads::Outgoing;
use crate::registry::{Asked, Registry};

/// How hard to compress. On programs and libraries this is within a tenth of the best in half of the time; one less is a fifth larger.
const LEVEL: u32 = 2;

/// How many tags are looked at for layers that are there.
const MOST_LOOKS: usize = 4;

/// How much is read at once, in bytes.
const PIECE: usize = 256 * 1024;

/// What the registry has.
#[derive(Debug, Default)]
struct Known {
    /// The manifest of the very same image, and the tag that points to it.
    whole: Option<(Manifest, String)>,
    /// Compressed layers by what they are.
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

/// Sends layers and configuration, and gives back the image's manifest, with the tag that was seen to point to it already.
pub(super) async fn send(to: &Registry<'_>, image: &Layered, tags: &[String]) -> Result<(Manifest, Option<String>)> {
    let known = if image.layers.iter().any(|layer| layer.compression == Compression::Plain) {
        Known::find(to, image, tags).await?
    } else {
        Known::default()
    };
    let processors = Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get));
    // A layer may stand in an image more than once.
    let mut distinct: Vec<&Layer> = Vec::new();
    for layer in &image.layers {
        if !distinct.iter().any(|known| known.diff_id == layer.diff_id) {
            distinct.push(layer);
        }
    }
    let arrive = async |layer: &&Layer| one(to, layer, &known, &processors).await;
    let (digest, size) = (Digest::of(&image.config), image.config.len() as u64);
    let config = async {
        if !to.has_blob(&digest, size).await? {
            to.upload(&digest, Outgoing::Bytes(&image.config), None).await?;
        }
        Ok(())
    };
    let (descriptors, ()) = tokio::try_join!(concurrent::map(&distinct, to.uploads_at_once(), arrive), config)?;
    let by_id: HashMap<&Digest, Descriptor> = distinct.iter().map(|layer| &layer.diff_id).zip(descriptors).collect();
    let layers: Vec<Descriptor> = image.layers.iter().filter_map(|layer| by_id.get(&layer.diff_id).cloned()).collect();
    let is_oci = layers.iter().any(|layer| layer.media_type == OCI_LAYER_ZSTD);
    let config = descriptor(if is_oci { OCI_CONFIG } else { DOCKER_CONFIG }, digest, size);
    if let Some((whole, tag)) = known.whole
        && let ManifestContent::Image(there) = &whole.content
        && there.layers.iter().map(|layer| &layer.digest).eq(layers.iter().map(|layer| &layer.digest))
    {
        return Ok((whole, Some(tag)));
    }
    Ok((manifest(config, layers, is_oci)?, None))
}

/// The manifest of an image. Docker's own form, unless a layer is compressed as that does not know.
fn manifest(config: Descriptor, mut layers: Vec<Descriptor>, is_oci: bool) -> Result<Manifest> {
    for layer in &mut layers {
        let is_zstd = layer.media_type == OCI_LAYER_ZSTD;
        let media_type = match (is_oci, is_zstd) {
            (true, true) => OCI_LAYER_ZSTD,
            (true, false) => OCI_LAYER_GZIP,
            (false, _) => DOCKER_LAYER,
        };
        media_type.clone_into(&mut layer.media_type);
    }
    let media_type = if is_oci { OCI_MANIFEST } else { DOCKER_MANIFEST };
    let new = NewManifest { schema_version: 2, media_type, config, layers };
    Manifest::parse(serde_json::to_vec(&new)?, media_type).map_err(|problem| anyhow!(problem))
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest, size, platform: None, annotations: BTreeMap::new() }
}

/// Sees to it that the registry has a layer, and says what it is called there.
async fn one(to: &Registry<'_>, layer: &Layer, known: &Known, processors: &Semaphore) -> Result<Descriptor> {
    let media_type = match layer.compression {
        Compression::Plain | Compression::Gzip => DOCKER_LAYER,
        Compression::Zstd => OCI_LAYER_ZSTD,
    };
    if layer.compression != Compression::Plain {
        let part = layer.part.clone();
        let hash = background::run(to.context(), move |stop| part.digest(Hasher::sha256(), stop));
        let digest = hash.await.with_context(|| format!("cannot read the layer `{}`", layer.diff_id))?;
        let descriptor = descriptor(media_type, digest, layer.part.size());
        if !to.has_blob(&descriptor.digest, descriptor.size).await? {
            let checked = {
                let _permit = processors.acquire().await?;
                let (part, id) = (layer.part.clone(), layer.diff_id.clone());
                background::run(to.context(), move |stop| check(&part, id, stop)).await
            };
            checked.with_context(|| format!("cannot send the layer `{}`", layer.diff_id))?;
            to.upload(&descriptor.digest, Outgoing::Part(&layer.part), None).await?;
        }
        return Ok(descriptor);
    }
    if let Some(there) = known.layers.get(&layer.diff_id)
        && to.has_blob(&there.digest, there.size).await?
    {
        return Ok(descriptor(layer_type(there), there.digest.clone(), there.size));
    }
    let file = compressed_file(to, layer)?;
    let compressed = {
        let _permit = processors.acquire().await?;
        let (layer_part, id, path) = (layer.part.clone(), layer.diff_id.clone(), file.path().to_owned());
        background::run(to.context(), move |stop| compress(&layer_part, &id, &path, stop)).await
    };
    let (digest, size) = compressed.with_context(|| format!("cannot compress the layer `{}`", layer.diff_id))?;
    if !to.has_blob(&digest, size).await? {
        let part = Part { path: file.path().to_owned(), range: 0..size };
        to.upload(&digest, Outgoing::Part(&part), None).await?;
    }
    Ok(descriptor(media_type, digest, size))
}

/// Makes sure that a compressed layer is what the configuration says.
fn check(part: &Part, diff_id: Digest, stop: &Stop) -> Result<()> {
    let mut allowance = Allowance::of(part.size());
    let mut content = Content::new(part.open()?, Some(diff_id), &mut allowance)?;
    let mut piece = vec![0; PIECE];
    while content.read(&mut piece)? > 0 {
        stop.check()?;
    }
    Ok(())
}

/// What a layer of another manifest is, in the words of a new one.
fn layer_type(there: &Descriptor) -> &'static str {
    if there.media_type.ends_with("zstd") { OCI_LAYER_ZSTD } else { DOCKER_LAYER }
}

fn compressed_file(to: &Registry<'_>, layer: &Layer) -> Result<Temporary> {
    let directory = to.context().private_directory().directory("layers")?;
    Ok(Temporary::new(directory.join(layer.diff_id.hex())))
}

/// Compresses a layer into a file, which makes sure that it is what the configuration says. Returns the digest and the size.
///
/// The same layer is the same file every time: nothing of the time is in it.
fn compress(part: &Part, diff_id: &Digest, path: &Path, stop: &Stop) -> Result<(Digest, u64)> {
    let mut plain = diff_id.hasher();
    let mut reader = part.open()?;
    let mut encoder =
        GzEncoder::new(Hashed { file: File::create(path)?, hasher: Hasher::sha256(), size: 0 }, Level::new(LEVEL));
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
        return Err(anyhow!("it has the digest {found}, which is not what the image's configuration says"));
    }
    Ok((hasher.finish(), size))
}

/// A file that is hashed as it is written.
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

impl Known {
    /// What the tags point to now. A registry that does not tell is no failure: everything is sent then.
    async fn find(to: &Registry<'_>, image: &Layered, tags: &[String]) -> Result<Self> {
        let own = Digest::of(&image.config);
        let mut known = Self::default();
        let latest = "latest".to_owned();
        let mut looked: Vec<&String> = Vec::new();
        for tag in tags.iter().chain([&latest]) {
            if looked.contains(&tag) || looked.len() >= MOST_LOOKS {
                continue;
            }
            looked.push(tag);
            let Some(manifest) = to.manifest_if_readable(Asked::Tag(tag)).await? else { continue };
            let ManifestContent::Image(there) = &manifest.content else { continue };
            let ids = if there.config.digest == own {
                image.layers.iter().map(|layer| layer.diff_id.clone()).collect()
            } else {
                let bytes = to.small_blob(&there.config, config::LARGEST).await.unwrap_or_default();
                diff_ids(&bytes).unwrap_or_default()
            };
            if ids.len() != there.layers.len() {
                continue;
            }
            let is_ours = there.config.digest == own;
            for (id, layer) in ids.into_iter().zip(&there.layers) {
                if crate::image::media_type::refusal(&layer.media_type).is_none() {
                    known.layers.insert(id, layer.clone());
                }
            }
            if is_ours {
                known.whole = Some((manifest, tag.clone()));
                return Ok(known);
            }
        }
        Ok(known)
    }
}
