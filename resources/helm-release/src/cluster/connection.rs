//! A cluster that was found: the address of its API server, its certificate authority, and the login.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::http::{Authorities, ClientCertificate, HttpSettings};
use jetway::{Advise as _, Result, Secret};
use jiff::Timestamp;
use serde_json::Value;

use super::impersonation::Impersonation;

/// How long before its expiry a token is renewed, in seconds.
const RENEWAL_MARGIN: i64 = 60;

/// A cluster, and how to log in.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// The address of the API server, without a trailing slash.
    pub(crate) server: String,
    /// The certificate of the only authority to trust; without one, the system's authorities are trusted.
    pub(crate) authority: Option<String>,
    /// Whether any certificate of the API server is accepted.
    pub(crate) insecure: bool,
    /// The name in the API server's certificate, if it is not the host's.
    pub(crate) server_name: Option<String>,
    /// The proxy to the API server.
    pub(crate) proxy: Option<String>,
    /// The timeouts of the source: for a connection, and while nothing is received or sent.
    pub(super) timeouts: Option<(Duration, Duration)>,
    /// The namespace of the kubeconfig's context or of the worker's pod. As in the established resource, releases do
    /// not use it.
    pub(crate) namespace: Option<String>,
    /// The login.
    pub(crate) user: User,
    /// Further keys for helm's kubeconfig.
    pub(crate) extra: UnknownKeys,
    /// Warnings from the lookup of the cluster.
    pub(crate) warnings: Vec<String>,
}

/// Unknown keys of a kubeconfig's cluster and user, which helm gets unchanged.
#[derive(Debug, Default)]
pub(crate) struct UnknownKeys {
    pub(crate) cluster: BTreeMap<String, Value>,
    pub(crate) user: BTreeMap<String, Value>,
}

/// A login: a client certificate for the handshake, and a token or password for each request.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) certificate: Option<ClientCertificate>,
    pub(crate) token: Option<Token>,
    /// The file in which the worker's pod gets renewed tokens.
    pub(crate) token_file: Option<PathBuf>,
    /// A user name and a password.
    pub(crate) password: Option<(String, Secret)>,
    /// The impersonated user.
    pub(crate) impersonation: Impersonation,
}

/// A token to log in with.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    /// The expiry of a renewable token, in seconds since 1970.
    pub(crate) expires: Option<i64>,
}

impl Token {
    /// A token that is not renewed.
    pub(super) fn without_expiry(secret: Secret) -> Self {
        Self { secret, expires: None }
    }

    /// Whether the token is valid for long enough to send a request.
    pub(crate) fn is_valid(&self) -> bool {
        self.renewal_time().is_none_or(|end| end > Timestamp::now().as_second())
    }

    /// When the token must be renewed, in seconds since 1970.
    pub(crate) fn renewal_time(&self) -> Option<i64> {
        self.expires.map(|end| end.saturating_sub(RENEWAL_MARGIN))
    }
}

impl User {
    pub(super) fn with_token(token: Token) -> Self {
        Self { token: Some(token), ..Self::default() }
    }
}

impl Cluster {
    /// The HTTP settings for requests to the API server.
    pub(crate) fn http(&self) -> HttpSettings {
        let usual = HttpSettings::default();
        let (connect_timeout, read_timeout) = self.timeouts.unwrap_or((usual.connect_timeout, usual.read_timeout));
        HttpSettings {
            connect_timeout,
            read_timeout,
            ca_certs: self.authority.iter().cloned().collect(),
            authorities: if self.authority.is_some() {
                Authorities::CaCertsOnly
            } else {
                Authorities::CaCertsAndSystem
            },
            insecure: self.insecure,
            server_name: self.server_name.clone(),
            proxy: self.proxy.as_deref().map(with_remote_dns),
            client_certificate: self.user.certificate.clone(),
            ..usual
        }
    }
}

/// The proxy's address, changed so that a SOCKS proxy resolves names, as it does for helm.
fn with_remote_dns(proxy: &str) -> String {
    proxy.strip_prefix("socks5://").map_or_else(|| proxy.to_owned(), |rest| format!("socks5h://{rest}"))
}

/// Decodes the PEM text in a cloud's response, which is in base64.
pub(super) fn decode_authority(text: &str) -> Result<String> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| anyhow!("the certificate of the cluster's authority is damaged")).hint("is the cluster up?")
}
