//! check: which images do the tags point to?

mod by_pattern;
mod by_tag;
mod by_version;
pub(crate) mod constraint;
pub(crate) mod tag_version;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Result};

use crate::flavour::Flavour;
use crate::places::Places;
use crate::registry::{Access, Registry};
use crate::source::{Follow, Source};
use crate::version::Version;

/// How many requests run at once: enough to hide the way to the server, few enough to be no burden to it.
pub(crate) const AT_ONCE: usize = 8;

/// The versions from `known` on, oldest first.
pub(crate) async fn check(
    context: &Context,
    flavour: Flavour,
    source: &Source,
    known: Option<Version>,
) -> Result<Vec<Version>> {
    let follow = source.follow(flavour)?;
    let places = Places::find(context, source, Access::Pull).await?;
    let found = places
        .first_with(async |registry, is_last| {
            let versions = in_registry(registry, flavour, source, &follow, known.as_ref()).await?;
            // A mirror may not have heard of an image yet.
            Ok(if versions.is_empty() && !is_last { None } else { Some(versions) })
        })
        .await?;
    Ok(found)
}

async fn in_registry(
    registry: &Registry<'_>,
    flavour: Flavour,
    source: &Source,
    follow: &Follow<'_>,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    match follow {
        Follow::Tag(tag) => by_tag::check(registry, flavour, tag, known).await,
        Follow::Pattern(pattern, order) => by_pattern::check(registry, flavour, source, pattern, order, known).await,
        Follow::Versions(constraint) => by_version::check(registry, flavour, source, constraint.as_ref(), known).await,
    }
}

/// The repository's tags.
async fn tags_of(registry: &Registry<'_>) -> Result<Vec<String>> {
    let repository = registry.repository();
    registry.tags().await?.ok_or_else(|| {
        anyhow!("`{}` knows no repository `{}`", repository.registry(), repository.path())
            .hint("a registry may also hide one that must not be read")
    })
}
