//! Large integers in the values that an upgrade reuses. helm reads the numbers in its record as floats, and a template shows
//! `5.060547e+06` where the first deploy showed `5060547`, for example in the tag of an image. So they are passed as text, which a
//! template shows unchanged, in a private file, since a number may be a password.

use std::path::PathBuf;

use jetway::Result;
use serde_json::{Map, Value};

use super::overrides::is_large_integer;
use crate::target::Target;
use crate::yaml;

/// Writes a values file with the large integers, if the put reuses values that have any.
pub(super) async fn file(target: &Target<'_>) -> Result<Option<PathBuf>> {
    let params = target.params;
    if !params.reuse_values && !params.reset_then_reuse_values {
        return Ok(None);
    }
    let records = target.records().list(&target.release).await?;
    // helm reuses the values of the deployed revision, or else of the latest one.
    let Some(reused) = records.iter().rfind(|record| record.status == "deployed").or(records.last()) else {
        return Ok(None);
    };
    // helm itself reports a record that cannot be read.
    let release = target.records().read(&target.release, reused.revision).await.ok().flatten();
    let Some(text) = release.and_then(|release| release.config).as_ref().and_then(large) else { return Ok(None) };
    let private = target.context.private_directory();
    private.write("reused-values.yaml", yaml::document(&text).as_bytes()).map(Some)
}

/// Returns only the large integers of the values, as text. A list with one is returned whole, since helm replaces lists.
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
        value if is_large_integer(value) => Some(Value::String(value.to_string())),
        _ => None,
    }
}

/// Returns the value with its large integers as text.
fn spelled_out(value: &Value) -> Value {
    let mut value = value.clone();
    super::overrides::large_integers_to_text(&mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_only_large_integers() {
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
