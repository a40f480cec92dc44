//! Incoming webhooks.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::schema;
use crate::stand_in::{Answer, Asked, StandIn};

/// The path of a webhook of Slack: its parts are its password.
const SLACK: &str = "/services/T0SECRET/B0SECRET/w3bh00kt0k3nw3bh00kt0k3n";

/// Whose webhook it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chat {
    /// Slack: `ok` or a word, both as `text/html` (slackapi/node-slack-sdk pull request 480; the headers of a refusal are those in
    /// integrations/slack issue 770).
    Slack,
    /// Mattermost: `ok` as `text/plain`, or JSON with a message (`incomingWebhook` in its `web/webhook.go`).
    Mattermost,
    /// Discord's `/slack`: `ok` (discord/discord-api-docs issue 1067), or JSON with a message and a code.
    Discord,
    /// Discord's `/slack?wait=false`, as its plain webhooks: 204 without a body ("Execute Webhook" in its documentation).
    DiscordWithoutWaiting,
    /// Rocket.Chat: `{"success":true}` (gogs/gogs issue 3169), or `{"success":false,"error":...}`.
    RocketChat,
}

/// A webhook. The message for people is what [`messages`](Self::messages) gives.
pub struct Webhook {
    chat: Chat,
    server: StandIn,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    /// Slack's.
    pub fn start() -> Self {
        Self::of(Chat::Slack)
    }

    /// Some chat's.
    pub fn of(chat: Chat) -> Self {
        let messages = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&messages);
        let server = StandIn::start(move |asked| answer(chat, asked, &kept));
        Self { chat, server, messages }
    }

    /// Its address, which is a secret.
    pub fn url(&self) -> String {
        format!("{}{}", self.server.url(), path(self.chat))
    }

    /// The part of the address that is nothing but secret.
    pub fn secret(&self) -> &'static str {
        path(self.chat).trim_end_matches("/slack").rsplit('/').next().expect("a path")
    }

    /// The messages that were taken, in order.
    pub fn messages(&self) -> Vec<Value> {
        self.messages.lock().expect("no request panicked").clone()
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }
}

fn path(chat: Chat) -> &'static str {
    match chat {
        Chat::Slack => SLACK,
        Chat::Mattermost => "/hooks/w3bh00kt0k3nw3bh00kt0k3n",
        Chat::Discord | Chat::DiscordWithoutWaiting => "/api/webhooks/1234567890/w3bh00kt0k3nw3bh00kt0k3n/slack",
        Chat::RocketChat => "/hooks/64f1c0/w3bh00kt0k3nw3bh00kt0k3n",
    }
}

fn answer(chat: Chat, asked: &Asked, kept: &Mutex<Vec<Value>>) -> Answer {
    let refuse = |status: u16, word: &str, detail: &str| match chat {
        Chat::Slack => from_slack(status, word).with("x-detail", detail),
        Chat::Mattermost => Answer::json(status, &json!({ "id": word, "message": detail, "status_code": status })),
        Chat::Discord | Chat::DiscordWithoutWaiting => {
            Answer::json(status, &json!({ "message": detail, "code": 50_006 }))
        }
        Chat::RocketChat => Answer::json(status, &json!({ "success": false, "error": word })),
    };
    if asked.path() != path(chat) {
        return refuse(404, "no_service", "No such hook");
    }
    if asked.method != "POST" || asked.header("content-type") != Some("application/json") {
        return refuse(400, "invalid_payload", "Not JSON");
    }
    let Ok(Value::Object(message)) = serde_json::from_slice::<Value>(&asked.body) else {
        return refuse(400, "invalid_payload", "Not an object");
    };
    if let Err(refused) = schema::message(&message, &[]) {
        return refuse(400, refused.word, &refused.detail);
    }
    if let Some((status, word)) = refusal(&message) {
        return refuse(status, word, "The channel cannot be used");
    }
    kept.lock().expect("no request panicked").push(Value::Object(message));
    match chat {
        Chat::Slack => from_slack(200, "ok"),
        Chat::Mattermost => Answer::text(200, "ok"),
        Chat::Discord => Answer::bytes(200, "text/html; charset=utf-8", "ok").with("Server", "cloudflare"),
        Chat::DiscordWithoutWaiting => Answer { status: 204, headers: Vec::new(), body: Vec::new() },
        Chat::RocketChat => Answer::json(200, &json!({ "success": true })),
    }
}

/// A word with all the headers that Slack sends.
pub fn from_slack(status: u16, word: &str) -> Answer {
    let headers = [
        ("Server", "Apache"),
        ("Vary", "Accept-Encoding"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("X-Slack-Backend", "r"),
        ("Access-Control-Allow-Origin", "*"),
        ("Via", "haproxy-www-icn9"),
    ];
    headers.into_iter().fold(Answer::bytes(status, "text/html", word), |answer, (name, value)| answer.with(name, value))
}

/// The channels that every workspace here has trouble with.
fn refusal(message: &Map<String, Value>) -> Option<(u16, &'static str)> {
    match message.get("channel").and_then(Value::as_str)? {
        "#nowhere" => Some((404, "channel_not_found")),
        "#archived" => Some((410, "channel_is_archived")),
        "#forbidden" => Some((403, "action_prohibited")),
        _ => None,
    }
}
