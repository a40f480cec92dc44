//! Downloading layers side by side, and applying them one on the other as they come.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Context, Interrupt, Result};
use tokio::task::spawn_blocking;

use super::progress::Progress;
use crate::concurrent;
use crate::image::manifest::Descriptor;
use crate::image::media_type;
use crate::layer::apply::{LeftOut, Rootfs};
use crate::layer::decompress::decompressed;
use crate::layer::pipe::{Receiving, pipe};
use crate::layer::spool::{Reader, Writer, spool};
use crate::registry::Registry;

/// Unpacks layers into an empty directory. `beside` is where what waits for its turn is kept.
pub(crate) async fn unpack(
    registry: &Registry<'_>,
    layers: &[Descriptor],
    at_once: usize,
    rootfs: &Path,
    beside: &Path,
) -> Result<()> {
    if let Some((layer, why)) = layers.iter().find_map(|layer| Some((layer, media_type::refusal(&layer.media_type)?))) {
        return Err(anyhow!("`{}` is {why} (`{}`), and cannot be unpacked", layer.digest, layer.media_type));
    }
    let context = registry.context();
    let (mut downloads, mut readers) = (Vec::new(), Vec::new());
    for layer in layers {
        let (writer, reader) =
            spool(beside).with_context(|| format!("cannot make a file in `{}`", beside.display()))?;
        downloads.push((layer, Cell::new(Some(writer))));
        readers.push(reader);
    }
    let (interrupt, directory) = (context.interrupt().clone(), rootfs.to_owned());
    let apply = spawn_blocking(move || apply(readers, &directory, &interrupt));
    let progress = Progress::new(context, layers.iter().map(|layer| layer.size).sum());
    let download =
        concurrent::map(&downloads, at_once, |(layer, writer)| download(registry, layer, writer.take(), &progress));
    tokio::pin!(apply, download);
    let (mut downloaded, mut applied) = (None, None);
    loop {
        tokio::select! {
            outcome = &mut download, if downloaded.is_none() => {
                if outcome.is_err() {
                    // Who waits for a layer learns that it will not come.
                    for (_, writer) in &downloads {
                        drop(writer.take());
                    }
                }
                downloaded = Some(outcome);
            }
            outcome = &mut apply, if applied.is_none() => applied = Some(outcome.context("unpacking ended")?),
            () = progress.pause() => {}
        }
        match (&downloaded, &applied) {
            // A layer whose download failed could not be applied either: the first failure is the reason.
            (Some(_), Some(_)) | (None, Some(Err(_))) => break,
            _ => {}
        }
    }
    downloaded.transpose()?;
    let left_out = applied.context("unpacking did not end")??;
    warn(context, &left_out);
    Ok(())
}

/// Downloads a layer into its spool.
async fn download(
    registry: &Registry<'_>,
    layer: &Descriptor,
    writer: Option<Writer>,
    progress: &Progress<'_>,
) -> Result<()> {
    let Some(mut writer) = writer else { return Ok(()) };
    let mut blob = registry.blob(layer);
    while let Some(piece) = blob.piece().await? {
        writer.write(&piece).with_context(|| format!("cannot keep what came of `{}`", layer.digest))?;
        progress.add(piece.len() as u64);
    }
    writer.finish();
    Ok(())
}

/// Applies layers in their order. They are decompressed by a thread of its own, which may be a layer ahead.
fn apply(layers: Vec<Reader>, directory: &Path, interrupt: &Interrupt) -> Result<LeftOut> {
    let whither = || format!("cannot unpack into `{}`", directory.display());
    let mut rootfs = Rootfs::new(directory).with_context(whither)?;
    let (senders, receiving): (Vec<_>, Vec<_>) = layers.iter().map(|_| pipe()).unzip();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (layer, sender) in layers.into_iter().zip(senders) {
                match decompressed(layer) {
                    Ok(content) => sender.send_all(content),
                    Err(error) => sender.fail(error),
                }
            }
        });
        for (index, layer) in receiving.into_iter().enumerate() {
            let layer = Watched { layer, interrupt };
            if let Err(error) = rootfs.apply(layer) {
                // A signal is told as such.
                if let Some(interrupted) = interrupt.received() {
                    return Err(jetway::Error::new(interrupted).context("unpacking did not finish"));
                }
                return Err(jetway::Error::new(error).context(format!("cannot unpack layer {}", index + 1)));
            }
        }
        Ok(())
    })?;
    rootfs.finish().with_context(whither)
}

/// A layer that ends with the verb.
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

/// Says what could not be made here.
fn warn(context: &Context, left_out: &LeftOut) {
    let some = |paths: Vec<&PathBuf>| {
        let shown: Vec<String> = paths.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
        let more =
            if paths.len() > shown.len() { format!(" and {} more", paths.len() - shown.len()) } else { String::new() };
        format!("{}{more}", shown.join(", "))
    };
    if !left_out.devices.is_empty() {
        let names = some(left_out.devices.iter().collect());
        context.console().warn(format_args!("devices are left out, since this container may make none: {names}"));
    }
    if !left_out.attributes.is_empty() {
        let names = some(left_out.attributes.iter().map(|(path, _)| path).collect());
        let first = left_out.attributes.first().map(|(_, attribute)| attribute.as_str()).unwrap_or_default();
        context
            .console()
            .warn(format_args!("attributes such as `{first}` cannot be set here, and are left out: {names}"));
    }
}
