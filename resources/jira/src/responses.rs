//! API responses: issues, their statuses and changelogs. Fields that are missing or have another type count as not set.

use jiff::Timestamp;
use serde_json::Value;

use crate::time;

/// An issue.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) key: String,
    /// The numeric id, which bulk changelogs use.
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) created: Option<Timestamp>,
    pub(crate) updated: Option<Timestamp>,
    /// The whole response.
    pub(crate) value: Value,
}

/// The status of an issue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The key of its category.
    pub(crate) category: String,
}

/// A change of an issue's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) at: Timestamp,
    pub(crate) from_name: String,
    pub(crate) to_id: String,
    pub(crate) to_name: String,
}

impl Issue {
    /// Reads an issue; `None` if it has no key or no status.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let key = text_at(value, &["key"]);
        let status = Status::read(value.get("fields")?.get("status")?);
        if key.is_empty() || status.name.is_empty() {
            return None;
        }
        let time_at = |name: &str| value.get("fields")?.get(name).and_then(time::read);
        Some(Self {
            key,
            id: text_at(value, &["id"]),
            status,
            created: time_at("created"),
            updated: time_at("updated"),
            value: value.clone(),
        })
    }

    /// The changes of the status in the issue's own changelog, oldest first.
    pub(crate) fn moves(&self) -> Vec<Move> {
        let histories = self.value.get("changelog").and_then(|changelog| changelog.get("histories"));
        moves(histories.unwrap_or(&Value::Null))
    }

    /// The text of a field.
    pub(crate) fn text(&self, field: &str) -> String {
        text_at(&self.value, &["fields", field])
    }
}

impl Status {
    pub(crate) fn read(value: &Value) -> Self {
        Self {
            id: text_at(value, &["id"]),
            name: text_at(value, &["name"]),
            category: text_at(value, &["statusCategory", "key"]),
        }
    }
}

impl Move {
    /// Whether the issue moved to this status. The id also counts, because a status may have been renamed since.
    pub(crate) fn leads_to(&self, status: &Status) -> bool {
        (!self.to_id.is_empty() && self.to_id == status.id) || self.to_name.to_lowercase() == status.name.to_lowercase()
    }
}

/// The changes of a status in a changelog, oldest first.
pub(crate) fn moves(histories: &Value) -> Vec<Move> {
    let mut moves = Vec::new();
    for history in histories.as_array().into_iter().flatten() {
        let Some(at) = history.get("created").and_then(time::read) else { continue };
        for item in history.get("items").and_then(Value::as_array).into_iter().flatten() {
            if text_at(item, &["field"]) == "status" {
                let [from_name, to_id, to_name] = ["fromString", "to", "toString"].map(|name| text_at(item, &[name]));
                moves.push(Move { at, from_name, to_id, to_name });
            }
        }
    }
    moves.sort_by_key(|change| change.at);
    moves
}

/// A text or number inside a value; empty if there is none.
pub(crate) fn text_at(value: &Value, path: &[&str]) -> String {
    let found = path.iter().try_fold(value, |value, name| value.get(name));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rejects_issue_without_key_or_status() {
        let status = json!({ "id": 3, "name": "Done", "statusCategory": { "key": "done" } });
        let read =
            Issue::read(&json!({ "key": "A-1", "id": 7, "fields": { "status": status, "updated": true } })).unwrap();
        assert_eq!((read.id.as_str(), read.status.id.as_str(), read.updated), ("7", "3", None));
        for value in [json!({}), json!({ "key": "A-1" }), json!({ "key": 1.5, "fields": {} }), json!([])] {
            assert!(Issue::read(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn moves_are_only_status_changes() {
        let histories = json!([
            { "created": 2000, "items": [{ "field": "status", "to": "3", "toString": "Done" }] },
            { "created": "1970-01-01T00:00:01.000+0000", "items": [
                { "field": "labels", "to": null, "toString": "x" }, { "field": "status", "to": "2", "toString": "Open" },
            ] },
            { "items": [{ "field": "status" }] }, 7,
        ]);
        let moves = moves(&histories);
        assert_eq!(moves.iter().map(|change| change.to_name.as_str()).collect::<Vec<_>>(), ["Open", "Done"]);
        let renamed = Status { id: "3".to_owned(), name: "Finished".to_owned(), category: String::new() };
        assert!(moves[1].leads_to(&renamed) && !moves[0].leads_to(&renamed));
    }
}
