//! A build's secrets and ssh agents, which the Dockerfile may use and the image must not keep.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Inputs, Result, Secret, trimmed};

use crate::build::arguments;
use crate::params::secrets::{BuildSecret, SecretFrom};

/// The secrets by id.
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
                find(context, inputs, from).with_context(|| format!("cannot use secret `{id}`"))?
            }
        };
        context.console().redactor().add(secret.expose());
        all.insert(id.clone(), secret);
    }
    Ok(all)
}

fn find(context: &Context, inputs: &Inputs, from: &SecretFrom) -> Result<Secret> {
    let file = [&from.source, &from.src, &from.file].into_iter().find_map(|path| trimmed(path.as_deref()));
    match (file, trimmed(from.env.as_deref())) {
        (Some(path), None) => Ok(Secret::new(arguments::read(inputs, path)?)),
        (None, Some(name)) => {
            let value = context.build().variable(name).map(str::to_owned).or_else(|| context.variable(name));
            let value = value.with_context(|| format!("the environment variable `{name}` is not set in the step"));
            value.map(Secret::new).hint("to use a secret of the pipeline, set `id: ((secret))` in `secrets`")
        }
        _ => Err(anyhow!("set either `source` or `env`")),
    }
}
