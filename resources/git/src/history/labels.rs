//! Tags and branches as versions.
//!
//! The server lists the tags or branches. One fetch gets the commits that the cache lacks, by hash. History is fetched
//! only if it is needed: to find the tags that are merged into a branch, or the ancestors of tags.

use jetway::Result;
use jetway_git_client::transport::git::Git;

use crate::history::branch_heads::BranchHeadSearch;
use crate::history::cache::RepositoryCache;
use crate::history::label::{HEADS, Label, LabelQuery};
use crate::history::label_repository::LabelRepository;
use crate::history::tag_ancestors;
use crate::history::tags::TagSearch;
use crate::source::Source;
use crate::source::followed::Followed;
use crate::version::Version;

/// Lists `known` and the newer versions, oldest first.
pub(crate) async fn search(
    git: &Git<'_>,
    source: &Source,
    followed: &Followed,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    let query = LabelQuery::of(source, followed)?;
    let remote = query.list(git).await?;
    let Some(first) = remote.labels.first() else {
        query.warn_of_no_match(git);
        return Ok(Vec::new());
    };
    let key = (query.prefix, query.branch, query.depth);
    let format = Some(first.target.object_format());
    let cache = RepositoryCache::open(git.context(), git.remote(), &key, query.content, format)?;
    let known = known.map(|version| without_prefix(version, query.prefix));
    let mut repository = LabelRepository { git, query, cache, remote };
    loop {
        let error = match versions(&mut repository, known.as_ref()).await {
            Ok(versions) => return Ok(versions),
            Err(error) => error,
        };
        if !repository.cache.renew_after(&error, git.context(), git.remote())? {
            return Err(error);
        }
    }
}

async fn versions(repository: &mut LabelRepository<'_, '_>, known: Option<&Version>) -> Result<Vec<Version>> {
    repository.fetch_missing().await?;
    let labels = repository.labels()?;
    if repository.query.wants_ancestors {
        return tag_ancestors::versions(repository, &labels, known).await;
    }
    let chosen = if repository.query.prefix == HEADS {
        BranchHeadSearch(repository).versions(&labels, known).await?
    } else {
        TagSearch(repository).versions(&labels, known).await?
    };
    Ok(chosen.iter().map(Label::version).collect())
}

/// Shortens the full name of a label in a version: a pinned version may be `refs/tags/v1`.
fn without_prefix(version: &Version, prefix: &str) -> Version {
    let reference = version.reference.strip_prefix(prefix).unwrap_or(&version.reference).to_owned();
    Version { reference, ..version.clone() }
}
