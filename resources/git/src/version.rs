//! What identifies one version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A commit, or a tag or branch and the commit that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The commit's hash or its beginning (seven digits or more), or the name of the tag or branch.
    #[serde(rename = "ref", default)]
    pub reference: String,
    /// The full hash of the commit that the tag or branch names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch that a put with `branch` pushed to, so that the get after it looks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

impl Version {
    /// The version of a commit of the branch that the source names.
    pub fn of_commit(hash: impl Into<String>) -> Self {
        Self { reference: hash.into(), commit: None, branch: None }
    }

    /// The version of a tag or branch.
    pub fn of_label(name: impl Into<String>, commit: impl Into<String>) -> Self {
        Self { reference: name.into(), commit: Some(commit.into()), branch: None }
    }

    /// The version with what is empty left out; `None` when that is all of it.
    pub(crate) fn filled(self) -> Option<Self> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let Self { reference, commit, branch } = self;
        (!reference.is_empty()).then(|| Self { reference, commit: filled(commit), branch: filled(branch) })
    }
}
