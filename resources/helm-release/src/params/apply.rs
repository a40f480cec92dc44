//! `server_side_apply`: where helm 4 merges objects.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where helm 4 merges objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ServerSideApply {
    /// On the server (`true`), or on the client (`false`).
    Flag(bool),
    /// The method of the latest revision.
    As(Automatic),
}

/// The word for helm's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Automatic {
    /// The method of the latest revision; on the server for a new release.
    Auto,
}
