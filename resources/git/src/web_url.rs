//! Where a person can look at a commit: the pages of well-known hosting services.

/// The page of a commit of the repository at `address`, for hosts whose pages are known.
pub(crate) fn of_commit(address: &str, hash: &str) -> Option<String> {
    let (host, path) = host_and_path(address)?;
    let path = path.trim_matches('/').trim_end_matches(".git");
    let page = if host.contains("gitlab") {
        "-/commit"
    } else if host.contains("bitbucket") {
        "commits"
    } else if host.contains("github") || host.contains("gogs") {
        "commit"
    } else {
        return None;
    };
    Some(format!("https://{host}/{path}/{page}/{hash}"))
}

/// The host (with the port of http addresses) and the path of an address.
fn host_and_path(address: &str) -> Option<(&str, &str)> {
    if let Some((scheme, rest)) = address.split_once("://") {
        let (authority, path) = rest.split_once('/')?;
        let host = authority.rsplit('@').next()?;
        return match scheme {
            "http" | "https" => Some((host, path)),
            // The port of an ssh address is not the web server's.
            "ssh" => Some((host.split(':').next()?, path)),
            _ => None,
        };
    }
    // user@host:path
    let (host, path) = address.split_once('@')?.1.split_once(':')?;
    (!host.contains('/')).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_known_hosts() {
        for (address, page) in [
            ("git@github.com:a/b.git", "https://github.com/a/b/commit/H"),
            ("ssh://git@github.com:22/a/b.git", "https://github.com/a/b/commit/H"),
            ("https://github.example:8443/a/b", "https://github.example:8443/a/b/commit/H"),
            ("https://gitlab.com/g/s/p.git", "https://gitlab.com/g/s/p/-/commit/H"),
            ("git@bitbucket.org:a/b.git", "https://bitbucket.org/a/b/commits/H"),
            ("http://gogs.local/a/b.git", "https://gogs.local/a/b/commit/H"),
        ] {
            assert_eq!(of_commit(address, "H").as_deref(), Some(page), "{address}");
        }
    }

    #[test]
    fn other_hosts_have_none() {
        for address in ["https://git.example/a/b", "/srv/github/x", "file:///srv/gitlab/x", "git@host:x"] {
            assert_eq!(of_commit(address, "H"), None, "{address}");
        }
    }
}
