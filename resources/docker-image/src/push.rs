//! Pushing: blobs, then manifests, then tags. Blobs that the registry has are not sent again.

mod elsewhere;
mod layers;
pub(crate) mod tags;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Error, Result};

use crate::background;
use crate::concurrent;
use crate::digest;
use crate::image::manifest::{Descriptor, Manifest};
use crate::image::walk::everything;
use crate::local::store::Part;
use crate::local::{Blob, Image, Whole};
use crate::push::elsewhere::is_elsewhere;
use crate::registry::uploads::{Mount, Outgoing};
use crate::registry::{Reference, Registry};

/// The result of a push.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// The manifest that the tags point to.
    pub(crate) root: Manifest,
}

/// Pushes an image from disk.
pub(crate) async fn local(to: &Registry<'_>, image: Image, tags: &[String]) -> Result<Pushed> {
    let send = async {
        match image {
            Image::Layered(layered) => layers::send(to, &layered, tags).await,
            Image::Whole(Whole { manifests, blobs }) => {
                let send = async |blob: &Blob| verified_and_sent(to, blob).await;
                concurrent::map(&blobs, to.uploads_at_once(), send).await?;
                Ok::<_, Error>((children(to, manifests).await?, None))
            }
        }
    };
    let (root, seen) = to.upload_progress().during(send).await?;
    tag(to, &root, tags, seen.as_deref()).await?;
    Ok(Pushed { root })
}

/// Copies an image from one repository to another.
pub(crate) async fn copy(from: &Registry<'_>, to: &Registry<'_>, root: Manifest, tags: &[String]) -> Result<Pushed> {
    let found =
        everything(root, to.uploads_at_once(), async |entry: &Descriptor| from.manifest_of(&entry.digest).await)
            .await?;
    let send = async |blob: &Descriptor| copy_blob(from, to, blob).await;
    to.upload_progress().during(concurrent::map(&found.blobs, to.uploads_at_once(), send)).await?;
    let root = children(to, found.manifests).await?;
    tag(to, &root, tags, None).await?;
    Ok(Pushed { root })
}

/// Pushes a blob from disk, after its digest was verified.
async fn verified_and_sent(to: &Registry<'_>, blob: &Blob) -> Result<()> {
    let Blob { descriptor, part } = blob;
    let Descriptor { digest, size, .. } = descriptor;
    if is_elsewhere(descriptor) || to.has_blob(digest, *size).await? {
        return Ok(());
    }
    let Some(part) = part else {
        // If the registry refuses HEAD, a GET shows whether it has the blob.
        if to.blob_begins_with(descriptor, &[]).await? {
            return Ok(());
        }
        return Err(anyhow!("blob `{digest}` is missing locally and in `{}`", to.repository()));
    };
    verify(to, digest, part).await?;
    to.upload(digest, Outgoing::Part(part), None).await
}

async fn verify(to: &Registry<'_>, digest: &digest::Digest, part: &Part) -> Result<()> {
    let (hasher, part) = (digest.hasher(), part.clone());
    let found = background::run(to.context(), move |stop| part.digest(hasher, stop)).await;
    let found = found.with_context(|| format!("cannot read blob `{digest}`"))?;
    if found != *digest {
        return Err(anyhow!("blob `{digest}` has the digest {found}"));
    }
    Ok(())
}

/// Copies a blob: by a cross-repository mount if both repositories are in one registry, else through a temporary file,
/// which is verified before any of it is sent.
async fn copy_blob(from: &Registry<'_>, to: &Registry<'_>, blob: &Descriptor) -> Result<()> {
    let Descriptor { digest, size, .. } = blob;
    if is_elsewhere(blob) || to.has_blob(digest, *size).await? {
        return Ok(());
    }
    let mut begun = None;
    if from.repository().registry() == to.repository().registry() {
        match to.mount(digest, from.repository().path()).await? {
            Mount::Done => return Ok(()),
            Mount::At(url) => begun = Some(url),
            Mount::Refused => {}
        }
    }
    let file = from.fetch_to_file(blob).await?;
    let part = Part { path: file.path().to_owned(), range: 0..*size };
    to.upload(digest, Outgoing::Part(&part), begun).await
}

/// Pushes the manifests that an index refers to, by digest, and returns the root, which no other refers to.
async fn children(to: &Registry<'_>, manifests: Vec<Manifest>) -> Result<Manifest> {
    let mut root = None;
    for manifest in manifests {
        // Each manifest but the last is a child of a later one.
        let Some(child) = root.replace(manifest) else { continue };
        let asked = Reference::Digest(&child.digest);
        if to.has_manifest(asked).await?.is_none() {
            to.put_manifest(asked, &child).await?;
        }
    }
    root.context("the image has no manifest")
}

/// Tags the manifest, in order. `seen` is a tag that pointed to it a moment ago. An error says which tags were pushed.
async fn tag(to: &Registry<'_>, root: &Manifest, tags: &[String], seen: Option<&str>) -> Result<()> {
    let console = to.context().console();
    for (index, tag) in tags.iter().enumerate() {
        let name = format!("{}:{tag}", to.repository());
        let set = async {
            let is_there =
                seen == Some(tag) || to.has_manifest(Reference::Tag(tag)).await?.as_ref() == Some(&root.digest);
            if is_there {
                console.step(format_args!("`{name}` is up to date"));
                return Ok(());
            }
            to.put_manifest(Reference::Tag(tag), root).await?;
            console.step(format_args!("pushed `{name}`, {}", root.digest));
            Ok(())
        };
        set.await.map_err(|error: Error| {
            let (done, rest) = tags.split_at(index);
            how_far(error, done, rest)
        })?;
    }
    Ok(())
}

/// Adds to an error which tags were pushed and which were not.
pub(crate) fn how_far(error: Error, done: &[String], rest: &[String]) -> Error {
    let list = |tags: &[String]| tags.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(", ");
    if done.is_empty() && rest.len() == 1 {
        return error;
    }
    let done = if done.is_empty() { "no tag was pushed".to_owned() } else { format!("pushed: {}", list(done)) };
    error.hint(format!("{done}; not pushed: {}", list(rest)))
}
