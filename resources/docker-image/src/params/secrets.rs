//! A build's secrets and ssh agents, which the Dockerfile may use and the image must not keep.

use std::collections::BTreeMap;

use jetway::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// A secret for `RUN --mount=type=secret`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BuildSecret {
    /// A reference to the secret. It precedes the other variant, so that a path is not parsed as a secret and redacted.
    From(SecretFrom),
    /// The secret itself.
    Value(Secret),
}

/// A reference to a secret.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SecretFrom {
    /// A file in the inputs.
    pub source: Option<String>,
    /// An alias of `source`.
    pub src: Option<String>,
    /// An alias of `source`.
    pub file: Option<String>,
    /// An environment variable of the step: `BUILD_*`, or one that the worker sets.
    pub env: Option<String>,
    /// `file` or `env`; optional, because the other keys determine the type.
    #[allow(dead_code, reason = "accepted for compatibility")]
    pub r#type: Option<String>,
}

/// ssh agents for `RUN --mount=type=ssh`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Agents {
    /// Private keys by the ids of agents.
    Keys(BTreeMap<String, Secret>),
    /// The private key of the agent `default`.
    Key(Secret),
}

impl Agents {
    /// The keys, with the agents' ids.
    pub(crate) fn keys(&self) -> Vec<(&str, &Secret)> {
        match self {
            Self::Key(key) => vec![("default", key)],
            Self::Keys(keys) => keys.iter().map(|(id, key)| (id.as_str(), key)).collect(),
        }
    }
}
