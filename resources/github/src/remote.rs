//! Finds the repository of a checkout by its remotes.

use jetway::http::Url;

/// A repository on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The remote's name, such as `origin`.
    pub(crate) name: String,
    pub(crate) host: String,
    /// `OWNER/NAME`.
    pub(crate) repository: String,
}

/// Lists the remotes of a git configuration whose URL is that of a repository `OWNER/NAME` on a server.
pub(crate) fn remotes(config: &str) -> Vec<Remote> {
    let mut found = Vec::new();
    let mut section = None;
    for line in config.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let name = header.strip_prefix("remote \"").and_then(|rest| rest.split_once('"'));
            section = name.map(|(name, _)| name);
        } else if let (Some(name), Some((key, value))) = (section, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("url")
            && let Some((host, repository)) = parse(value.trim().trim_matches('"'))
        {
            found.push(Remote { name: name.to_owned(), host, repository });
        }
    }
    found
}

/// Parses the host and `OWNER/NAME` of a remote URL or of `user@host:path`.
fn parse(address: &str) -> Option<(String, String)> {
    let (host, path) = if address.contains("://") {
        let url = Url::parse(address).ok()?;
        (url.host_str()?.to_owned(), url.path().to_owned())
    } else {
        let (host, path) = address.split_once(':')?;
        if host.contains('/') {
            return None;
        }
        (host.rsplit('@').next()?.to_owned(), path.to_owned())
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let is_name = |name: &str| !name.is_empty() && !name.contains('/');
    let (owner, name) = path.split_once('/')?;
    (is_name(owner) && is_name(name) && !host.is_empty()).then(|| (host.to_ascii_lowercase(), path.to_owned()))
}

/// Finds a remote which shows that a checkout belongs to a repository other than `repository`. Only remotes on the server of
/// `api` or on github.com count, because a mirror on another server may have any name. Returns `None` if no remote counts, or if
/// one of them is `repository`.
pub(crate) fn find_other_repository<'r>(remotes: &'r [Remote], repository: &str, api: &str) -> Option<&'r Remote> {
    let api = Url::parse(api).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase)).unwrap_or_default();
    let server = api.strip_prefix("api.").unwrap_or(&api);
    let counts = |remote: &&Remote| {
        let host = ["www.", "ssh."].iter().find_map(|prefix| remote.host.strip_prefix(prefix)).unwrap_or(&remote.host);
        host == server || host == "github.com"
    };
    let mut counting = remotes.iter().filter(counts);
    if counting.clone().any(|remote| remote.repository.eq_ignore_ascii_case(repository)) {
        return None;
    }
    counting.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_finds_the_repository_in_each_form_of_a_remote_url() {
        for address in [
            "https://github.com/octo/app.git",
            "https://x-access-token:secret@GitHub.com/octo/app",
            "git@github.com:octo/app.git",
            "github.com:octo/app/",
            "ssh://git@github.com:22/octo/app.git",
            "git://github.com/octo/app",
        ] {
            assert_eq!(parse(address), Some(("github.com".to_owned(), "octo/app".to_owned())), "{address}");
        }
        for address in
            ["/srv/octo/app.git", "../app", "file:///srv/app", "https://github.com/app", "https://h/a/b/c", ""]
        {
            assert_eq!(parse(address), None, "{address}");
        }
    }

    #[test]
    fn remotes_reads_the_url_of_each_remote() {
        let config = "[core]\n\turl = https://github.com/no/remote\n[remote \"origin\"]\n\turl = git@github.com:octo/app.git\n\t\
                      fetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n\tremote = origin\n";
        let origin = Remote { name: "origin".into(), host: "github.com".into(), repository: "octo/app".into() };
        assert_eq!(remotes(config), [origin]);
    }

    #[test]
    fn find_other_repository_compares_remotes_on_the_same_server() {
        let remotes = |addresses: &[&str]| {
            let config: Vec<String> =
                addresses.iter().map(|address| format!("[remote \"r\"]\nurl = {address}\n")).collect();
            super::remotes(&config.concat())
        };
        let is_another =
            |addresses: &[&str], api: &str| find_other_repository(&remotes(addresses), "Octo/App", api).is_some();
        let api = "https://api.github.com";
        assert!(is_another(&["git@github.com:octo/other.git"], api));
        assert!(!is_another(&["git@github.com:octo/app.git"], api));
        assert!(!is_another(&["git@github.com:fork/app.git", "https://github.com/octo/app"], api));
        assert!(!is_another(&["https://mirror.example/mirrors/app"], api));
        assert!(is_another(&["https://ghe.example/octo/other"], "https://ghe.example/api/v3"));
        assert!(!is_another(&["/srv/git/other"], api));
        assert!(!is_another(&[], api));
    }
}
