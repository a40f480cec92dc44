//! `wait`: what a put waits for after an upgrade.

use schemars::JsonSchema;
use serde::Deserialize;

/// The longest plain wait, in seconds: an hour.
pub(crate) const LONGEST_PAUSE: u64 = 3600;

/// What is waited for after an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Wait {
    /// So many seconds.
    Seconds(u64),
    /// What helm makes of it.
    By(Strategy),
}

/// How helm finds out that everything is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// It does not.
    None,
    /// By looking again and again, as helm 3 does.
    Legacy,
    /// By following changes, custom resources included: helm 4's own way.
    Watcher,
}
