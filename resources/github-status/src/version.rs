//! What identifies one version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was said of a commit: a status, a deployment's status, or a comment on its pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The commit's full hash.
    pub commit: String,
    /// The number of the status: of the commit's, or with `deployment` of the deployment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The number of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The number of the comment, after a put that did nothing but comment.
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
