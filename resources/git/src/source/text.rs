//! How text of a pipeline is read.

use serde::{Deserialize as _, Deserializer};

/// Reads text that is never meant to begin or end with a blank: a value of a variable often ends with a newline.
pub(crate) fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.map(|text| text.trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}
