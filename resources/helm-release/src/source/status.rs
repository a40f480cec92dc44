//! The status of a revision.

use schemars::JsonSchema;
use serde::Deserialize;

/// The status of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The one that runs.
    Deployed,
    /// A later one runs.
    Superseded,
    /// It did not come up.
    Failed,
    /// It was taken away.
    Uninstalled,
    /// It is being taken away.
    Uninstalling,
    /// It is being installed.
    PendingInstall,
    /// It is being brought up in place of another.
    PendingUpgrade,
    /// It is being brought up in place of one that was to go.
    PendingRollback,
    /// Helm does not know.
    Unknown,
}

impl Status {
    /// The word that helm writes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalled => "uninstalled",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Unknown => "unknown",
        }
    }
}
