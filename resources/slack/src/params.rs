//! The `params` of a put step.

use jetway::{Parameters, Problems, non_empty};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::alert_type::AlertType;
use crate::items::Items;
use crate::reaction_word::is_reaction;
use crate::reference::Reference;
use crate::source::{Guarantee, Source};

/// The `params` of a put step.
///
/// A put sends either a message (`text`, `attachments`, `blocks`) or an alert about the build. It sends an alert if
/// `alert_type`, `message`, `message_file` or `color` is set, or if no key sets the content of a message.
#[allow(clippy::struct_excessive_bools, reason = "each field is a key in pipelines")]
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// The text, with `$VAR` and `${VAR}` expanded. Defaults to the content of `text_file`, which is also the variable
    /// `$TEXT_FILE_CONTENT`. In an alert, the text below the headline.
    pub text: Option<String>,

    /// A file in the inputs with the text. Its variables are expanded, except in an alert. If the file exists and is
    /// empty, nothing is sent.
    pub text_file: Option<String>,

    /// Attachments in Slack's format, as a list or as a JSON text that contains a list. Variables in strings are expanded.
    pub attachments: Option<Items>,

    /// A file in the inputs with a JSON list of attachments, used if `attachments` is absent.
    pub attachments_file: Option<String>,

    /// Blocks (Block Kit) in Slack's format, as a list or as a JSON text that contains a list. Variables in strings are expanded.
    pub blocks: Option<Items>,

    /// A file in the inputs with a JSON list of blocks, used if `blocks` is absent.
    pub blocks_file: Option<String>,

    /// The channel, or several separated by spaces: `#name`, `@user` or an id. The message is sent to each.
    pub channel: Option<String>,

    /// More channels, as a list.
    #[serde(default)]
    pub channels: Vec<String>,

    /// A file in the inputs with more channels. If `channel` and `channels` are absent, the message is also sent to the
    /// webhook's default channel. In an alert, the channels in the file override the others.
    pub channel_file: Option<String>,

    /// The sender name of the message.
    pub username: Option<String>,

    /// The URL of the sender's icon.
    pub icon_url: Option<String>,

    /// The emoji to use as the sender's icon, such as `:ghost:`.
    pub icon_emoji: Option<String>,

    /// Let the chat turn `@name` and `#channel` into mentions and links.
    #[serde(default)]
    pub link_names: bool,

    /// Whether the chat shows previews of links to pages; if absent, the chat decides.
    pub unfurl_links: Option<bool>,

    /// Whether the chat shows previews of links to media; if absent, the chat decides.
    pub unfurl_media: Option<bool>,

    /// A file in the inputs with more variables: lines of `NAME=value`. Values are plain text and are never executed.
    pub env_file: Option<String>,

    /// Expand variables. Set it to `false` for texts from untrusted authors.
    #[serde(default = "yes")]
    pub expand: bool,

    /// Escape `&`, `<` and `>` in files and variables, so that untrusted text cannot contain mentions (`<!channel>`) or links.
    #[serde(default)]
    pub escape: bool,

    /// Remove terminal colours and other control sequences from `text_file` and `message_file`.
    #[serde(default = "yes")]
    pub strip_ansi: bool,

    /// Whether to retry a message that may have arrived; defaults to the source's `delivery`.
    pub delivery: Option<Guarantee>,

    /// Do not log messages that were sent.
    #[serde(default)]
    pub silent: bool,

    /// Send the message even if `text_file` is empty.
    #[serde(default)]
    pub always_notify: bool,

    /// Log the requests instead of sending them.
    #[serde(default)]
    pub debug: bool,

    /// Add the message to the step's metadata.
    #[serde(default)]
    pub metadata: bool,

    /// Add the request body to the step's metadata, as `payload`.
    #[serde(default)]
    pub payload_in_metadata: bool,

    /// Accepted for compatibility, without effect: the webhook URL is always redacted.
    pub redact_hook_url: Option<bool>,

    /// An alias of `redact_hook_url`.
    pub redact_hook: Option<bool>,

    /// An alias of `redact_hook_url`.
    pub redact: Option<bool>,

    /// Send nothing; the put succeeds without a message.
    #[serde(default)]
    pub disable: bool,

    /// The type of the alert, which sets its headline and colour.
    pub alert_type: Option<AlertType>,

    /// The headline of the alert; overrides that of `alert_type`.
    pub message: Option<String>,

    /// A file in the inputs with the headline; overrides `message`.
    pub message_file: Option<String>,

    /// The colour of the alert, `#rrggbb`; overrides that of `alert_type`.
    pub color: Option<String>,

    /// The message to reply to: the name of the put or get that returned it, a file with its `ts`, or its version. With
    /// `reactions` and without a text, the put only reacts to it.
    #[schemars(extend("x-keeps-empty" = true))]
    pub thread: Option<Reference>,

    /// Show the reply to `thread` in the channel too.
    #[serde(default)]
    pub reply_broadcast: bool,

    /// The message to update, in the format of `thread`. Requires `token`.
    #[schemars(extend("x-keeps-empty" = true))]
    pub update: Option<Reference>,

    /// Emoji reactions to the message in `update` or `thread`, or else to the new message; `-name` removes a reaction.
    /// Requires `token`.
    #[serde(default)]
    pub reactions: Vec<String>,

    /// E-mail addresses of users to mention. The mentions replace `$MENTIONS` in the text, or else precede the text.
    /// Requires `token`.
    #[serde(default)]
    pub mentions: Vec<String>,

    /// A file in the inputs with more e-mail addresses, such as `.git/committer` of a repository. Requires `token`.
    pub mentions_file: Option<String>,
}

fn yes() -> bool {
    true
}

impl Params {
    /// Whether the params set the content of a message that is not an alert.
    fn has_content(&self) -> bool {
        self.text_file.is_some() || self.has_more_than_text_file()
    }

    fn has_more_than_text_file(&self) -> bool {
        let texts = [&self.text, &self.attachments_file, &self.blocks_file];
        texts.iter().any(|text| text.is_some()) || self.attachments.is_some() || self.blocks.is_some()
    }

    /// The put's alert type, if it is an alert. With a source of the established alert resource, `text_file` alone is
    /// an alert too.
    pub(crate) fn alert(&self, source: &Source) -> Option<AlertType> {
        let has_key_of_alert = self.alert_type.is_some() || self.message.is_some() || self.message_file.is_some();
        let has_content = if source.is_of_alerts() { self.has_more_than_text_file() } else { self.has_content() };
        let is_alert = has_key_of_alert || self.color.is_some() || (!has_content && self.reactions.is_empty());
        is_alert.then(|| self.alert_type.unwrap_or_default())
    }

    /// Whether the put only adds or removes reactions.
    pub(crate) fn only_reacts(&self) -> bool {
        let is_alert = self.alert_type.is_some() || self.message.is_some() || self.message_file.is_some();
        !is_alert && self.color.is_none() && !self.has_content() && !self.reactions.is_empty()
    }
}

impl Parameters for Params {
    fn validate(&self, problems: &mut Problems) {
        let files = [
            ("text_file", &self.text_file),
            ("attachments_file", &self.attachments_file),
            ("blocks_file", &self.blocks_file),
            ("channel_file", &self.channel_file),
            ("env_file", &self.env_file),
            ("message_file", &self.message_file),
            ("mentions_file", &self.mentions_file),
        ];
        for (key, path) in files {
            if let Some(path) = non_empty(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        for (key, reference) in [("thread", &self.thread), ("update", &self.update)] {
            if let Some(reference) = reference {
                reference.validate(key, problems);
            }
        }
        if self.thread.is_some() && self.update.is_some() {
            problems.add("update", "excludes `thread`: a put either replies to a message or updates one");
        }
        if self.reply_broadcast && self.thread.is_none() {
            problems.add("reply_broadcast", "has no effect without `thread`");
        }
        for (index, word) in self.reactions.iter().enumerate() {
            if !is_reaction(word) {
                problems.add(format!("reactions[{index}]"), "must be the name of an emoji, such as `tada` or `-tada`");
            }
        }
        if self.only_reacts() && self.thread.is_none() && self.update.is_none() {
            problems.add("reactions", "requires a message: set `text`, `thread` or `update`");
        }
        for (index, address) in self.mentions.iter().enumerate() {
            if !address.contains('@') {
                problems.add(format!("mentions[{index}]"), "must be an e-mail address");
            }
        }
        if self.escape && self.link_names {
            problems.add(
                "link_names",
                "excludes `escape`: `link_names` turns text into mentions, and `escape` prevents that",
            );
        }
    }
}
