//! The web page of a commit at well-known hosting services.

use jetway_git_client::source::address::Address;

/// The web page of a commit of the repository at `address`; `None` if the hosting service is unknown.
///
/// The page keeps the scheme and port of an http address. It does not keep the port of an ssh address, or any user
/// information.
pub(crate) fn of_commit(address: &str, hash: &str) -> Option<String> {
    let address = Address::parse(address)?;
    let is_web = matches!(address.scheme, "http" | "https");
    if !is_web && !address.is_ssh() {
        return None;
    }
    let name = address.host.to_ascii_lowercase();
    let path = address.path.trim_end_matches('/');
    let site = match address.port.filter(|_| is_web) {
        Some(port) => format!("{}://{}:{port}", address.scheme, address.host),
        None => format!("https://{}", address.host),
    };
    if let Some(repository) = of_azure(&name, path, &site, is_web) {
        return Some(format!("{repository}/commit/{hash}"));
    }
    let path = path.trim_end_matches(".git");
    if name.contains("gitlab") {
        Some(format!("{site}/{path}/-/commit/{hash}"))
    } else if name.contains("bitbucket") {
        let path = on_bitbucket_server(&address, path).unwrap_or_else(|| path.to_owned());
        Some(format!("{site}/{path}/commits/{hash}"))
    } else if ["github", "gogs", "gitea", "forgejo", "codeberg"].iter().any(|service| name.contains(service)) {
        Some(format!("{site}/{path}/commit/{hash}"))
    } else {
        None
    }
}

/// The web page of a repository at Azure DevOps, which is its http address. An ssh address
/// (`v3/ORGANISATION/PROJECT/REPOSITORY`) is converted.
fn of_azure(name: &str, path: &str, site: &str, is_web: bool) -> Option<String> {
    if is_web {
        return format!("/{path}").contains("/_git/").then(|| format!("{site}/{path}"));
    }
    let mut parts = path.strip_prefix("v3/")?.splitn(3, '/');
    let (organisation, project, repository) = (parts.next()?, parts.next()?, parts.next()?);
    match name {
        "ssh.dev.azure.com" => Some(format!("https://dev.azure.com/{organisation}/{project}/_git/{repository}")),
        "vs-ssh.visualstudio.com" => {
            Some(format!("https://{organisation}.visualstudio.com/{project}/_git/{repository}"))
        }
        _ => None,
    }
}

/// The path of a repository's web pages on a Bitbucket Server, whose clone addresses differ from its pages:
/// `scm/PROJECT/REPOSITORY` over http, and `PROJECT/REPOSITORY` over ssh on a non-standard port. A personal project
/// is written `~ada`.
fn on_bitbucket_server(address: &Address<'_>, path: &str) -> Option<String> {
    let by_http = path.rsplit_once("scm/").filter(|(before, _)| before.is_empty() || before.ends_with('/'));
    let (context, rest) = match by_http {
        Some(found) if !address.is_ssh() => found,
        _ if address.is_ssh() && address.port.is_some_and(|port| port != 22) => ("", path),
        _ => return None,
    };
    let (project, repository) = rest.split_once('/')?;
    Some(match project.strip_prefix('~') {
        Some(person) => format!("{context}users/{person}/repos/{repository}"),
        None => format!("{context}projects/{project}/repos/{repository}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_services_have_a_page() {
        for (address, page) in [
            ("git@github.com:a/b.git", "https://github.com/a/b/commit/H"),
            ("ssh://git@github.com:22/a/b.git", "https://github.com/a/b/commit/H"),
            ("https://ada:s3cret@github.com/a/b.git", "https://github.com/a/b/commit/H"),
            ("https://GitHub.example:8443/a/b", "https://GitHub.example:8443/a/b/commit/H"),
            ("ssh://git@github.example:2222/a/b", "https://github.example/a/b/commit/H"),
            ("https://gitlab.com/g/s/p.git", "https://gitlab.com/g/s/p/-/commit/H"),
            ("git@gitlab.example:g/s/p.git", "https://gitlab.example/g/s/p/-/commit/H"),
            ("git@bitbucket.org:a/b.git", "https://bitbucket.org/a/b/commits/H"),
            ("https://ada@bitbucket.org/a/b.git", "https://bitbucket.org/a/b/commits/H"),
            ("https://bitbucket.example/scm/prj/app.git", "https://bitbucket.example/projects/prj/repos/app/commits/H"),
            (
                "https://bitbucket.example/git/scm/~ada/app.git",
                "https://bitbucket.example/git/users/ada/repos/app/commits/H",
            ),
            (
                "ssh://git@bitbucket.example:7999/prj/app.git",
                "https://bitbucket.example/projects/prj/repos/app/commits/H",
            ),
            ("http://gogs.local/a/b.git", "https://gogs.local/a/b/commit/H"),
            ("http://gitea.local:3000/a/b.git", "http://gitea.local:3000/a/b/commit/H"),
            ("ssh://git@gitea.local:2222/a/b.git", "https://gitea.local/a/b/commit/H"),
            ("https://codeberg.org/a/b.git", "https://codeberg.org/a/b/commit/H"),
            ("https://dev.azure.com/org/My%20App/_git/r", "https://dev.azure.com/org/My%20App/_git/r/commit/H"),
            ("https://org:s3cret@dev.azure.com/org/p/_git/r", "https://dev.azure.com/org/p/_git/r/commit/H"),
            ("git@ssh.dev.azure.com:v3/org/p/r", "https://dev.azure.com/org/p/_git/r/commit/H"),
            ("ssh://git@ssh.dev.azure.com:22/v3/org/p/r", "https://dev.azure.com/org/p/_git/r/commit/H"),
            ("https://org.visualstudio.com/p/_git/r", "https://org.visualstudio.com/p/_git/r/commit/H"),
            ("org@vs-ssh.visualstudio.com:v3/org/p/r", "https://org.visualstudio.com/p/_git/r/commit/H"),
            ("https://tfs.example:8080/tfs/c/p/_git/r", "https://tfs.example:8080/tfs/c/p/_git/r/commit/H"),
        ] {
            assert_eq!(of_commit(address, "H").as_deref(), Some(page), "{address}");
        }
    }

    #[test]
    fn unknown_services_have_no_page() {
        for address in [
            "https://git.example/a/b",
            "/srv/github/x",
            "file:///srv/gitlab/x",
            "git@host:x",
            "git@ssh.dev.azure.com:v3/org/p",
            "git://github.com/a/b",
        ] {
            assert_eq!(of_commit(address, "H"), None, "{address}");
        }
    }
}
