//! An image's configuration: entry point, environment, labels and creation time.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::any_case::AnyCase;
use crate::digest::Digest;

/// The largest configuration that is read, in bytes.
pub(crate) const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// An image's configuration.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Config {
    /// The creation time.
    #[serde(default)]
    pub(crate) created: Option<String>,
    /// How its containers run.
    #[serde(default, rename = "config", deserialize_with = "or_usual")]
    pub(crate) execution: Execution,
    /// The digests of its layers' content.
    #[serde(default, rename = "rootfs", deserialize_with = "or_usual")]
    pub(crate) file_system: FileSystem,
}

/// The layers' content (`rootfs`).
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct FileSystem {
    /// The digest of each layer's uncompressed archive, from the bottom to the top. Some configurations do not have
    /// them.
    #[serde(default, deserialize_with = "or_usual")]
    pub(crate) diff_ids: Vec<Digest>,
}

/// How containers of an image run.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Execution {
    #[serde(default, deserialize_with = "or_usual")]
    pub(crate) user: String,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) env: Option<Vec<String>>,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(default, deserialize_with = "texts_by_name")]
    pub(crate) labels: BTreeMap<String, String>,
}

impl Config {
    /// Parses a configuration as Go does: keys are case-insensitive.
    pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes).map(|AnyCase(config)| config)
    }
}

/// Null in a list or a map is an empty string.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let texts = Option::<Vec<Option<String>>>::deserialize(deserializer)?;
    Ok(texts.map(|texts| texts.into_iter().map(Option::unwrap_or_default).collect()))
}

/// Labels or annotations. Null is an empty string, too.
pub(super) fn texts_by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let texts = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(texts.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

/// Go encodes an empty value as null.
fn or_usual<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_null_are_empty() {
        for text in [
            "{}",
            r#"{"config":null,"rootfs":null}"#,
            r#"{"config":{"User":null,"Labels":null,"Env":null},"rootfs":{"type":"layers","diff_ids":null}}"#,
        ] {
            let config = Config::parse(text.as_bytes()).unwrap();
            assert!(config.execution.labels.is_empty() && config.execution.user.is_empty(), "{text}");
            assert!(config.file_system.diff_ids.is_empty(), "{text}");
        }
    }

    #[test]
    fn reads_keys_in_any_case_and_null_for_an_empty_text() {
        let text = r#"{"Config":{"env":["A=b",null],"USER":"app","labels":{"a":null,"b":"c"}},"rootFS":{"Diff_IDs":[]},"Created":"x"}"#;
        let config = Config::parse(text.as_bytes()).unwrap();
        let Execution { user, env, labels, .. } = config.execution;
        assert_eq!((user.as_str(), env.unwrap()), ("app", vec!["A=b".to_owned(), String::new()]));
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), [("a".into(), String::new()), ("b".into(), "c".into())]);
        assert_eq!(config.created.as_deref(), Some("x"));
    }
}
