//! An image's configuration: what its containers run as, and when it was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::digest::Digest;

/// The largest configuration that is read, in bytes.
pub(crate) const LARGEST: u64 = 8 * 1024 * 1024;

/// An image's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Config {
    /// When the image was made, as it says.
    #[serde(default)]
    pub(crate) created: Option<String>,
    /// What its containers run as.
    #[serde(default, rename = "config", deserialize_with = "or_usual")]
    pub(crate) execution: Execution,
    /// What its layers hold.
    #[serde(default, rename = "rootfs", deserialize_with = "or_usual")]
    pub(crate) file_system: FileSystem,
}

/// What the layers of an image hold.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct FileSystem {
    /// The digest of each layer's archive, not compressed, from the bottom to the top. Not all that registries hold says so.
    #[serde(default, deserialize_with = "or_usual")]
    pub(crate) diff_ids: Vec<Digest>,
}

/// What containers of an image run as.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Execution {
    #[serde(default, deserialize_with = "or_usual")]
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) env: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_usual")]
    pub(crate) labels: BTreeMap<String, String>,
}

/// Null is how Go's programs write "nothing".
fn or_usual<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_or_null_is_nothing() {
        for text in [
            "{}",
            r#"{"config":null,"rootfs":null}"#,
            r#"{"config":{"User":null,"Labels":null,"Env":null},"rootfs":{"type":"layers","diff_ids":null}}"#,
        ] {
            let config: Config = serde_json::from_str(text).unwrap();
            assert!(config.execution.labels.is_empty() && config.execution.user.is_empty(), "{text}");
            assert!(config.file_system.diff_ids.is_empty(), "{text}");
        }
    }
}
