//! A cluster that was found: the address of its API server, the authority to trust there, and the login.

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

/// How long before its end a token is given up, in seconds.
const MARGIN: i64 = 60;

/// A cluster, and how to get in.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// The address of the API server, without a slash at its end.
    pub(crate) server: String,
    /// The certificate of its authority, which alone may speak for it; the system's authorities where there is none.
    pub(crate) authority: Option<String>,
    /// Whether any certificate of its is accepted.
    pub(crate) insecure: bool,
    /// The name that its certificate is for, where it is not the host's.
    pub(crate) server_name: Option<String>,
    /// The proxy on the way to it.
    pub(crate) proxy: Option<String>,
    /// The longest times to wait: for a connection, and while nothing is received or sent. Those of the source.
    pub(super) timeouts: Option<(Duration, Duration)>,
    /// The namespace that its kubeconfig or the worker's pod names. Releases are in `default` all the same, as with the
    /// established resource.
    pub(crate) namespace: Option<String>,
    /// Who logs in.
    pub(crate) user: User,
    /// What helm gets besides.
    pub(crate) extra: Extra,
    /// What the user has to know of how the cluster was found.
    pub(crate) warnings: Vec<String>,
}

/// Keys of a kubeconfig's cluster and user that helm gets as they are.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) cluster: BTreeMap<String, Value>,
    pub(crate) user: BTreeMap<String, Value>,
}

/// Who logs in: a certificate in the handshake, and one of the others in each request.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) certificate: Option<ClientCertificate>,
    pub(crate) token: Option<Token>,
    /// Where the worker finds a token that is renewed there.
    pub(crate) token_file: Option<PathBuf>,
    /// A user and a password.
    pub(crate) password: Option<(String, Secret)>,
    /// Who to act as.
    pub(crate) impersonation: Impersonation,
}

/// A token to log in with.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    /// When it ends and another can be had, in seconds since 1970.
    pub(crate) expires: Option<i64>,
}

impl Token {
    /// A token that holds for as long as it holds.
    pub(super) fn without_expiry(secret: Secret) -> Self {
        Self { secret, expires: None }
    }

    /// Whether it can still be used, and for as long as a request takes.
    pub(crate) fn is_valid(&self) -> bool {
        self.renewal_time().is_none_or(|end| end > Timestamp::now().as_second())
    }

    /// When it is no longer to be used, in seconds since 1970.
    pub(crate) fn renewal_time(&self) -> Option<i64> {
        self.expires.map(|end| end.saturating_sub(MARGIN))
    }
}

impl User {
    pub(super) fn with_token(token: Token) -> Self {
        Self { token: Some(token), ..Self::default() }
    }
}

impl Cluster {
    /// How to connect to it.
    pub(crate) fn http(&self) -> HttpSettings {
        let usual = HttpSettings::default();
        let (connect_timeout, read_timeout) = self.timeouts.unwrap_or((usual.connect_timeout, usual.read_timeout));
        HttpSettings {
            connect_timeout,
            read_timeout,
            ca_certs: self.authority.iter().cloned().collect(),
            authorities: if self.authority.is_some() { Authorities::Ours } else { Authorities::OursAndTheSystems },
            insecure: self.insecure,
            server_name: self.server_name.clone(),
            proxy: self.proxy.as_deref().map(resolving),
            client_certificate: self.user.certificate.clone(),
            ..usual
        }
    }
}

/// The proxy's address, such that a SOCKS proxy resolves names, as helm has it do.
fn resolving(proxy: &str) -> String {
    proxy.strip_prefix("socks5://").map_or_else(|| proxy.to_owned(), |rest| format!("socks5h://{rest}"))
}

/// The PEM text in a cloud's answer, which has it in base64.
pub(super) fn authority_in(text: &str) -> Result<String> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| anyhow!("the certificate of the cluster's authority is damaged")).hint("is the cluster up?")
}
