//! The version type of this resource.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A commit, a tag or branch with its commit, or a set of branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The hash of the commit, or the name of the tag or branch. A hash may be abbreviated, to at
    /// least four digits.
    #[serde(rename = "ref", default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The full hash of the commit that the tag or branch points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch that a put with `branch` pushed to. The get after the put fetches this branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// With `version_type: branches`, a JSON array of the branch names, or `NONE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branches: Option<String>,
    /// When a check first found this set of `branches`. If the same set occurs again later, the time makes it a new
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

impl Version {
    /// The version of a commit on the source's branch.
    pub fn of_commit(hash: impl Into<String>) -> Self {
        Self { reference: hash.into(), commit: None, branch: None, branches: None, timestamp: None }
    }

    /// The version of a tag or branch.
    pub fn of_label(name: impl Into<String>, commit: impl Into<String>) -> Self {
        Self { commit: Some(commit.into()), ..Self::of_commit(name) }
    }

    /// The version of a set of branches.
    pub(crate) fn of_branches(branches: String, timestamp: String) -> Self {
        Self { branches: Some(branches), timestamp: Some(timestamp), ..Self::of_commit("") }
    }

    /// Drops empty fields; `None` if `ref` is empty.
    pub(crate) fn filled(self) -> Option<Self> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let Self { reference, commit, branch, .. } = self;
        let named = || Self { commit: filled(commit), branch: filled(branch), ..Self::of_commit(reference.as_str()) };
        (!reference.is_empty()).then(named)
    }
}
