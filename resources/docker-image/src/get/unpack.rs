//! Downloads layers concurrently, and applies them in order.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use jetway::{Context, Interrupt, Result};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::concurrent;
use crate::digest::Digest;
use crate::image::config::Config;
use crate::image::manifest::{Descriptor, ImageManifest, total};
use crate::image::media_type;
use crate::layer::apply::{LeftOut, Rootfs};
use crate::layer::content::{Allowance, Content};
use crate::layer::pipe::{Receiving, pipe};
use crate::layer::spool::{Reader, Writer, spool};
use crate::progress::Progress;
use crate::registry::Registry;

/// The most layers that are kept in files at once, downloading or waiting to be applied. It is more than twice the
/// number of concurrent downloads, so that the next layer to apply always has a file.
const MAX_OPEN_LAYERS: usize = 128;

/// A layer and its descriptor.
pub(crate) struct Layer<'i> {
    descriptor: &'i Descriptor,
    /// The digest of its content, if the config contains the digest and the manifest does not.
    holds: Option<&'i Digest>,
}

/// The layers of an image, from the bottom to the top, from its manifest and its configuration.
pub(crate) fn layers<'i>(image: &'i ImageManifest, config: &'i Config) -> Result<Vec<Layer<'i>>> {
    if let Some(layer) = image.layers.iter().find(|layer| media_type::is_encrypted(&layer.media_type)) {
        let (digest, media_type) = (&layer.digest, &layer.media_type);
        return Err(anyhow!("`{digest}` is an encrypted layer (`{media_type}`), which cannot be unpacked"));
    }
    let diff_ids = &config.file_system.diff_ids;
    if !diff_ids.is_empty() && diff_ids.len() != image.layers.len() {
        return Err(anyhow!(
            "the number of layers differs: {} in the manifest, {} in the image's configuration",
            image.layers.len(),
            diff_ids.len()
        ));
    }
    let layer = |(index, descriptor): (usize, &'i Descriptor)| {
        // The digest of an uncompressed layer is verified anyway.
        Layer { descriptor, holds: diff_ids.get(index).filter(|digest| **digest != descriptor.digest) }
    };
    Ok(image.layers.iter().enumerate().map(layer).collect())
}

/// Unpacks layers into an empty directory. `beside` is the directory for layers that wait to be applied.
pub(crate) async fn unpack(
    registry: &Registry<'_>,
    layers: &[Layer<'_>],
    at_once: usize,
    rootfs: &Path,
    beside: &Path,
) -> Result<()> {
    let context = registry.context();
    let (mut downloads, mut arriving) = (Vec::new(), Vec::new());
    for layer in layers {
        let (writer, reader) = spool(beside);
        downloads.push((layer.descriptor, Cell::new(Some(writer))));
        arriving.push((reader, layer.holds.cloned()));
    }
    let whole = total(layers.iter().map(|layer| layer.descriptor));
    let (interrupt, directory, allowance) = (context.interrupt().clone(), rootfs.to_owned(), registry.allowance(whole));
    let apply = spawn_blocking(move || apply(arriving, allowance, &directory, &interrupt));
    let progress = Progress::new(context, whole);
    let open = Arc::new(Semaphore::new(MAX_OPEN_LAYERS));
    let download = concurrent::map(&downloads, at_once, |(layer, writer)| {
        download(registry, layer, writer.take(), &open, &progress)
    });
    tokio::pin!(apply, download);
    let (mut downloaded, mut applied) = (None, None);
    loop {
        tokio::select! {
            outcome = &mut download, if downloaded.is_none() => {
                if outcome.is_err() {
                    // Readers of the remaining layers must get an error.
                    for (_, writer) in &downloads {
                        drop(writer.take());
                    }
                }
                downloaded = Some(outcome);
            }
            outcome = &mut apply, if applied.is_none() => applied = Some(outcome.context("the unpacking stopped early")?),
            () = progress.pause() => {}
        }
        match (&downloaded, &applied) {
            // If a download failed, applying its layer fails too; the download's error is the cause.
            (Some(_), Some(_)) | (None, Some(Err(_))) => break,
            _ => {}
        }
    }
    downloaded.transpose()?;
    let left_out = applied.context("the unpacking did not finish")??;
    warn(context, &left_out);
    Ok(())
}

/// Downloads a layer into its spool.
async fn download(
    registry: &Registry<'_>,
    layer: &Descriptor,
    writer: Option<Writer>,
    open: &Arc<Semaphore>,
    progress: &Progress<'_>,
) -> Result<()> {
    let Some(mut writer) = writer else { return Ok(()) };
    // Layers are applied in the order in which they are downloaded, so a permit always becomes free.
    writer.open(Arc::clone(open).acquire_owned().await?).context("cannot create a file for a layer")?;
    let mut blob = registry.blob(layer);
    while let Some(piece) = blob.piece().await? {
        writer.write(&piece).with_context(|| format!("cannot store the data of `{}`", layer.digest))?;
        progress.add(piece.len() as u64);
    }
    writer.finish();
    Ok(())
}

/// Applies layers in order, each with the digest of its content. A thread of its own decompresses them, up to a layer
/// ahead.
fn apply(
    layers: Vec<(Reader, Option<Digest>)>,
    mut allowance: Allowance,
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<LeftOut> {
    let whither = || format!("cannot unpack into `{}`", directory.display());
    let mut rootfs = Rootfs::new(directory).with_context(whither)?;
    let count = layers.len();
    let (sender, layer) = pipe();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (layer, holds) in layers {
                let goes_on = match Content::new(layer, holds, &mut allowance) {
                    Ok(content) => sender.send_all(content),
                    Err(error) => sender.fail(error),
                };
                if !goes_on {
                    return;
                }
            }
        });
        let mut layer = Watched { layer, interrupt };
        for index in 0..count {
            // The data after the end of the archive creates no file, but is part of the digest.
            let applied = rootfs.apply(&mut layer).and_then(|()| io::copy(&mut layer, &mut io::sink()));
            if let Err(error) = applied {
                // An interrupt is reported as such.
                if let Some(interrupted) = interrupt.received() {
                    return Err(jetway::Error::new(interrupted).context("the unpacking did not finish"));
                }
                return Err(jetway::Error::new(error).context(format!("cannot unpack layer {}", index + 1)));
            }
            layer.layer.next_layer();
        }
        Ok(())
    })?;
    rootfs.finish().with_context(whither)
}

/// A reader of a layer that fails when the verb is interrupted.
struct Watched<'i> {
    layer: Receiving,
    interrupt: &'i Interrupt,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.received().is_some() {
            return Err(io::Error::other("interrupted"));
        }
        self.layer.read(buffer)
    }
}

/// Warns about files that could not be created.
fn warn(context: &Context, left_out: &LeftOut) {
    let some = |paths: Vec<&PathBuf>| {
        let shown: Vec<String> = paths.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
        let more =
            if paths.len() > shown.len() { format!(" and {} more", paths.len() - shown.len()) } else { String::new() };
        format!("{}{more}", shown.join(", "))
    };
    if !left_out.devices.is_empty() {
        let names = some(left_out.devices.iter().collect());
        context.console().warn(format_args!("omitting devices, which this container may not create: {names}"));
    }
    if !left_out.attributes.is_empty() {
        let names = some(left_out.attributes.iter().map(|(path, _)| path).collect());
        let first = left_out.attributes.first().map(|(_, attribute)| attribute.as_str()).unwrap_or_default();
        context
            .console()
            .warn(format_args!("omitting extended attributes such as `{first}`, which cannot be set here: {names}"));
    }
}
