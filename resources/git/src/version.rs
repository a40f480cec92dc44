//! What identifies one version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A commit, a tag or branch and the commit that it names, or a set of branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The commit's hash or its beginning (seven digits or more), or the name of the tag or branch.
    #[serde(rename = "ref", default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The full hash of the commit that the tag or branch names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch that a put with `branch` pushed to, so that the get after it looks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// With `version_type: branches`, a JSON array of the branches' names, or `NONE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branches: Option<String>,
    /// When the set of `branches` was first seen, which tells a set that comes back from the earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

impl Version {
    /// The version of a commit of the branch that the source names.
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

    /// The version with what is empty left out; `None` when that is all of it.
    pub(crate) fn filled(self) -> Option<Self> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let Self { reference, commit, branch, .. } = self;
        let named = || Self { commit: filled(commit), branch: filled(branch), ..Self::of_commit(reference.as_str()) };
        (!reference.is_empty()).then(named)
    }
}
