//! Resolves `thread` and `update` to an earlier message.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Problems, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::inputs::Inputs;
use crate::version::{CHANNEL, TS, Version};

/// A reference to a message in a pipeline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reference {
    /// The directory of a put or get of the message (the step's name), a file that holds its `ts` or its version, or the
    /// `ts` itself.
    TextKind(String),
    /// The message's version.
    Message {
        /// The id of its channel.
        channel: Option<String>,
        /// Its id in that channel.
        ts: String,
    },
}

/// The id of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageId {
    /// Its channel, if the reference names it.
    pub(crate) channel: Option<String>,
    pub(crate) ts: String,
}

impl Reference {
    /// Validates the reference without reading files.
    pub(crate) fn validate(&self, key: &str, problems: &mut Problems) {
        match self {
            Self::TextKind(place) => problems.require_input(key, place),
            Self::Message { ts, .. } if !ts.split_whitespace().all(is_ts) => {
                problems.add(format!("{key}.ts"), "must be a message's `ts`, such as `1700000000.000100`");
            }
            Self::Message { .. } => {}
        }
    }

    /// Resolves the reference to one or more messages.
    pub(crate) fn find(&self, key: &str, inputs: &Inputs) -> Result<Vec<MessageId>> {
        let place = match self {
            Self::Message { channel, ts } => return parse_ids(channel.as_deref(), ts),
            Self::TextKind(place) => place,
        };
        if is_ts(place) {
            return parse_ids(None, place);
        }
        let found = inputs.find(place).with_context(|| format!("cannot use `{key}`"))?;
        let Some(found) = found else {
            return Err(anyhow!("`{place}` (`{key}`) is not in the inputs")
                .hint("set the name of an earlier put or get of a message, or a file with its `ts`"));
        };
        let read = if found.is_dir() { directory(place, inputs) } else { file(place, inputs) };
        read.with_context(|| format!("`{place}` (`{key}`) does not identify a message"))
    }
}

/// Reads the files that a get of a message wrote.
fn directory(place: &str, inputs: &Inputs) -> Result<Vec<MessageId>> {
    let read = |name: &str| inputs.text(&Path::new(place).join(name).to_string_lossy());
    let Some(ts) = read(TS)? else {
        return Err(anyhow!("it has no file `{TS}`")
            .hint("only messages that were sent with `token` have an id; webhooks do not return one"));
    };
    parse_ids(read(CHANNEL)?.as_deref(), &ts)
}

/// Reads a file that contains a version as JSON, or only a `ts`.
fn file(place: &str, inputs: &Inputs) -> Result<Vec<MessageId>> {
    let text = inputs.text(place)?.unwrap_or_default();
    if text.trim_start().starts_with('{') {
        let version: Version = serde_json::from_str(&text).context("it is not valid JSON")?;
        let ts = version.ts.ok_or_else(|| anyhow!("it has no `ts`"))?;
        return parse_ids(version.channel.as_deref(), &ts);
    }
    parse_ids(None, &text)
}

/// Pairs each `ts` with its channel.
fn parse_ids(channel: Option<&str>, ts: &str) -> Result<Vec<MessageId>> {
    let ids: Vec<&str> = ts.split_whitespace().collect();
    if ids.is_empty() || !ids.iter().all(|id| is_ts(id)) {
        return Err(anyhow!("expected a message's `ts`, such as `1700000000.000100`"));
    }
    let channels: Vec<&str> = channel.unwrap_or_default().split_whitespace().collect();
    if !channels.is_empty() && channels.len() != ids.len() {
        return Err(anyhow!("it has {} values of `ts`, but {} of `channel`", ids.len(), channels.len()));
    }
    let mut channels = channels.into_iter().map(str::to_owned);
    Ok(ids.into_iter().map(|ts| MessageId { channel: channels.next(), ts: ts.to_owned() }).collect())
}

/// Whether the text has the format of a message's id.
fn is_ts(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.len() <= 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, number)| digits(seconds) && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn found(channel: Option<&str>, ts: &str) -> MessageId {
        MessageId { channel: channel.map(str::to_owned), ts: ts.to_owned() }
    }

    #[test]
    fn finds_message_in_every_supported_form() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("announce")).unwrap();
        fs::write(root.path().join("announce/channel"), "C1 C2\n").unwrap();
        fs::write(root.path().join("announce/ts"), "1.1 2.2\n").unwrap();
        fs::write(root.path().join("version"), "{\"channel\": \"C1\", \"ts\": \"1.1\"}").unwrap();
        fs::write(root.path().join("ts"), "3.3\n").unwrap();
        let inputs = Inputs::new(root.path()).unwrap();
        let find = |place: &str| Reference::TextKind(place.to_owned()).find("thread", &inputs).unwrap();
        assert_eq!(find("announce"), [found(Some("C1"), "1.1"), found(Some("C2"), "2.2")]);
        assert_eq!(find("version"), [found(Some("C1"), "1.1")]);
        assert_eq!(find("ts"), [found(None, "3.3")]);
        assert_eq!(find("4.4"), [found(None, "4.4")]);
        let message = Reference::Message { channel: Some("C9".to_owned()), ts: "5.5".to_owned() };
        assert_eq!(message.find("thread", &inputs).unwrap(), [found(Some("C9"), "5.5")]);
        assert!(Reference::TextKind("none".to_owned()).find("thread", &inputs).is_err());
    }

    #[test]
    fn rejects_other_forms() {
        for text in ["", "1", "1.", ".1", "a.b", "1.1.1", "1.1 x", "-1.1", "1700000000000.1"] {
            assert!(parse_ids(None, text).is_err(), "{text}");
        }
        assert!(parse_ids(Some("C1 C2"), "1.1").is_err());
    }
}
