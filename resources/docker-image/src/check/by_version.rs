//! check by version: every tag that is a semantic version.

use std::cmp::Reverse;
use std::collections::HashMap;

use jetway::{Result, trimmed};
use semver::Version as Semantic;

use crate::check::listing::{AT_ONCE, tags_of};
use crate::concurrent;
use crate::constraint::Constraint;
use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::registry::{Reference, Registry};
use crate::source::Source;
use crate::tag_version::{PreReleases, parse};
use crate::version::Version;

/// A tag that may become a version.
#[derive(Debug, Clone)]
struct Candidate {
    tag: String,
    version: Semantic,
}

pub(crate) async fn check(
    registry: &Registry<'_>,
    flavour: Flavour,
    source: &Source,
    constraint: Option<&Constraint>,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    let tags = tags_of(registry).await?;
    let bare = source.variant().unwrap_or("latest");
    let mut candidates = candidates(&tags, source, constraint);
    let least = still_there(registry, known, &candidates).await?;
    if let Some((least, _)) = &least {
        candidates.retain(|candidate| candidate.version.cmp_precedence(&least.version).is_gt());
    }
    let ask = async |candidate: &Candidate| registry.digest(Reference::Tag(&candidate.tag)).await;
    let digests = concurrent::map(&candidates, AT_ONCE, ask).await?;
    let found = candidates.into_iter().zip(digests).filter_map(|(candidate, digest)| Some((candidate, digest?)));
    let before = least.as_ref().map(|(least, _)| least.tag.clone());
    let mut versions = one_for_each_digest(least.into_iter().chain(found), before.as_deref());
    versions.sort_by(|(a, _), (b, _)| a.version.cmp_precedence(&b.version).then_with(|| a.tag.cmp(&b.tag)));
    let mut response: Vec<Version> =
        versions.iter().map(|(candidate, digest)| flavour.version(&candidate.tag, digest)).collect();
    // The bare tag is a version only if its image has no semantic version.
    if constraint.is_none()
        && tags.iter().any(|tag| tag == bare)
        && let Some(digest) = registry.digest(Reference::Tag(bare)).await?
        && !versions.iter().any(|(_, known)| *known == digest)
    {
        response.push(flavour.version(bare, &digest));
    }
    Ok(response)
}

/// The tags that are versions within the bounds.
fn candidates(tags: &[String], source: &Source, constraint: Option<&Constraint>) -> Vec<Candidate> {
    let pre_releases = PreReleases { wanted: source.pre_releases, prefixes: &source.pre_release_prefixes };
    let suffix = source.variant().map(|variant| format!("-{variant}"));
    let candidate = |tag: &String| {
        let text = match &suffix {
            Some(suffix) => tag.strip_suffix(suffix)?,
            None => tag,
        };
        let version = parse(text)?;
        let counts = pre_releases.admit(&version) && constraint.is_none_or(|constraint| constraint.admits(&version));
        counts.then(|| Candidate { tag: tag.clone(), version })
    };
    tags.iter().filter_map(candidate).collect()
}

/// The known version, if it is a candidate and its tag still points to the same image. Then older versions do not
/// matter.
async fn still_there(
    registry: &Registry<'_>,
    known: Option<&Version>,
    candidates: &[Candidate],
) -> Result<Option<(Candidate, Digest)>> {
    let Some(known) = known else { return Ok(None) };
    let digest = known.digest.as_ref().and_then(|digest| digest.parse::<Digest>().ok());
    let candidate = candidates.iter().find(|candidate| Some(candidate.tag.as_str()) == trimmed(known.tag.as_deref()));
    let (Some(digest), Some(candidate)) = (digest, candidate) else { return Ok(None) };
    let now = registry.digest(Reference::Tag(&candidate.tag)).await?;
    Ok((now.as_ref() == Some(&digest)).then(|| (candidate.clone(), digest)))
}

/// Picks one tag for each image: a final version before a pre-release, then the most specific version (1.2.3 before
/// 1.2), then the tag of an earlier check, so that an additional tag on the same image is not a new version.
fn one_for_each_digest(
    found: impl Iterator<Item = (Candidate, Digest)>,
    before: Option<&str>,
) -> Vec<(Candidate, Digest)> {
    let rank = |candidate: &Candidate| {
        let numbers = candidate.tag.split('-').next().unwrap_or_default().matches('.').count();
        let rank = (candidate.version.pre.is_empty(), numbers, candidate.tag.matches('.').count());
        (rank, before == Some(candidate.tag.as_str()), Reverse(candidate.tag.clone()))
    };
    let mut best: HashMap<Digest, Candidate> = HashMap::new();
    for (candidate, digest) in found {
        match best.get(&digest) {
            Some(known) if rank(known) >= rank(&candidate) => {}
            _ => {
                best.insert(digest, candidate);
            }
        }
    }
    best.into_iter().map(|(digest, candidate)| (candidate, digest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_keeps_its_tag_when_it_gets_an_equal_tag() {
        let told = |tags: &[&str], before: Option<&str>| {
            let candidate = |tag: &&str| Candidate { tag: (*tag).to_owned(), version: parse(tag).unwrap() };
            let found = tags.iter().map(|tag| (candidate(tag), Digest::of(b"the same")));
            let told: Vec<String> =
                one_for_each_digest(found, before).into_iter().map(|(candidate, _)| candidate.tag).collect();
            told.concat()
        };
        assert_eq!(told(&["9.0.0", "10.0.0"], Some("9.0.0")), "9.0.0");
        assert_eq!(told(&["10.0.0", "9.0.0"], Some("9.0.0")), "9.0.0");
        // The more specific tag wins, even over the known one.
        assert_eq!(told(&["9.0", "10.0.0"], Some("9.0")), "10.0.0");
        assert_eq!(told(&["9.0.0", "10.0.0"], None), "10.0.0");
    }
}
