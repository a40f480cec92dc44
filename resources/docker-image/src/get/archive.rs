//! Writes an image as one archive that engines load: the configuration, the layers and `manifest.json`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::Result;
use serde_json::json;

use crate::concurrent;
use crate::get::describe::Described;
use crate::image::manifest::{Descriptor, ImageManifest, total};
use crate::image::media_type;
use crate::layer::content::Content;
use crate::layer::holes::{Sparse, write_at};
use crate::layer::spool::nameless;
use crate::layer::tar::Entry;
use crate::layer::tar_writer::{END, padding};
use crate::progress::Progress;
use crate::registry::Registry;

/// How the parts of an archive are named and compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// The format of the `registry-image` resource: layers as in the registry.
    Registry,
    /// As engines write it. Layers in zstd are decompressed, since older engines do not support it.
    Engine,
}

/// A layer's file in the archive.
struct LayerFile<'i> {
    layer: &'i Descriptor,
    name: String,
    /// The decompressed layer and its size.
    plain: Option<(File, u64)>,
}

/// An archive to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive<'a> {
    pub(crate) style: Style,
    /// The image's name in the archive.
    pub(crate) name: Option<&'a str>,
    /// The archive's path. Temporary files are written next to it.
    pub(crate) path: &'a Path,
}

impl Archive<'_> {
    /// Writes an image.
    pub(crate) async fn write(
        self,
        registry: &Registry<'_>,
        image: &ImageManifest,
        described: &Described,
        at_once: usize,
    ) -> Result<()> {
        let Self { style, name, path } = self;
        if let Some(layer) = image.layers.iter().find(|layer| media_type::is_encrypted(&layer.media_type)) {
            let (digest, media_type) = (&layer.digest, &layer.media_type);
            return Err(anyhow!("`{digest}` is an encrypted layer (`{media_type}`), which cannot be saved"));
        }
        let beside = path.parent().unwrap_or(path);
        let whither = || format!("cannot write `{}`", path.display());
        let progress = Progress::new(registry.context(), total(&image.layers));
        let mut known = BTreeSet::new();
        let distinct: Vec<&Descriptor> = image.layers.iter().filter(|layer| known.insert(&layer.digest)).collect();
        let work = async {
            let mut places = Vec::new();
            for layer in distinct {
                let is_zstd = layer.media_type.ends_with("zstd");
                let plain = match style {
                    Style::Engine if is_zstd => Some(decompress(registry, layer, beside, &progress).await?),
                    _ => None,
                };
                places.push(LayerFile { layer, name: layer_name(style, layer), plain });
            }
            let config_name = match style {
                Style::Registry => described.id.to_string(),
                Style::Engine => format!("{}.json", described.id.hex()),
            };
            let list = json!([{
                "Config": config_name,
                "RepoTags": name.map(|name| vec![name]),
                "Layers": image.layers.iter().map(|layer| layer_name(style, layer)).collect::<Vec<_>>(),
            }]);
            let archive = File::create(path).with_context(whither)?;
            let mut end = put(&archive, 0, &config_name, &described.bytes).with_context(whither)?;
            let mut offsets = Vec::new();
            for place in &places {
                let size = place.plain.as_ref().map_or(place.layer.size, |(_, size)| *size);
                let header = Entry::file(&place.name, size).header();
                archive.write_all_at(&header, end).with_context(whither)?;
                let begin = end.saturating_add(header.len() as u64);
                offsets.push((place, begin));
                let next = begin.checked_add(size).and_then(|end| end.checked_add(padding(size) as u64));
                end = next.context("the layers exceed the maximum file size")?;
            }
            let end = put(&archive, end, "manifest.json", list.to_string().as_bytes()).with_context(whither)?;
            archive.write_all_at(&END, end).with_context(whither)?;
            concurrent::map(&offsets, at_once, async |(place, begin)| {
                let write =
                    |bytes: &[u8], at: u64| write_at(&archive, bytes, begin + at).map(drop).with_context(whither);
                match &place.plain {
                    Some((plain, _)) => copy(plain, write),
                    None => fetch(registry, place.layer, &progress, write).await,
                }
            })
            .await
            .map(drop)
        };
        progress.during(work).await
    }
}

fn layer_name(style: Style, layer: &Descriptor) -> String {
    let hex = layer.digest.hex();
    match style {
        Style::Engine => format!("{hex}/layer.tar"),
        Style::Registry if layer.media_type.ends_with("zstd") => format!("{hex}.tar.zst"),
        Style::Registry => format!("{hex}.tar.gz"),
    }
}

/// Writes a small file at an offset, and returns the offset of its end.
fn put(archive: &File, at: u64, name: &str, content: &[u8]) -> io::Result<u64> {
    let size = content.len() as u64;
    let mut bytes = Entry::file(name, size).header();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + padding(size), 0);
    archive.write_all_at(&bytes, at)?;
    Ok(at + bytes.len() as u64)
}

/// Downloads a blob into the archive at an offset.
pub(crate) async fn fetch(
    registry: &Registry<'_>,
    descriptor: &Descriptor,
    progress: &Progress<'_>,
    write: impl Fn(&[u8], u64) -> Result<()>,
) -> Result<()> {
    let mut blob = registry.blob(descriptor);
    let mut at = 0;
    while let Some(piece) = blob.piece().await? {
        write(&piece, at)?;
        at += piece.len() as u64;
        progress.add(piece.len() as u64);
    }
    Ok(())
}

fn copy(plain: &File, write: impl Fn(&[u8], u64) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        let read = plain.read_at(&mut buffer, at)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { return Ok(()) };
        write(piece, at)?;
        at += read as u64;
    }
}

/// Downloads and decompresses a layer into an unnamed temporary file.
async fn decompress(
    registry: &Registry<'_>,
    layer: &Descriptor,
    beside: &Path,
    progress: &Progress<'_>,
) -> Result<(File, u64)> {
    let here = || format!("cannot create a file in `{}`", beside.display());
    let packed = nameless(beside).with_context(here)?;
    fetch(registry, layer, progress, |bytes, at| packed.write_all_at(bytes, at).context("cannot store a layer"))
        .await?;
    let plain = nameless(beside).with_context(here)?;
    let mut allowance = registry.allowance(layer.size);
    let unpack = tokio::task::spawn_blocking(move || {
        let mut packed = packed;
        packed.rewind()?;
        let mut target = Sparse::new(plain);
        io::copy(&mut Content::new(packed, None, &mut allowance)?, &mut target)?;
        target.finish()
    });
    unpack
        .await
        .context("the decompression stopped early")?
        .with_context(|| format!("cannot decompress `{}`", layer.digest))
}
