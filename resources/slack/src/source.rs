//! What a pipeline may write under `source:`.

use std::time::Duration;

use jetway::http::{HttpSettings, Url};
use jetway::{Parameters, Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

/// The minimum length of a segment of a webhook's path for it to be masked. Shorter segments are words (`services`).
const SHORTEST_PART: usize = 16;

/// Where messages go, and how to get there.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Source {
    /// The address of an incoming webhook, of Slack or of a chat that takes Slack's messages (Mattermost, Rocket.Chat,
    /// Discord with `/slack` at the end). All of it is a secret.
    pub url: Option<Secret>,

    /// A bot token, `xoxb-...`, instead of `url`. It makes threads, updates, reactions and mentions by e-mail possible.
    pub token: Option<Secret>,

    /// Where Slack's Web API is, for `token`.
    #[serde(default = "slack")]
    pub api_url: String,

    /// The channel of puts that name none; several, separated by spaces. Without it a webhook's own one is used.
    pub channel: Option<String>,

    /// Whether a message that may have arrived is sent again. A put may say otherwise.
    pub delivery: Option<Guarantee>,

    /// Send nothing at all; puts are green all the same.
    #[serde(default)]
    pub disable: bool,

    /// Where Concourse is, for the links of alerts and for `fixed` and `broke`. Without it, the address that Concourse
    /// itself gives (`ATC_EXTERNAL_URL`).
    pub concourse_url: Option<String>,

    /// A local user of Concourse who may see the pipeline, for `fixed` and `broke` where the pipeline is not public. (The
    /// name that a message is sent under is `username` in the params.)
    pub username: Option<String>,

    /// The password of `username`. It goes to Concourse only.
    pub password: Option<Secret>,

    /// Authorities to trust besides the system's: certificates in PEM form, or `{domain, cert}` with one in `cert`.
    #[serde(default)]
    pub ca_certs: Vec<CaCertificate>,

    /// Accept any certificate. Whoever can reach into the network then reads the messages and the webhook's address.
    #[serde(default)]
    pub insecure: bool,

    /// The proxy for requests to the chat, `http://user:password@host:port`. Without it, and for requests to Concourse,
    /// the worker's `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are used.
    pub proxy: Option<String>,

    /// Taken as the established resource has it, without effect: `https` always goes through a proxy by a tunnel.
    #[serde(default)]
    pub proxy_https_tunnel: bool,

    /// The longest time to wait for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The longest time in which nothing is received or sent, in seconds.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1))]
    pub read_timeout: u32,
}

/// How often a message arrives when an attempt to send it has no certain outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// A message that may have arrived is not sent again, and the put fails.
    #[default]
    AtMostOnce,
    /// A message that may have arrived is sent again.
    AtLeastOnce,
}

/// An authority to trust.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CaCertificate {
    /// Certificates in PEM form.
    Pem(String),
    /// As the established resource has it.
    Entry {
        /// A name for it, without effect.
        #[allow(dead_code, reason = "it is documentation for the pipeline's reader")]
        domain: Option<String>,
        /// Certificates in PEM form.
        cert: String,
    },
}

impl CaCertificate {
    fn pem(&self) -> &str {
        match self {
            Self::Pem(pem) => pem,
            Self::Entry { cert, .. } => cert,
        }
    }
}

fn slack() -> String {
    "https://slack.com/api".to_owned()
}

fn connect_timeout() -> u32 {
    15
}

fn read_timeout() -> u32 {
    60
}

/// The transport for messages, with its secret.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'s> {
    /// The webhook with this URL.
    Webhook(&'s Secret),
    /// The Web API with this token.
    Token(&'s Secret),
}

impl Source {
    /// The webhook or the token. Neither may be set only if nothing is sent.
    pub(crate) fn way(&self) -> Option<Way<'_>> {
        let webhook = set(self.url.as_ref()).map(Way::Webhook);
        webhook.or_else(|| set(self.token.as_ref()).map(Way::Token))
    }

    /// Whether the source belongs to the established alert resource: it has keys that the notification resource does not have.
    pub(crate) fn is_of_alerts(&self) -> bool {
        let texts = [&self.channel, &self.concourse_url, &self.username];
        let has_key = texts.iter().any(|text| text.is_some()) || self.password.is_some();
        has_key && set(self.url.as_ref()).is_some()
    }

    /// The HTTP settings for the chat.
    pub(crate) fn http(&self) -> HttpSettings {
        HttpSettings {
            ca_certs: self.ca_certs.iter().map(|entry| entry.pem().to_owned()).collect(),
            insecure: self.insecure,
            proxy: self.proxy.clone().filter(|proxy| !proxy.trim().is_empty()),
            connect_timeout: Duration::from_secs(self.connect_timeout.into()),
            read_timeout: Duration::from_secs(self.read_timeout.into()),
            ..HttpSettings::default()
        }
    }

    /// The HTTP settings for Concourse. The chat's `proxy` rarely leads to Concourse, so it is not used.
    pub(crate) fn concourse_http(&self) -> HttpSettings {
        HttpSettings { proxy: None, ..self.http() }
    }
}

/// The secret, if it is set and not empty.
pub(crate) fn set(secret: Option<&Secret>) -> Option<&Secret> {
    secret.filter(|secret| !secret.expose().trim().is_empty())
}

impl Parameters for Source {
    fn rules(&self, problems: &mut Problems) {
        match (set(self.url.as_ref()), set(self.token.as_ref())) {
            (None, None) if !self.disable => problems.add_with_hint(
                "url",
                "required, but missing",
                "a webhook's address stands here; a bot token, as `token`, does instead",
            ),
            (Some(_), Some(_)) => problems.add("token", "stands beside `url`; one of the two says how to send"),
            _ => {}
        }
        if let Some(url) = set(self.url.as_ref()) {
            webhook_rules(url.expose().trim(), problems);
        }
        if let Some(token) = set(self.token.as_ref()) {
            token_rules(token.expose().trim(), problems);
        }
        if let Err(problem) = http_url(&self.api_url) {
            problems.add("api_url", problem);
        }
        if let Some(url) = &self.concourse_url
            && !url.is_empty()
            && let Err(problem) = http_url(url)
        {
            problems.add("concourse_url", problem);
        }
        if set(self.password.as_ref()).is_some() && self.username.as_deref().is_none_or(str::is_empty) {
            problems.add("password", "stands without the `username` that it belongs to");
        }
        self.http().rules(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let mut secrets = self.http().hidden_secrets();
        if let Some(url) = set(self.url.as_ref()).and_then(|url| Url::parse(url.expose().trim()).ok()) {
            let path = url.path().trim_matches('/').to_owned();
            let parts = url.path().split('/').chain(url.query()).filter(|part| part.len() >= SHORTEST_PART);
            secrets.extend(parts.map(str::to_owned));
            if path.len() >= SHORTEST_PART {
                secrets.push(path);
            }
        }
        secrets
    }
}

/// Validates a webhook's URL. The messages do not repeat the URL, because it is a secret.
fn webhook_rules(url: &str, problems: &mut Problems) {
    if url.starts_with("xox") || url.starts_with("xapp-") {
        problems.add_with_hint("url", "is a token, not the address of a webhook", "write a bot token as `token`");
    } else if let Err(problem) = http_url(url) {
        problems.add_with_hint("url", problem, "a webhook's address begins with `https://`");
    }
}

fn token_rules(token: &str, problems: &mut Problems) {
    let mut wrong = |message: &str, hint: &str| problems.add_with_hint("token", message, hint);
    if token.starts_with("http://") || token.starts_with("https://") {
        wrong("is an address, not a token", "write a webhook's address as `url`");
    } else if token.starts_with("xapp-") {
        wrong("is an app-level token, which cannot post", "the bot token begins with `xoxb-`");
    } else if token.contains(|character: char| character.is_whitespace() || character.is_control()) {
        wrong("has a space or a line break inside", "the bot token begins with `xoxb-` and is one word");
    }
}

/// Parses an HTTP URL. The error does not repeat the URL.
fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("expected an address, `https://...`: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("expected an address that begins with `https://`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: serde_json::Value) -> Source {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_parts_of_a_webhooks_address_are_secrets_but_its_words_are_not() {
        let source = source(serde_json::json!({
            "url": "https://hooks.slack.com/services/T00000000/B00000000/w0rdsThatNobodyMayRead24"
        }));
        assert_eq!(
            source.hidden_secrets(),
            ["w0rdsThatNobodyMayRead24", "services/T00000000/B00000000/w0rdsThatNobodyMayRead24"]
        );
    }

    #[test]
    fn authorities_are_taken_in_both_forms() {
        let source = source(serde_json::json!({"url": "u", "ca_certs": ["a", {"domain": "d", "cert": "b"}]}));
        assert_eq!(source.http().ca_certs, ["a", "b"]);
    }

    #[test]
    fn an_empty_key_is_not_set() {
        let source = source(serde_json::json!({"url": " ", "token": "xoxb-1", "proxy": ""}));
        assert!(matches!(source.way(), Some(Way::Token(_))));
        assert_eq!(source.http().proxy, None);
    }
}
