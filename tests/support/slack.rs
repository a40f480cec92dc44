//! Stand-ins for Slack: incoming webhooks, also those of other chats, and the Web API.
//!
//! They validate requests against the documented schemas and respond with Slack's own error codes. They record the messages for
//! assertions.

mod api;
mod client;
mod evidence;
mod schema;
mod webhook;

pub use self::api::{BOT, Message, SlackApi, from_api, rate_limited};
pub use self::client::{Call, CallOutcome, call};
pub use self::evidence::{Evidence, evidence};
pub use self::webhook::{Chat, Webhook, from_slack};
