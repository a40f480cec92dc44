//! check by pattern: every tag that a pattern matches.

use anyhow::Context as _;
use jetway::{Result, trimmed};
use jiff::Timestamp;
use regex::Regex;
use semver::Version as Semantic;

use crate::check::listing::{AT_ONCE, tags_of};
use crate::concurrent;
use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::image::config::{self, Config};
use crate::image::platform::RequestedPlatform;
use crate::registry::{Reference, Registry};
use crate::source::Source;
use crate::source::follow::Order;
use crate::tag_version::parse;
use crate::version::Version;

pub(crate) async fn check(
    registry: &Registry<'_>,
    flavour: Flavour,
    source: &Source,
    pattern: &Regex,
    order: &Order,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    let tags = tags_of(registry).await?.into_iter();
    let found = match order {
        Order::Listed | Order::Created => {
            digests(registry, tags.filter(|tag| pattern.is_match(tag)).collect(), None).await?
        }
        Order::Versions(_) | Order::Texts => {
            let mut keyed: Vec<(Key, String)> =
                tags.filter_map(|tag| Some((key(pattern, order, &tag)?, tag))).collect();
            keyed.sort();
            let still = still_there(registry, known, &keyed).await?;
            if let Some((least, _, _)) = &still {
                keyed.retain(|(key, _)| key >= least);
            }
            let still = still.as_ref().map(|(_, tag, digest)| (tag.as_str(), digest));
            digests(registry, keyed.into_iter().map(|(_, tag)| tag).collect(), still).await?
        }
    };
    let found = if matches!(order, Order::Created) { by_age(registry, source, found).await? } else { found };
    Ok(found.iter().map(|(tag, digest)| flavour.version(tag, digest)).collect())
}

/// The sort key of a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Version(Semantic),
    Text(String),
}

/// The sort key of a tag, if the tag counts: from the pattern's named group, or from the whole match.
fn key(pattern: &Regex, order: &Order, tag: &str) -> Option<Key> {
    let captures = pattern.captures(tag)?;
    let text = match pattern.capture_names().flatten().next() {
        Some(name) => captures.name(name)?.as_str(),
        None => tag,
    };
    match order {
        Order::Versions(constraint) => {
            let version = parse(text).filter(|version| constraint.as_ref().is_none_or(|bounds| bounds.admits(version)));
            version.map(Key::Version)
        }
        _ => Some(Key::Text(text.to_owned())),
    }
}

/// The known version, if its tag counts and still points to the same image. Then tags that sort before it do not
/// matter.
async fn still_there(
    registry: &Registry<'_>,
    known: Option<&Version>,
    keyed: &[(Key, String)],
) -> Result<Option<(Key, String, Digest)>> {
    let Some(known) = known else { return Ok(None) };
    let digest = known.digest.as_ref().and_then(|digest| digest.parse::<Digest>().ok());
    let found = keyed.iter().find(|(_, tag)| Some(tag.as_str()) == trimmed(known.tag.as_deref()));
    let (Some(digest), Some((key, tag))) = (digest, found) else { return Ok(None) };
    let now = registry.digest(Reference::Tag(tag)).await?;
    Ok((now.as_ref() == Some(&digest)).then(|| (key.clone(), tag.clone(), digest)))
}

/// Resolves the tags to digests; `known` is already resolved. Tags that were deleted meanwhile are left out.
async fn digests(
    registry: &Registry<'_>,
    tags: Vec<String>,
    known: Option<(&str, &Digest)>,
) -> Result<Vec<(String, Digest)>> {
    let ask = async |tag: &String| match known {
        Some((known, digest)) if known == tag => Ok(Some(digest.clone())),
        _ => registry.digest(Reference::Tag(tag)).await,
    };
    let digests = concurrent::map(&tags, AT_ONCE, ask).await?;
    Ok(tags.into_iter().zip(digests).filter_map(|(tag, digest)| Some((tag, digest?))).collect())
}

/// Sorts the tags by their images' creation times; equal ones keep their order.
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
        let (_, image) = registry.image_for(manifest, &RequestedPlatform::new(source.platform.as_ref())).await?;
        let bytes = registry.small_blob(&image.config, config::MAX_CONFIG_BYTES).await?;
        let config = Config::parse(&bytes).context("cannot parse its configuration")?;
        // An image without a creation time is older than any with one.
        Ok::<_, jetway::Error>(config.created.and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH))
    };
    read.await.with_context(|| format!("cannot get the creation time of `{digest}`"))
}
