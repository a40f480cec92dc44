//! Every tag that a pattern matches.

use anyhow::Context as _;
use jetway::Result;
use jiff::Timestamp;
use regex::Regex;

use super::AT_ONCE;
use crate::concurrent;
use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::image::config::{self, Config};
use crate::image::platform::Wanted;
use crate::registry::{Asked, Registry};
use crate::source::Source;
use crate::version::Version;

pub(crate) async fn check(
    registry: &Registry<'_>,
    flavour: Flavour,
    source: &Source,
    pattern: &Regex,
) -> Result<Vec<Version>> {
    let tags = super::tags_of(registry).await?;
    let tags: Vec<String> = tags.into_iter().filter(|tag| pattern.is_match(tag)).collect();
    let digests = concurrent::map(&tags, AT_ONCE, async |tag| registry.digest(Asked::Tag(tag)).await).await?;
    let mut found: Vec<(String, Digest)> =
        tags.into_iter().zip(digests).filter_map(|(tag, digest)| Some((tag, digest?))).collect();
    if source.created_at_sort {
        found = by_age(registry, source, found).await?;
    }
    Ok(found.iter().map(|(tag, digest)| flavour.version(tag, digest)).collect())
}

/// The tags in the order in which their images were made; as they were where that is the same.
async fn by_age(
    registry: &Registry<'_>,
    source: &Source,
    found: Vec<(String, Digest)>,
) -> Result<Vec<(String, Digest)>> {
    // Several tags may point to one image.
    let mut digests: Vec<&Digest> = found.iter().map(|(_, digest)| digest).collect();
    digests.sort();
    digests.dedup();
    let times = concurrent::map(&digests, AT_ONCE, async |digest| created(registry, source, digest).await).await?;
    let time = |digest: &Digest| digests.binary_search(&digest).ok().and_then(|place| times.get(place).copied());
    let mut aged: Vec<_> = found.iter().map(|(tag, digest)| (time(digest), tag.clone(), digest.clone())).collect();
    aged.sort_by_key(|(time, _, _)| *time);
    Ok(aged.into_iter().map(|(_, tag, digest)| (tag, digest)).collect())
}

async fn created(registry: &Registry<'_>, source: &Source, digest: &Digest) -> Result<Timestamp> {
    let read = async {
        let manifest = registry.manifest_of(digest).await?;
        let (_, image) = registry.image_for(manifest, &Wanted::new(source.platform.as_ref())).await?;
        let bytes = registry.small_blob(&image.config, config::LARGEST).await?;
        let config: Config = serde_json::from_slice(&bytes).context("its configuration cannot be read")?;
        // An image without a time is older than any with one.
        Ok::<_, jetway::Error>(config.created.and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH))
    };
    read.await.with_context(|| format!("cannot tell when `{digest}` was made"))
}
