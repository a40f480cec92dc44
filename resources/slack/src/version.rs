//! The version of a message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The file with the channel ids, which a get writes.
pub(crate) const CHANNEL: &str = "channel";

/// The file with the message ids, which a get writes.
pub(crate) const TS: &str = "ts";

/// A message that was sent. Which keys it has depends on how it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// With `token`: the id of the message's channel. If the message was sent to several channels, their ids, separated
    /// by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// With `token`: the id of the message in its channel. One id for each channel, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<String>,
    /// Without an id (a webhook returns none, or nothing was sent): the start time of the put, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// For an alert without an id: always `static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ver: Option<String>,
}

impl Version {
    /// The version of messages with ids: pairs of channel and ts.
    pub(crate) fn of_messages<'m>(messages: impl IntoIterator<Item = (&'m str, &'m str)>) -> Self {
        let (channels, ids): (Vec<&str>, Vec<&str>) = messages.into_iter().unzip();
        Self { channel: Some(channels.join(" ")), ts: Some(ids.join(" ")), ..Self::default() }
    }

    /// The version of a message without an id.
    pub(crate) fn of_time(timestamp: impl Into<String>) -> Self {
        Self { timestamp: Some(timestamp.into()), ..Self::default() }
    }

    /// The version of every alert without an id.
    pub(crate) fn of_alert() -> Self {
        Self { ver: Some("static".to_owned()), ..Self::default() }
    }

    /// Whether it is empty, as after a put of another release that printed `{}`.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
