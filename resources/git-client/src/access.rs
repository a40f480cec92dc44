//! The address, credentials and settings of a git server.

use std::time::Duration;

use jetway::Secret;

use crate::source::remote::Remote;
use crate::source::setting::Setting;
use crate::source::submodule_credentials::SubmoduleCredential;
use crate::source::tunnel::Tunnel;

/// The address, credentials and settings of a git server, from the source of a resource.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each field is a key of a source, independent of the others")]
pub struct Access {
    /// The address of the repository.
    pub uri: String,
    /// A private SSH key.
    pub private_key: Option<Secret>,
    /// The SSH user, if the address has none.
    pub private_key_user: Option<String>,
    /// The passphrase of `private_key`.
    pub private_key_passphrase: Option<Secret>,
    /// Whether an ssh agent is forwarded to the host of the address.
    pub forward_agent: bool,
    /// The lines of a `known_hosts` file; `None` if any host key is accepted.
    pub known_hosts: Option<String>,
    /// The HTTP proxy for SSH connections.
    pub https_tunnel: Option<Tunnel>,
    /// The user name for http and https.
    pub username: Option<String>,
    /// The password or token for http and https.
    pub password: Option<Secret>,
    /// The hosts that the user name and the password are sent to, instead of the host of the address.
    pub credential_hosts: Vec<String>,
    /// Credentials for submodules on other hosts, or with their own keys.
    pub submodule_credentials: Vec<SubmoduleCredential>,
    /// Settings for all git commands.
    pub git_config: Vec<Setting>,
    /// CA certificates to trust in addition to the system's, in PEM format.
    pub ca_certs: Vec<String>,
    /// Whether any TLS certificate is accepted.
    pub skip_ssl_verification: bool,
    /// The silence limit: for how many seconds the server may send nothing.
    pub network_timeout: u32,
    /// Whether git's trace is shown.
    pub debug: bool,
    /// The hints for errors, with the key names of this source.
    pub hints: Hints,
}

/// Hints for errors. They name the keys of a source, which differ between resource types.
#[derive(Debug, Clone, Copy)]
pub struct Hints {
    /// The hint if the server refuses the credentials.
    pub login: &'static str,
    /// The hint if the server redirects git to another address.
    pub redirect: &'static str,
    /// The hint if the server sends nothing for too long.
    pub silence: &'static str,
}

impl Default for Hints {
    /// The hints for the keys of the git type.
    fn default() -> Self {
        Self {
            login: "check `username` and `password`; a hosting service may require a token instead of the password",
            redirect: "the server redirected git to another address, which gets no credentials; set `uri` to that address",
            silence: "`network_timeout` in the source sets how long a server may stay silent",
        }
    }
}

impl Access {
    /// The parsed address of the repository.
    pub(crate) fn remote(&self) -> Remote {
        Remote::parse(&self.uri)
    }

    /// The silence limit.
    pub(crate) fn server_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.network_timeout))
    }

    /// The text of the `known_hosts` file; `None` when host keys are not verified.
    pub(crate) fn known_hosts(&self) -> Option<String> {
        self.known_hosts.as_ref().map(|lines| format!("{}\n", lines.trim()))
    }
}
