//! Labels: the tags and branches of the server, and the query that selects them.

use std::cmp::Ordering;

use git2::Oid;
use jetway::{Result, anyhow};
use jetway_git_client::object_id::object_id;
use jetway_git_client::transport::git::Git;

use crate::history::cache::Content;
use crate::history::message_filter::MessageFilter;
use crate::history::version_sort;
use crate::source::Source;
use crate::source::followed::Followed;
use crate::source::labels::TagSort;
use crate::source::names::NameFilter;
use crate::version::Version;

pub(super) const TAGS: &str = "refs/tags/";
pub(super) const HEADS: &str = "refs/heads/";

/// Selects the labels that a source follows.
pub(super) struct LabelQuery<'s> {
    /// The prefix of the labels' full names.
    pub(super) prefix: &'static str,
    /// `tag` or `branch`, for messages.
    pub(super) kind: &'static str,
    pub(super) names: &'s NameFilter,
    /// The sort order.
    pub(super) sort: TagSort,
    /// The branch that the tags must be merged into.
    pub(super) branch: Option<&'s str>,
    /// Whether the versions are the tagged commits and their ancestors.
    pub(super) wants_ancestors: bool,
    /// The required depth of each label's history; `None` for all of it.
    pub(super) depth: Option<u32>,
    pub(super) content: Content,
    pub(super) pathspecs: Vec<String>,
    pub(super) messages: MessageFilter,
    pub(super) version_depth: usize,
}

/// The selected labels on the server.
pub(super) struct RemoteLabels {
    /// The tip of the branch that the tags must be merged into.
    pub(super) tip: Option<Oid>,
    pub(super) labels: Vec<Label>,
}

/// A tag or branch.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) name: String,
    /// The target: a commit, or the tag object of an annotated tag.
    pub(super) target: Oid,
    pub(super) commit: Oid,
    /// The creation date; 0 until the object is fetched.
    pub(super) created: i64,
}

impl<'s> LabelQuery<'s> {
    pub(super) fn of(source: &'s Source, followed: &'s Followed) -> Result<Self> {
        let (prefix, kind, names, sort) = match followed {
            Followed::Commits | Followed::Branches(_) => return Err(anyhow!("no tags or branches are followed")),
            Followed::Tags(names) | Followed::TagAncestors(names) => (TAGS, "tag", names, TagSort::CreatorDate),
            Followed::AllTags(names, sort) => (TAGS, "tag", names, *sort),
            Followed::BranchHeads(names) => (HEADS, "branch", names, TagSort::CreatorDate),
        };
        let has_filters = !matches!(followed, Followed::AllTags(..));
        let pathspecs = if has_filters { source.pathspecs() } else { Vec::new() };
        let messages = if has_filters { MessageFilter::of(source)? } else { MessageFilter::all() };
        let wants_ancestors = matches!(followed, Followed::TagAncestors(_));
        let branch = source.branch.as_deref().filter(|_| has_filters && prefix == TAGS);
        Ok(Self {
            prefix,
            kind,
            names,
            sort,
            branch,
            wants_ancestors,
            depth: match (wants_ancestors || branch.is_some(), pathspecs.is_empty()) {
                (true, _) => None,
                (false, true) => Some(1),
                // Filtering by path needs the parent of each commit.
                (false, false) => Some(2),
            },
            content: if pathspecs.is_empty() { Content::Commits } else { Content::Trees },
            pathspecs,
            messages,
            version_depth: usize::try_from(source.version_depth).unwrap_or(usize::MAX),
        })
    }

    /// Lists the labels on the server.
    pub(super) async fn list(&self, git: &Git<'_>) -> Result<RemoteLabels> {
        let head = self.branch.map(|branch| format!("{HEADS}{branch}"));
        let prefixes = self.names.prefixes().iter().map(|prefix| format!("{}{prefix}", self.prefix));
        let refs = git.remote_refs(&prefixes.chain(head.clone()).collect::<Vec<_>>(), self.branch).await?;
        let mut remote = RemoteLabels { tip: None, labels: Vec::new() };
        for found in &refs {
            let target = object_id(&found.hash)?;
            if head.as_ref() == Some(&found.name) {
                remote.tip = Some(target);
            }
            if let Some(name) = found.name.strip_prefix(self.prefix).filter(|name| self.names.matches(name)) {
                let commit = found.peeled.as_deref().map_or(Ok(target), object_id)?;
                remote.labels.push(Label { name: name.to_owned(), target, commit, created: 0 });
            }
        }
        if head.is_some() && remote.tip.is_none() {
            return Err(git.no_such_branch(self.branch));
        }
        Ok(remote)
    }

    /// Warns that no label matches, to explain an empty result.
    pub(super) fn warn_of_no_match(&self, git: &Git<'_>) {
        let (console, kind, address) = (git.context().console(), self.kind, &git.remote().address);
        match self.names.description() {
            Some(written) => console.warn(format_args!("no {kind} of `{address}` matches {written}")),
            None => console.warn(format_args!("there is no {kind} in `{address}`")),
        }
    }

    /// Compares two labels by date (as `git tag --sort=creatordate`) or by the versions in their names.
    pub(super) fn compare(&self, one: &Label, other: &Label) -> Ordering {
        match self.sort {
            TagSort::CreatorDate => one.position().cmp(&other.position()),
            TagSort::Version => version_sort::compare(&one.name, &other.name),
        }
    }
}

impl Label {
    /// The sort key by date.
    pub(super) fn position(&self) -> (i64, &str) {
        (self.created, &self.name)
    }

    pub(super) fn version(&self) -> Version {
        Version::of_label(&self.name, self.commit.to_string())
    }

    /// Whether the version has this name and this commit.
    pub(super) fn is_unchanged_from(&self, version: &Version) -> bool {
        self.name == version.reference
            && version.commit.as_ref().is_none_or(|commit| *commit == self.commit.to_string())
    }

    /// The line for this branch in the record of a check.
    pub(super) fn to_line(&self) -> String {
        format!("{} {}", self.commit, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn label(name: &str, commit: char, created: i64) -> Label {
        let commit = object_id(&commit.to_string().repeat(40)).unwrap();
        Label { name: name.to_owned(), target: commit, commit, created }
    }

    fn sorted(source: serde_json::Value, labels: &[Label]) -> Vec<String> {
        let source: Source = serde_json::from_value(source).unwrap();
        let followed = source.followed().unwrap();
        let query = LabelQuery::of(&source, &followed).unwrap();
        let mut labels = labels.to_vec();
        labels.sort_by(|one, other| query.compare(one, other));
        labels.into_iter().map(|label| label.name).collect()
    }

    #[test]
    fn tags_are_sorted_by_date_and_then_by_name_or_by_version() {
        let labels = [label("v1.10", 'a', 1), label("v1.9", 'b', 2), label("v1.2", 'c', 2)];
        let tags = |sort: &str| json!({ "uri": "u", "version_type": "tags", "tag_sort": sort });
        assert_eq!(sorted(tags("creatordate"), &labels), ["v1.10", "v1.2", "v1.9"]);
        assert_eq!(sorted(tags("version"), &labels), ["v1.2", "v1.9", "v1.10"]);
    }

    #[test]
    fn version_matches_label_by_name_and_commit() {
        let tag = label("v1", 'a', 1);
        assert!(tag.is_unchanged_from(&Version::of_label("v1", "a".repeat(40))));
        assert!(tag.is_unchanged_from(&Version::of_commit("v1".to_owned())));
        assert!(!tag.is_unchanged_from(&Version::of_label("v1", "b".repeat(40))));
        assert!(!tag.is_unchanged_from(&Version::of_label("v2", "a".repeat(40))));
    }

    #[test]
    fn history_of_labels_is_fetched_only_when_needed() {
        let depth = |source: serde_json::Value| {
            let source: Source = serde_json::from_value(source).unwrap();
            let followed = source.followed().unwrap();
            let query = LabelQuery::of(&source, &followed).unwrap();
            (query.depth, query.content)
        };
        let tags = |more: serde_json::Value| {
            let mut source = json!({ "uri": "u", "tag_filter": "v*" });
            source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            depth(source)
        };
        assert_eq!(tags(json!({})), (Some(1), Content::Commits));
        assert_eq!(tags(json!({ "paths": ["src"] })), (Some(2), Content::Trees));
        assert_eq!(tags(json!({ "branch": "main" })), (None, Content::Commits));
        assert_eq!(tags(json!({ "tag_behaviour": "match_tag_ancestors" })), (None, Content::Commits));
        assert_eq!(depth(json!({ "uri": "u", "version_type": "tags", "branch": "main" })).0, Some(1));
    }
}
