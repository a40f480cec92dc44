//! `docker_host`: the container engine for builds.

use jetway::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// `docker_host`: the address of an engine and its credentials.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DockerHost {
    /// An address.
    Url(String),
    /// An address, with certificates or a key.
    At(EngineAt),
}

/// An engine on another machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct EngineAt {
    /// The address: `tcp://host:2376` or `ssh://user@host`.
    pub url: String,
    /// The CA certificate of a `tcp` engine, in PEM format.
    pub ca_cert: Option<String>,
    /// The TLS client certificate, in PEM format.
    pub client_cert: Option<String>,
    /// The private key of `client_cert`, in PEM format.
    pub client_key: Option<Secret>,
    /// The private key for ssh.
    pub private_key: Option<Secret>,
    /// The host keys of the machine: lines of a `known_hosts` file.
    pub known_hosts: Option<String>,
}

impl DockerHost {
    /// The address with its settings.
    pub(crate) fn at(&self) -> EngineAt {
        match self {
            Self::Url(url) => EngineAt { url: url.clone(), ..EngineAt::default() },
            Self::At(at) => EngineAt {
                url: at.url.clone(),
                ca_cert: at.ca_cert.clone(),
                client_cert: at.client_cert.clone(),
                client_key: at.client_key.clone(),
                private_key: at.private_key.clone(),
                known_hosts: at.known_hosts.clone(),
            },
        }
    }
}
