//! The values of the source keys about tags and branches.

use schemars::JsonSchema;
use serde::Deserialize;

/// The kind of versions that a check returns.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionType {
    /// A commit of the branch, or a tag that matches `tag_filter` or `tag_regex`.
    #[default]
    Commits,
    /// A tag and its commit.
    Tags,
    /// The set of branch names.
    Branches,
    /// A branch and the commit at its tip.
    BranchHeads,
}

impl VersionType {
    /// The value as written in a pipeline.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Tags => "tags",
            Self::Branches => "branches",
            Self::BranchHeads => "branch_heads",
        }
    }
}

/// The sort order of tags.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagSort {
    /// The date of the tag, or of its commit if the tag has none.
    #[default]
    CreatorDate,
    /// The version number in the name, compared as `sort -V` does.
    Version,
}

/// Which versions a matching tag produces.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagBehaviour {
    /// The tag itself.
    #[default]
    MatchTagged,
    /// The tagged commit and its ancestors.
    MatchTagAncestors,
}
