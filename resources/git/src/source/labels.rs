//! The keys of a source that make tags or branches its versions.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a version is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionType {
    /// A commit of the branch, or a tag that `tag_filter` or `tag_regex` matches.
    #[default]
    Commits,
    /// A tag, with the commit that it names.
    Tags,
    /// The set of the branches' names.
    Branches,
    /// A branch, with the commit at its tip.
    BranchHeads,
}

impl VersionType {
    /// As a pipeline writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Tags => "tags",
            Self::Branches => "branches",
            Self::BranchHeads => "branch_heads",
        }
    }
}

/// What tags are sorted by.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagSort {
    /// The date of the tag, or of its commit if the tag has none.
    #[default]
    CreatorDate,
    /// The version in the name, as `sort -V` compares it.
    Version,
}

/// What a matching tag makes a version.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagBehaviour {
    /// The tag itself.
    #[default]
    MatchTagged,
    /// The commits that it has been put on, and those before it.
    MatchTagAncestors,
}
