//! The version of a status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A commit status, a deployment status, or a comment on the commit's pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The commit's full hash.
    pub commit: String,
    /// The id of the commit status, or with `deployment`, of the deployment status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The id of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The id of the comment, after a put that only added comments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The number of the pull request, with `pull_requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr: Option<String>,
}

impl Version {
    /// The version of a commit status.
    pub(crate) fn of_status(commit: &str, status: u64) -> Self {
        Self { commit: commit.to_owned(), status: Some(status.to_string()), ..Self::default() }
    }

    /// The version of a deployment and its status.
    pub(crate) fn of_deployment(commit: &str, deployment: u64, status: Option<u64>) -> Self {
        Self {
            commit: commit.to_owned(),
            status: status.map(|status| status.to_string()),
            deployment: Some(deployment.to_string()),
            ..Self::default()
        }
    }
}
