//! The Web API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::schema;
use crate::stand_in::{Answer, Asked, StandIn};

/// The bot token that is let in.
pub const BOT: &str = "xoxb-1111-2222-b0tt0k3nb0tt0k3n";

/// The Web API of a workspace with the channels `#builds` (`C0BUILDS`), `#alerts` (`C0ALERTS`), `#archived`, and `#private`, to
/// which the bot was not invited; Ada (`ada@example.com`) is `U0ADA`.
pub struct SlackApi {
    server: StandIn,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    scopes: BTreeSet<String>,
}

/// A message in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel's id.
    pub channel: String,
    /// The message's own id.
    pub ts: String,
    /// As it was sent, and as it was changed by updates, without `channel` and `ts`.
    pub body: Map<String, Value>,
    /// The emoji under it.
    pub reactions: BTreeSet<String>,
    /// How often it was changed.
    pub edits: usize,
}

const SCOPES: [&str; 4] = ["chat:write", "reactions:write", "users:read", "users:read.email"];

impl SlackApi {
    /// A workspace without messages.
    pub fn start() -> Self {
        let scopes = SCOPES.map(str::to_owned).into_iter().collect();
        let state = Arc::new(Mutex::new(State { messages: Vec::new(), scopes }));
        let kept = Arc::clone(&state);
        let server = StandIn::start(move |asked| answer(asked, &mut lock(&kept)));
        Self { server, state }
    }

    /// The API's address.
    pub fn url(&self) -> String {
        format!("{}/api", self.server.url())
    }

    /// Takes a permission from the bot.
    pub fn without_scope(&self, scope: &str) {
        lock(&self.state).scopes.remove(scope);
    }

    /// The messages that are there, in order.
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.state).messages.clone()
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

type Outcome = Result<Value, Value>;

fn fail(word: &str) -> Value {
    json!({ "ok": false, "error": word })
}

fn answer(asked: &Asked, state: &mut State) -> Answer {
    let outcome = outcome(asked, state);
    let body = match outcome {
        Ok(mut body) => {
            body["ok"] = json!(true);
            body
        }
        Err(body) => body,
    };
    // Slack answers 200 to nearly everything, and says what it means in the body.
    Answer::json(200, &body)
}

fn outcome(asked: &Asked, state: &mut State) -> Outcome {
    match asked.header("authorization") {
        None => return Err(fail("not_authed")),
        Some(header) if header != format!("Bearer {BOT}") => return Err(fail("invalid_auth")),
        Some(_) => {}
    }
    let Some(method) = asked.path().strip_prefix("/api/") else { return Err(fail("unknown_method")) };
    let scope = match method {
        "chat.postMessage" | "chat.update" => "chat:write",
        "reactions.add" | "reactions.remove" => "reactions:write",
        "users.lookupByEmail" => "users:read.email",
        _ => return Err(fail("unknown_method")),
    };
    if !state.scopes.contains(scope) {
        let provided = state.scopes.iter().cloned().collect::<Vec<_>>().join(",");
        return Err(json!({ "ok": false, "error": "missing_scope", "needed": scope, "provided": provided }));
    }
    if method == "users.lookupByEmail" {
        // It is one of the methods that take no JSON.
        let email = if asked.method == "GET" { asked.query("email") } else { asked.form("email") };
        return match email.as_deref() {
            Some("ada@example.com") => Ok(json!({ "user": { "id": "U0ADA", "name": "ada" } })),
            Some(_) => Err(fail("users_not_found")),
            None => Err(fail("invalid_arguments")),
        };
    }
    if asked.header("content-type") != Some("application/json; charset=utf-8") {
        return Err(fail("invalid_post_type"));
    }
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&asked.body) else {
        return Err(fail("invalid_json"));
    };
    match method {
        "chat.postMessage" => post(body, state),
        "chat.update" => update(body, state),
        _ => react(method == "reactions.add", &body, state),
    }
}

/// The id of a channel that the bot may write to.
fn channel(body: &Map<String, Value>) -> Result<String, Value> {
    let ids: BTreeMap<&str, &str> = [
        ("#builds", "C0BUILDS"),
        ("C0BUILDS", "C0BUILDS"),
        ("#alerts", "C0ALERTS"),
        ("C0ALERTS", "C0ALERTS"),
        ("@ada", "D0ADA"),
    ]
    .into();
    match body.get("channel").and_then(Value::as_str) {
        Some("#archived") => Err(fail("is_archived")),
        Some("#private") => Err(fail("not_in_channel")),
        Some(name) => ids.get(name).map(|id| (*id).to_owned()).ok_or_else(|| fail("channel_not_found")),
        None => Err(fail("channel_not_found")),
    }
}

fn schema(body: &Map<String, Value>, more: &[&str]) -> Result<(), Value> {
    schema::message(body, more).map_err(
        |refused| json!({ "ok": false, "error": refused.word, "response_metadata": { "messages": [refused.detail] } }),
    )
}

fn post(mut body: Map<String, Value>, state: &mut State) -> Outcome {
    schema(&body, &[])?;
    let channel = channel(&body)?;
    if let Some(thread) = body.get("thread_ts").and_then(Value::as_str)
        && !state.messages.iter().any(|message| message.channel == channel && message.ts == thread)
    {
        return Err(fail("message_not_found"));
    }
    let ts = format!("1700000000.{:06}", state.messages.len() + 1);
    body.remove("channel");
    state.messages.push(Message {
        channel: channel.clone(),
        ts: ts.clone(),
        body,
        reactions: BTreeSet::new(),
        edits: 0,
    });
    Ok(json!({ "channel": channel, "ts": ts, "message": {} }))
}

/// The message that a request names, in a channel that it names by its id.
fn named<'s>(body: &Map<String, Value>, key: &str, state: &'s mut State) -> Result<&'s mut Message, Value> {
    let channel = channel(body)?;
    if body.get("channel").and_then(Value::as_str) != Some(channel.as_str()) {
        return Err(fail("channel_not_found"));
    }
    let ts = body.get(key).and_then(Value::as_str).map(str::to_owned);
    let found =
        state.messages.iter_mut().find(|message| message.channel == channel && Some(&message.ts) == ts.as_ref());
    found.ok_or_else(|| fail("message_not_found"))
}

fn update(mut body: Map<String, Value>, state: &mut State) -> Outcome {
    schema(&body, &["ts"])?;
    if ["username", "icon_url", "icon_emoji", "thread_ts"].iter().any(|key| body.contains_key(*key)) {
        return Err(fail("invalid_arguments"));
    }
    let message = named(&body, "ts", state)?;
    body.remove("channel");
    body.remove("ts");
    message.body.extend(body);
    message.edits += 1;
    Ok(json!({ "channel": message.channel, "ts": message.ts }))
}

fn react(adds: bool, body: &Map<String, Value>, state: &mut State) -> Outcome {
    let keys: BTreeSet<&str> = body.keys().map(String::as_str).collect();
    if keys != ["channel", "name", "timestamp"].into() {
        return Err(fail("invalid_arguments"));
    }
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name.is_empty() || name.contains(':') || name == "no_such_emoji" {
        return Err(fail("invalid_name"));
    }
    let message = named(body, "timestamp", state)?;
    match (adds, message.reactions.contains(&name)) {
        (true, true) => Err(fail("already_reacted")),
        (false, false) => Err(fail("no_reaction")),
        (true, false) => {
            message.reactions.insert(name);
            Ok(json!({}))
        }
        (false, true) => {
            message.reactions.remove(&name);
            Ok(json!({}))
        }
    }
}
