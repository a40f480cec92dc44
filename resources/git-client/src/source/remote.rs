//! Parses the URI of a repository, and checks branch names and commit hashes.

use jetway::percent_decode;

/// The supported schemes. git would pass any other URL, with user and password, to a remote helper.
const SCHEMES: [&str; 7] = ["https", "http", "ssh", "git+ssh", "ssh+git", "git", "file"];

/// A remote repository: its address and the credentials from its URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The address for git. An ssh address keeps its user, but no password. An http address has no user information,
    /// because that is a credential.
    pub address: String,
    /// For http and https, the origin (`https://host:port`) that credentials may be sent to.
    pub origin: Option<String>,
    /// The user from the URI, decoded.
    pub user: Option<String>,
    /// The password from the URI, decoded.
    pub password: Option<String>,
}

impl Remote {
    /// Parses a URI. A path becomes absolute; `user@host:path` stays as it is.
    pub fn parse(uri: &str) -> Self {
        let uri = uri.trim();
        let unchanged = Self { address: uri.to_owned(), origin: None, user: None, password: None };
        let Some((scheme, rest)) = uri.split_once("://") else {
            // Child processes run in other directories than this process.
            let is_path = !uri.starts_with('-') && !uri.split('/').next().is_some_and(|first| first.contains(':'));
            let absolute = std::path::absolute(uri).ok().filter(|_| is_path && !uri.is_empty());
            return match absolute.as_ref().and_then(|path| path.to_str()) {
                Some(path) => Self { address: path.to_owned(), ..unchanged },
                None => unchanged,
            };
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
            Some((user, password)) => (decode(user), decode(password)),
            None => (None, None),
        };
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "http" | "https" => Self {
                address: format!("{scheme}://{host}{path}"),
                origin: Some(format!("{scheme}://{}", host.to_ascii_lowercase())),
                user,
                password,
            },
            // ssh does not use a password in the address. Remove it, since git would pass it on.
            "ssh" | "git+ssh" | "ssh+git" if password.is_some() => {
                let at = userinfo.and_then(|userinfo| userinfo.split_once(':')).map_or("", |(user, _)| user);
                Self { address: format!("{scheme}://{at}@{host}{path}"), origin: None, user, password }
            }
            // The git protocol has no logins. git would treat the user information as part of the host name and print
            // it.
            "git" if userinfo.is_some() => {
                Self { address: format!("{scheme}://{host}{path}"), origin: None, user, password }
            }
            _ => unchanged,
        }
    }

    /// Whether the address is http or https.
    pub fn is_http(&self) -> bool {
        self.origin.is_some()
    }

    /// Checks that the address is safe to pass to git.
    pub fn check_format(&self) -> Result<(), &'static str> {
        if self.address.starts_with('-') {
            return Err("must not begin with `-`");
        }
        if self.address.chars().any(char::is_control) {
            return Err("must not contain control characters");
        }
        let scheme = self.address.split_once("://").map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| !SCHEMES.contains(&scheme)) {
            return Err("must begin with `https://`, `http://`, `ssh://`, `git://` or `file://`, or be a path");
        }
        let host = self.address.split_once("://").map(|(_, rest)| rest.rsplit('@').next().unwrap_or(rest));
        if host.is_some_and(|host| host.starts_with('-')) {
            return Err("must not have a host that begins with `-`");
        }
        // `ext::` and `fd::` run programs that the URI names.
        if self.address.split_once("::").is_some_and(|(helper, _)| helper.chars().all(char::is_alphanumeric)) {
            return Err("must not name a remote helper (`name::address`)");
        }
        Ok(())
    }
}

/// Decodes percent escapes; `None` if the text is empty.
pub fn decode(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| percent_decode(text))
}

/// Checks that `name` is a valid branch name (`git check-ref-format`).
pub fn check_branch_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if name.starts_with('-') {
        return Err("must not begin with `-`".to_owned());
    }
    if git2::Branch::name_is_valid(name).unwrap_or(false) {
        Ok(())
    } else {
        Err(format!("`{name}` is not a valid branch name"))
    }
}

/// Whether `text` is a full commit hash (SHA-1 or SHA-256).
pub fn is_commit_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hash(text)
}

/// Whether `text` can be an abbreviated commit hash. git abbreviates to at least four digits.
pub fn is_abbreviated_hash(text: &str) -> bool {
    (4..64).contains(&text.len()) && text.len() != 40 && is_hash(text)
}

fn is_hash(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_address_contains_no_credentials() {
        let remote = Remote::parse("https://bob:p%40ss@Example.org:8443/a/b.git");
        assert_eq!(remote.address, "https://Example.org:8443/a/b.git");
        assert_eq!(remote.origin.as_deref(), Some("https://example.org:8443"));
        assert_eq!((remote.user.as_deref(), remote.password.as_deref()), (Some("bob"), Some("p@ss")));
    }

    #[test]
    fn ssh_address_keeps_its_user_but_no_password() {
        assert_eq!(Remote::parse("ssh://git@host:22/x").address, "ssh://git@host:22/x");
        assert_eq!(Remote::parse("ssh://git:secret@host/x").address, "ssh://git@host/x");
        let remote = Remote::parse("git://bob:secret@host:9418/x");
        assert_eq!((remote.address.as_str(), remote.password.as_deref()), ("git://host:9418/x", Some("secret")));
        assert_eq!(Remote::parse("git@host:a/b.git").address, "git@host:a/b.git");
        assert_eq!(Remote::parse("/srv/a@b:c").address, "/srv/a@b:c");
    }

    #[test]
    fn refuses_addresses_that_git_would_misinterpret() {
        for uri in
            ["-oProxyCommand=x", "ssh://-oProxyCommand=x/y", "ssh://u@-x/y", "ftp://u:p@h/x", "ext::sh -c id", "a\nb"]
        {
            assert!(Remote::parse(uri).check_format().is_err(), "{uri}");
        }
        for uri in ["git@host:a::b", "/a::b/c", "https://[::1]:80/x", "file:///a b"] {
            assert_eq!(Remote::parse(uri).check_format(), Ok(()), "{uri}");
        }
    }

    #[test]
    fn branch_names_follow_git_check_ref_format() {
        assert!(check_branch_name("feature/x").is_ok());
        for name in ["", "-x", "a b", "a..b", "a~1", "x.lock", "refs//x", "a:b"] {
            assert!(check_branch_name(name).is_err(), "{name}");
        }
    }
}
