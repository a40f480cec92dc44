//! Manifests: by tag or digest, whole or by their digest alone.

use std::fmt;

use anyhow::{Context as _, anyhow};
use jetway::http::{HttpRequest, HttpResponse, Method, StatusCode};
use jetway::{Advise as _, Error, Result};

use crate::digest::Digest;
use crate::image::manifest::{self, Content, ImageManifest, Manifest};
use crate::image::media_type;
use crate::image::platform::{Wanted, platforms};
use crate::image::walk::DEEPEST;
use crate::registry::client::Registry;
use crate::registry::status::{nonsense, status_of};

/// The header by which a registry says what it hands out.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// What a manifest is asked for by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    Tag(&'a str),
    Digest(&'a Digest),
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => formatter.write_str(tag),
            Self::Digest(digest) => write!(formatter, "{digest}"),
        }
    }
}

impl Registry<'_> {
    /// The digest of a manifest, `None` when there is no such. A HEAD, which no registry counts as a pull; a registry that
    /// does not answer that in full is asked for the manifest itself.
    pub(crate) async fn digest(&self, asked: Asked<'_>) -> Result<Option<Digest>> {
        let target = format!("manifests/{asked}");
        let accepted = media_type::accepted();
        let head = self
            .send(Method::HEAD, &target, |request| request.header("accept", &accepted).allow(StatusCode::NOT_FOUND))
            .await;
        match head {
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND => return Ok(None),
            Ok(answer) => {
                let digest = answer.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
                match (digest, asked) {
                    (Some(found), Asked::Digest(digest)) if found == *digest => return Ok(Some(found)),
                    (Some(found), Asked::Tag(_)) => return Ok(Some(found)),
                    _ => {}
                }
            }
            // What a GET cannot mend either: no login, too many requests, no connection.
            Err(error) if !may_differ_for_get(&error) => return Err(self.unreadable(error, asked)),
            Err(_) => {}
        }
        Ok(self.manifest(asked).await?.map(|manifest| manifest.digest))
    }

    /// A manifest, `None` when there is no such. One that was asked for by its digest is what that says.
    pub(crate) async fn manifest(&self, asked: Asked<'_>) -> Result<Option<Manifest>> {
        let target = format!("manifests/{asked}");
        let accepted = media_type::accepted();
        let ask = async || {
            let prepare = |request: HttpRequest| request.header("accept", &accepted).allow(StatusCode::NOT_FOUND);
            self.send(Method::GET, &target, prepare).await
        };
        let read = async |answer: HttpResponse| {
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let content_type = answer.header("content-type").unwrap_or_default().to_owned();
            let claimed = answer.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
            let bytes = answer.bytes(manifest::LARGEST).await?;
            // What a tag points to is what came: some registries name the digest of the index that it was chosen from.
            let expected = match asked {
                Asked::Digest(digest) => Some(digest.clone()),
                Asked::Tag(_) => claimed.filter(|claimed| claimed.is_of(&bytes)),
            };
            if let Some(expected) = &expected
                && !expected.is_of(&bytes)
            {
                let found = Digest::of(&bytes);
                return Err(nonsense(format!("what came has the digest {found}, and not {expected}")));
            }
            let mut manifest = Manifest::parse(bytes, &content_type).map_err(nonsense)?;
            // A registry may call it by another algorithm.
            manifest.digest = expected.unwrap_or(manifest.digest);
            Ok(Some(manifest))
        };
        self.read_whole(ask, read).await.map_err(|error| self.unreadable(error, asked))
    }

    /// The same where there must be one.
    pub(crate) async fn manifest_of(&self, digest: &Digest) -> Result<Manifest> {
        let manifest = self.until_seen("the image", async || self.manifest(Asked::Digest(digest)).await).await?;
        manifest.with_context(|| self.has_no_more(digest))
    }

    /// Makes sure that there is a manifest.
    pub(crate) async fn require(&self, digest: &Digest) -> Result<()> {
        let found = self.until_seen("the image", async || self.digest(Asked::Digest(digest)).await).await?;
        found.map(drop).with_context(|| self.has_no_more(digest))
    }

    /// What there is to say of an image that there must be, and is not.
    pub(crate) fn has_no_more(&self, digest: &Digest) -> String {
        format!("`{}` has no image `{digest}` any more", self.repository())
    }

    /// The image for a platform, by way of the indexes that lead to it.
    pub(crate) async fn image_for(&self, manifest: Manifest, wanted: &Wanted) -> Result<(Manifest, ImageManifest)> {
        let mut manifest = manifest;
        for _ in 0..DEEPEST {
            let chosen = match &manifest.content {
                Content::Image(image) => {
                    let image = (**image).clone();
                    return Ok((manifest, image));
                }
                Content::Index(index) => wanted.choose(index).map(|chosen| chosen.digest.clone()).ok_or_else(|| {
                    anyhow!("`{}@{}` has no image for {wanted}", self.repository(), manifest.digest)
                        .hint(format!("it has images for {}; `platform` says which one is meant", platforms(index)))
                })?,
            };
            manifest = self.manifest_of(&chosen).await?;
        }
        Err(anyhow!("`{}` is an index in more than {DEEPEST} indexes", manifest.digest))
    }

    fn unreadable(&self, error: Error, asked: Asked<'_>) -> Error {
        let separator = match asked {
            Asked::Tag(_) => ':',
            Asked::Digest(_) => '@',
        };
        self.explain(error).context(format!("cannot read `{}{separator}{asked}`", self.repository()))
    }
}

/// Whether a GET may succeed where a HEAD did not.
fn may_differ_for_get(error: &Error) -> bool {
    status_of(error).is_some_and(|status| !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS))
}
