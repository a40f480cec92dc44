//! Incoming webhooks.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use super::evidence::evidence;
use super::schema;
use crate::stand_in::{RecordedRequest, Response, StandIn};

/// The path of a Slack webhook, which is its secret.
const SLACK: &str = "/services/T0SECRET/B0SECRET/w3bh00kt0k3nw3bh00kt0k3n";

/// The chat of a webhook. The responses and their sources are in `evidence.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chat {
    /// Slack.
    Slack,
    /// Mattermost.
    Mattermost,
    /// Discord's URL for Slack's message format, which ends with `/slack`.
    Discord,
    /// The same URL with `?wait=false`.
    DiscordWithoutWaiting,
    /// Rocket.Chat.
    RocketChat,
}

/// A webhook. [`messages`](Self::messages) returns the messages that it accepted.
pub struct Webhook {
    chat: Chat,
    server: StandIn,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    /// Starts a Slack webhook.
    pub fn start() -> Self {
        Self::of(Chat::Slack)
    }

    /// Starts a webhook of this chat.
    pub fn of(chat: Chat) -> Self {
        let messages = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&messages);
        let server = StandIn::start(move |request| answer(chat, request, &kept));
        Self { chat, server, messages }
    }

    /// Its URL, which is a secret.
    pub fn url(&self) -> String {
        let query = if self.chat == Chat::DiscordWithoutWaiting { "?wait=false" } else { "" };
        format!("{}{}{query}", self.server.url(), path(self.chat))
    }

    /// The secret part of the URL.
    pub fn secret(&self) -> &'static str {
        token(self.chat)
    }

    /// The accepted messages, in order.
    pub fn messages(&self) -> Vec<Value> {
        self.messages.lock().expect("no request panicked").clone()
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }
}

fn token(chat: Chat) -> &'static str {
    path(chat).trim_end_matches("/slack").rsplit('/').next().expect("a path")
}

fn path(chat: Chat) -> &'static str {
    match chat {
        Chat::Slack => SLACK,
        Chat::Mattermost => "/hooks/w3bh00kt0k3nw3bh00kt0k3n",
        Chat::Discord | Chat::DiscordWithoutWaiting => "/api/webhooks/1234567890/w3bh00kt0k3nw3bh00kt0k3n/slack",
        Chat::RocketChat => "/hooks/64f1c0/w3bh00kt0k3nw3bh00kt0k3n",
    }
}

fn answer(chat: Chat, request: &RecordedRequest, kept: &Mutex<Vec<Value>>) -> Response {
    let word = match refusal(chat, request) {
        Ok(message) => {
            kept.lock().expect("no request panicked").push(Value::Object(message));
            "ok"
        }
        Err(word) => word,
    };
    let known = evidence(chat);
    // If no source quotes a chat's response to this, the first of its errors is used.
    let evidence = known.iter().find(|evidence| evidence.word == word).unwrap_or(&known[1]);
    evidence.answer(chat, evidence.statuses[0], token(chat))
}

/// Parses a message that Slack accepts, or returns its error code.
fn refusal(chat: Chat, request: &RecordedRequest) -> Result<Map<String, Value>, &'static str> {
    if request.path() != path(chat) {
        return Err("no_service");
    }
    if request.method != "POST" || request.header("content-type") != Some("application/json") {
        return Err("invalid_payload");
    }
    let Ok(Value::Object(message)) = serde_json::from_slice::<Value>(&request.body) else {
        return Err("invalid_payload");
    };
    schema::message(&message, &[]).map_err(|refused| refused.word)?;
    match message.get("channel").and_then(Value::as_str).and_then(trouble) {
        Some(word) => Err(word),
        None => Ok(message),
    }
}

/// Slack's response with this error code.
///
/// # Panics
/// If `evidence.rs` does not have it.
pub fn from_slack(word: &str) -> Response {
    let known = evidence(Chat::Slack).iter().find(|evidence| evidence.word == word);
    let evidence = known.unwrap_or_else(|| panic!("no evidence of `{word}`"));
    evidence.answer(Chat::Slack, evidence.statuses[0], token(Chat::Slack))
}

/// The channels that every workspace here has trouble with.
fn trouble(channel: &str) -> Option<&'static str> {
    match channel {
        "#nowhere" => Some("channel_not_found"),
        "#archived" => Some("channel_is_archived"),
        "#forbidden" => Some("action_prohibited"),
        _ => None,
    }
}
