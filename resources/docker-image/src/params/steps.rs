//! The network and the ulimits of a build's steps.

use schemars::JsonSchema;
use serde::Deserialize;

/// The network of a build's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// One of their own, with a way out.
    Default,
    /// None at all.
    None,
    /// That of the engine's machine.
    Host,
}

/// A limit of processes.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limit {
    /// For good. `-1` is no limit.
    Fixed(i64),
    /// One that a process may raise.
    Range {
        /// The limit at first.
        soft: i64,
        /// What it may be raised to.
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
