//! Blobs: layers and configurations, verified as they come, resumed when the connection is cut.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::http::{Bytes, HttpResponse, Method, TransportError, TransportKind};
use jetway::{Error, Result};
use tokio::io::AsyncWriteExt as _;

use super::{Registry, explain};
use crate::digest::Hasher;
use crate::image::manifest::Descriptor;

/// How often a download that is cut goes on, when nothing came in between.
const MOST_CUTS_IN_A_ROW: u32 = 4;

/// How often it goes on in all.
const MOST_CUTS: u32 = 100;

/// The pause before it does, in all but the first time twice as long as before.
const PAUSE: Duration = Duration::from_millis(250);

/// A blob that is being downloaded.
pub(crate) struct Blob<'r> {
    registry: &'r Registry<'r>,
    descriptor: &'r Descriptor,
    hasher: Option<Hasher>,
    /// How many bytes have come.
    received: u64,
    response: Option<HttpResponse>,
    /// How many of the bytes that come next have come before.
    skip: u64,
    cuts_in_a_row: u32,
    cuts: u32,
}

impl Registry<'_> {
    /// A blob, to be read piece by piece.
    pub(crate) fn blob<'r>(&'r self, descriptor: &'r Descriptor) -> Blob<'r> {
        Blob {
            registry: self,
            descriptor,
            hasher: Some(descriptor.digest.hasher()),
            received: 0,
            response: None,
            skip: 0,
            cuts_in_a_row: 0,
            cuts: 0,
        }
    }

    /// A blob as a temporary file, which is whole and what its digest says.
    pub(crate) async fn fetch_to_file(&self, descriptor: &Descriptor) -> Result<Temporary> {
        let directory = self.context().private_directory().directory("blobs")?;
        let file = Temporary(directory.join(descriptor.digest.hex()));
        let write = |error: std::io::Error| anyhow!("cannot write a temporary file: {error}");
        let mut target = tokio::fs::File::create(file.path()).await.map_err(write)?;
        let mut blob = self.blob(descriptor);
        while let Some(piece) = blob.piece().await? {
            target.write_all(&piece).await.map_err(write)?;
        }
        target.flush().await.map_err(write)?;
        Ok(file)
    }

    /// A small blob, whole.
    pub(crate) async fn small_blob(&self, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>> {
        if descriptor.size > most {
            return Err(anyhow!(
                "`{}` has {} bytes, and no more than {most} are read",
                descriptor.digest,
                descriptor.size
            ));
        }
        let mut bytes = Vec::new();
        let mut blob = self.blob(descriptor);
        while let Some(piece) = blob.piece().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// A temporary file, removed when it is not needed any more.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays is removed with the private directory.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Blob<'_> {
    /// The next piece; `None` at the end, and then all that came was what the digest says.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        let piece = self.next().await.map_err(|error| explain(error, self.registry.repository()));
        piece.with_context(|| format!("cannot download `{}`", self.descriptor.digest))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let response = match &mut self.response {
                Some(response) => response,
                none => match open(self.registry, self.descriptor, self.received).await {
                    Ok(response) => {
                        // A server that does not know parts begins at the start again.
                        let begun = self.received.checked_sub(response.offset());
                        self.skip = begun.context("what came begins behind what was asked for")?;
                        none.insert(response)
                    }
                    Err(error) => {
                        self.after_cut(error).await?;
                        continue;
                    }
                },
            };
            match response.chunk().await {
                Ok(Some(mut piece)) => {
                    let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
                    self.skip -= known as u64;
                    let piece = piece.split_off(known);
                    if piece.is_empty() {
                        continue;
                    }
                    self.cuts_in_a_row = 0;
                    self.received += piece.len() as u64;
                    if self.received > self.descriptor.size {
                        return Err(self.wrong_size("more"));
                    }
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&piece);
                    }
                    return Ok(Some(piece));
                }
                Ok(None) => return self.finished(),
                Err(_) if self.received == self.descriptor.size => return self.finished(),
                Err(error) => {
                    self.response = None;
                    self.after_cut(error).await?;
                }
            }
        }
    }

    fn finished(&mut self) -> Result<Option<Bytes>> {
        if self.received < self.descriptor.size {
            return Err(self.wrong_size("fewer"));
        }
        if let Some(hasher) = self.hasher.take() {
            let found = hasher.finish();
            if found != self.descriptor.digest {
                return Err(anyhow!("what came has the digest {found}"));
            }
        }
        Ok(None)
    }

    fn wrong_size(&self, how: &str) -> Error {
        anyhow!("{how} bytes came than the {} of the manifest", self.descriptor.size)
    }

    /// Waits before going on, when that may help.
    async fn after_cut(&mut self, error: Error) -> Result<()> {
        use TransportKind::{Connection, Cut, Name, Stalled};
        let kind = error.downcast_ref::<TransportError>().map(TransportError::kind);
        let may_pass = matches!(kind, Some(Cut | Stalled | Connection | Name));
        if !may_pass || self.cuts_in_a_row >= MOST_CUTS_IN_A_ROW || self.cuts >= MOST_CUTS {
            return Err(error);
        }
        self.cuts += 1;
        self.cuts_in_a_row += 1;
        let context = self.registry.context();
        context.console().step(format_args!(
            "`{}` was cut after {} of {} bytes; it goes on from there",
            self.descriptor.digest, self.received, self.descriptor.size
        ));
        context.interrupt().sleep(PAUSE.saturating_mul(1 << self.cuts_in_a_row.min(5))).await
    }
}

/// Asks for a blob from a byte on.
async fn open(registry: &Registry<'_>, descriptor: &Descriptor, from: u64) -> Result<HttpResponse> {
    let target = format!("blobs/{}", descriptor.digest);
    let response = registry.send(Method::GET, &target, |request| request.resume_at(from)).await?;
    let whole = response.length().map(|length| response.offset().saturating_add(length));
    match whole {
        Some(whole) if whole != descriptor.size => {
            Err(anyhow!("the registry has {whole} bytes of it, the manifest says {}", descriptor.size))
        }
        _ => Ok(response),
    }
}
