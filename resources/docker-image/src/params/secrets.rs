//! A build's secrets and ssh agents, which the Dockerfile may use and the image must not keep.

use std::collections::BTreeMap;

use jetway::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// A secret for `RUN --mount=type=secret`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BuildSecret {
    /// Where it is. Before the other one, so that a path is not taken for a secret and masked.
    From(SecretFrom),
    /// The secret itself.
    Value(Secret),
}

/// Where a secret is.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SecretFrom {
    /// A file of the inputs.
    pub source: Option<String>,
    /// The same as `source`.
    pub src: Option<String>,
    /// The same as `source`.
    pub file: Option<String>,
    /// A variable of the step's environment: `BUILD_*`, or one that the worker sets.
    pub env: Option<String>,
    /// `file` or `env`; what else stands here says it as well.
    #[allow(dead_code, reason = "pipelines have it")]
    pub r#type: Option<String>,
}

/// ssh agents for `RUN --mount=type=ssh`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Agents {
    /// Private keys by the ids of agents.
    Keys(BTreeMap<String, Secret>),
    /// The private key that the agent `default` has.
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
