//! `wait`: how a put waits after an upgrade.

use schemars::JsonSchema;
use serde::Deserialize;

/// The longest pause, in seconds: an hour.
pub(crate) const MAX_PAUSE: u64 = 3600;

/// The wait after an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Wait {
    /// For a number of seconds.
    Seconds(u64),
    /// By helm's strategy.
    By(Strategy),
}

/// How helm waits until everything is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// helm does not wait.
    None,
    /// By polling, as helm 3 does.
    Legacy,
    /// By watching, including custom resources: the default of helm 4.
    Watcher,
}
