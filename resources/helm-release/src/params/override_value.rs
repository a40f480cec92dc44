//! `override_values`: a value, and the key that it belongs to.

pub(crate) mod key_path;
pub(crate) mod text;

use jetway::Problems;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use key_path::KeyPath;

/// One value.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Override {
    /// The key, as in `helm --set`: `image.tag`, `hosts[0].name`, and `\.` for a dot in a name.
    // A name may end with a space.
    #[schemars(extend("x-keeps-blanks" = true))]
    pub key: String,

    /// The value: text, a number, true, false, null, a list, keys and values.
    #[serde(default, deserialize_with = "null_as_value")]
    #[schemars(with = "Value")]
    pub value: Option<Value>,

    /// A file in the inputs with the value; it overrides `value`.
    pub path: Option<String>,

    /// How text is read. By default, `true`, `false`, `null` and integers have their type as in helm, `{a,b}` is a list, and
    /// everything else is plain text.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,

    /// Mask the value in all output.
    #[serde(default)]
    pub hide: bool,

    /// Accepted for compatibility with the established resource, without effect: commas and backslashes are never special.
    #[serde(default)]
    pub verbatim: bool,
}

/// How the text of a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Plain text.
    String,
    /// The text of the file in the inputs that `path` (or else `value`) names, including its last line break.
    File,
    /// As `helm --set` reads it, with `\,` for a comma.
    Helm,
}

/// Distinguishes null from an absent key.
fn null_as_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Override {
    /// Notes what is wrong with the entry at that index.
    pub(crate) fn validate(&self, index: usize, problems: &mut Problems) {
        let at = |key: &str| format!("override_values[{index}].{key}");
        if let Err(problem) = KeyPath::parse(&self.key) {
            problems.add(at("key"), problem);
        }
        match (&self.path, &self.value, self.kind) {
            (Some(path), _, _) => problems.require_input(&at("path"), path),
            (None, Some(Value::String(path)), Some(Kind::File)) => problems.require_input(&at("value"), path),
            (None, Some(_), Some(Kind::File)) => problems.add(at("value"), "expected the name of a file in the inputs"),
            (None, Some(Value::String(text)), Some(Kind::Helm)) => {
                if let Err(problem) = text::helm(text) {
                    problems.add(at("value"), problem);
                }
            }
            (None, Some(_), _) => {}
            (None, None, _) => problems.add_with_hint(
                at("value"),
                "required, but missing",
                "set `path` instead to read the value from a file in the inputs",
            ),
        }
    }

    /// The texts to mask that are in the request.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        if self.hide && self.path.is_none() && self.kind != Some(Kind::File) {
            collect(self.value.as_ref().unwrap_or(&Value::Null), &mut secrets);
        }
        secrets
    }
}

/// All texts and numbers in a value.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(entries) => entries.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}
