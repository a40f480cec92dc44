//! The ancestors of tags as versions (`tag_behaviour: match_tag_ancestors`).

use std::collections::HashSet;

use anyhow::Context as _;
use git2::Oid;
use jetway::Result;
use jetway_git_client::object_id::object_id;
use jetway_git_client::source::remote::is_commit_hash;

use crate::history::label::Label;
use crate::history::label_repository::{LabelRepository, lines};
use crate::version::Version;

/// Lists the known commit and the newer ones, oldest first: the tagged commits and their ancestors.
pub(super) async fn versions(
    repository: &LabelRepository<'_, '_>,
    labels: &[Label],
    known: Option<&Version>,
) -> Result<Vec<Version>> {
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    let tagged: Vec<Oid> = labels.iter().map(|label| label.commit).collect();
    let ancestors = repository.ancestors(tagged.iter().copied(), &HashSet::new())?;
    let mut start = None;
    if let Some(version) = known {
        let (console, reference) = (repository.git.context().console(), &version.reference);
        // The known version may be a tag from before `tag_behaviour` was set: use its commit.
        let named = || labels.iter().find(|label| label.name == *reference).map(|label| label.commit);
        let hash = version.commit.as_ref().unwrap_or(reference);
        let commit = if is_commit_hash(hash) { object_id(hash).ok() } else { named() };
        match commit {
            Some(commit) if repository.fetch_if_missing(commit).await? => {
                if !ancestors.contains(&commit) {
                    console.warn(format_args!("version `{reference}` is no longer an ancestor of a matching tag"));
                }
                start = Some(commit);
            }
            _ => console.warn(format_args!("version `{reference}` is gone; continuing from the newest commit")),
        }
    }
    let tips = tagged.iter().chain(repository.remote.tip.as_ref()).map(ToString::to_string);
    let input = lines(tips.chain(start.map(|start| format!("^{start}"))));
    // `--date-order` never lists a parent before its children, whatever their dates.
    let list = repository.cache.local(repository.git.command("rev-list")).quiet().input(input);
    let list = list.args(["--first-parent", "--date-order", "--stdin", "--"]).args(&repository.query.pathspecs);
    let finished = list.run().await?.success().context("cannot list the ancestors of the tags")?;
    let most = if start.is_some() { usize::MAX } else { repository.query.version_depth };
    let mut chosen = Vec::new();
    for commit in finished.text().lines().filter_map(|line| object_id(line).ok()) {
        if chosen.len() >= most {
            break;
        }
        if ancestors.contains(&commit) && repository.passes(commit)? {
            chosen.push(commit);
        }
    }
    let start = start.filter(|start| ancestors.contains(start));
    let commits = start.into_iter().chain(chosen.into_iter().rev());
    Ok(commits.map(|commit| Version::of_commit(commit.to_string())).collect())
}
