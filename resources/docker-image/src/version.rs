//! The version of an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An image that a tag pointed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// With `registry-image`: the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest that the tag points to: that of the index for a multi-platform image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}
