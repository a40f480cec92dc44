//! Credentials for submodules on another host than the repository, or with another key.

use jetway::{Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::address::is_plain_user;
use crate::source::address::{Address, host_and_port};
use crate::source::private_key;

/// Credentials for the submodules of one host over http(s), or for one submodule over ssh.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct SubmoduleCredential {
    /// For `https://` and `http://`: the host that `username` and `password` are sent to. With a port (`host:8443`) or
    /// a scheme (`https://host`), they are sent to that port or over that scheme only.
    pub host: Option<String>,

    /// The user name for `host`.
    pub username: Option<String>,

    /// The password or token for `host`.
    pub password: Option<Secret>,

    /// For ssh: the submodule's `url`, exactly as in `.gitmodules`.
    pub url: Option<String>,

    /// The private SSH key for the submodule at `url`. It replaces the source's `private_key`.
    pub private_key: Option<Secret>,

    /// The passphrase of `private_key`.
    pub private_key_passphrase: Option<Secret>,

    /// The SSH user, if `url` has none.
    pub private_key_user: Option<String>,
}

impl SubmoduleCredential {
    /// The host, user and password, if all are set.
    pub fn login(&self) -> Option<(Host<'_>, &str, &Secret)> {
        let password = self.password.as_ref().filter(|password| !password.is_empty())?;
        Some((Host::parse(self.host.as_deref()?)?, self.username.as_deref()?, password))
    }

    /// The submodule's `url` and key, if both are set.
    pub fn key(&self) -> Option<(&str, &Secret)> {
        Some((self.url.as_deref()?, self.private_key.as_ref().filter(|key| !key.is_empty())?))
    }

    /// Validates the entry. An entry without any credential is ignored, because its variables may be empty.
    pub fn validate(&self, index: usize, problems: &mut Problems) {
        let at = |key: &str| format!("submodule_credentials[{index}].{key}");
        let is_given = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.is_empty());
        let (has_password, has_key) = (is_given(&self.password), is_given(&self.private_key));
        if self.username.is_some() || has_password {
            match &self.host {
                None => {
                    problems
                        .add(at("host"), "is needed with `username` and `password`, which are sent to that host only");
                }
                Some(host) if Host::parse(host).is_none() => {
                    problems.add(at("host"), "must be a host, such as `git.example.com` or `git.example.com:8443`");
                }
                Some(_) if self.username.is_none() => problems.add(at("username"), "is needed with `password`"),
                Some(_) if !has_password => problems.add(at("password"), "is needed with `username`"),
                Some(_) => {}
            }
        }
        if has_key {
            if self.url.is_none() {
                problems.add(at("url"), "is needed with `private_key`: the submodule's `url` in `.gitmodules`");
            }
            if let Some(key) = &self.private_key
                && let Err(problem) = private_key::check_format(key.expose(), is_given(&self.private_key_passphrase))
            {
                problems.add(at("private_key"), problem);
            }
        }
        if self.private_key_user.as_ref().is_some_and(|user| !is_plain_user(user)) {
            problems.add(at("private_key_user"), "must be letters, digits and `._@+-`, and not begin with `-`");
        }
    }
}

/// The host that a login may be sent to, optionally limited to a scheme or a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// The only allowed scheme; `None` for any.
    pub scheme: Option<&'a str>,
    /// The host name or address, without brackets.
    pub name: &'a str,
    /// The only allowed port; `None` for any.
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Whether the host has this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Parses `host`, `host:port` or `scheme://host`; `None` for any other text.
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme @ ("https" | "http"), rest)) => (Some(scheme), rest.trim_end_matches('/')),
            Some(_) => return None,
            None => (None, text),
        };
        let (name, port) = host_and_port(authority);
        // Refuse text after the colon that is not a port.
        let has_valid_end = port.is_some() || name.len() == authority.trim_matches(['[', ']']).len();
        let is_name = !name.is_empty() && !name.contains(['/', '@', '*']) && !name.contains(char::is_whitespace);
        (is_name && has_valid_end).then_some(Self { scheme, name, port })
    }
}

/// Whether `entry` is the same repository as the ssh address `host`, `port` and `path`. Slashes at the ends and a
/// `.git` suffix are ignored. If `entry` is not an ssh address, git may have rewritten it to one
/// (`url.<base>.insteadOf`), so its port is ignored.
pub fn is_same_repository(entry: &Address<'_>, host: &str, port: Option<u16>, path: &str) -> bool {
    let trimmed = |path: &'_ str| path.trim_matches('/').trim_end_matches(".git").trim_end_matches('/').to_owned();
    let is_port = !entry.is_ssh() || entry.port.unwrap_or(SSH_PORT) == port.unwrap_or(SSH_PORT);
    entry.host.eq_ignore_ascii_case(host) && is_port && trimmed(entry.path) == trimmed(path)
}

/// The default port of ssh.
pub const SSH_PORT: u16 = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_may_have_a_scheme_or_a_port() {
        let host = |scheme, name, port| Some(Host { scheme, name, port });
        assert_eq!(Host::parse("git.example"), host(None, "git.example", None));
        assert_eq!(Host::parse("git.example:8443"), host(None, "git.example", Some(8443)));
        assert_eq!(Host::parse("https://git.example/"), host(Some("https"), "git.example", None));
        assert_eq!(Host::parse("[::1]:80"), host(None, "::1", Some(80)));
        assert_eq!(Host::parse("[::1]"), host(None, "::1", None));
        for text in ["", "a/b", "ssh://a", "u@a", "a b", "a:http", "*.example"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn spellings_of_one_address_are_the_same_repository() {
        let is = |entry: &str, host: &str, port, path: &str| {
            is_same_repository(&Address::parse(entry).unwrap(), host, port, path)
        };
        assert!(is("git@host:a/b.git", "host", None, "a/b.git"));
        assert!(is("git@host:a/b", "HOST", Some(22), "/a/b.git/"));
        assert!(is("ssh://git@host:2222/a/b", "host", Some(2222), "/a/b"));
        assert!(is("https://host/a/b.git", "host", Some(2222), "a/b"));
        assert!(!is("git@host:a/b", "host", Some(2222), "a/b"));
        assert!(!is("git@host:a/b", "other", None, "a/b"));
        assert!(!is("git@host:a/b", "host", None, "a/b/c"));
    }
}
