//! Manifests, by tag or digest: whole, or only the digest.

use std::fmt;

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpRequest, HttpResponse, Method, StatusCode};
use jetway::{Advise as _, Error, Result};

use crate::digest::Digest;
use crate::image::manifest::{self, Content, ImageManifest, Manifest};
use crate::image::media_type;
use crate::image::platform::{RequestedPlatform, platforms};
use crate::image::walk::DEEPEST;
use crate::registry::client::Registry;
use crate::registry::status::{nonsense, status_of};

/// The response header with the manifest's digest.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A reference for a manifest request: a tag or a digest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reference<'a> {
    Tag(&'a str),
    Digest(&'a Digest),
}

impl fmt::Display for Reference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => formatter.write_str(tag),
            Self::Digest(digest) => write!(formatter, "{digest}"),
        }
    }
}

impl Registry<'_> {
    /// Resolves a reference to a digest; `None` when there is no such manifest. Uses HEAD, which registries do not
    /// count as a pull; falls back to GET if the HEAD fails or its response has no digest.
    pub(crate) async fn digest(&self, reference: Reference<'_>) -> Result<Option<Digest>> {
        let target = format!("manifests/{reference}");
        let accepted = media_type::accepted();
        let head = self
            .send(Method::HEAD, &target, |request| request.header("accept", &accepted).allow(StatusCode::NOT_FOUND))
            .await;
        match head {
            Ok(response) if response.status() == StatusCode::NOT_FOUND => return Ok(None),
            Ok(response) => {
                let digest = response.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
                match (digest, reference) {
                    (Some(found), Reference::Digest(digest)) if found == *digest => return Ok(Some(found)),
                    (Some(found), Reference::Tag(_)) => return Ok(Some(found)),
                    _ => {}
                }
            }
            // Errors that a GET would meet, too: no login, too many requests, no connection.
            Err(error) if !may_differ_for_get(&error) => return Err(self.unreadable(error, reference)),
            Err(_) => {}
        }
        Ok(self.manifest(reference).await?.map(|manifest| manifest.digest))
    }

    /// Fetches a manifest; `None` when there is none. A manifest fetched by digest is verified.
    pub(crate) async fn manifest(&self, reference: Reference<'_>) -> Result<Option<Manifest>> {
        let target = format!("manifests/{reference}");
        let accepted = media_type::accepted();
        let ask = async || {
            let prepare = |request: HttpRequest| request.header("accept", &accepted).allow(StatusCode::NOT_FOUND);
            self.send(Method::GET, &target, prepare).await
        };
        let read = async |response: HttpResponse| {
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let content_type = response.header("content-type").unwrap_or_default().to_owned();
            let claimed = response.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
            let bytes = response.bytes(manifest::MAX_MANIFEST_BYTES).await?;
            // For a tag, the digest of the received bytes counts: some registries put the digest of the parent index
            // into the header.
            let expected = match reference {
                Reference::Digest(digest) => Some(digest.clone()),
                Reference::Tag(_) => claimed.filter(|claimed| claimed.is_of(&bytes)),
            };
            if let Some(expected) = &expected
                && !expected.is_of(&bytes)
            {
                let found = Digest::of(&bytes);
                return Err(nonsense(format!("the downloaded manifest has the digest {found}; expected {expected}")));
            }
            let mut manifest = Manifest::parse(bytes, &content_type).map_err(nonsense)?;
            // The registry may use another digest algorithm.
            manifest.digest = expected.unwrap_or(manifest.digest);
            Ok(Some(manifest))
        };
        self.read_whole(ask, read).await.map_err(|error| self.unreadable(error, reference))
    }

    /// Fetches a manifest that must exist.
    pub(crate) async fn manifest_of(&self, digest: &Digest) -> Result<Manifest> {
        let manifest = self.until_seen("the image", async || self.manifest(Reference::Digest(digest)).await).await?;
        manifest.with_context(|| self.has_no_more(digest))
    }

    /// Checks that a manifest exists.
    pub(crate) async fn require(&self, digest: &Digest) -> Result<()> {
        let found = self.until_seen("the image", async || self.digest(Reference::Digest(digest)).await).await?;
        found.map(drop).with_context(|| self.has_no_more(digest))
    }

    /// The message for an image that must exist and does not.
    pub(crate) fn has_no_more(&self, digest: &Digest) -> String {
        format!("`{}` no longer has the image `{digest}`", self.repository())
    }

    /// Resolves a manifest to the image for a platform, through nested indexes.
    pub(crate) async fn image_for(
        &self,
        manifest: Manifest,
        wanted: &RequestedPlatform,
    ) -> Result<(Manifest, ImageManifest)> {
        let mut manifest = manifest;
        for _ in 0..DEEPEST {
            let chosen = match &manifest.content {
                Content::Image(image) => {
                    let image = (**image).clone();
                    return Ok((manifest, image));
                }
                Content::Index(index) => wanted.choose(index).map(|chosen| chosen.digest.clone()).ok_or_else(|| {
                    anyhow!("`{}@{}` has no image for {wanted}", self.repository(), manifest.digest)
                        .hint(format!("it has images for {}; set `platform` to one of them", platforms(index)))
                })?,
            };
            manifest = self.manifest_of(&chosen).await?;
        }
        Err(anyhow!("`{}` is nested in more than {DEEPEST} indexes", manifest.digest))
    }

    fn unreadable(&self, error: Error, reference: Reference<'_>) -> Error {
        let separator = match reference {
            Reference::Tag(_) => ':',
            Reference::Digest(_) => '@',
        };
        self.explain(error).context(format!("cannot read `{}{separator}{reference}`", self.repository()))
    }
}

/// Whether a GET may succeed after a HEAD failed with this error.
fn may_differ_for_get(error: &Error) -> bool {
    status_of(error).is_some_and(|status| !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS))
}
