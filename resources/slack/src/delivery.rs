//! From a message to the channels: each gets it once, and whom it did not reach is told.

use jetway::http::{HttpClient, TransportError, TransportKind};
use jetway::{Advise as _, Console, Error, Interrupted, Result, Secret};
use serde_json::{Map, Value};

use crate::message::Message;
use crate::reference::Found;
use crate::web_api::{Twice, WebApi};
use crate::webhook;

/// How messages go out.
pub(crate) enum Delivery<'s> {
    /// By a webhook.
    Webhook {
        /// The client for it.
        client: HttpClient,
        /// Its address.
        url: &'s Secret,
    },
    /// By the Web API.
    Api(WebApi<'s>),
}

/// One message to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it goes; without a name, to a webhook's own channel.
    pub(crate) channel: Option<String>,
    pub(crate) kind: Kind,
}

/// What becomes of a message in its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is a new one.
    New,
    /// It answers the message of this `ts`.
    Reply(String),
    /// It takes the place of the message of this `ts`.
    Update(String),
}

impl Target {
    /// The channel for people.
    fn shown(&self) -> String {
        match &self.channel {
            Some(channel) => format!("`{channel}`"),
            None => "the webhook's channel".to_owned(),
        }
    }

    /// What is sent.
    pub(crate) fn body(&self, message: &Message) -> Map<String, Value> {
        let mut body = message.body(self.channel.as_deref());
        match &self.kind {
            Kind::New => {}
            Kind::Reply(ts) => {
                body.insert("thread_ts".to_owned(), Value::String(ts.clone()));
            }
            Kind::Update(ts) => {
                // Who a message is from was settled when it was posted.
                for key in ["username", "icon_url", "icon_emoji"] {
                    body.remove(key);
                }
                body.insert("ts".to_owned(), Value::String(ts.clone()));
            }
        }
        body
    }
}

impl Delivery<'_> {
    /// Sends the message to every target, and returns the ids that it got. When some were not reached the others still
    /// are; then all are named in the error.
    pub(crate) async fn send(&self, message: &Message, targets: &[Target], console: &Console) -> Result<Vec<Found>> {
        let (mut sent, mut reached, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for target in targets {
            match self.send_one(&target.body(message), &target.kind, console).await {
                Ok(found) => {
                    sent.extend(found);
                    reached.push(target.shown());
                }
                Err(error) if Interrupted::caused(&error) => {
                    if !reached.is_empty() {
                        console.warn(format_args!("the message has reached {}", reached.join(", ")));
                    }
                    return Err(error.context(format!("the message to {} was not finished", target.shown())));
                }
                Err(error) => failed.push((target.shown(), maybe_sent(error, &target.kind))),
            }
        }
        let Some((first, error)) = failed.pop() else { return Ok(sent) };
        // The last error becomes the verb's; the others are reported before it.
        for (channel, error) in &failed {
            let lines: Vec<String> = jetway::lines(error).iter().map(|line| line.text().to_owned()).collect();
            console.warn(format_args!("the message did not reach {channel}: {}", lines.join("\n")));
        }
        let error = error.context(format!("the message did not reach {first}"));
        Err(match (reached.is_empty(), failed.is_empty()) {
            (false, _) => error.hint(format!("it has reached {}, and would again", reached.join(", "))),
            (true, false) => error.hint("it has reached nobody"),
            (true, true) => error,
        })
    }

    async fn send_one(&self, body: &Map<String, Value>, kind: &Kind, console: &Console) -> Result<Option<Found>> {
        let api = match self {
            Self::Webhook { client, url } => return webhook::post(client, url, body, console).await.map(|()| None),
            Self::Api(api) => api,
        };
        let answer = match kind {
            Kind::Update(_) => api.call("chat.update", body, Twice::IsTheSame).await?,
            Kind::New | Kind::Reply(_) => api.call("chat.postMessage", body, Twice::Shows).await?,
        };
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        match (text("channel"), text("ts")) {
            (Some(channel), Some(ts)) => Ok(Some(Found { channel: Some(channel), ts })),
            _ => {
                console.warn("Slack took the message, but its answer has no `channel` and `ts`; later puts cannot refer to it");
                Ok(None)
            }
        }
    }
}

/// Says so when nobody can know whether the message arrived.
fn maybe_sent(error: Error, kind: &Kind) -> Error {
    let unsure = error
        .downcast_ref::<TransportError>()
        .is_some_and(|transport| matches!(transport.kind(), TransportKind::Cut | TransportKind::Stalled));
    if unsure && !matches!(kind, Kind::Update(_)) {
        error.hint("the message may have arrived; it is not sent again by itself, so that nobody reads it twice")
    } else {
        error
    }
}
