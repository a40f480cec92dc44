//! Times in Jira's responses and in versions.

use jiff::Timestamp;
use serde_json::Value;

/// Reads a time: text such as `2026-01-02T03:04:05.000+0000`, or a number of milliseconds since 1970, as Jira Cloud has it in
/// bulk changelogs.
pub(crate) fn read(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Parses the text of a time. The offset may lack its colon.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let (time, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    format!("{time}:{minutes}").parse().ok()
}

/// A time in a version: in UTC, so that it does not depend on the account's time zone.
pub(crate) fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_times_of_both_apis() {
        for value in [
            json!("2026-01-02T03:04:05.678+0000"),
            json!("2026-01-02T04:04:05.678+0100"),
            json!("2026-01-02T03:04:05.678Z"),
            json!("2026-01-02T03:04:05.678+00:00"),
            json!(1_767_323_045_678_i64),
        ] {
            assert_eq!(read(&value).map(text).as_deref(), Some("2026-01-02T03:04:05.678Z"), "{value}");
        }
        for value in [json!("yesterday"), json!(""), json!("ü"), json!(null), json!({}), json!(1e300)] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
