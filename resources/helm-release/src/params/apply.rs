//! `server_side_apply`: where helm 4 merges objects.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where helm 4 merges objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ServerSideApply {
    /// On the server (`true`), or on the client.
    Wanted(bool),
    /// As the revision before.
    As(Automatic),
}

/// The word for what helm does by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Automatic {
    /// As the revision before; on the server for a new release.
    Auto,
}
