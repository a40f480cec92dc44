//! Derives from the keys of the source which commits, tags or branches a check follows.

use jetway::{Result, anyhow};

use crate::source::Source;
use crate::source::labels::{TagBehaviour, TagSort, VersionType};
use crate::source::names::{Extent, NameFilter};

/// The commits, tags or branches that a check follows.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The commits of one branch.
    Commits,
    /// The tags with these names; with a `branch`, only those merged into it.
    Tags(NameFilter),
    /// The tags with these names, regardless of branch and filters.
    AllTags(NameFilter, TagSort),
    /// The tags with these names resolve to their commits and the ancestors of these.
    TagAncestors(NameFilter),
    /// The set of matching branch names.
    Branches(NameFilter),
    /// The matching branches with the commits at their tips.
    BranchHeads(NameFilter),
}

impl Source {
    /// Derives what a check follows.
    pub(crate) fn followed(&self) -> Result<Followed> {
        let checked =
            |key: &str, names: Result<NameFilter, String>| names.map_err(|problem| anyhow!("`{key}` {problem}"));
        let branches = || {
            let globs = self.branch_filters.iter().map(|glob| ("branch_filters", glob));
            checked(
                "branch_regex",
                NameFilter::new(globs, ("branch_regex", self.branch_regex.as_deref()), Extent::Part),
            )
        };
        let tags = || {
            let globs = self.tag_filters.iter().map(|glob| ("tag_filters", glob));
            let globs = globs.chain(self.tag_filter.iter().map(|glob| ("tag_filter", glob)));
            checked("tag_filter", NameFilter::new(globs, ("tag_regex", self.tag_regex.as_deref()), self.tag_extent()))
        };
        Ok(match (self.version_type, self.tag_behaviour) {
            (VersionType::Branches, _) => Followed::Branches(branches()?),
            (VersionType::BranchHeads, _) => Followed::BranchHeads(branches()?),
            (VersionType::Tags, _) => Followed::AllTags(tags()?, self.tag_sort.unwrap_or_default()),
            (VersionType::Commits, _) if !self.follows_tags() => Followed::Commits,
            (VersionType::Commits, TagBehaviour::MatchTagged) => Followed::Tags(tags()?),
            (VersionType::Commits, TagBehaviour::MatchTagAncestors) => Followed::TagAncestors(tags()?),
        })
    }

    /// Whether tags decide which commits are versions.
    pub(crate) fn follows_tags(&self) -> bool {
        self.version_type == VersionType::Commits && (self.tag_filter.is_some() || self.tag_regex.is_some())
    }

    pub(crate) fn tag_extent(&self) -> Extent {
        if self.version_type == VersionType::Tags { Extent::Part } else { Extent::Whole }
    }
}
