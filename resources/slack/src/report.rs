//! The result of a put: its version and its metadata.

use jetway::Metadata;
use jetway::http::Url;
use serde_json::Value;

use crate::alert_type::AlertType;
use crate::message::{Message, TextFile};
use crate::params::Params;
use crate::reference::MessageId;
use crate::source::{Credential, Source};
use crate::version::Version;

/// The result of a put.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) message: Message,
    pub(crate) file: TextFile,
    /// The channels as the pipeline names them.
    pub(crate) channels: Vec<String>,
    /// The messages that have an id.
    pub(crate) sent: Vec<MessageId>,
    pub(crate) alerted: bool,
    /// The request bodies.
    pub(crate) payload: Vec<Value>,
}

impl Report {
    /// The version of an alert or of another message, sent at `now`.
    pub(crate) fn version(&self, alert: Option<AlertType>, now: &str) -> Version {
        let ids = || self.sent.iter().filter_map(|found| Some((found.channel.as_deref()?, found.ts.as_str())));
        match alert {
            _ if ids().next().is_some() => Version::of_messages(ids()),
            Some(_) => Version::of_alert(),
            None => Version::of_time(now),
        }
    }

    /// The metadata in the order of the established resources. Secrets in texts are not masked yet.
    pub(crate) fn metadata(&self, source: &Source, params: &Params, alert: Option<AlertType>) -> Vec<Metadata> {
        let channels = self.channels.join(" ");
        let mut metadata = Vec::new();
        let mut add = |name: &str, value: &str| metadata.push(Metadata::new(name, value));
        if let Some(kind) = alert {
            add("type", kind.name());
            add("channel", &channels);
            add("alerted", if self.alerted { "true" } else { "false" });
        } else if params.metadata {
            add("url", &shown_url(source));
            add("channel", if channels.is_empty() { "null" } else { &channels });
            add("username", self.message.username.as_deref().unwrap_or("null"));
            add("text", self.message.text.as_deref().unwrap_or("null"));
            add("text_file", params.text_file.as_deref().unwrap_or_default());
            add("text_file_exists", if self.file.exists { "Yes" } else { "No" });
            add("text_file_content", &self.file.content);
        }
        if params.payload_in_metadata {
            let payload = match self.payload.as_slice() {
                [only] => only.clone(),
                all => Value::Array(all.to_vec()),
            };
            add("payload", &payload.to_string());
        }
        metadata
    }
}

/// The destination of messages without its secret parts.
fn shown_url(source: &Source) -> String {
    match source.credential() {
        Some(Credential::Webhook(url)) => {
            let origin = Url::parse(url.expose().trim()).map(|url| url.origin().ascii_serialization());
            origin.map(|origin| format!("{origin}/…")).unwrap_or_default()
        }
        _ => source.api_url.clone(),
    }
}
