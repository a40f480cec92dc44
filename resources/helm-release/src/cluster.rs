//! The cluster: where its API server is, whom to trust there, and how to log in.
//!
//! A source names one of several ways, and each comes down to a [`Cluster`]. No cloud's own program is needed for any.

pub(crate) mod aws;
pub(crate) mod digitalocean;
pub(crate) mod google;
pub(crate) mod handover;
pub(crate) mod impersonation;
pub(crate) mod in_cluster;
pub(crate) mod kubeconfig;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::http::{Authorities, ClientCertificate, HttpSettings};
use jetway::{Advise as _, Context, Result, Secret};
use jiff::Timestamp;
use serde_json::Value;

use crate::source::{Source, Way, given, pem, set};
use impersonation::Impersonation;
use kubeconfig::Kubeconfig;

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
    timeouts: Option<(Duration, Duration)>,
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
    fn lasting(secret: Secret) -> Self {
        Self { secret, expires: None }
    }

    /// Whether it can still be used, and for as long as a request takes.
    pub(crate) fn holds(&self) -> bool {
        self.given_up().is_none_or(|end| end > Timestamp::now().as_second())
    }

    /// When it is no longer to be used, in seconds since 1970.
    pub(crate) fn given_up(&self) -> Option<i64> {
        self.expires.map(|end| end.saturating_sub(MARGIN))
    }

    /// The next one, from the cloud that the source names.
    pub(crate) async fn renewed(context: &Context, source: &Source) -> Result<Self> {
        match source.way() {
            Some(Way::Google) => google::log_in(context, source).await,
            Some(Way::Aws(aws)) => aws::log_in(context, source, aws).await,
            _ => Err(anyhow!("there is no cloud to log in to")),
        }
    }
}

impl User {
    fn of_token(token: Token) -> Self {
        Self { token: Some(token), ..Self::default() }
    }
}

impl Cluster {
    /// The cluster that the source names.
    pub(crate) async fn find(context: &Context, source: &Source) -> Result<Self> {
        Self::find_with(context, source, None).await
    }

    /// The same, logged in to with `token` in place of the source's, when there is one.
    pub(crate) async fn find_with(context: &Context, source: &Source, token: Option<&Secret>) -> Result<Self> {
        let way = source.way().ok_or_else(|| {
            anyhow!("the source names no cluster").hint(
                "the ways to one are `cluster_url`, `kubeconfig`, `in_cluster`, `gcloud_cluster_auth`, `aws` and \
                 `digitalocean`; a put may have `kubeconfig` or `kubeconfig_path` in its params",
            )
        })?;
        if token.is_some() && !matches!(way, Way::Url(_)) {
            return Err(anyhow!("`token_path` goes with `cluster_url` in the source, and there is none"));
        }
        let cluster = match way {
            Way::Kubeconfig(text) => {
                return Self::of_kubeconfig(context, source, text, given(source.kubeconfig_context.as_ref()));
            }
            Way::Url(url) => of_url(source, url, token)?,
            Way::InCluster => in_cluster::find(context)?,
            Way::Google => google::find(context, source).await?,
            Way::Aws(aws) => aws::find(context, source, aws).await?,
            Way::DigitalOcean(cluster) => digitalocean::find(context, source, cluster).await?,
        };
        Ok(cluster.known_to(context, source))
    }

    /// The cluster of a kubeconfig that must be complete in itself, by the context of that name or else its current one.
    pub(crate) fn of_kubeconfig(
        context: &Context,
        source: &Source,
        text: &Secret,
        wanted: Option<&str>,
    ) -> Result<Self> {
        let parsed = Kubeconfig::parse(text.expose()).map_err(|problem| anyhow!("`kubeconfig` {problem}"))?;
        for secret in parsed.secrets() {
            context.console().redactor().add(&secret);
        }
        let cluster = parsed.cluster(wanted)?;
        for warning in &cluster.warnings {
            context.console().warn(warning);
        }
        Ok(cluster.known_to(context, source))
    }

    /// The same with its secrets masked from now on, and reached as the source says.
    fn known_to(mut self, context: &Context, source: &Source) -> Self {
        let token = self.user.token.iter().map(|token| &token.secret);
        for secret in token.chain(self.user.password.iter().map(|(_, password)| password)) {
            context.console().redactor().add(secret.expose());
        }
        self.proxy = self.proxy.or_else(|| given(source.proxy.as_ref()).map(str::to_owned));
        self.timeouts = Some(source.timeouts());
        self
    }

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

/// The cluster of `cluster_url` and the keys that go with it.
fn of_url(source: &Source, url: &str, token: Option<&Secret>) -> Result<Cluster> {
    let unusable = |key: &'static str| move |problem: String| anyhow!("`{key}`: {problem}");
    let certificate = match (given(source.admin_cert.as_ref()), set(source.admin_key.as_ref())) {
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate: pem(certificate).map_err(unusable("admin_cert"))?,
            key: Secret::new(pem(key.expose()).map_err(unusable("admin_key"))?),
        }),
        _ => None,
    };
    let token = token.or(set(source.token.as_ref())).map(|token| Token::lasting(Secret::new(token.expose().trim())));
    // As the established resource: whoever reads along on plain HTTP gets nothing to log in with.
    let is_secret = url.starts_with("https://");
    if is_secret && token.is_none() && certificate.is_none() {
        return Err(anyhow!("there is nothing to log in to `cluster_url` with").hint(
            "`token` in the source, or `admin_cert` and `admin_key`; a put may have `token_path` in its params",
        ));
    }
    let user = User { certificate, token, ..User::default() };
    Ok(Cluster {
        server: url.trim_end_matches('/').to_owned(),
        // Where no certificate is verified, no authority counts.
        authority: if source.insecure_cluster {
            None
        } else {
            source.authority().map_err(unusable(source.authority_key()))?
        },
        insecure: source.insecure_cluster,
        server_name: given(source.tls_server_name.as_ref()).map(str::to_owned),
        user: if is_secret { user } else { User::default() },
        ..Cluster::default()
    })
}

/// The PEM text in a cloud's answer, which has it in base64.
fn authority_in(text: &str) -> Result<String> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| anyhow!("the certificate of the cluster's authority is damaged")).hint("is the cluster up?")
}
