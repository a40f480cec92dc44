//! `attachments` and `blocks`: a list, or a JSON text that holds one.

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Console, Result, UnknownVariables, non_empty};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::inputs::Inputs;
use crate::variables::{TextKind, Variables};

/// Attachments or blocks, as a pipeline writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Items {
    /// The list.
    List(Vec<Value>),
    /// The list as JSON, as a variable of the pipeline may hold it.
    Json(String),
}

impl Items {
    /// Whether `is_wanted` accepts the text of any item.
    pub(crate) fn contain(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::List(items) => items.iter().any(|item| is_wanted(&item.to_string())),
            Self::Json(text) => is_wanted(text),
        }
    }

    /// Parses the items. Variables are expanded first only if the text is not valid JSON.
    fn read(&self, key: &str, variables: &Variables) -> Result<Vec<Value>> {
        let text = match self {
            Self::List(items) => return Ok(items.clone()),
            Self::Json(text) if text.trim().is_empty() => return Ok(Vec::new()),
            Self::Json(text) => text,
        };
        if let Ok(value) = serde_json::from_str(text) {
            return items_of(value, key, &format!("the text in `{key}`"));
        }
        let filled = variables.fill(text, UnknownVariables::Remove, TextKind::Name);
        if filled.trim().is_empty() {
            return Ok(Vec::new());
        }
        let value = serde_json::from_str(&filled)
            .map_err(|error| anyhow!(error).context(format!("the text in `{key}` is not valid JSON")))
            .hint("write a list, or a text that contains a JSON list; put variables inside strings")?;
        items_of(value, key, &format!("the text in `{key}`"))
    }
}

/// Reads attachments or blocks from the params, or else from a file.
pub(crate) fn read(
    key: &str,
    here: Option<&Items>,
    file: Option<&String>,
    inputs: &Inputs,
    variables: &Variables,
    console: &Console,
) -> Result<Vec<Value>> {
    if let Some(items) = here {
        return items.read(key, variables);
    }
    let Some(path) = non_empty(file) else { return Ok(Vec::new()) };
    let key_of_file = format!("{key}_file");
    let Some(text) = inputs.text(path).with_context(|| format!("cannot use `{key_of_file}`"))? else {
        console.warn(format_args!("file `{path}` (`{key_of_file}`) does not exist"));
        return Ok(Vec::new());
    };
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let value = serde_json::from_str(&text)
        .map_err(|error| anyhow!(error).context(format!("file `{path}` is not valid JSON")))
        .hint("put variables inside strings: `\"build $BUILD_NAME\"`")?;
    items_of(value, key, &format!("the file `{path}`"))
}

/// Extracts the items from a list, or from a message that contains it, which is the output of Slack's Block Kit Builder.
fn items_of(value: Value, key: &str, place: &str) -> Result<Vec<Value>> {
    let list = match value {
        Value::Object(mut entries) => entries.remove(key),
        value => Some(value),
    };
    match list {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(anyhow!("{place} contains no list of {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::Markup;
    use jetway::BuildMetadata;
    use serde_json::json;

    fn read(text: &str) -> Result<Vec<Value>> {
        let build = BuildMetadata::from_lookup(|name| (name == "BUILD_NAME").then(|| "[{\"text\": \"x\"}]".to_owned()));
        Items::Json(text.to_owned()).read("attachments", &Variables::of_build(&build, Markup::Keep, true))
    }

    #[test]
    fn reads_a_list_from_json_text() {
        assert_eq!(read("[{\"text\": \"a $B\"}]").unwrap(), [json!({ "text": "a $B" })]);
        assert_eq!(read("{\"attachments\": [1]}").unwrap(), [json!(1)]);
        assert_eq!(read(" ").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn reads_a_list_from_a_variable() {
        assert_eq!(read("$BUILD_NAME").unwrap(), [json!({ "text": "x" })]);
        assert_eq!(read("$BUILD_ID").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn rejects_text_that_is_not_a_list() {
        for text in ["text", "{\"text\": \"x\"}", "1", "[", "{\"attachments\": 1}"] {
            assert!(format!("{:#}", read(text).unwrap_err()).contains("attachments"), "{text}");
        }
    }
}
