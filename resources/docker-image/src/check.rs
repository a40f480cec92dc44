//! check: finds the images that the tags point to.

mod by_pattern;
mod by_tag;
mod by_version;
mod listing;

use jetway::{Context, Result};

use crate::flavour::Flavour;
use crate::places::Places;
use crate::registry::{Access, Registry};
use crate::source::Source;
use crate::source::follow::Follow;
use crate::version::Version;

/// The versions since `known`, oldest first.
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
            // A mirror may not have the image yet.
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
