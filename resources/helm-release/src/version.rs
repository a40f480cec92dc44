//! What identifies one version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a dry run has for a release and its revision.
const NOTHING: &str = "N/A";

/// A revision of a release, or what a put did to a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The name of the release.
    pub release: String,
    /// The number of the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The namespace, where it is another one than the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The address of the cluster, where a put was told of another one than the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// `true` after a put that tested the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<String>,
    /// `true` after a put that took the release away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstalled: Option<String>,
}

impl Version {
    /// The version of a revision.
    pub(crate) fn of_revision(release: &str, revision: u64) -> Self {
        Self { release: release.to_owned(), revision: Some(revision.to_string()), ..Self::default() }
    }

    /// A version of the release that is still to be told what was done to it.
    pub(crate) fn of_release(release: &str) -> Self {
        Self { release: release.to_owned(), ..Self::default() }
    }

    /// The version of a put that did nothing, as the established resource has it.
    pub(crate) fn of_nothing() -> Self {
        Self { release: NOTHING.to_owned(), revision: Some(NOTHING.to_owned()), ..Self::default() }
    }

    /// The number of the revision, when it names one: what a dry run or a test puts there (`N/A`, nothing) is none.
    pub(crate) fn number(&self) -> Option<u64> {
        self.revision.as_deref()?.trim().parse().ok()
    }
}
