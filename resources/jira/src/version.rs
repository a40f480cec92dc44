//! Versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The arrival of an issue in a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The issue's key.
    pub issue: String,
    /// The name of the status.
    pub status: String,
    /// The time at which the issue reached the status, in UTC.
    pub changed: String,
}
