//! What a recipe may use and an image must not keep: secrets, and ssh agents.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Inputs, Result, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments;
use crate::source::set;

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
    /// The keys by the ids of agents.
    pub(crate) fn keys(&self) -> Vec<(&str, &Secret)> {
        match self {
            Self::Key(key) => vec![("default", key)],
            Self::Keys(keys) => keys.iter().map(|(id, key)| (id.as_str(), key)).collect(),
        }
    }
}

/// The secrets by their ids.
pub(super) fn secrets(
    context: &Context,
    inputs: &Inputs,
    given: &BTreeMap<String, BuildSecret>,
) -> Result<BTreeMap<String, Secret>> {
    let mut all = BTreeMap::new();
    for (id, secret) in given {
        let secret = match secret {
            BuildSecret::Value(secret) => secret.clone(),
            BuildSecret::From(from) => {
                find(context, inputs, from).with_context(|| format!("cannot use the secret `{id}`"))?
            }
        };
        context.console().redactor().add(secret.expose());
        all.insert(id.clone(), secret);
    }
    Ok(all)
}

fn find(context: &Context, inputs: &Inputs, from: &SecretFrom) -> Result<Secret> {
    let file = [&from.source, &from.src, &from.file].into_iter().find_map(|path| set(path.as_deref()));
    match (file, set(from.env.as_deref())) {
        (Some(path), None) => Ok(Secret::new(arguments::read(inputs, path)?)),
        (None, Some(name)) => {
            let value = context.build().variable(name).map(str::to_owned).or_else(|| context.variable(name));
            let value = value.with_context(|| format!("the step's environment has no `{name}`"));
            value.map(Secret::new).hint("a secret of the pipeline stands in `secrets` as it is: `id: ((secret))`")
        }
        _ => Err(anyhow!("one of `source` and `env` says where it is")),
    }
}
