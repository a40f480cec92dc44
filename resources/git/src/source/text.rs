//! Deserializes text values of a pipeline.

use serde::{Deserialize as _, Deserializer};

/// Trims the text; empty text becomes `None`. The value of a pipeline variable often ends with a newline.
pub(crate) fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.map(|text| text.trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}
