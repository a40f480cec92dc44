//! The version of a release.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The release and revision of a dry run.
const DRY_RUN: &str = "N/A";

/// A revision of a release, or an operation of a put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The name of the release.
    pub release: String,
    /// The number of the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The namespace, if it is not the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The address of the cluster, if a put used another one than the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// `true` after a put that tested the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<String>,
    /// `true` after a put that uninstalled the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstalled: Option<String>,
}

impl Version {
    /// The version of a revision.
    pub(crate) fn of_revision(release: &str, revision: u64) -> Self {
        Self { release: release.to_owned(), revision: Some(revision.to_string()), ..Self::default() }
    }

    /// The version of an operation on the release.
    pub(crate) fn of_release(release: &str) -> Self {
        Self { release: release.to_owned(), ..Self::default() }
    }

    /// The version of a dry run, as in the established resource.
    pub(crate) fn of_dry_run() -> Self {
        Self { release: DRY_RUN.to_owned(), revision: Some(DRY_RUN.to_owned()), ..Self::default() }
    }

    /// The number of the revision; `None` for the version of a dry run or a test.
    pub(crate) fn number(&self) -> Option<u64> {
        self.revision.as_deref()?.trim().parse().ok()
    }
}
