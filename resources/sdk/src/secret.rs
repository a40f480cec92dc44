//! Secrets.
//!
//! A credential in a `Source` or `Params` type is a [`Secret`]. Its schema has the mark `writeOnly`. The request reader adds
//! every marked value to the [`Redactor`](crate::Redactor) first, so that a secret is masked even in the error of an invalid
//! request.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::redactor::MASK;

/// A value that must never be shown: a password, a token, a private key.
///
/// It implements neither `Display` nor `Serialize`. `Debug` shows a mask. Dropping it zeroes its memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value. If it is not from the request, it must also be passed to [`Redactor::add`](crate::Redactor::add).
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value in plain text. Use it only where it is needed: in a header, a private file or a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the value is empty, which pipelines use for "not set".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret, unless it is empty or consists of white space.
    pub fn non_empty(secret: Option<&Self>) -> Option<&Self> {
        secret.filter(|secret| !secret.expose().trim().is_empty())
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
