//! The Web API.
//!
//! Each response follows the method's page in Slack's documentation (`https://docs.slack.dev/reference/methods/METHOD`): the example
//! of a success, or an error code from its table. The rules that all methods share are in "Using the Slack Web API"
//! (`https://docs.slack.dev/apis/web-api`). Slack's own client (`client/client.js`) validates the responses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::schema;
use crate::stand_in::{RecordedRequest, Response, StandIn};

/// The valid bot token.
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
    /// The message's id.
    pub ts: String,
    /// The body as sent and changed by updates, without `channel` and `ts`.
    pub body: Map<String, Value>,
    /// Its reactions.
    pub reactions: BTreeSet<String>,
    /// The number of updates.
    pub edits: usize,
}

const SCOPES: [&str; 4] = ["chat:write", "reactions:write", "users:read", "users:read.email"];

impl SlackApi {
    /// A workspace without messages.
    pub fn start() -> Self {
        let scopes = SCOPES.map(str::to_owned).into_iter().collect();
        let state = Arc::new(Mutex::new(State { messages: Vec::new(), scopes }));
        let kept = Arc::clone(&state);
        let server = StandIn::start(move |request| answer(request, &mut lock(&kept)));
        Self { server, state }
    }

    /// The base URL of the API.
    pub fn url(&self) -> String {
        format!("{}/api", self.server.url())
    }

    /// Removes a scope from the bot's token.
    pub fn without_scope(&self, scope: &str) {
        lock(&self.state).scopes.remove(scope);
    }

    /// The messages, in order.
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

/// The response over the rate limit: the status, headers and body of a recorded one in beginner-corp/slack issue 105.
pub fn rate_limited(seconds: u64) -> Response {
    from_api(429, &fail("ratelimited")).with("Retry-After", &seconds.to_string())
}

/// JSON with the headers of the Web API, which are those of a recorded answer in errbotio/err-backend-slackv3 pull request 11.
pub fn from_api(status: u16, body: &Value) -> Response {
    let headers = [
        ("Date", "Mon, 01 Feb 2021 14:19:04 GMT"),
        ("Server", "Apache"),
        ("X-XSS-Protection", "0"),
        ("Pragma", "no-cache"),
        ("Cache-Control", "private, no-cache, no-store, must-revalidate"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Slack-Req-Id", "64b0e921a5a24cd4a98fc5aadf995a10"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"),
        ("Access-Control-Expose-Headers", "x-slack-req-id, retry-after"),
        ("X-Slack-Backend", "r"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Expires", "Mon, 26 Jul 1997 05:00:00 GMT"),
        ("Vary", "Accept-Encoding"),
    ];
    headers.into_iter().fold(Response::json(status, body), |answer, (name, value)| answer.with(name, value))
}

fn answer(request: &RecordedRequest, state: &mut State) -> Response {
    let (mut body, warning) = match outcome(request, state) {
        Ok((mut body, warning)) => {
            body["ok"] = json!(true);
            (body, warning)
        }
        Err(body) => (body, None),
    };
    // A warning is in two places: https://docs.slack.dev/changelog/2016/09/28/response-metadata-is-on-the-way
    if let Some(word) = warning {
        body["warning"] = json!(word);
        body["response_metadata"] = json!({ "warnings": [word] });
    }
    // Slack responds with 200 to nearly everything; `ok` in the body says whether the call succeeded ("Using the Slack Web API").
    let answer = from_api(200, &body);
    if request.header("authorization") != Some(&format!("Bearer {BOT}")) {
        return answer;
    }
    // "Working with scopes": every response to a valid token lists both kinds of scopes.
    let scopes = state.scopes.iter().cloned().collect::<Vec<_>>().join(",");
    let answer = answer.with("X-OAuth-Scopes", &scopes);
    match request.path().strip_prefix("/api/").and_then(scope) {
        Some(scope) => answer.with("X-Accepted-OAuth-Scopes", scope),
        None => answer,
    }
}

/// The scope that a method requires.
fn scope(method: &str) -> Option<&'static str> {
    match method {
        "chat.postMessage" | "chat.update" => Some("chat:write"),
        "reactions.add" | "reactions.remove" => Some("reactions:write"),
        "users.lookupByEmail" => Some("users:read.email"),
        _ => None,
    }
}

/// The body of the response, and a warning to add to a success.
fn outcome(request: &RecordedRequest, state: &mut State) -> Result<(Value, Option<&'static str>), Value> {
    // All of these codes are in the table of errors that all methods share.
    match request.header("authorization") {
        None => return Err(fail("not_authed")),
        Some(header) if header != format!("Bearer {BOT}") => return Err(fail("invalid_auth")),
        Some(_) => {}
    }
    let Some(method) = request.path().strip_prefix("/api/") else { return Err(fail("unknown_method")) };
    let scope = scope(method).ok_or_else(|| fail("unknown_method"))?;
    if !state.scopes.contains(scope) {
        let provided = state.scopes.iter().cloned().collect::<Vec<_>>().join(",");
        return Err(json!({ "ok": false, "error": "missing_scope", "needed": scope, "provided": provided }));
    }
    if method == "users.lookupByEmail" {
        // Its page: "This method does not currently accept application/json".
        let email = if request.method == "GET" { request.query("email") } else { request.form("email") };
        return match email.as_deref() {
            Some("ada@example.com") => Ok((json!({ "user": ada() }), None)),
            Some(_) => Err(fail("users_not_found")),
            None => Err(invalid("missing required field: email")),
        };
    }
    let (body, warning) = arguments(request)?;
    let body = match method {
        "chat.postMessage" => post(body, state),
        "chat.update" => update(body, state),
        _ => react(method == "reactions.add", &body, state),
    }?;
    Ok((body, warning))
}

/// The example on the page of `users.lookupByEmail`, with our user in it.
fn ada() -> Value {
    let image = "https://avatars.example/ada.jpg";
    json!({
        "id": "U0ADA",
        "team_id": "T0SECRET",
        "name": "ada",
        "deleted": false,
        "color": "9f69e7",
        "real_name": "Ada",
        "tz": "Europe/London",
        "tz_label": "Greenwich Mean Time",
        "tz_offset": 0,
        "profile": {
            "avatar_hash": "ge3b51ca72de",
            "status_text": "",
            "status_emoji": "",
            "real_name": "Ada",
            "display_name": "ada",
            "real_name_normalized": "Ada",
            "display_name_normalized": "ada",
            "email": "ada@example.com",
            "image_24": image, "image_32": image, "image_48": image, "image_72": image, "image_192": image, "image_512": image,
            "team": "T0SECRET",
        },
        "is_admin": false,
        "is_owner": false,
        "is_primary_owner": false,
        "is_restricted": false,
        "is_ultra_restricted": false,
        "is_bot": false,
        "updated": 1_502_138_686,
        "is_app_user": false,
        "has_2fa": false,
    })
}

/// The arguments of a method that takes both JSON and a form, by "POST bodies" of "Using the Slack Web API". A form has lists and
/// objects as JSON in a field.
fn arguments(request: &RecordedRequest) -> Result<(Map<String, Value>, Option<&'static str>), Value> {
    let Some(content_type) = request.header("content-type") else { return Err(fail("missing_post_type")) };
    let (kind, charset) = content_type.split_once(';').map_or((content_type, None), |(kind, more)| (kind, Some(more)));
    match kind {
        "application/json" => match serde_json::from_slice(&request.body) {
            Ok(Value::Object(body)) => Ok((body, charset.is_none().then_some("missing_charset"))),
            Ok(_) => Err(fail("json_not_object")),
            Err(_) => Err(fail("invalid_json")),
        },
        "application/x-www-form-urlencoded" => {
            let fields = request.fields().into_iter().map(|(name, text)| {
                let value = match name.as_str() {
                    "attachments" => serde_json::from_str(&text).map_err(|_| fail("invalid_attachments"))?,
                    "blocks" => serde_json::from_str(&text).map_err(|_| fail("invalid_blocks_format"))?,
                    "link_names" | "reply_broadcast" | "unfurl_links" | "unfurl_media" => {
                        json!(text == "true" || text == "1")
                    }
                    _ => Value::String(text),
                };
                Ok((name, value))
            });
            Ok((fields.collect::<Result<_, Value>>()?, charset.map(|_| "superfluous_charset")))
        }
        _ => Err(fail("invalid_post_type")),
    }
}

/// The id of a channel that the bot can write to.
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
    schema::message(body, more).map_err(|refused| match refused.word {
        // This is an error code of webhooks.
        "invalid_payload" => invalid(&refused.detail),
        word => refusal(word, &refused.detail),
    })
}

/// A refusal with its details, in the form that java-slack-sdk pull request 302 and node-slack-sdk pull request 832 quote.
fn refusal(word: &str, detail: &str) -> Value {
    json!({ "ok": false, "error": word, "response_metadata": { "messages": [format!("[ERROR] {detail}")] } })
}

fn invalid(detail: &str) -> Value {
    refusal("invalid_arguments", detail)
}

fn post(mut body: Map<String, Value>, state: &mut State) -> Outcome {
    schema(&body, &[])?;
    let channel = channel(&body)?;
    // Stricter than Slack, whose documentation has no error for it: a wrong `thread_ts` must fail a test.
    if let Some(thread) = body.get("thread_ts").and_then(Value::as_str)
        && !state.messages.iter().any(|message| message.channel == channel && message.ts == thread)
    {
        return Err(fail("message_not_found"));
    }
    let ts = format!("1700000000.{:06}", state.messages.len() + 1);
    body.remove("channel");
    let answer = json!({ "channel": channel, "ts": ts, "message": message(&body, &ts) });
    state.messages.push(Message { channel, ts, body, reactions: BTreeSet::new(), edits: 0 });
    Ok(answer)
}

/// A message in a response: the request's body, and its sender.
fn message(body: &Map<String, Value>, ts: &str) -> Value {
    let mut message = body.clone();
    message.entry("text").or_insert_with(|| json!(""));
    message.insert("type".to_owned(), json!("message"));
    message.insert("subtype".to_owned(), json!("bot_message"));
    message.insert("bot_id".to_owned(), json!("B0SECRET"));
    message.insert("ts".to_owned(), json!(ts));
    Value::Object(message)
}

/// Finds the message that a request refers to by its channel's id.
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
        return Err(invalid("an update changes no author and no thread"));
    }
    let changed = named(&body, "ts", state)?;
    body.remove("channel");
    body.remove("ts");
    changed.body.extend(body);
    changed.edits += 1;
    let text = changed.body.get("text").cloned().unwrap_or_default();
    let shown = message(&changed.body, &changed.ts);
    Ok(json!({ "channel": changed.channel, "ts": changed.ts, "text": text, "message": shown }))
}

fn react(adds: bool, body: &Map<String, Value>, state: &mut State) -> Outcome {
    let keys: BTreeSet<&str> = body.keys().map(String::as_str).collect();
    if keys != ["channel", "name", "timestamp"].into() {
        return Err(invalid("a reaction has `channel`, `name` and `timestamp`"));
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
