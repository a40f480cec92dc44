//! put: sends a message, or an alert if one is due.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Context, Metadata, Response, Result, Secret, non_empty};
use serde_json::Value;

use crate::alert;
use crate::alert_type::AlertType;
use crate::concourse::Concourse;
use crate::delivery::{Delivery, Kind, Target};
use crate::inputs::Inputs;
use crate::mention;
use crate::message::{self, Message};
use crate::params::Params;
use crate::reaction::react;
use crate::reference::MessageId;
use crate::report::Report;
use crate::source::{Credential, Source};
use crate::variables::{Markup, Variables};
use crate::version::Version;
use crate::web_api::WebApi;

/// Runs a put.
pub(crate) async fn put(
    context: &Context,
    source: &Source,
    params: &Params,
    inputs: &Path,
) -> Result<Response<Version>> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let put = Put { context, source, params, kind: params.alert(source), now: seconds.to_string() };
    put.run(inputs).await
}

/// A put with its configuration.
struct Put<'p> {
    context: &'p Context,
    source: &'p Source,
    params: &'p Params,
    kind: Option<AlertType>,
    /// The start time, in seconds since 1970.
    now: String,
}

impl Put<'_> {
    async fn run(&self, inputs: &Path) -> Result<Response<Version>> {
        let console = self.context.console();
        if [self.params.redact_hook_url, self.params.redact_hook, self.params.redact].contains(&Some(false)) {
            console.warn("the webhook URL is a secret and is always redacted");
        }
        let disabled = self.source.disable || self.params.disable;
        let Some(credential) = self.source.credential().filter(|_| !disabled) else {
            self.log("disabled: nothing is sent");
            return Ok(self.respond(&Report::default()));
        };
        self.require_token(credential)?;
        let inputs = Inputs::new(inputs)?;
        if !self.is_due().await? {
            self.log("the status has not changed: no alert is sent");
            let (_, channels) = self.channels(&inputs, &self.variables(&inputs)?)?;
            return Ok(self.respond(&Report { channels, ..Report::default() }));
        }
        let delivery = self.delivery(credential)?;
        let mut variables = self.variables(&inputs)?;
        let mentions = match &delivery {
            Delivery::Api(api) => mention::resolve(self.params, &inputs, api, console).await?,
            Delivery::Webhook { .. } => None,
        };
        if let Some(mentions) = &mentions {
            variables.set_trusted(mention::VARIABLE, mentions);
        }
        let mut report = Report::default();
        let Some(mut message) = self.message(&inputs, &mut variables, &mut report)? else {
            self.log("`text_file` is empty: nothing is sent");
            return Ok(self.respond(&report));
        };
        if let Some(mentions) = mentions
            && !mention::are_in_text(self.params)
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
            console.step("debug: nothing is sent; the request would be:");
            report.payload.iter().for_each(|body| console.step(body));
            return Ok(());
        }
        if !only_reacts {
            let guarantee = self.params.delivery.or(self.source.delivery).unwrap_or_default();
            report.sent = delivery.send(&report.message, targets, guarantee, self.context).await?;
            report.alerted = true;
            let reached: Vec<String> = targets.iter().map(Target::display_name).collect();
            self.log(&format!("sent to {}", reached.join(", ")));
        }
        if let Delivery::Api(api) = delivery
            && !self.params.reactions.is_empty()
        {
            let referred: Vec<MessageId> = targets.iter().filter_map(Target::referred).collect();
            let messages = if referred.is_empty() { &report.sent } else { &referred };
            let shown: Vec<String> = targets.iter().map(Target::display_name).collect();
            react(api, &self.params.reactions, messages, &shown).await?;
            self.log(&format!("updated reactions: {}", self.params.reactions.join(", ")));
            if only_reacts {
                report.sent = referred;
            }
        }
        Ok(())
    }

    /// Rejects params that a webhook does not support, before any request is made.
    fn require_token(&self, credential: Credential<'_>) -> Result<()> {
        if matches!(credential, Credential::Token(_)) {
            return Ok(());
        }
        let needing = [
            ("update", self.params.update.is_some()),
            ("reactions", !self.params.reactions.is_empty()),
            ("mentions", !self.params.mentions.is_empty()),
            ("mentions_file", self.params.mentions_file.is_some()),
        ];
        match needing.iter().find(|(_, is_set)| *is_set) {
            Some((key, _)) => Err(anyhow!("`{key}` requires a bot token; a webhook can only post messages")
                .hint("replace `url` in the source by `token` with a bot token")),
            None => Ok(()),
        }
    }

    /// Whether to send the message. Only `fixed` and `broke` depend on the status of the previous build.
    async fn is_due(&self) -> Result<bool> {
        let Some(kind) = self.kind.filter(|kind| kind.depends_on_previous_build()) else { return Ok(true) };
        let build = self.context.build();
        let previous = alert::previous_build(build.name.as_deref())?;
        let Some(previous) = previous else { return Ok(kind.is_due_after(None)) };
        let url = self
            .concourse()
            .ok_or_else(|| anyhow!("the URL of Concourse is not known").hint("set `concourse_url` in the source"))?;
        let user = self.source.username.as_deref().filter(|user| !user.is_empty());
        let concourse = Concourse {
            client: self.context.http(self.source.concourse_http())?,
            url,
            login: user.zip(Secret::non_empty(self.source.password.as_ref())),
        };
        let status = concourse.status(build, &previous).await;
        let status = status.with_context(|| format!("cannot get the status of build {previous} of this job"))?;
        self.log(&format!("build {previous} of this job: {status}"));
        Ok(kind.is_due_after(Some(&status)))
    }

    /// The base URL of Concourse, without a trailing slash.
    fn concourse(&self) -> Option<&str> {
        let given = non_empty(self.source.concourse_url.as_ref()).map(|url| url.trim().trim_end_matches('/'));
        given.or(self.context.build().external_url.as_deref())
    }

    fn delivery<'s>(&'s self, credential: Credential<'s>) -> Result<Delivery<'s>> {
        let client = self.context.http(self.source.http())?;
        Ok(match credential {
            Credential::Webhook(url) => Delivery::Webhook { client, url },
            Credential::Token(token) => {
                let base = self.source.api_url.trim().trim_end_matches('/');
                Delivery::Api(WebApi { client, base, token })
            }
        })
    }

    fn variables(&self, inputs: &Inputs) -> Result<Variables> {
        let markup = if self.params.escape { Markup::Escape } else { Markup::Keep };
        let mut variables = Variables::of_build(self.context.build(), markup, self.params.expand);
        if let Some(path) = non_empty(self.params.env_file.as_ref()) {
            match inputs.text(path).context("cannot use `env_file`")? {
                Some(text) => variables.add_env_file(path, &text, self.context.console()),
                None => self.context.console().warn(format_args!("file `{path}` (`env_file`) does not exist")),
            }
        }
        Ok(variables)
    }

    /// The message to send; `None` if there is none.
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

    /// The targets of the message, and the channels as the pipeline names them.
    fn channels(&self, inputs: &Inputs, variables: &Variables) -> Result<(Vec<Target>, Vec<String>)> {
        let of_source = self.source.channel.as_ref();
        let file_wins = self.kind.is_some();
        let console = self.context.console();
        let channels = message::channels(self.params, of_source, inputs, variables, console, file_wins)?;
        let is_token = matches!(self.source.credential(), Some(Credential::Token(_)));
        let referred = match (&self.params.thread, &self.params.update) {
            (Some(thread), _) => Some((thread.find("thread", inputs)?, Kind::Reply as fn(String) -> Kind)),
            (None, Some(update)) => Some((update.find("update", inputs)?, Kind::Update as fn(String) -> Kind)),
            (None, None) => None,
        };
        let targets: Vec<Target> = if let Some((found, kind)) = referred {
            // A message belongs to one channel. If the reference does not name it, the put's first channel is used.
            let channel_of = |found: &MessageId| found.channel.clone().or_else(|| channels.first().cloned());
            found.into_iter().map(|found| Target { channel: channel_of(&found), kind: kind(found.ts) }).collect()
        } else {
            let own = channels.is_empty() || (!is_token && self.file_adds_to_own_channel());
            let own = own.then_some(Target { channel: None, kind: Kind::New });
            let named = channels.iter().map(|channel| Target { channel: Some(channel.clone()), kind: Kind::New });
            own.into_iter().chain(named).collect()
        };
        if is_token && targets.iter().any(|target| target.channel.is_none()) {
            return Err(
                anyhow!("there is no channel to send to").hint("set `channel` in the source or in the put's params")
            );
        }
        let names = targets.iter().filter_map(|target| target.channel.clone()).collect();
        Ok((targets, names))
    }

    /// Whether the put also sends to the webhook's own channel, in addition to `channel_file`. The established resource
    /// does so if no other key names a channel.
    fn file_adds_to_own_channel(&self) -> bool {
        let is_named = non_empty(self.params.channel.as_ref()).is_some()
            || !self.params.channels.is_empty()
            || non_empty(self.source.channel.as_ref()).is_some();
        self.kind.is_none() && !is_named && non_empty(self.params.channel_file.as_ref()).is_some()
    }

    fn log(&self, text: &str) {
        if !self.params.silent {
            self.context.console().step(text);
        }
    }

    fn respond(&self, report: &Report) -> Response<Version> {
        let version = report.version(self.kind, &self.now);
        // The message itself may contain secrets.
        let redactor = self.context.console().redactor();
        let masked = |line: Metadata| Metadata { value: redactor.redact(&line.value).into_owned(), ..line };
        let metadata = report.metadata(self.source, self.params, self.kind);
        Response { version, metadata: metadata.into_iter().map(masked).collect() }
    }
}

impl Target {
    /// The earlier message that this target replies to or updates.
    fn referred(&self) -> Option<MessageId> {
        match &self.kind {
            Kind::New => None,
            Kind::Reply(ts) | Kind::Update(ts) => Some(MessageId { channel: self.channel.clone(), ts: ts.clone() }),
        }
    }
}
