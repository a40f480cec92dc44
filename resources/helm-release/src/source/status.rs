//! The status of a revision.

use schemars::JsonSchema;
use serde::Deserialize;

/// The status of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is deployed now.
    Deployed,
    /// A later revision was deployed.
    Superseded,
    /// Its deploy failed.
    Failed,
    /// It was uninstalled.
    Uninstalled,
    /// It is being uninstalled.
    Uninstalling,
    /// It is being installed.
    PendingInstall,
    /// It is being deployed as an upgrade.
    PendingUpgrade,
    /// It is being deployed as a rollback.
    PendingRollback,
    /// helm does not know its status.
    Unknown,
}

impl Status {
    /// helm's word for the status.
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
