//! Fields of answers that nothing depends on: one that is missing or has another type counts as not given.

use serde::{Deserialize as _, Deserializer};
use serde_json::Value;

use crate::github::User;

/// A text; a number or a boolean is taken as its text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}

/// A text that is empty when it is not given.
pub(crate) fn text_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(text(deserializer)?.unwrap_or_default())
}

/// A number, which may be written as a text; 0 when it is not given.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().unwrap_or_default(),
        Value::String(text) => text.trim().parse().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => 0,
    })
}

/// A user with a login.
pub(crate) fn user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<User>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let login = value.get("login").and_then(Value::as_str).filter(|login| !login.is_empty());
    Ok(login.map(|login| User { login: login.to_owned() }))
}

#[cfg(test)]
mod tests {
    use crate::github::Status;
    use serde_json::{Value, json};

    fn status(value: Value) -> Status {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn reads_a_status_with_missing_fields_and_other_types() {
        let read = status(json!({ "id": "7", "state": "success", "creator": "octo", "updated_at": 1, "url": {} }));
        assert_eq!((read.id, read.state.as_str(), read.updated_at.as_str()), (7, "success", "1"));
        assert_eq!((read.creator(), read.url.clone(), read.created_at.as_str()), ("", None, ""));
        assert_eq!(status(json!({})).id, 0);
    }

    #[test]
    fn reads_the_state_from_the_status_key_of_gitea() {
        assert_eq!(status(json!({ "id": 1, "status": "failure" })).state, "failure");
        assert_eq!(status(json!({ "id": 1, "state": "success", "status": "failure" })).state, "success");
    }
}
