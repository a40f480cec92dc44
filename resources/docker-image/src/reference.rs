//! Parses repository names and tags, with the grammar of the distribution project.

use std::fmt;
use std::str::FromStr;

/// The host of Docker Hub's API.
const HUB: &str = "registry-1.docker.io";

/// The host of Docker Hub in full image names.
const HUB_NAME: &str = "index.docker.io";

/// The host names that pipelines use for Docker Hub.
const HUB_NAMES: [&str; 3] = ["docker.io", HUB_NAME, HUB];

/// The longest path of a repository.
const MAX_REPOSITORY_LENGTH: usize = 255;

/// A repository: a registry, and a path in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Repository {
    /// The registry's host, with its port when it has one.
    registry: String,
    path: String,
}

impl Repository {
    /// A repository with this path in a registry.
    pub(crate) fn new(registry: &str, path: &str) -> Result<Self, String> {
        check_host(registry)?;
        check_path(path)?;
        let registry = registry.to_ascii_lowercase();
        let is_hub = HUB_NAMES.contains(&registry.as_str());
        // Official images are below `library`, which pipelines omit.
        let path = if is_hub && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        Ok(Self { registry: if is_hub { HUB.to_owned() } else { registry }, path })
    }

    /// The registry's host for requests: `host` or `host:port`.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is on Docker Hub.
    pub(crate) fn is_on_hub(&self) -> bool {
        self.registry == HUB
    }

    /// The same path in another registry, such as a mirror, below `prefix` if that is not empty.
    pub(crate) fn at(&self, registry: &str, prefix: &str) -> Result<Self, String> {
        let prefix = prefix.trim_matches('/');
        let path = if prefix.is_empty() { self.path.clone() } else { format!("{prefix}/{}", self.path) };
        Self::new(registry, &path)
    }

    /// The full name, as archives contain it: `index.docker.io/library/debian`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", if self.is_on_hub() { HUB_NAME } else { &self.registry }, self.path)
    }
}

/// The familiar name, without Docker Hub's host.
impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_on_hub() {
            return write!(formatter, "{}/{}", self.registry, self.path);
        }
        formatter.write_str(self.path.strip_prefix("library/").unwrap_or(&self.path))
    }
}

impl FromStr for Repository {
    type Err = String;

    /// The first part is a host if it has a dot or a port, or is `localhost`; else the repository is on Docker Hub.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("expected a name such as `registry.example.com/team/app`, without `https://`".to_owned());
        }
        if text.contains('@') {
            return Err("must not contain a digest or a user; set credentials in `username` and `password`".to_owned());
        }
        let (registry, path) = match text.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path),
            _ => (HUB, text),
        };
        if let Some((_, tag)) = path.split_once(':') {
            return Err(format!("must not contain a tag; set `tag: {tag}` instead"));
        }
        Self::new(registry, path)
    }
}

/// Parses a registry in a pipeline: a host, or a URL, of which only the host and the path count.
pub(crate) fn registry_of(text: &str) -> Result<(String, String), String> {
    let text = text.trim();
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let (host, path) = bare.trim_end_matches('/').split_once('/').unwrap_or((bare.trim_end_matches('/'), ""));
    check_host(host)?;
    let host = host.to_ascii_lowercase();
    // The API's version prefix is not part of a mirror's path; a path such as `v2mirror` is.
    let path = match path.split_once('/').unwrap_or((path, "")) {
        ("v1" | "v2", below) => below,
        _ => path,
    };
    Ok((if HUB_NAMES.contains(&host.as_str()) { HUB.to_owned() } else { host }, path.trim_matches('/').to_owned()))
}

/// Whether a text is a valid tag.
pub(crate) fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (first, rest) = (text.bytes().next(), text.bytes().skip(1));
    text.len() <= 128
        && first.is_some_and(is_word)
        && rest.into_iter().all(|byte| is_word(byte) || b".-".contains(&byte))
}

fn is_host(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost" || text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn check_host(host: &str) -> Result<(), String> {
    let wrong = || {
        format!("`{host}` is not a registry; expected a host, `registry.example.com` or `registry.example.com:5000`")
    };
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            return check_port(port.strip_prefix(':').or((port.is_empty()).then_some("1"))).ok_or_else(wrong);
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    check_port(port.or(Some("1"))).filter(|()| name.split('.').all(is_label)).ok_or_else(wrong)
}

fn check_port(port: Option<&str>) -> Option<()> {
    // Rust also parses `+80` as a number, which is no valid port.
    let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    port.parse::<u16>().ok().filter(|port| *port > 0).map(|_| ())
}

fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("expected a repository, found only a registry".to_owned());
    }
    if path.len() > MAX_REPOSITORY_LENGTH {
        return Err(format!("a repository name can have at most {MAX_REPOSITORY_LENGTH} characters"));
    }
    if let Some(part) = path.split('/').find(|part| !is_component(part)) {
        let mut problem = format!(
            "`{part}` is not valid in a repository name: use lower-case letters and digits, separated by `.`, `_`, `__` or dashes"
        );
        if part.bytes().any(|byte| byte.is_ascii_uppercase()) && is_component(&part.to_ascii_lowercase()) {
            problem = format!("`{part}` has upper-case letters, which are not allowed in a repository name");
        }
        return Err(problem);
    }
    Ok(())
}

/// Letters and digits, with `.`, `_`, `__` or any number of dashes between them.
fn is_component(part: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_well = part.bytes().next().is_some_and(is_plain) && part.bytes().last().is_some_and(is_plain);
    let mut separators = part.split(|character: char| character.is_ascii_alphanumeric());
    ends_well
        && part.bytes().all(|byte| is_plain(byte) || b"._-".contains(&byte))
        && separators.all(|text| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (String, String) {
        let repository: Repository = text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"));
        (repository.registry, repository.path)
    }

    /// From the test vectors of the distribution project's `reference` package.
    #[test]
    fn first_part_is_a_registry_if_it_looks_like_a_host() {
        for (text, registry, path) in [
            ("test_com/foo", HUB, "test_com/foo"),
            ("test.com/repo", "test.com", "repo"),
            ("test:5000/repo", "test:5000", "repo"),
            ("foo_bar.com:8080", "foo_bar.com:8080", ""),
            ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux"),
            ("b.gcr.io/test.example.com/my-app", "b.gcr.io", "test.example.com/my-app"),
            ("xn--n3h.com/myimage", "xn--n3h.com", "myimage"),
            ("foo/foo_bar.com", HUB, "foo/foo_bar.com"),
            ("localhost/name", "localhost", "name"),
            ("192.168.1.1:8080/repo", "192.168.1.1:8080", "repo"),
            ("[2001:db8::1]:5000/repo", "[2001:db8::1]:5000", "repo"),
            ("[::1]/repo", "[::1]", "repo"),
            ("debian", HUB, "library/debian"),
            ("docker.io/debian", HUB, "library/debian"),
            ("index.docker.io/bitnami/redis", HUB, "bitnami/redis"),
            ("registry/team/app", HUB, "registry/team/app"),
            ("a__b/c---d.e", HUB, "a__b/c---d.e"),
            ("Registry.Example.com/x", "registry.example.com", "x"),
        ] {
            if path.is_empty() {
                assert!(text.parse::<Repository>().is_err(), "{text}");
            } else {
                assert_eq!(parsed(text), (registry.to_owned(), path.to_owned()), "{text}");
            }
        }
    }

    #[test]
    fn rejects_invalid_repositories() {
        for text in [
            "",
            ":justtag",
            "repo:tag",
            "a/b:c@sha256:0",
            "user:pw@host/x",
            "https://host.example/x",
            "Uppercase:tag",
            "-foo/bar",
            "a//b",
            "a/",
            "/a",
            "a..b",
            "a___b",
            "_a",
            "a-",
            "host:port/x",
            "host:0/x",
            "host:70000/x",
            "host:+80/x",
            "[fe80::1%eth0]/x",
            "a/../b",
            "a b",
            "test.com:5000/Uppercase",
            "foo.com:http/bar",
            "a\nb",
            "ü/x",
            &"a".repeat(256),
        ] {
            assert!(text.parse::<Repository>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn hints_suggest_a_correction() {
        let problem = |text: &str| text.parse::<Repository>().unwrap_err();
        assert_eq!(problem("team/app:1.2"), "must not contain a tag; set `tag: 1.2` instead");
        assert_eq!(problem("team/App"), "`App` has upper-case letters, which are not allowed in a repository name");
    }

    #[test]
    fn displays_short_and_full_names() {
        let names = |text: &str| {
            let repository: Repository = text.parse().unwrap();
            (repository.to_string(), repository.full_name())
        };
        assert_eq!(names("debian"), ("debian".to_owned(), "index.docker.io/library/debian".to_owned()));
        assert_eq!(names("h:1/a/b"), ("h:1/a/b".to_owned(), "h:1/a/b".to_owned()));
    }

    #[test]
    fn mirror_has_the_same_path() {
        let repository: Repository = "debian".parse().unwrap();
        let mirrored = repository.at("mirror.example:5000", "hub").unwrap();
        assert_eq!(mirrored.to_string(), "mirror.example:5000/hub/library/debian");
        assert_eq!(registry_of("https://Mirror.example:5000/hub/"), Ok(("mirror.example:5000".into(), "hub".into())));
        assert_eq!(registry_of("https://index.docker.io/v1/"), Ok((HUB.into(), String::new())));
        assert_eq!(registry_of("mirror.example/v2foo"), Ok(("mirror.example".into(), "v2foo".into())));
        assert_eq!(registry_of("mirror.example/v2/hub"), Ok(("mirror.example".into(), "hub".into())));
        assert!(registry_of("https://").is_err() && registry_of("u:p@h").is_err());
    }

    #[test]
    fn accepts_only_valid_tags() {
        for text in ["1.2", "latest", "_x", "V1", &"a".repeat(128)] {
            assert!(is_tag(text), "{text}");
        }
        for text in ["", ".x", "-x", "a/b", "a b", "a\n", "a:b", "1.0+x", &"a".repeat(129)] {
            assert!(!is_tag(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parsed_references_are_safe_in_urls(text in "\\PC{0,40}") {
            if let Ok(repository) = text.parse::<Repository>() {
                let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"./-_:[]".contains(&byte);
                prop_assert!(repository.registry.bytes().chain(repository.path.bytes()).all(safe));
                prop_assert!(!repository.path.split('/').any(|part| part.is_empty() || part == ".." || part == "."));
            }
        }
    }
}
