//! Expands the build's variables in a pipeline's texts.

use jetway::{BuildMetadata, Console, UnknownVariables, interpolate};
use serde_json::Value;

/// Expands the variables of the build in texts. Other names are kept, with a warning.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'c> {
    pub(crate) build: &'c BuildMetadata,
    pub(crate) console: &'c Console,
}

impl Variables<'_> {
    /// Expands `$NAME` and `${NAME}`. A variable that this build does not have, such as the job of a one-off build, becomes empty.
    pub(crate) fn fill(self, key: &str, text: &str) -> String {
        let lookup = |name: &str| self.build.variable(name).or_else(|| is_known(name).then_some(""));
        let filled = interpolate(text, lookup, UnknownVariables::Keep);
        if !filled.unknown.is_empty() {
            let names: Vec<String> = filled.unknown.iter().map(|name| format!("`${name}`")).collect();
            self.console.warn(format_args!("`{key}`: {} is not a variable of the build and is kept", names.join(", ")));
        }
        filled.text
    }

    /// Expands the variables in all texts of a value.
    pub(crate) fn fill_value(self, key: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(key, text)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(key, item)).collect(),
            Value::Object(entries) => {
                let filled = entries.iter().map(|(name, value)| (name.clone(), self.fill_value(key, value)));
                Value::Object(filled.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

fn is_known(name: &str) -> bool {
    BuildMetadata::from_lookup(|_| Some("x".to_owned())).variable(name).is_some()
}
