//! Parses `docker_host`, the address of a container engine.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The default port with TLS.
const TLS_PORT: u16 = 2376;

/// The default port without TLS.
const PLAIN_PORT: u16 = 2375;

/// The default socket on a host that is reached by ssh.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// A parsed `docker_host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// `tcp://host:port`. The default port is 2376 with TLS, else 2375.
    Tcp { host: String, port: Option<u16> },
    /// `ssh://user@host:port`, and the socket there if it is not the default one.
    Ssh {
        /// `user@host`, or `host`.
        destination: String,
        port: Option<u16>,
        socket: String,
    },
}

impl Address {
    /// The port of a `tcp` address, or the default one.
    pub(crate) fn port_or_usual(port: Option<u16>, encrypted: bool) -> u16 {
        port.unwrap_or(if encrypted { TLS_PORT } else { PLAIN_PORT })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp { host, port: None } => write!(formatter, "tcp://{host}"),
            Self::Tcp { host, port: Some(port) } => write!(formatter, "tcp://{host}:{port}"),
            Self::Ssh { destination, port: None, socket } => write!(formatter, "ssh://{destination}{socket}"),
            Self::Ssh { destination, port: Some(port), socket } => {
                write!(formatter, "ssh://{destination}:{port}{socket}")
            }
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected `unix:///var/run/docker.sock`, `tcp://host:port` or `ssh://user@host`".to_owned();
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "tcp" | "https" | "http" => {
                let authority = rest.strip_suffix('/').unwrap_or(rest);
                let (host, port) = host_and_port(authority).ok_or_else(wrong)?;
                Ok(Self::Tcp { host, port })
            }
            "ssh" => {
                let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
                let (user, authority) = match authority.rsplit_once('@') {
                    Some((user, _)) if user.contains(':') => {
                        return Err("must not contain a password; set `private_key` for ssh".to_owned());
                    }
                    Some((user, authority)) => (Some(user), authority),
                    None => (None, authority),
                };
                let (host, port) = host_and_port(authority).ok_or_else(wrong)?;
                if user.is_some_and(|user| user.is_empty() || !user.bytes().all(is_name) || user.starts_with('-')) {
                    return Err(wrong());
                }
                let destination = user.map_or_else(|| host.clone(), |user| format!("{user}@{host}"));
                let socket = if path.trim_matches('/').is_empty() { USUAL_SOCKET } else { path };
                // ssh splits a forwarding at colons.
                if socket.contains(':') {
                    return Err(wrong());
                }
                Ok(Self::Ssh { destination, port, socket: socket.to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

/// `host`, `host:port`, `[::1]:port`. The host must not look like an option.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_plain = |byte: u8| is_name(byte) || byte == b':';
    if host.is_empty() || host.starts_with('-') || !host.bytes().all(is_plain) {
        return None;
    }
    Some((
        host.to_owned(),
        port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0)).map_or(Some(None), |port| port.map(Some))?,
    ))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_unix_tcp_and_ssh() {
        let parsed = |text: &str| text.parse::<Address>().unwrap();
        assert_eq!(parsed("unix:///run/x.sock"), Address::Unix("/run/x.sock".into()));
        assert_eq!(parsed("tcp://10.0.0.1:2376"), Address::Tcp { host: "10.0.0.1".into(), port: Some(2376) });
        assert_eq!(parsed("tcp://[::1]:1/"), Address::Tcp { host: "::1".into(), port: Some(1) });
        assert_eq!(
            parsed("ssh://me@h:2222"),
            Address::Ssh { destination: "me@h".into(), port: Some(2222), socket: USUAL_SOCKET.into() }
        );
        assert_eq!(
            parsed("ssh://h/run/user/1/docker.sock"),
            Address::Ssh { destination: "h".into(), port: None, socket: "/run/user/1/docker.sock".into() }
        );
    }

    #[test]
    fn rejects_invalid_addresses_and_ssh_options() {
        for text in [
            "",
            "/var/run/docker.sock",
            "unix://x",
            "tcp://",
            "tcp://h:0",
            "tcp://h:x",
            "ssh://-oProxyCommand=x",
            "ssh://@h",
            "ssh://u:p@h",
            "ssh://-u@h",
            "npipe:////./pipe",
            "ssh://h/a:b",
            "tcp://a b",
            "tcp://h:70000",
            "fd://",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
