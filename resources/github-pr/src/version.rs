//! The version of a pull request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of `pr` in the version of a put on a commit without a pull request.
pub(crate) const NO_PULL_REQUEST: &str = "none";

/// A head commit of a pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The number of the pull request, or `none` after a put on a commit that is not the head of a pull request.
    pub pr: String,
    /// The full hash of the head commit.
    pub commit: String,
    /// The time of the commit. Versions are not sorted by it, because a commit can be pushed long after it was created.
    #[serde(default)]
    pub committed: String,
    /// `MERGED` or `CLOSED`, if the pull request is no longer open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The number of approvals. Only versions of the established resource have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_review_count: Option<String>,
}

impl Version {
    /// The number of the pull request, if the version has one.
    pub(crate) fn number(&self) -> Option<u64> {
        self.pr.trim().parse().ok()
    }

    /// The state. The version of an open pull request does not contain it.
    pub(crate) fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("OPEN")
    }
}
