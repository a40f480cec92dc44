//! Stand-ins of Slack: incoming webhooks, also those of other chats, and the Web API.
//!
//! They hold what they receive against the documented schemas and answer as Slack does: with its words for what is wrong.
//! What arrived is kept, so that a test can say what people read.

mod api;
mod client;
mod evidence;
mod schema;
mod webhook;

pub use self::api::{BOT, Message, SlackApi, from_api, rate_limited};
pub use self::client::{Call, CallOutcome, call};
pub use self::evidence::{Evidence, evidence};
pub use self::webhook::{Chat, Webhook, from_slack};
