//! Delivers a message to its channels, once to each, and reports the channels that it did not reach.

use jetway::http::{HttpClient, Retry, StatusError, TransportError, TransportKind};
use jetway::{Advise as _, Console, Context, Error, Interrupted, Result, Secret};
use serde_json::{Map, Value};

use crate::message::Message;
use crate::reference::MessageId;
use crate::source::Guarantee;
use crate::web_api::{ApiError, Idempotency, WebApi};
use crate::webhook;

/// The transport for messages.
pub(crate) enum Delivery<'s> {
    /// An incoming webhook.
    Webhook {
        /// The HTTP client.
        client: HttpClient,
        /// The webhook's URL.
        url: &'s Secret,
    },
    /// Slack's Web API.
    Api(WebApi<'s>),
}

/// The destination of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The channel; `None` for a webhook's own channel.
    pub(crate) channel: Option<String>,
    pub(crate) kind: Kind,
}

/// How to deliver the message to the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Post a new message.
    New,
    /// Reply to the message with this `ts`.
    Reply(String),
    /// Update the message with this `ts`.
    Update(String),
}

impl Target {
    /// The channel as the pipeline names it, for output.
    pub(crate) fn display_name(&self) -> String {
        match &self.channel {
            Some(channel) => format!("`{channel}`"),
            None => "the webhook's channel".to_owned(),
        }
    }

    /// The request body.
    pub(crate) fn body(&self, message: &Message) -> Map<String, Value> {
        let mut body = message.body(self.channel.as_deref());
        match &self.kind {
            Kind::New => {}
            Kind::Reply(ts) => {
                body.insert("thread_ts".to_owned(), Value::String(ts.clone()));
                if message.reply_broadcast {
                    body.insert("reply_broadcast".to_owned(), Value::Bool(true));
                }
            }
            Kind::Update(ts) => {
                // The sender of a message is fixed when it is posted.
                for key in ["username", "icon_url", "icon_emoji", "unfurl_links", "unfurl_media"] {
                    body.remove(key);
                }
                body.insert("ts".to_owned(), Value::String(ts.clone()));
            }
        }
        body
    }
}

impl Delivery<'_> {
    /// Sends the message to every target and returns the ids of the messages. A failure for one target does not stop
    /// the others; the error names every target that failed.
    pub(crate) async fn send(
        &self,
        message: &Message,
        targets: &[Target],
        guarantee: Guarantee,
        context: &Context,
    ) -> Result<Vec<MessageId>> {
        let console = context.console();
        let (mut sent, mut reached, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for target in targets {
            match self.send_to(target, message, guarantee, context).await {
                Ok(found) => {
                    sent.extend(found);
                    reached.push(target.display_name());
                }
                Err(error) if Interrupted::caused(&error) => {
                    if !reached.is_empty() {
                        console.warn(format_args!("the message was sent to {}", reached.join(", ")));
                    }
                    // An interrupted request adds context to the error; an interrupted pause between two requests does not.
                    let was_sent = error.chain().nth(1).is_some();
                    let error =
                        error.context(format!("sending the message to {} was interrupted", target.display_name()));
                    return Err(if was_sent { error.hint("the message may have arrived") } else { error });
                }
                Err(error) => {
                    failed.push((target.display_name(), hint_that_it_may_have_arrived(error, target, guarantee)));
                }
            }
        }
        let Some((first, error)) = failed.pop() else { return Ok(sent) };
        // The last error becomes the verb's error; the others are logged before it.
        for (channel, error) in &failed {
            let lines: Vec<String> = jetway::lines(error).iter().map(|line| line.text().to_owned()).collect();
            console.warn(format_args!("cannot send the message to {channel}: {}", lines.join("\n")));
        }
        let error = error.context(format!("cannot send the message to {first}"));
        Err(match (reached.is_empty(), failed.is_empty()) {
            (false, _) => error.hint(format!(
                "the message was sent to {}; a retry of the put sends it there again",
                reached.join(", ")
            )),
            (true, false) => error.hint("the message was not sent to any channel"),
            (true, true) => error,
        })
    }

    /// Sends the message to one target, and retries if the guarantee allows it.
    async fn send_to(
        &self,
        target: &Target,
        message: &Message,
        guarantee: Guarantee,
        context: &Context,
    ) -> Result<Option<MessageId>> {
        let (body, retry) = (target.body(message), Retry::default());
        let mut attempts = 1;
        loop {
            let error = match self.send_once(&body, &target.kind, context.console()).await {
                Err(error) if guarantee == Guarantee::AtLeastOnce && may_have_arrived(&error) => error,
                outcome => return outcome,
            };
            if attempts == retry.attempts {
                return Err(error);
            }
            context.console().step(format_args!("retrying the message to {}: {error}", target.display_name()));
            context.interrupt().sleep(retry.pause_after(attempts)).await?;
            attempts += 1;
        }
    }

    async fn send_once(&self, body: &Map<String, Value>, kind: &Kind, console: &Console) -> Result<Option<MessageId>> {
        let api = match self {
            Self::Webhook { client, url } => return webhook::post(client, url, body, console).await.map(|()| None),
            Self::Api(api) => api,
        };
        let answer = match kind {
            Kind::Update(_) => api.call("chat.update", body, Idempotency::Idempotent).await?,
            Kind::New | Kind::Reply(_) => api.call("chat.postMessage", body, Idempotency::NotIdempotent).await?,
        };
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        if let (Some(channel), Some(ts)) = (text("channel"), text("ts")) {
            return Ok(Some(MessageId { channel: Some(channel), ts }));
        }
        console.warn(
            "Slack accepted the message, but its response has no `channel` and `ts`; later puts cannot refer to it",
        );
        Ok(None)
    }
}

/// Whether the chat may have accepted the message without confirming it.
///
/// This is the case if the connection broke after the request was sent, after 500 (Slack: `rollup_error`), 502, 504 and
/// after gateway errors (Cloudflare's 520 to 527, before Discord). 503 means that the request was not handled. Slack
/// documents that after `fatal_error` and `internal_error` part of the operation may have succeeded.
fn may_have_arrived(error: &Error) -> bool {
    if let Some(transport) = error.downcast_ref::<TransportError>() {
        return matches!(transport.kind(), TransportKind::Cut | TransportKind::Stalled);
    }
    if let Some(answer) = error.downcast_ref::<StatusError>() {
        return answer.status().is_server_error() && ![501, 503, 505].contains(&answer.status().as_u16());
    }
    error
        .downcast_ref::<ApiError>()
        .is_some_and(|error| ["fatal_error", "internal_error"].contains(&error.code.as_str()))
}

/// Adds a hint if the message may have arrived.
fn hint_that_it_may_have_arrived(error: Error, target: &Target, guarantee: Guarantee) -> Error {
    if matches!(target.kind, Kind::Update(_)) || !may_have_arrived(&error) {
        return error;
    }
    error.hint(match guarantee {
        Guarantee::AtMostOnce => {
            "the message may have arrived; it is not retried, to avoid a duplicate (`delivery: at_least_once` retries it)"
        }
        Guarantee::AtLeastOnce => "the message may have arrived once or several times",
    })
}
