//! Keys whose types differ between the two established resources. Both resource types accept both.

use std::fmt;

use jetway::{Secret, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::docker_config;

/// Whether plain HTTP is allowed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Insecure {
    /// For the registry of `repository`.
    All(bool),
    /// For these registries.
    Registries(Vec<String>),
}

/// One mirror or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Mirrors {
    /// A URL or a host.
    Url(String),
    /// With credentials.
    Entry(MirrorEntry),
    /// Several.
    Several(Vec<Mirror>),
}

/// One mirror of several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Mirror {
    /// A URL or a host.
    Url(String),
    /// With credentials.
    Entry(MirrorEntry),
}

/// A mirror with credentials.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct MirrorEntry {
    /// The host, with the port if it is not the default.
    pub host: String,
    /// The user name.
    pub username: Option<String>,
    /// The password. The credentials of `repository` are never sent to a mirror.
    pub password: Option<Secret>,
}

/// A mirror's host and credentials, whatever form the source has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MirrorAt<'s> {
    /// A host or a URL.
    pub(crate) host: &'s str,
    pub(crate) login: Option<(&'s str, &'s Secret)>,
}

impl Mirrors {
    pub(crate) fn list(&self) -> Vec<MirrorAt<'_>> {
        match self {
            Self::Url(host) => trimmed(Some(host)).map(|host| MirrorAt { host, login: None }).into_iter().collect(),
            Self::Entry(entry) => entry.at().into_iter().collect(),
            Self::Several(mirrors) => mirrors
                .iter()
                .filter_map(|mirror| match mirror {
                    Mirror::Url(host) => trimmed(Some(host)).map(|host| MirrorAt { host, login: None }),
                    Mirror::Entry(entry) => entry.at(),
                })
                .collect(),
        }
    }
}

impl MirrorEntry {
    fn at(&self) -> Option<MirrorAt<'_>> {
        let password = self.password.as_ref().filter(|password| !password.is_empty());
        Some(MirrorAt { host: trimmed(Some(&self.host))?, login: trimmed(self.username.as_deref()).zip(password) })
    }
}

/// A CA certificate to trust.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CaCertificate {
    /// Certificates in PEM format, for every registry.
    Pem(String),
    /// For one registry.
    Entry {
        /// The registry: `host`, or `host:port`.
        domain: Option<String>,
        /// Certificates in PEM format.
        cert: String,
    },
}

impl CaCertificate {
    pub(crate) fn pem(&self) -> &str {
        match self {
            Self::Pem(pem) => pem,
            Self::Entry { cert, .. } => cert,
        }
    }

    /// The only registry that the certificate is for, if any.
    pub(crate) fn domain(&self) -> Option<&str> {
        match self {
            Self::Pem(_) => None,
            Self::Entry { domain, .. } => trimmed(domain.as_deref()),
        }
    }

    /// Whether the certificate is for a registry.
    pub(crate) fn is_for(&self, registry: &str) -> bool {
        match self {
            Self::Pem(_) => true,
            Self::Entry { .. } => self.domain().is_none_or(|domain| is_registry(domain, registry)),
        }
    }
}

/// A TLS client certificate.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ClientCertificate {
    /// The registry: `host`, or `host:port`.
    pub domain: String,
    /// The certificate in PEM format.
    pub cert: String,
    /// The private key in PEM format, without a passphrase.
    pub key: Secret,
}

/// Whether a `domain` is this registry.
pub(crate) fn is_registry(domain: &str, registry: &str) -> bool {
    crate::reference::registry_of(domain).is_ok_and(|(host, _)| host == registry)
}

/// The platform to select.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Platform {
    /// `os/architecture`, or `os/architecture/variant`.
    Text(String),
    /// Its parts.
    Parts {
        /// The architecture, in Go's naming: `amd64`, `arm64`. A variant may follow: `arm64/v8`.
        architecture: Option<String>,
        /// The operating system, in Go's naming: `linux`.
        os: Option<String>,
        /// The variant of the architecture, such as `v8`.
        variant: Option<String>,
    },
}

/// Credentials of a registry.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PrivateRegistry {
    /// The registry: `host`, or `host:port`.
    pub registry: String,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How to sign images.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Cosign {
    /// An ECDSA private key on the curve P-256 in PEM format: a key file of `cosign generate-key-pair`, or PKCS#8
    /// without a passphrase.
    pub key: Secret,
    /// The password of a cosign key file. Defaults to the empty password.
    pub password: Option<Secret>,
}

/// Docker's `config.json`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DockerConfig {
    /// Its text.
    Text(Secret),
    /// Its keys.
    Keys(docker_config::Config),
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DockerConfig")
    }
}

impl DockerConfig {
    /// The credentials in it; none if its text is invalid, which the validation has already reported.
    pub(crate) fn config(&self) -> docker_config::Config {
        match self {
            Self::Text(text) => docker_config::parse(text.expose()).unwrap_or_default(),
            Self::Keys(config) => config.clone(),
        }
    }
}
