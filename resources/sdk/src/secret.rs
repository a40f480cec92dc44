//! Secrets.
//!
//! A credential in a `Source` or `Params` type is a [`Secret`]. Its schema marks it `writeOnly`, and that mark is what
//! the request reader goes by: it tells the [`Redactor`](crate::Redactor) of every such value before anything else looks at the request,
//! so that a secret is masked even in the message that the rest of the request is wrong.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::redactor::MASK;

/// A value that must never be shown: a password, a token, a private key.
///
/// It has no `Display` and no `Serialize`; `Debug` shows a mask; the memory is zeroed when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value. One that did not come out of the request must also be given to [`Redactor::add`](crate::Redactor::add).
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself, for the one place that needs it: a header, a private file, a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, which pipelines use for "not set".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), MASK);
    }
}
