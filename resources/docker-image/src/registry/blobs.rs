//! Blob downloads: verified while streaming, resumed when the connection is cut.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jetway::http::{
    Bytes, HttpRequest, HttpResponse, Method, Redirects, StatusCode, TransportError, TransportKind, Url,
};
use jetway::{Advise as _, Error, Interrupted, Result};
use tokio::io::AsyncWriteExt as _;

use crate::digest::Hasher;
use crate::image::manifest::Descriptor;
use crate::image::media_type::is_foreign;
use crate::registry::client::{Registry, UNTIL_SEEN};
use crate::registry::host::host_of;
use crate::registry::status::status_of;

/// How many times in a row a cut download is resumed without progress.
const MAX_CONSECUTIVE_CUTS: u32 = 4;

/// How many times a download is resumed in all.
const MAX_CUTS: u32 = 100;

/// The delay before the second resume in a row; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);

/// A blob download.
pub(crate) struct Blob<'r> {
    registry: &'r Registry<'r>,
    descriptor: &'r Descriptor,
    hasher: Option<Hasher>,
    /// How many bytes were received.
    received: u64,
    response: Option<HttpResponse>,
    /// How many of the next bytes were received before and are skipped.
    skip: u64,
    cuts_in_a_row: u32,
    cuts: u32,
    /// How often the registry answered that it does not have the blob.
    absences: usize,
}

impl Registry<'_> {
    /// A blob, to be read in pieces.
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
            absences: 0,
        }
    }

    /// Downloads a blob to a temporary file and verifies it.
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

    /// Whether the repository has a blob that begins with these bytes; `false` when it cannot be read.
    pub(crate) async fn blob_begins_with(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<bool> {
        let target = format!("blobs/{}", descriptor.digest);
        let last = bytes.len().saturating_sub(1);
        let follow = |request: HttpRequest| {
            request.header("range", format!("bytes=0-{last}")).redirects(Redirects::FollowToPlainHttp)
        };
        let mut response = match self.send(Method::GET, &target, follow).await {
            Ok(response) => response,
            Err(error) if Interrupted::caused(&error) => return Err(error),
            Err(_) => return Ok(false),
        };
        let mut begin = Vec::new();
        while begin.len() < bytes.len() {
            match response.chunk().await {
                Ok(Some(piece)) => begin.extend_from_slice(&piece),
                Err(error) if Interrupted::caused(&error) => return Err(error),
                Ok(None) | Err(_) => return Ok(false),
            }
        }
        Ok(begin.starts_with(bytes))
    }

    /// Downloads a small blob into memory.
    pub(crate) async fn small_blob(&self, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>> {
        if descriptor.size > most {
            return Err(anyhow!("`{}` has {} bytes; the limit is {most}", descriptor.digest, descriptor.size));
        }
        let mut bytes = Vec::new();
        let mut blob = self.blob(descriptor);
        while let Some(piece) = blob.piece().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// A temporary file, removed on drop.
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
        // If this fails, the file is removed with the private directory.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Blob<'_> {
    /// The next piece; `None` at the end, after size and digest were verified.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        let piece = self.next().await.map_err(|error| {
            if !self.descriptor.urls.is_empty() {
                return error;
            }
            if is_foreign(&self.descriptor.media_type) && status_of(&error).is_some() {
                return error.hint("it is a foreign layer, which registries do not serve");
            }
            self.registry.explain(error)
        });
        piece.with_context(|| format!("cannot download `{}`", self.descriptor.digest))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let response = match &mut self.response {
                Some(response) => response,
                none => {
                    // The client has retried errors before the response; retrying here would multiply its retries. A
                    // blob that is not visible yet is no error to the client. Boxed, since otherwise every future that
                    // reads a blob would contain the request's state.
                    let opened = Box::pin(open(self.registry, self.descriptor, self.received)).await;
                    let response = match opened {
                        Err(error) if status_of(&error) == Some(StatusCode::NOT_FOUND) => {
                            self.after_absence(error).await?;
                            continue;
                        }
                        opened => opened?,
                    };
                    // A server without support for ranges starts from the beginning.
                    let begun = self.received.checked_sub(response.offset());
                    self.skip = begun.context("the response begins after the requested offset")?;
                    none.insert(response)
                }
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
                return Err(anyhow!("the downloaded content has the digest {found}"));
            }
        }
        Ok(None)
    }

    fn wrong_size(&self, how: &str) -> Error {
        anyhow!("received {how} bytes than the {} of the manifest", self.descriptor.size)
    }

    /// Waits for a blob that the registry does not see yet. A foreign layer may never appear there.
    async fn after_absence(&mut self, error: Error) -> Result<()> {
        let may_appear = self.registry.waits && self.descriptor.urls.is_empty();
        let Some(pause) = UNTIL_SEEN.get(self.absences).filter(|_| may_appear) else { return Err(error) };
        self.absences += 1;
        let context = self.registry.context();
        context.console().step(format_args!(
            "`{}` does not have `{}` (yet); retrying",
            self.registry.repository(),
            self.descriptor.digest
        ));
        context.interrupt().sleep(*pause).await
    }

    /// Waits before the download is resumed, or returns the error if it is not transient.
    async fn after_cut(&mut self, error: Error) -> Result<()> {
        use TransportKind::{Connection, Cut, Name, Stalled};
        let kind = error.downcast_ref::<TransportError>().map(TransportError::kind);
        let may_pass = matches!(kind, Some(Cut | Stalled | Connection | Name));
        if !may_pass || self.cuts_in_a_row >= MAX_CONSECUTIVE_CUTS || self.cuts >= MAX_CUTS {
            return Err(error);
        }
        self.cuts += 1;
        self.cuts_in_a_row += 1;
        let context = self.registry.context();
        context.console().step(format_args!(
            "the download of `{}` was cut off after {} of {} bytes; resuming it",
            self.descriptor.digest, self.received, self.descriptor.size
        ));
        context.interrupt().sleep(PAUSE.saturating_mul(1 << self.cuts_in_a_row.min(5))).await
    }
}

/// Requests a blob from an offset: from the registry first, then from the URLs in the manifest.
///
/// Redirects to any host are followed, even to plain HTTP: the digest is verified, and no credentials go there.
async fn open(registry: &Registry<'_>, descriptor: &Descriptor, from: u64) -> Result<HttpResponse> {
    let target = format!("blobs/{}", descriptor.digest);
    match registry.send(Method::GET, &target, |request| part(request, from)).await {
        Err(error) if !descriptor.urls.is_empty() && status_of(&error).is_some() => {
            open_elsewhere(registry, descriptor, from, error).await
        }
        opened => of_the_size(opened?, "the registry", descriptor.size),
    }
}

/// Requests a blob from the URLs in the manifest, one after the other until one has it.
async fn open_elsewhere(
    registry: &Registry<'_>,
    descriptor: &Descriptor,
    from: u64,
    of_registry: Error,
) -> Result<HttpResponse> {
    let console = registry.host.context.console();
    let (repository, digest) = (registry.repository(), &descriptor.digest);
    let mut last = None;
    for address in &descriptor.urls {
        let fetched = async {
            let url = allowed(registry, address)?;
            let host = host_of(&url);
            console.step(format_args!("`{repository}` does not have `{digest}`; fetching it from `{host}`"));
            let http = registry.host.context.http(registry.host.source.http(&host))?;
            of_the_size(part(http.get(&url), from).send().await?, &format!("`{host}`"), descriptor.size)
        };
        match fetched.await {
            Err(error) if !Interrupted::caused(&error) => {
                if let Some(before) = last.replace(error) {
                    console.step(format_args!("a previous attempt failed: {before:#}"));
                }
            }
            other => return other,
        }
    }
    let last = last.unwrap_or_else(|| anyhow!("the manifest contains no URL for it"));
    let last = last.context(format!("the registry does not have it: {of_registry}"));
    Err(last.hint("the layer is stored outside the registry, at a URL in the manifest"))
}

/// A range request for a blob.
fn part(request: HttpRequest, from: u64) -> HttpRequest {
    request.resume_at(from).redirects(Redirects::FollowToPlainHttp)
}

/// Checks that the server's blob has the expected size.
fn of_the_size(response: HttpResponse, server: &str, size: u64) -> Result<HttpResponse> {
    let whole = response.length().map(|length| response.offset().saturating_add(length));
    match whole {
        Some(whole) if whole != size => Err(anyhow!("{server} has {whole} bytes of it; the manifest requires {size}")),
        _ => Ok(response),
    }
}

/// Parses a layer's URL. A registry on the internet must not name an address in the worker's network.
fn allowed(registry: &Registry<'_>, address: &str) -> Result<Url> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut url = url.ok_or_else(|| anyhow!("the URL `{address}` in the manifest is not an `https` URL"))?;
    // Credentials in the manifest's URL are not used.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if registry.host.must_not_name(&url) {
        return Err(anyhow!("refusing to contact the private address `{}` in the manifest", host_of(&url)));
    }
    Ok(url)
}
