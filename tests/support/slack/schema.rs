//! Validates messages by Slack's documentation of `chat.postMessage`
//! (<https://docs.slack.dev/reference/methods/chat.postMessage>), of incoming webhooks
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>), and of attachments
//! (<https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments>). The sources of the error codes
//! are in `evidence.rs`.
//!
//! It is stricter than Slack with keys that are not documented, which Slack ignores.

use serde_json::{Map, Value};

/// The reason why a message is rejected: Slack's error code, and details for the test.
pub(super) struct SchemaError {
    pub(super) word: &'static str,
    pub(super) detail: String,
}

const TEXTS: [&str; 6] = ["channel", "text", "username", "icon_url", "icon_emoji", "thread_ts"];

const ATTACHMENT_TEXTS: [&str; 14] = [
    "fallback",
    "color",
    "pretext",
    "author_name",
    "author_link",
    "author_icon",
    "title",
    "title_link",
    "text",
    "footer",
    "footer_icon",
    "image_url",
    "thumb_url",
    "callback_id",
];

/// Validates a message.
pub(super) fn message(message: &Map<String, Value>, more_texts: &[&str]) -> Result<(), SchemaError> {
    let refuse = |word, detail: String| Err(SchemaError { word, detail });
    for (key, value) in message {
        let is_right = match key.as_str() {
            key if TEXTS.contains(&key) || more_texts.contains(&key) => {
                value.as_str().is_some_and(|text| !text.is_empty())
            }
            "link_names" | "reply_broadcast" => value.as_bool() == Some(true),
            "unfurl_links" | "unfurl_media" => value.is_boolean(),
            "attachments" | "blocks" => value.as_array().is_some_and(|items| !items.is_empty()),
            _ => return refuse("invalid_payload", format!("unknown key `{key}`")),
        };
        if !is_right {
            return refuse("invalid_payload", format!("`{key}` is {value}"));
        }
    }
    let list = |key: &str| message.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list("attachments").len() > 100 {
        return refuse("too_many_attachments", String::new());
    }
    for item in list("attachments") {
        if let Err(detail) = attachment(item) {
            return refuse("invalid_attachments", detail);
        }
    }
    if list("blocks").iter().any(|block| block.get("type").and_then(Value::as_str).is_none()) {
        return refuse("invalid_blocks", "a block without a type".to_owned());
    }
    if ["text", "attachments", "blocks"].iter().all(|key| !message.contains_key(*key)) {
        return refuse("no_text", String::new());
    }
    Ok(())
}

fn attachment(item: &Value) -> Result<(), String> {
    let Value::Object(entries) = item else { return Err(format!("an attachment is {item}")) };
    for (key, value) in entries {
        let is_right = match key.as_str() {
            key if ATTACHMENT_TEXTS.contains(&key) => value.is_string(),
            "ts" => value.is_number(),
            "mrkdwn_in" | "actions" | "blocks" => value.is_array(),
            "fields" => value.as_array().is_some_and(|fields| fields.iter().all(is_field)),
            _ => return Err(format!("unknown key `{key}`")),
        };
        if !is_right {
            return Err(format!("`{key}` is {value}"));
        }
    }
    Ok(())
}

fn is_field(field: &Value) -> bool {
    let has = |key: &str| field.get(key).is_some_and(Value::is_string);
    has("title") && has("value") && field.get("short").is_none_or(Value::is_boolean)
}
