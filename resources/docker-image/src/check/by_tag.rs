//! check by tag: the digest that the tag points to now, after the previous one if that still exists.

use jetway::Result;

use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::registry::{Reference, Registry};
use crate::version::Version;

pub(crate) async fn check(
    registry: &Registry<'_>,
    flavour: Flavour,
    tag: &str,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    // A digest in place of the tag pins an image.
    let pinned = tag.parse::<Digest>().ok();
    let current = registry.digest(pinned.as_ref().map_or(Reference::Tag(tag), Reference::Digest)).await?;
    // A version without a valid digest cannot exist.
    let known = known.and_then(|version| version.digest.as_ref()?.parse::<Digest>().ok());
    let is_news = known.as_ref().filter(|known| current.as_ref() != Some(known) && pinned.is_none());
    let mut versions = Vec::new();
    if let Some(known) = is_news
        && (current.is_some() || flavour.outlives_its_tag())
        && registry.digest(Reference::Digest(known)).await?.is_some()
    {
        versions.push(flavour.version(tag, known));
    }
    if let Some(current) = current {
        versions.push(flavour.version(tag, &current));
    } else if pinned.is_some() {
        registry.context().console().step(format_args!("`{}` has no image `{tag}`", registry.repository()));
    } else {
        registry.context().console().step(format_args!("`{}` has no tag `{tag}`", registry.repository()));
    }
    Ok(versions)
}
