//! Large whole numbers of the revision whose values are reused. helm reads its record's numbers as fractions, and a template then shows
//! `5.060547e+06` where the first deploy showed `5060547`, in the tag of an image for example. So they are handed over as text, which a
//! template shows as it is, and which stays in a private file, since a number may be a password.

use std::path::PathBuf;

use jetway::Result;
use serde_json::{Map, Value};

use super::overrides::is_large;
use crate::target::Target;
use crate::yaml;

/// A file of values with the numbers, when values are reused and there are any.
pub(super) async fn file(target: &Target<'_>) -> Result<Option<PathBuf>> {
    let params = target.params;
    if !params.reuse_values && !params.reset_then_reuse_values {
        return Ok(None);
    }
    let records = target.records().of(&target.release).await?;
    // helm reuses the values of what is deployed, or else of the newest revision.
    let Some(reused) = records.iter().rfind(|record| record.status == "deployed").or(records.last()) else {
        return Ok(None);
    };
    // helm itself says what is wrong with a record that cannot be read.
    let release = target.records().read(&target.release, reused.revision).await.ok().flatten();
    let Some(text) = release.and_then(|release| release.config).as_ref().and_then(large) else { return Ok(None) };
    let private = target.context.private_directory();
    private.write("reused-values.yaml", yaml::document(&text).as_bytes()).map(Some)
}

/// The large numbers in the values as text, and nothing else; a list with one is there as a whole, since lists are replaced.
fn large(value: &Value) -> Option<Value> {
    match value {
        Value::Object(entries) => {
            let found: Map<String, Value> =
                entries.iter().filter_map(|(key, value)| Some((key.clone(), large(value)?))).collect();
            (!found.is_empty()).then_some(Value::Object(found))
        }
        Value::Array(items) if items.iter().any(|item| large(item).is_some()) => {
            Some(Value::Array(items.iter().map(spelled_out).collect()))
        }
        value if is_large(value) => Some(Value::String(value.to_string())),
        _ => None,
    }
}

/// The value with its large numbers as text.
fn spelled_out(value: &Value) -> Value {
    let mut value = value.clone();
    super::overrides::spell_out(&mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_large_whole_numbers_alone() {
        let values = json!({
            "image": { "tag": 5_060_547, "name": "app" }, "replicas": 3, "ports": [80, 443],
            "ids": [{ "id": 29_111_998, "name": "a" }, { "id": 1 }], "share": 1.5,
        });
        let expected = json!({
            "image": { "tag": "5060547" }, "ids": [{ "id": "29111998", "name": "a" }, { "id": 1 }],
        });
        assert_eq!(large(&values), Some(expected));
        assert_eq!(large(&json!({ "replicas": 3 })), None);
    }
}
