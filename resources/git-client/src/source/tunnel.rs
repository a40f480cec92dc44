//! The `https_tunnel` key: an HTTP proxy for ssh.

use jetway::{Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

/// The HTTP proxy for ssh connections.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Tunnel {
    /// The host of the proxy.
    pub proxy_host: Option<String>,

    /// The port of the proxy.
    #[schemars(range(min = 1))]
    pub proxy_port: Option<u16>,

    /// The user name for the proxy.
    pub proxy_user: Option<String>,

    /// The password for the proxy.
    pub proxy_password: Option<Secret>,
}

impl Tunnel {
    /// Validates the tunnel. If all values are empty, there is no tunnel, as in the established resource.
    pub fn validate(&self, problems: &mut Problems) {
        let is_name = |host: &String| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c))
        };
        match (&self.proxy_host, self.proxy_port) {
            (Some(host), _) if !is_name(host) => problems.add_with_hint(
                "https_tunnel.proxy_host",
                "must be a host name or address",
                "write it without a scheme, and put the port into `proxy_port`",
            ),
            (Some(_), None) => problems.add("https_tunnel.proxy_port", "is needed with `proxy_host`"),
            (None, Some(_)) => problems.add("https_tunnel.proxy_host", "is needed with `proxy_port`"),
            _ => {}
        }
        if self.proxy_user.as_ref().is_some_and(|user| user.contains(':')) {
            problems.add("https_tunnel.proxy_user", "must not contain `:`, which separates the user from the password");
        }
    }
}
