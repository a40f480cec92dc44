//! The version of an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An image that a tag pointed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// With `registry-image`: the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest of what the tag points to: of the index where there are several platforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}
