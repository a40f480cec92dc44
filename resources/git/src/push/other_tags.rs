//! Pushes the repository's own tags, in addition to the branch and `tag`.
//!
//! A tag that the server does not have is new, and is pushed. A tag that the server has on another object is probably
//! stale (it was moved on the server since the get), and is skipped.

use std::collections::{HashMap, HashSet};

use git2::{Oid, Repository};
use jetway::{Console, Finished, Result};
use jetway_git_client::object_id::object_id;

use crate::push::rejection::{Rejection, rejections_in};
use crate::push::work_tree::WorkTree;

const TAGS: &str = "refs/tags/";

/// The refspec for all tags.
pub(super) const ALL: &str = "refs/tags/*:refs/tags/*";

/// How many new commits are searched for tags.
pub(crate) const MAX_COMMITS: usize = 1000;

/// The most tags that a message lists.
const MAX_NAMES: usize = 10;

/// The most tags in the arguments of a push, whose total length is limited.
const MAX_REFSPECS: usize = 2000;

/// Which of the repository's own tags are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherTags {
    /// None.
    None,
    /// The tags that the server does not have.
    New,
    /// All tags. If the server refuses one, the push fails.
    All,
}

/// The params of a put that decide about tags.
pub(super) struct TagOptions<'a> {
    pub(super) selection: OtherTags,
    /// The name of the tag that the put creates.
    pub(super) tag: Option<&'a str>,
    /// The branch, for error messages.
    pub(super) branch: Option<&'a str>,
    /// Whether a tag on the server may be overwritten.
    pub(super) is_forced: bool,
}

impl TagOptions<'_> {
    /// Whether the repository may have tags that the server does not have.
    pub(super) fn may_have_new(&self, repository: &Repository) -> Result<bool> {
        Ok(self.selection == OtherTags::New && repository.references_glob("refs/tags/*")?.next().is_some())
    }
}

/// Which of the repository's own tags are pushed, and which are skipped.
#[derive(Debug, Default)]
pub(crate) struct TagPlan {
    refspecs: Vec<String>,
    /// The names of the tags that are pushed.
    pushed: HashSet<String>,
    /// The names of the tags that the server has on another object.
    stale: Vec<String>,
    /// The tags that the server refused, with the reasons.
    refused: Vec<Rejection>,
}

impl TagPlan {
    /// Compares the repository's tags with those of the server.
    pub(super) async fn of(work_tree: &WorkTree<'_>, tag_options: &TagOptions<'_>) -> Result<Self> {
        match tag_options.selection {
            OtherTags::None => return Ok(Self::default()),
            OtherTags::All => return Ok(Self { refspecs: vec![ALL.to_owned()], ..Self::default() }),
            OtherTags::New => {}
        }
        let mut local = tags_in(work_tree.repository)?;
        if let Some(tag) = tag_options.tag {
            local.retain(|(name, _)| name != tag);
        }
        if local.is_empty() {
            return Ok(Self::default());
        }
        let remote = work_tree.git.remote_refs(&[TAGS.to_owned()], tag_options.branch).await?;
        let remote: HashMap<&str, &str> =
            remote.iter().filter_map(|found| Some((found.name.strip_prefix(TAGS)?, found.hash.as_str()))).collect();
        let is_new = |name: &str| !remote.contains_key(name);
        let moved: Vec<&(String, Oid)> = local
            .iter()
            .filter(|(name, target)| remote.get(name.as_str()).is_some_and(|hash| *hash != target.to_string()))
            .collect();
        let forced = if tag_options.is_forced { moved_by_task(work_tree.repository, &moved)? } else { HashSet::new() };
        let stale: Vec<String> =
            moved.iter().map(|(name, _)| name.clone()).filter(|name| !forced.contains(name)).collect();
        let new = local.iter().map(|(name, _)| name).filter(|name| is_new(name)).cloned();
        let pushed: HashSet<String> = new.chain(forced).collect();
        Ok(Self { refspecs: refspecs(&pushed, &stale), pushed, stale, refused: Vec::new() })
    }

    /// The refspecs to push.
    pub(crate) fn refspecs(&self) -> &[String] {
        &self.refspecs
    }

    /// Whether a push failed only because the server refused these tags.
    pub(crate) fn caused_failure(&self, finished: &Finished) -> bool {
        let refused: Vec<Rejection> =
            rejections_in(finished).into_iter().filter(|refused| !refused.is_side_effect()).collect();
        !finished.is_success() && !refused.is_empty() && refused.iter().all(|refused| self.is_about(refused))
    }

    fn is_about(&self, refused: &Rejection) -> bool {
        refused.name.strip_prefix(TAGS).is_some_and(|name| self.pushed.contains(name))
    }

    /// Removes the refused tags from the plan.
    pub(crate) fn skip_refused(&mut self, finished: &Finished) {
        let refused = rejections_in(finished).into_iter().filter(|refused| !refused.is_side_effect());
        let refused: Vec<Rejection> = refused.filter(|refused| self.is_about(refused)).collect();
        for name in refused.iter().filter_map(|refused| refused.name.strip_prefix(TAGS)) {
            self.pushed.remove(name);
        }
        self.refused.extend(refused);
        let skipped = self.refused.iter().filter_map(|refused| refused.name.strip_prefix(TAGS)).map(str::to_owned);
        let skipped: Vec<String> = skipped.chain(self.stale.iter().cloned()).collect();
        self.refspecs = refspecs(&self.pushed, &skipped);
    }

    /// Warns about the tags that were not pushed.
    pub(crate) fn warn_of_skipped(&self, console: &Console) {
        if let Some(stale) = list_tags(self.stale.iter().map(String::as_str)) {
            let hint = "to overwrite, set `push_all_tags: true` and `force: true`";
            console.warn(format_args!("did not push {stale}, which the server has on another commit; {hint}"));
        }
        let reasons: Vec<String> = self.refused.iter().take(MAX_NAMES).map(ToString::to_string).collect();
        if !reasons.is_empty() {
            console.warn(format_args!("not pushed, because the server refused: {}", reasons.join(", ")));
        }
        if self.refspecs.is_empty() && !self.pushed.is_empty() {
            let count = self.pushed.len();
            console.warn(format_args!("{count} tags were not pushed: there are too many to list in one push"));
        }
    }
}

/// The refspecs that push the tags `pushed` and not the tags `skipped`; empty if there are too many to list.
fn refspecs(pushed: &HashSet<String>, skipped: &[String]) -> Vec<String> {
    if pushed.is_empty() {
        return Vec::new();
    }
    if pushed.len() <= skipped.len().max(100) && pushed.len() <= MAX_REFSPECS {
        let mut names: Vec<&String> = pushed.iter().collect();
        names.sort();
        // A new tag needs no `+`.
        return names.into_iter().map(|name| format!("{TAGS}{name}:{TAGS}{name}")).collect();
    }
    if skipped.len() > MAX_REFSPECS {
        return Vec::new();
    }
    let except = skipped.iter().map(|name| format!("^{TAGS}{name}"));
    [ALL.to_owned()].into_iter().chain(except).collect()
}

/// Lists the first tags for a message; `None` if there are none.
pub(crate) fn list_tags<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    let more = match names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match names.len() {
        0 => None,
        1 => Some(format!("the tag {}", shown.join(", "))),
        _ => Some(format!("the tags {}{more}", shown.join(", "))),
    }
}

/// The repository's tags and their targets, sorted by name.
fn tags_in(repository: &Repository) -> Result<Vec<(String, Oid)>> {
    let mut tags = Vec::new();
    for tag in repository.references_glob("refs/tags/*")? {
        let tag = tag?;
        // Skip names that are not UTF-8: they cannot be arguments.
        if let Some((name, target)) = std::str::from_utf8(tag.name_bytes()).ok().zip(tag.target()) {
            tags.push((name.strip_prefix(TAGS).unwrap_or(name).to_owned(), target));
        }
    }
    tags.sort();
    Ok(tags)
}

/// The tags that a task has moved: to a commit that the task created, or to the commit of the get if it did not have
/// the tag at the time of the get.
fn moved_by_task(repository: &Repository, tags: &[&(String, Oid)]) -> Result<HashSet<String>> {
    let file = |name: &str| std::fs::read_to_string(repository.path().join(name)).ok();
    let of_get = file("commit").and_then(|text| object_id(text.trim()).ok());
    let of_get = of_get.filter(|commit| repository.find_commit(*commit).is_ok());
    let tags_of_get = file("tags");
    let mut new = repository.revwalk()?;
    new.push_head()?;
    // The glob matches nothing if the repository was not fetched.
    new.hide_glob("refs/remotes/*")?;
    if let Some(commit) = of_get {
        // After a get of a tag or of a commit that is not on a branch, no remote branch contains the commit.
        new.hide(commit)?;
    }
    let new: HashSet<Oid> = new.take(MAX_COMMITS).collect::<Result<_, _>>()?;
    let is_moved = |name: &str, target: Oid| {
        let commit = repository.find_object(target, None).and_then(|object| object.peel_to_commit());
        let Ok(commit) = commit.map(|commit| commit.id()) else { return false };
        let was_there = tags_of_get.as_deref().is_none_or(|tags| tags.trim().split(',').any(|tag| tag == name));
        new.contains(&commit) || (of_get == Some(commit) && !was_there)
    };
    Ok(tags.iter().filter(|(name, target)| is_moved(name, *target)).map(|(name, _)| name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("v{number:05}")).collect()
    }

    #[test]
    fn refspecs_list_few_tags_and_use_a_pattern_for_many() {
        let few: HashSet<String> = names(2).into_iter().collect();
        assert_eq!(refspecs(&few, &[]), ["refs/tags/v00000:refs/tags/v00000", "refs/tags/v00001:refs/tags/v00001"]);
        let many: HashSet<String> = names(70_000).into_iter().collect();
        assert_eq!(refspecs(&many, &["old".to_owned()]), [ALL, "^refs/tags/old"]);
        assert_eq!(refspecs(&few, &names(70_000)).len(), 2);
        assert_eq!(refspecs(&many, &names(70_000)), Vec::<String>::new());
        assert_eq!(refspecs(&HashSet::new(), &["old".to_owned()]), Vec::<String>::new());
    }

    #[test]
    fn message_lists_the_first_tags() {
        let many = names(12);
        let text = list_tags(many.iter().map(String::as_str)).unwrap();
        assert!(text.starts_with("the tags `v00000`, ") && text.ends_with("`v00009` and 2 more"), "{text}");
        assert_eq!(list_tags(["x"].into_iter()).as_deref(), Some("the tag `x`"));
        assert_eq!(list_tags([].into_iter()), None);
    }
}
