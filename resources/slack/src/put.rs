//! put: a message, where it is meant to be.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Metadata, Parameters, Problems, Response, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::alert::{self, AlertType};
use crate::concourse::Concourse;
use crate::delivery::{Delivery, Kind, Target};
use crate::inputs::Inputs;
use crate::mention;
use crate::message::{self, Message, given};
use crate::reaction::{is_reaction, react};
use crate::reference::{Found, Reference};
use crate::report::Report;
use crate::source::{Source, Way, set};
use crate::variables::{Signs, Variables};
use crate::version::Version;
use crate::web_api::WebApi;

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

    /// Attachments as Slack's documentation describes them. Variables in their texts are filled in.
    pub attachments: Option<Vec<Value>>,

    /// A file in the inputs that holds a JSON list of attachments, where `attachments` is not given.
    pub attachments_file: Option<String>,

    /// Blocks (Block Kit) as Slack's documentation describes them. Variables in their texts are filled in.
    pub blocks: Option<Vec<Value>>,

    /// A file in the inputs that holds a JSON list of blocks, where `blocks` is not given.
    pub blocks_file: Option<String>,

    /// The channel, or several separated by spaces: `#name`, `@user` or an id. Each gets the message.
    pub channel: Option<String>,

    /// More channels, as a list.
    #[serde(default)]
    pub channels: Vec<String>,

    /// A file in the inputs with more channels. In an alert, its channels take the place of the others.
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

    /// A file in the inputs with more variables: lines of `NAME=value`. Values are text, and nothing in them is run.
    pub env_file: Option<String>,

    /// Fill in variables. Where others have written the texts, `false` takes every one of them as it is.
    #[serde(default = "yes")]
    pub expand: bool,

    /// Write `&`, `<` and `>` as text where they come from files and variables, so that what others wrote can mention nobody
    /// (`<!channel>`) and pass for no link.
    #[serde(default)]
    pub escape: bool,

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
    pub thread: Option<Reference>,

    /// The message to change, named as in `thread`. Needs `token`.
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
    /// Whether a message of its own texts is described.
    fn has_content(&self) -> bool {
        let texts = [&self.text, &self.text_file, &self.attachments_file, &self.blocks_file];
        texts.iter().any(|text| text.is_some()) || self.attachments.is_some() || self.blocks.is_some()
    }

    /// The alert that the put is, if it is one.
    fn alert(&self) -> Option<AlertType> {
        let says_so = self.alert_type.is_some() || self.message.is_some() || self.message_file.is_some();
        let is_alert = says_so || self.color.is_some() || (!self.has_content() && self.reactions.is_empty());
        is_alert.then(|| self.alert_type.unwrap_or_default())
    }

    /// Whether all that is asked for is reactions.
    fn only_reacts(&self) -> bool {
        self.alert().is_none() && !self.has_content()
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

/// Sends the message.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let put = Put { context, source, params, kind: params.alert(), now: seconds.to_string() };
    put.run(inputs).await
}

/// A put with all that it needs.
struct Put<'p> {
    context: &'p Context,
    source: &'p Source,
    params: &'p Params,
    kind: Option<AlertType>,
    /// Seconds since 1970, when it began.
    now: String,
}

impl Put<'_> {
    async fn run(&self, inputs: &Path) -> Result<Response<Version>> {
        let console = self.context.console();
        if [self.params.redact_hook_url, self.params.redact_hook, self.params.redact].contains(&Some(false)) {
            console.warn("the webhook's address is a secret, and is not shown");
        }
        let disabled = self.source.disable || self.params.disable;
        let Some(way) = self.source.way().filter(|_| !disabled) else {
            self.say("disabled: nothing is sent");
            return Ok(self.respond(&Report::default()));
        };
        self.needs_token(way)?;
        let inputs = Inputs::new(inputs)?;
        if !self.is_due().await? {
            self.say("nothing has changed: no alert is due");
            let (_, channels) = self.channels(&inputs, &self.variables(&inputs)?)?;
            return Ok(self.respond(&Report { channels, ..Report::default() }));
        }
        let delivery = self.delivery(way)?;
        let mut variables = self.variables(&inputs)?;
        let mentions = match &delivery {
            Delivery::Api(api) => mention::people(self.params, &inputs, api, console).await?,
            Delivery::Webhook { .. } => None,
        };
        if let Some(mentions) = &mentions {
            variables.set_trusted(mention::VARIABLE, mentions);
        }
        let mut report = Report::default();
        let Some(mut message) = self.message(&inputs, &mut variables, &mut report)? else {
            self.say("the text's file is empty: nothing is sent");
            return Ok(self.respond(&report));
        };
        if let Some(mentions) = mentions
            && !mention::are_placed(self.params)
        {
            let text = message.text.unwrap_or_default();
            message.text = Some(format!("{mentions} {text}").trim_end_matches(' ').to_owned());
        }
        let (targets, channels) = self.channels(&inputs, &variables)?;
        variables.warn_of_unknown(console);
        report.channels = channels;
        report.message = message;
        self.deliver(&delivery, &targets, &mut report).await?;
        Ok(self.respond(&report))
    }

    /// Sends the message to the targets and reacts to it, or shows what would be sent.
    async fn deliver(&self, delivery: &Delivery<'_>, targets: &[Target], report: &mut Report) -> Result<()> {
        let console = self.context.console();
        let only_reacts = self.params.only_reacts();
        if !only_reacts {
            report.payload = targets.iter().map(|target| Value::Object(target.body(&report.message))).collect();
        }
        if self.params.debug {
            console.step("debug: nothing is sent; this would be:");
            report.payload.iter().for_each(|body| console.step(body));
            return Ok(());
        }
        if !only_reacts {
            report.sent = delivery.send(&report.message, targets, console).await?;
            report.alerted = true;
            let to = if report.channels.is_empty() {
                "the webhook's channel".to_owned()
            } else {
                report.channels.join(", ")
            };
            self.say(&format!("sent to {to}"));
        }
        if let Delivery::Api(api) = delivery
            && !self.params.reactions.is_empty()
        {
            let referred: Vec<Found> = targets.iter().filter_map(Target::referred).collect();
            let messages = if referred.is_empty() { &report.sent } else { &referred };
            react(api, &self.params.reactions, messages).await?;
            self.say(&format!("reacted by {}", self.params.reactions.join(", ")));
            if only_reacts {
                report.sent = referred;
            }
        }
        Ok(())
    }

    /// Refuses what a webhook cannot do, before anything is done.
    fn needs_token(&self, way: Way<'_>) -> Result<()> {
        if matches!(way, Way::Token(_)) {
            return Ok(());
        }
        let needing = [
            ("update", self.params.update.is_some()),
            ("reactions", !self.params.reactions.is_empty()),
            ("mentions", !self.params.mentions.is_empty()),
            ("mentions_file", self.params.mentions_file.is_some()),
        ];
        match needing.iter().find(|(_, is_set)| *is_set) {
            Some((key, _)) => Err(anyhow!("`{key}` needs a bot token; a webhook can only post")
                .hint("write the token as `token` in the source, in place of `url`")),
            None => Ok(()),
        }
    }

    /// Whether the alert is one that depends on the build before, and that does not ask for it.
    async fn is_due(&self) -> Result<bool> {
        let Some(kind) = self.kind.filter(|kind| kind.looks_back()) else { return Ok(true) };
        let build = self.context.build();
        let previous = alert::previous_build(build.name.as_deref())?;
        let Some(previous) = previous else { return Ok(kind.is_due_after(None)) };
        let url = self.concourse().ok_or_else(|| {
            anyhow!("the address of Concourse is not known").hint("write it as `concourse_url` in the source")
        })?;
        let user = self.source.username.as_deref().filter(|user| !user.is_empty());
        let concourse = Concourse {
            client: self.context.http(self.source.concourse_http())?,
            url,
            login: user.zip(set(self.source.password.as_ref())),
        };
        let status = concourse.status(build, &previous).await;
        let status = status.with_context(|| format!("cannot tell how build {previous} of this job ended"))?;
        self.say(&format!("build {previous} of this job: {status}"));
        Ok(kind.is_due_after(Some(&status)))
    }

    /// The address of Concourse, without a slash at its end.
    fn concourse(&self) -> Option<&str> {
        let given = given(self.source.concourse_url.as_ref()).map(|url| url.trim().trim_end_matches('/'));
        given.or(self.context.build().external_url.as_deref())
    }

    fn delivery<'s>(&'s self, way: Way<'s>) -> Result<Delivery<'s>> {
        let client = self.context.http(self.source.http())?;
        Ok(match way {
            Way::Webhook(url) => Delivery::Webhook { client, url },
            Way::Token(token) => {
                let base = self.source.api_url.trim().trim_end_matches('/');
                Delivery::Api(WebApi { client, base, token })
            }
        })
    }

    fn variables(&self, inputs: &Inputs) -> Result<Variables> {
        let signs = if self.params.escape { Signs::AreText } else { Signs::Act };
        let mut variables = Variables::of_build(self.context.build(), signs, self.params.expand);
        if let Some(path) = given(self.params.env_file.as_ref()) {
            match inputs.text(path).context("cannot use `env_file`")? {
                Some(text) => variables.add_env_file(path, &text, self.context.console()),
                None => self.context.console().warn(format_args!("there is no file `{path}` (`env_file`)")),
            }
        }
        Ok(variables)
    }

    /// The message to send; `None` when there is nothing to say.
    fn message(&self, inputs: &Inputs, variables: &mut Variables, report: &mut Report) -> Result<Option<Message>> {
        let console = self.context.console();
        if self.params.only_reacts() {
            return Ok(Some(Message::default()));
        }
        if let Some(kind) = self.kind {
            let build = self.context.build();
            return alert::compose(self.params, kind, build, self.concourse(), inputs, variables, console).map(Some);
        }
        let (message, file) = message::compose(self.params, inputs, variables, console)?;
        report.file = file;
        Ok(message)
    }

    /// Where the message goes, and the channels as the pipeline names them.
    fn channels(&self, inputs: &Inputs, variables: &Variables) -> Result<(Vec<Target>, Vec<String>)> {
        let of_source = self.source.channel.as_ref();
        let file_wins = self.kind.is_some();
        let console = self.context.console();
        let channels = message::channels(self.params, of_source, inputs, variables, console, file_wins)?;
        let is_token = matches!(self.source.way(), Some(Way::Token(_)));
        let referred = match (&self.params.thread, &self.params.update) {
            (Some(thread), _) => Some((thread.find("thread", inputs)?, Kind::Reply as fn(String) -> Kind)),
            (None, Some(update)) => Some((update.find("update", inputs)?, Kind::Update as fn(String) -> Kind)),
            (None, None) => None,
        };
        let targets: Vec<Target> = match referred {
            // A message is in one channel; where the reference does not tell which, the put does.
            Some((found, kind)) => found
                .into_iter()
                .map(|Found { channel, ts }| Target {
                    channel: channel.or_else(|| channels.first().cloned()),
                    kind: kind(ts),
                })
                .collect(),
            None if channels.is_empty() => vec![Target { channel: None, kind: Kind::New }],
            None => {
                let new = |channel: &String| Target { channel: Some(channel.clone()), kind: Kind::New };
                channels.iter().map(new).collect()
            }
        };
        if is_token && targets.iter().any(|target| target.channel.is_none()) {
            return Err(
                anyhow!("there is no channel to send to").hint("set `channel` in the source or in the put's params")
            );
        }
        let names = targets.iter().filter_map(|target| target.channel.clone()).collect();
        Ok((targets, names))
    }

    fn say(&self, text: &str) {
        if !self.params.silent {
            self.context.console().step(text);
        }
    }

    fn respond(&self, report: &Report) -> Response<Version> {
        let version = report.version(self.kind, &self.now);
        // The message's own texts may repeat what must not be shown.
        let redactor = self.context.console().redactor();
        let masked = |line: Metadata| Metadata { value: redactor.redact(&line.value).into_owned(), ..line };
        let metadata = report.metadata(self.source, self.params, self.kind);
        Response { version, metadata: metadata.into_iter().map(masked).collect() }
    }
}

impl Target {
    /// The earlier message that it belongs to.
    fn referred(&self) -> Option<Found> {
        match &self.kind {
            Kind::New => None,
            Kind::Reply(ts) | Kind::Update(ts) => Some(Found { channel: self.channel.clone(), ts: ts.clone() }),
        }
    }
}
