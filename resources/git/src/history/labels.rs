//! Tags and branches as versions.
//!
//! The server lists them. If the cache has all their commits, nothing is fetched. Otherwise one fetch requests the
//! missing commits by hash. Their history is fetched only if it is needed: to find the tags that are merged into a
//! branch, or the ancestors of tags.

use jetway::Result;

use crate::history::branch_heads::BranchHeads;
use crate::history::cache::RepositoryCache;
use crate::history::label::{HEADS, Label, Question};
use crate::history::label_repository::LabelRepository;
use crate::history::tag_ancestors;
use crate::history::tags::Tags;
use crate::source::Source;
use crate::source::followed::Followed;
use crate::transport::git::Git;
use crate::version::Version;

/// The versions from `known` on, oldest first.
pub(crate) async fn search(
    git: &Git<'_>,
    source: &Source,
    followed: &Followed,
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    let question = Question::of(source, followed)?;
    let listed = question.ask(git).await?;
    let Some(first) = listed.labels.first() else {
        question.warn_of_no_match(git);
        return Ok(Vec::new());
    };
    let key = (question.prefix, question.branch, question.depth);
    let format = Some(first.target.object_format());
    let cache = RepositoryCache::open(git.context(), git.remote(), &key, question.content, format)?;
    let known = known.map(|version| without_prefix(version, question.prefix));
    let mut repository = LabelRepository { git, question, cache, listed };
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
    if repository.question.is_about_ancestors {
        return tag_ancestors::versions(repository, &labels, known).await;
    }
    let chosen = if repository.question.prefix == HEADS {
        BranchHeads(repository).versions(&labels, known).await?
    } else {
        Tags(repository).versions(&labels, known).await?
    };
    Ok(chosen.iter().map(Label::version).collect())
}

/// Shortens the full name of a label in a version: a pinned version may be `refs/tags/v1`.
fn without_prefix(version: &Version, prefix: &str) -> Version {
    let reference = version.reference.strip_prefix(prefix).unwrap_or(&version.reference).to_owned();
    Version { reference, ..version.clone() }
}
