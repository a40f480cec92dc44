//! The values of a YAML file, each with its position.

use serde_json::{Map, Value};

use crate::number::number_text;
use crate::position::Position;

/// A value and where it stands.
///
/// There is no `Debug` outside of tests: what a pipeline and its vars hold must not get into a message by accident.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) content: Content,
    pub(crate) origin: Origin,
}

/// What a value is.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Content {
    Null,
    Flag {
        value: bool,
        /// As the author wrote it, such as `yes`.
        written: String,
    },
    Number {
        value: f64,
        /// As the author wrote it, such as `1.10`.
        written: String,
    },
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Node,
}

/// A key. Concourse knows only text as keys: others become text.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) position: Position,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Origin {
    /// It stands in the file: vars in it are vars.
    Written,
    /// It was put in the place of a var: what looks like a var in it is not, and it may be a secret.
    Given {
        /// The text with the var, as the file has it; `None` inside of what a var holds.
        instead_of: Option<String>,
    },
}

impl Node {
    pub(crate) fn written(position: Position, content: Content) -> Self {
        Self { position, content, origin: Origin::Written }
    }

    /// The entry of a key, when this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key.text == key),
            _ => None,
        }
    }

    /// The value of a key, when this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, when this is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar as Concourse sees it.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.content {
            Content::Text(text) => Some(text.clone()),
            Content::Number { value, .. } => Some(number_text(*value)),
            Content::Flag { value, .. } => Some(value.to_string()),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// What may be shown of a name: vars in it as they are written, since what they hold may be a secret.
    pub(crate) fn shown(&self) -> String {
        match &self.origin {
            Origin::Given { instead_of: Some(written) } => written.clone(),
            _ => self.scalar_text().unwrap_or_default(),
        }
    }

    /// The items, when this is a list.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.content, Content::Map(_))
    }

    /// What kind of value it is, in the words of the SDK's messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Flag { .. } => "true or false",
            Content::Number { .. } => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "keys and values",
        }
    }

    /// The value as Concourse sends it in a request.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Flag { value, .. } => Value::Bool(*value),
            Content::Number { value, .. } => {
                let text = number_text(*value);
                // What cannot be a number in JSON (there is no such) still has a text.
                text.parse().map_or(Value::String(text), Value::Number)
            }
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.text.clone(), entry.value.to_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}
