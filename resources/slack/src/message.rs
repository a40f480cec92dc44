//! Builds a message from a put's params.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Console, Result, UnknownVariables, non_empty};
use serde_json::{Map, Value};

use crate::inputs::Inputs;
use crate::items;
use crate::params::Params;
use crate::terminal;
use crate::variables::{TextKind, Variables};

/// The variable that contains the content of `text_file`.
pub(crate) const TEXT_FILE_CONTENT: &str = "TEXT_FILE_CONTENT";

/// The default text of an empty message.
const EMPTY_TEXT: &str = "_(no notification provided)_";

/// A message without its destination.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) text: Option<String>,
    pub(crate) attachments: Vec<Value>,
    pub(crate) blocks: Vec<Value>,
    pub(crate) username: Option<String>,
    pub(crate) icon_url: Option<String>,
    pub(crate) icon_emoji: Option<String>,
    pub(crate) link_names: bool,
    pub(crate) unfurl_links: Option<bool>,
    pub(crate) unfurl_media: Option<bool>,
    pub(crate) reply_broadcast: bool,
}

impl Message {
    /// Whether the message has no content.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_none() && self.attachments.is_empty() && self.blocks.is_empty()
    }

    /// The request body for webhooks and the Web API, with the channel first. It omits unset keys.
    pub(crate) fn body(&self, channel: Option<&str>) -> Map<String, Value> {
        let text = |text: &Option<String>| text.clone().map(Value::String);
        let list = |list: &[Value]| (!list.is_empty()).then(|| Value::Array(list.to_vec()));
        let entries = [
            ("channel", channel.map(|channel| Value::String(channel.to_owned()))),
            ("text", text(&self.text)),
            ("username", text(&self.username)),
            ("icon_url", text(&self.icon_url)),
            ("icon_emoji", text(&self.icon_emoji)),
            // Mattermost rejects `false`.
            ("link_names", self.link_names.then_some(Value::Bool(true))),
            ("unfurl_links", self.unfurl_links.map(Value::Bool)),
            ("unfurl_media", self.unfurl_media.map(Value::Bool)),
            ("attachments", list(&self.attachments)),
            ("blocks", list(&self.blocks)),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// The state of `text_file`, for the metadata.
#[derive(Debug, Default)]
pub(crate) struct TextFile {
    pub(crate) exists: bool,
    pub(crate) content: String,
}

/// Builds the message from the texts of the params. Returns `None` if `text_file` exists and is empty: then no message
/// is sent.
pub(crate) fn compose(
    params: &Params,
    inputs: &Inputs,
    variables: &mut Variables,
    console: &Console,
) -> Result<(Option<Message>, TextFile)> {
    let mut file = TextFile::default();
    if let Some(path) = non_empty(params.text_file.as_ref()) {
        match inputs.text(path).context("cannot use `text_file`")? {
            Some(content) => {
                let content = if params.strip_ansi { terminal::strip(&content) } else { content };
                let content = variables.escape_untrusted(content.trim_end_matches('\n'));
                file = TextFile {
                    exists: true,
                    content: variables.fill(&content, UnknownVariables::Remove, TextKind::Text),
                };
            }
            None => console.warn(format_args!("file `{path}` (`text_file`) does not exist")),
        }
    }
    if file.exists && file.content.is_empty() && !params.always_notify {
        return Ok((None, file));
    }
    variables.set_text_of_file(TEXT_FILE_CONTENT, &file.content);
    let attachments = attachments(params, inputs, variables, console)?;
    let blocks = blocks(params, inputs, variables, console)?;
    if attachments.is_empty() && blocks.is_empty() && file.content.is_empty() {
        EMPTY_TEXT.clone_into(&mut file.content);
        variables.set_trusted(TEXT_FILE_CONTENT, EMPTY_TEXT);
    }
    let text = match &params.text {
        Some(text) => variables.fill(text, UnknownVariables::Remove, TextKind::Text),
        None => file.content.clone(),
    };
    let text = text.trim_end_matches('\n');
    // The established resource ends every text with a newline.
    let text = (!text.is_empty()).then(|| format!("{text}\n"));
    let message = Message { text, attachments, blocks, ..base_message(params, variables) };
    if message.is_empty() {
        return Err(anyhow!("the message is empty: it has no text, no attachments and no blocks")
            .hint("check the variables in `text`: one of them may have no value"));
    }
    Ok((Some(message), file))
}

/// The attachments of the params, with variables expanded.
pub(crate) fn attachments(
    params: &Params,
    inputs: &Inputs,
    variables: &Variables,
    console: &Console,
) -> Result<Vec<Value>> {
    let (here, file) = (params.attachments.as_ref(), params.attachments_file.as_ref());
    let items = items::read("attachments", here, file, inputs, variables, console)?;
    Ok(items.into_iter().map(|item| variables.fill_json(item, TextKind::Attachment)).collect())
}

/// The blocks of the params, with variables expanded.
pub(crate) fn blocks(params: &Params, inputs: &Inputs, variables: &Variables, console: &Console) -> Result<Vec<Value>> {
    let items = items::read("blocks", params.blocks.as_ref(), params.blocks_file.as_ref(), inputs, variables, console)?;
    Ok(items.into_iter().map(|item| variables.fill_json(item, TextKind::Text)).collect())
}

/// The fields that all kinds of messages share: sender, icon, links and previews.
pub(crate) fn base_message(params: &Params, variables: &Variables) -> Message {
    let fill = |text: &Option<String>| {
        let text = variables.fill(non_empty(text.as_ref())?, UnknownVariables::Remove, TextKind::Name);
        (!text.trim().is_empty()).then_some(text)
    };
    Message {
        username: fill(&params.username),
        icon_url: fill(&params.icon_url),
        icon_emoji: fill(&params.icon_emoji),
        link_names: params.link_names,
        unfurl_links: params.unfurl_links,
        unfurl_media: params.unfurl_media,
        reply_broadcast: params.reply_broadcast,
        ..Message::default()
    }
}

/// The channels of a put, in order and without duplicates. Empty for a webhook's own channel.
pub(crate) fn channels(
    params: &Params,
    of_source: Option<&String>,
    inputs: &Inputs,
    variables: &Variables,
    console: &Console,
    file_wins: bool,
) -> Result<Vec<String>> {
    let fill = |text: &str| variables.fill(text, UnknownVariables::Remove, TextKind::Name);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut found = non_empty(params.channel.as_ref()).map(|text| words(&fill(text))).unwrap_or_default();
    found.extend(params.channels.iter().map(|channel| fill(channel).trim().to_owned()));
    if let Some(path) = non_empty(params.channel_file.as_ref()) {
        match inputs.text(path).context("cannot use `channel_file`")? {
            Some(text) if file_wins && !text.trim().is_empty() => found = words(&text),
            Some(text) => found.extend(words(&fill(&text))),
            None => console.warn(format_args!("file `{path}` (`channel_file`) does not exist")),
        }
    }
    if found.is_empty() {
        found = non_empty(of_source).map(|text| words(&fill(text))).unwrap_or_default();
    }
    let mut seen = BTreeSet::new();
    found.retain(|channel| !channel.is_empty() && seen.insert(channel.clone()));
    Ok(found)
}
