//! The kind of object in which helm stores releases.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where helm stores releases; helm's own `HELM_DRIVER`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In Secrets.
    #[default]
    Secret,
    /// In ConfigMaps.
    Configmap,
}
