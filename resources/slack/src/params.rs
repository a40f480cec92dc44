//! What a pipeline may write under a put step's `params:`.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::alert_type::AlertType;
use crate::inputs::given;
use crate::items::Items;
use crate::reaction_word::is_reaction;
use crate::reference::Reference;
use crate::source::{Guarantee, Source};

/// What a pipeline may write under a put step's `params:`.
///
/// A put is a message of its own texts (`text`, `attachments`, `blocks`), or an alert about the build: when one of
/// `alert_type`, `message`, `message_file`, `color` is there, or nothing at all that makes a message.
#[allow(clippy::struct_excessive_bools, reason = "each is a key of a pipeline")]
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// The text, with `$VAR` and `${VAR}` filled in. Without it, what is in `text_file`, which is also the variable
    /// `$TEXT_FILE_CONTENT`. In an alert, the text below the message.
    pub text: Option<String>,

    /// A file in the inputs for the text. Its variables are filled in, too (in an alert, they are not); when it is there
    /// and empty, nothing is sent.
    pub text_file: Option<String>,

    /// Attachments as Slack's documentation describes them, as a list or as a JSON text that holds one. Variables in their texts
    /// are filled in.
    pub attachments: Option<Items>,

    /// A file in the inputs that holds a JSON list of attachments, where `attachments` is not given.
    pub attachments_file: Option<String>,

    /// Blocks (Block Kit) as Slack's documentation describes them, as a list or as a JSON text that holds one. Variables in their
    /// texts are filled in.
    pub blocks: Option<Items>,

    /// A file in the inputs that holds a JSON list of blocks, where `blocks` is not given.
    pub blocks_file: Option<String>,

    /// The channel, or several separated by spaces: `#name`, `@user` or an id. Each gets the message.
    pub channel: Option<String>,

    /// More channels, as a list.
    #[serde(default)]
    pub channels: Vec<String>,

    /// A file in the inputs with more channels. Without `channel` and `channels`, the message goes to the webhook's own channel too. In
    /// an alert, the channels of the file replace the others.
    pub channel_file: Option<String>,

    /// The name that the message is sent under.
    pub username: Option<String>,

    /// The address of the picture beside the message.
    pub icon_url: Option<String>,

    /// The emoji beside the message, `:ghost:`.
    pub icon_emoji: Option<String>,

    /// Have the chat make mentions and links of `@name` and `#channel`.
    #[serde(default)]
    pub link_names: bool,

    /// Whether the chat shows a preview of links to pages; the chat decides when absent.
    pub unfurl_links: Option<bool>,

    /// Whether the chat shows a preview of links to pictures and films; the chat decides when absent.
    pub unfurl_media: Option<bool>,

    /// A file in the inputs with more variables: lines of `NAME=value`. Values are text, and nothing in them is run.
    pub env_file: Option<String>,

    /// Fill in variables. Where others have written the texts, `false` takes every one of them as it is.
    #[serde(default = "yes")]
    pub expand: bool,

    /// Write `&`, `<` and `>` as text where they come from files and variables, so that what others wrote can mention nobody
    /// (`<!channel>`) and pass for no link.
    #[serde(default)]
    pub escape: bool,

    /// Remove the colours and other control sequences of a terminal from `text_file` and `message_file`.
    #[serde(default = "yes")]
    pub strip_ansi: bool,

    /// Whether a message that may have arrived is sent again; the source's `delivery` when absent.
    pub delivery: Option<Guarantee>,

    /// Say nothing about messages that were sent.
    #[serde(default)]
    pub silent: bool,

    /// Send the message although `text_file` is empty.
    #[serde(default)]
    pub always_notify: bool,

    /// Show what would be sent, and send nothing.
    #[serde(default)]
    pub debug: bool,

    /// Show in the step's metadata what was sent.
    #[serde(default)]
    pub metadata: bool,

    /// Show the message as it was sent in the metadata too, as `payload`.
    #[serde(default)]
    pub payload_in_metadata: bool,

    /// Taken as the established resource has it, without effect: the webhook's address is never shown.
    pub redact_hook_url: Option<bool>,

    /// The same as `redact_hook_url`.
    pub redact_hook: Option<bool>,

    /// The same as `redact_hook_url`.
    pub redact: Option<bool>,

    /// Send nothing; the put is green all the same.
    #[serde(default)]
    pub disable: bool,

    /// What the alert says.
    pub alert_type: Option<AlertType>,

    /// The alert's headline, in place of the one of `alert_type`.
    pub message: Option<String>,

    /// A file in the inputs for `message`, which it wins over.
    pub message_file: Option<String>,

    /// The alert's colour, `#rrggbb`, in place of the one of `alert_type`.
    pub color: Option<String>,

    /// The message to answer: the name of the put or get that it came by, a file with its `ts`, or its version. Without a text,
    /// and with `reactions`, it only gets those.
    #[schemars(extend("x-keeps-empty" = true))]
    pub thread: Option<Reference>,

    /// Show the answer of `thread` in the channel too.
    #[serde(default)]
    pub reply_broadcast: bool,

    /// The message to change, named as in `thread`. Needs `token`.
    #[schemars(extend("x-keeps-empty" = true))]
    pub update: Option<Reference>,

    /// Emoji to put under the message of `update` or `thread`, or else under the new one; `-name` takes one away. Needs `token`.
    #[serde(default)]
    pub reactions: Vec<String>,

    /// E-mail addresses of people to mention: at the text's beginning, or where `$MENTIONS` stands in it. Needs `token`.
    #[serde(default)]
    pub mentions: Vec<String>,

    /// A file in the inputs with more addresses, such as the `.git/committer` of a repository. Needs `token`.
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

    /// The put's alert type, if it is an alert. With a source of the established alert resource, `text_file` alone is an alert too.
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
    fn rules(&self, problems: &mut Problems) {
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
            if let Some(path) = given(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        for (key, reference) in [("thread", &self.thread), ("update", &self.update)] {
            if let Some(reference) = reference {
                reference.rules(key, problems);
            }
        }
        if self.thread.is_some() && self.update.is_some() {
            problems.add("update", "stands beside `thread`; a message is a new one or an old one");
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
            problems.add("reactions", "there is no message to react to: neither a text nor `thread` or `update`");
        }
        for (index, address) in self.mentions.iter().enumerate() {
            if !address.contains('@') {
                problems.add(format!("mentions[{index}]"), "must be an e-mail address");
            }
        }
        if self.escape && self.link_names {
            problems.add("link_names", "makes mentions of text, which `escape` is to prevent");
        }
    }
}
