//! The network and the ulimits of a build's steps.

use schemars::JsonSchema;
use serde::Deserialize;

/// The network of a build's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// A bridge network with access to the outside.
    Default,
    /// No network.
    None,
    /// The network of the engine's host.
    Host,
}

/// A ulimit.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limit {
    /// The soft and hard limit. `-1` means unlimited.
    Fixed(i64),
    /// Separate soft and hard limits.
    Range {
        /// The soft limit.
        soft: i64,
        /// The hard limit.
        hard: i64,
    },
}

impl Limit {
    /// The soft and the hard limit.
    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            Self::Fixed(limit) => (limit, limit),
            Self::Range { soft, hard } => (soft, hard),
        }
    }
}
