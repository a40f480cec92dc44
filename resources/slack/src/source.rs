//! The `source` of a resource.

use std::time::Duration;

use jetway::http::{HttpSettings, Url};
use jetway::{Parameters, Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

/// The minimum length of a path segment of a webhook's URL to be masked. Shorter segments are words, such as `services`.
const MIN_MASKED_LENGTH: usize = 16;

/// The chat, the credentials, and the defaults of messages.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Source {
    /// The URL of an incoming webhook of Slack or of a compatible chat (Mattermost, Rocket.Chat, Discord with `/slack`
    /// at the end). The whole URL is a secret.
    pub url: Option<Secret>,

    /// A bot token, `xoxb-...`, instead of `url`. Updates, reactions and mentions by e-mail require it.
    pub token: Option<Secret>,

    /// The base URL of Slack's Web API, used with `token`.
    #[serde(default = "slack")]
    pub api_url: String,

    /// The default channel of puts, or several separated by spaces. If absent, the webhook's default channel is used.
    pub channel: Option<String>,

    /// Whether to retry a message that may have arrived. `delivery` of a put overrides it.
    pub delivery: Option<Guarantee>,

    /// Send nothing; puts succeed without a message.
    #[serde(default)]
    pub disable: bool,

    /// The URL of Concourse, for the links in alerts and for `fixed` and `broke`. Defaults to the external URL that
    /// Concourse reports (`ATC_EXTERNAL_URL`).
    pub concourse_url: Option<String>,

    /// A local Concourse user with access to the pipeline, for `fixed` and `broke` if the pipeline is not public. (The
    /// sender name of a message is `username` in the params.)
    pub username: Option<String>,

    /// The password of `username`. It is sent to Concourse only.
    pub password: Option<Secret>,

    /// Additional CA certificates to trust: in PEM format, or as `{domain, cert}` with the PEM text in `cert`.
    #[serde(default)]
    pub ca_certs: Vec<CaCertificate>,

    /// Accept any TLS certificate. Anyone who can intercept the connection can then read the messages and the webhook URL.
    #[serde(default)]
    pub insecure: bool,

    /// The proxy for requests to the chat, `http://user:password@host:port`. If absent, and for requests to Concourse,
    /// the worker's `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are used.
    pub proxy: Option<String>,

    /// Accepted for compatibility, without effect: `https` requests through a proxy always use a tunnel.
    #[serde(default)]
    pub proxy_https_tunnel: bool,

    /// The timeout for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The timeout for a read or write without progress, in seconds.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1))]
    pub read_timeout: u32,
}

/// How often a message is delivered if the outcome of an attempt is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// A message that may have arrived is not retried, and the put fails.
    #[default]
    AtMostOnce,
    /// A message that may have arrived is retried.
    AtLeastOnce,
}

/// A CA certificate to trust.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CaCertificate {
    /// Certificates in PEM format.
    Pem(String),
    /// The format of the established resource.
    Entry {
        /// Accepted for compatibility, without effect.
        #[allow(dead_code, reason = "it only documents the entry in the pipeline")]
        domain: Option<String>,
        /// Certificates in PEM format.
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

/// The credential for messages, which also decides the transport.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Credential<'s> {
    /// The webhook with this URL.
    Webhook(&'s Secret),
    /// The Web API with this token.
    Token(&'s Secret),
}

impl Source {
    /// The webhook or the token; `None` if the source has neither, so that no message can be sent.
    pub(crate) fn credential(&self) -> Option<Credential<'_>> {
        let webhook = Secret::non_empty(self.url.as_ref()).map(Credential::Webhook);
        webhook.or_else(|| Secret::non_empty(self.token.as_ref()).map(Credential::Token))
    }

    /// Whether the source belongs to the established alert resource: it has keys that the notification resource does not have.
    pub(crate) fn is_of_alerts(&self) -> bool {
        let texts = [&self.channel, &self.concourse_url, &self.username];
        let has_key = texts.iter().any(|text| text.is_some()) || self.password.is_some();
        has_key && Secret::non_empty(self.url.as_ref()).is_some()
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

    /// The HTTP settings for Concourse. The chat's `proxy` rarely reaches Concourse, so it is not used.
    pub(crate) fn concourse_http(&self) -> HttpSettings {
        HttpSettings { proxy: None, ..self.http() }
    }
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        match (Secret::non_empty(self.url.as_ref()), Secret::non_empty(self.token.as_ref())) {
            (None, None) if !self.disable => problems.add_with_hint(
                "url",
                "required, but missing",
                "set `url` to a webhook URL, or `token` to a bot token",
            ),
            (Some(_), Some(_)) => problems.add("token", "excludes `url`: set either a webhook or a bot token"),
            _ => {}
        }
        if let Some(url) = Secret::non_empty(self.url.as_ref()) {
            validate_webhook(url.expose().trim(), problems);
        }
        if let Some(token) = Secret::non_empty(self.token.as_ref()) {
            validate_token(token.expose().trim(), problems);
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
        if Secret::non_empty(self.password.as_ref()).is_some() && self.username.as_deref().is_none_or(str::is_empty) {
            problems.add("password", "requires `username`");
        }
        self.http().validate(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let mut secrets = self.http().hidden_secrets();
        if let Some(url) = Secret::non_empty(self.url.as_ref()).and_then(|url| Url::parse(url.expose().trim()).ok()) {
            let path = url.path().trim_matches('/').to_owned();
            let parts = url.path().split('/').chain(url.query()).filter(|part| part.len() >= MIN_MASKED_LENGTH);
            secrets.extend(parts.map(str::to_owned));
            if path.len() >= MIN_MASKED_LENGTH {
                secrets.push(path);
            }
        }
        secrets
    }
}

/// Validates a webhook's URL. The messages do not repeat the URL, because it is a secret.
fn validate_webhook(url: &str, problems: &mut Problems) {
    if url.starts_with("xox") || url.starts_with("xapp-") {
        problems.add_with_hint("url", "is a token, not a webhook URL", "set `token` to a bot token");
    } else if let Err(problem) = http_url(url) {
        problems.add_with_hint("url", problem, "a webhook URL begins with `https://`");
    }
}

fn validate_token(token: &str, problems: &mut Problems) {
    let mut wrong = |message: &str, hint: &str| problems.add_with_hint("token", message, hint);
    if token.starts_with("http://") || token.starts_with("https://") {
        wrong("is a URL, not a token", "set `url` to a webhook URL");
    } else if token.starts_with("xapp-") {
        wrong("is an app-level token, which cannot post", "use a bot token, which begins with `xoxb-`");
    } else if token.contains(|character: char| character.is_whitespace() || character.is_control()) {
        wrong("contains a space or a line break", "a bot token begins with `xoxb-` and has no white space");
    }
}

/// Parses an HTTP URL. The error does not repeat the URL.
fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("expected a URL, `https://...`: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("expected a URL that begins with `https://`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: serde_json::Value) -> Source {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn secret_parts_of_a_webhook_url_are_redacted_but_words_are_not() {
        let source = source(serde_json::json!({
            "url": "https://hooks.slack.com/services/T00000000/B00000000/w0rdsThatNobodyMayRead24"
        }));
        assert_eq!(
            source.hidden_secrets(),
            ["w0rdsThatNobodyMayRead24", "services/T00000000/B00000000/w0rdsThatNobodyMayRead24"]
        );
    }

    #[test]
    fn accepts_both_forms_of_ca_certs() {
        let source = source(serde_json::json!({"url": "u", "ca_certs": ["a", {"domain": "d", "cert": "b"}]}));
        assert_eq!(source.http().ca_certs, ["a", "b"]);
    }

    #[test]
    fn empty_key_counts_as_absent() {
        let source = source(serde_json::json!({"url": " ", "token": "xoxb-1", "proxy": ""}));
        assert!(matches!(source.credential(), Some(Credential::Token(_))));
        assert_eq!(source.http().proxy, None);
    }
}
