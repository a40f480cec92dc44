//! What identifies one version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The commit's full hash.
    #[serde(rename = "ref", default)]
    pub reference: String,
    /// The branch that a put with `branch` pushed to, so that the get after it looks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

impl Version {
    /// The version of a commit of the branch that the source names.
    pub fn of_commit(hash: impl Into<String>) -> Self {
        Self { reference: hash.into(), branch: None }
    }
}
