//! Build args and labels, from params and from files of the inputs.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use jetway::{Context, Inputs, Result, UnknownVariables, interpolate};
use serde_json::{Map, Value};

/// Words in the names of build args that suggest a secret.
const TELLING: [&str; 9] =
    ["password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "credential", "access_key"];

/// The build args: the worker's proxy, then `build_args` with the build's metadata filled in, then the file's.
pub(super) fn build_args(
    context: &Context,
    inputs: &Inputs,
    given: Option<&Map<String, Value>>,
    file: Option<&str>,
) -> Result<BTreeMap<String, String>> {
    let mut all: BTreeMap<String, String> = context.proxy_variables().into_iter().collect();
    for (name, value) in given.into_iter().flatten() {
        let value = match value.as_object().filter(|keys| keys.len() == 1).and_then(|keys| keys.get("file")) {
            // A file's text is used as it is: the build's metadata is not filled in.
            Some(Value::String(path)) => {
                let text = read(inputs, path).with_context(|| format!("cannot read build arg `{name}`"))?;
                text.trim_end_matches('\n').to_owned()
            }
            _ => interpolate(&text(value), |name| context.build().variable(name), UnknownVariables::Keep).text,
        };
        all.insert(name.clone(), value);
    }
    if let Some(path) = file {
        all.extend(of_file(inputs, path).with_context(|| format!("cannot use `build_args_file` ({path})"))?);
    }
    warn_of_secrets(context, all.keys());
    Ok(all)
}

/// The labels: `labels` unchanged, then the labels of the file.
pub(super) fn labels(
    inputs: &Inputs,
    given: Option<&Map<String, Value>>,
    file: Option<&str>,
) -> Result<BTreeMap<String, String>> {
    let mut all: BTreeMap<String, String> =
        given.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    if let Some(path) = file {
        all.extend(of_file(inputs, path).with_context(|| format!("cannot use `labels_file` ({path})"))?);
    }
    Ok(all)
}

/// Reads a small file of the inputs as text.
pub(super) fn read(inputs: &Inputs, path: &str) -> Result<String> {
    let found = inputs.find(path)?.with_context(|| format!("file `{path}` does not exist in the inputs"))?;
    let bytes = inputs.read(&found).with_context(|| format!("cannot read `{path}`"))?;
    String::from_utf8(bytes).map_err(|_| anyhow!("`{path}` is not valid UTF-8"))
}

fn of_file(inputs: &Inputs, path: &str) -> Result<Vec<(String, String)>> {
    let content: Map<String, Value> = serde_json::from_str(&read(inputs, path)?)
        .map_err(|error| anyhow!("it is not a JSON object (line {}, column {})", error.line(), error.column()))?;
    Ok(content.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

/// Text unchanged; any other value as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Warns about secrets in build args: they stay in the image's history, which every user of the image can read.
fn warn_of_secrets<'n>(context: &Context, names: impl Iterator<Item = &'n String>) {
    let telling = names.filter(|name| {
        let name = name.to_lowercase().replace('-', "_");
        TELLING.iter().any(|word| name.contains(word))
    });
    let names: Vec<String> = telling.map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        context.console().warn(format_args!(
            "{} of `build_args` may be a secret, and build args are stored in the image's history; use `secrets` instead",
            names.join(", ")
        ));
    }
}
