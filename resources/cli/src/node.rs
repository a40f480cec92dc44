//! The values of a YAML file, each with its position.

use serde_json::{Map, Value};

use crate::number::number_text;
use crate::position::Position;

/// A value and its position.
///
/// It implements `Debug` only in tests, so that no message shows values of a pipeline or its vars by accident.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) content: Content,
    pub(crate) origin: Origin,
}

/// The content of a value.
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

/// A key. Concourse has only text keys and converts others to text.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) position: Position,
    pub(crate) origin: Origin,
}

/// The origin of a value.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Origin {
    /// The file contains it; vars in it are replaced.
    Written,
    /// It replaced a var. It may be a secret, and text in it that looks like a var is not one.
    Substituted {
        /// The text of the var in the file; `None` for values nested in a var's value.
        instead_of: Option<String>,
    },
}

impl Node {
    pub(crate) fn written(position: Position, content: Content) -> Self {
        Self { position, content, origin: Origin::Written }
    }

    /// The entry of a key, if this is a map that has the key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key.text == key),
            _ => None,
        }
    }

    /// The value of a key, if this is a map that has the key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if this is text.
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

    /// A name that is safe to show: vars appear as written, because their values may be secret.
    pub(crate) fn display_text(&self) -> String {
        match &self.origin {
            Origin::Substituted { instead_of: Some(written) } => written.clone(),
            _ => self.scalar_text().unwrap_or_default(),
        }
    }

    /// The items, if this is a list.
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

    /// The kind of value, in the wording of the SDK's messages.
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
                // Every number text should parse as a JSON number; if one does not, it stays text.
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
