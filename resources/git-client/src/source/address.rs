//! Parses addresses: URLs and `user@host:path`.

/// The parts of an address that has a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The scheme as written; `ssh` for `user@host:path`.
    pub scheme: &'a str,
    /// The name before the `@`, without a password.
    pub user: Option<&'a str>,
    /// The host without a port, and without the brackets of an IPv6 address.
    pub host: &'a str,
    /// The port, if the address has one.
    pub port: Option<u16>,
    /// The path after the host, without the separating slash or colon.
    pub path: &'a str,
}

impl<'a> Address<'a> {
    /// Parses an address; `None` if it has no host.
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (scheme, authority, path) = if let Some((scheme, rest)) = text.split_once("://") {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            (scheme, authority, path)
        } else {
            // An IPv6 address contains colons, in brackets.
            let from = if text.contains('[') { text.find(']')? } else { 0 };
            let (before, path) = text.get(from..)?.split_once(':')?;
            ("ssh", text.get(..from + before.len())?, path)
        };
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let (host, port) = host_and_port(host);
        if host.is_empty() || host.contains('/') {
            return None;
        }
        let user = userinfo.and_then(|userinfo| userinfo.split(':').next()).filter(|user| !user.is_empty());
        Some(Self { scheme, user, host, port, path: path.trim_start_matches('/') })
    }

    /// Whether git uses ssh for this address.
    pub fn is_ssh(&self) -> bool {
        matches!(self.scheme, "ssh" | "git+ssh" | "ssh+git")
    }
}

/// Splits `host:port`, `[::1]:port` or a bare host into host and port.
pub fn host_and_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        // More than one colon without brackets: a bare IPv6 address.
        _ => (text, None),
    }
}

/// Whether a user name is safe in an ssh configuration and as an argument: it has no character that is syntax there.
pub fn is_plain_user(user: &str) -> bool {
    !user.starts_with('-') && user.chars().all(|c| c.is_ascii_alphanumeric() || "._@+-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_addresses() {
        for (text, user, host, port, path) in [
            ("https://bob:pw@Host:8443/a/b.git", Some("bob"), "Host", Some(8443), "a/b.git"),
            ("ssh://git@[::1]:2222/srv/x", Some("git"), "::1", Some(2222), "srv/x"),
            ("ssh://host/~u/x", None, "host", None, "~u/x"),
            ("git@host:a/b.git", Some("git"), "host", None, "a/b.git"),
            ("host:/srv/x", None, "host", None, "srv/x"),
            ("git@[fe80::1]:a/b", Some("git"), "fe80::1", None, "a/b"),
            ("https://host", None, "host", None, ""),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.user, address.host, address.port, address.path), (user, host, port, path), "{text}");
        }
    }

    #[test]
    fn paths_have_no_host() {
        for text in ["/srv/a:b", "./a:b", "../x", "file:///srv/x", "x", ""] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bare_host_may_be_an_ipv6_address() {
        assert_eq!(host_and_port("::1"), ("::1", None));
        assert_eq!(host_and_port("[::1]:22"), ("::1", Some(22)));
        assert_eq!(host_and_port("host:x"), ("host", None));
    }
}
