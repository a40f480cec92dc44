//! How to reach a repository: the URL of the API, the credentials and the hints of errors.

use jetway::http::Url;
use jetway::web_token::SigningKey;
use jetway::{Problems, Secret};

use crate::address::is_gitea;
use crate::log::LogLevel;

/// The repository of a source, and how to log in to its server.
#[derive(Debug, Clone)]
pub struct Access {
    /// The name of the resource type. It is part of the name of the cache file.
    pub type_name: &'static str,
    /// The URL of the REST API, without a trailing slash.
    pub api: String,
    /// The source's key for that URL.
    pub endpoint_key: &'static str,
    /// The URL of the GraphQL API. If `None`, it is derived from `api`.
    pub graphql: Option<String>,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The token.
    pub access_token: Option<Secret>,
    /// The id of a GitHub App, to log in as an installation of it.
    pub app_id: Option<String>,
    /// The id of the App's installation.
    pub installation_id: Option<String>,
    /// The App's private key.
    pub private_key: Option<Secret>,
    /// The log level of a step.
    pub log_level: LogLevel,
    /// The hints that name permissions of the token.
    pub hints: Hints,
}

/// The hints of error responses that depend on what a type does.
#[derive(Debug, Clone, Copy)]
pub struct Hints {
    /// The object does not exist, or the token has no access.
    pub not_found: &'static str,
    /// The token lacks a permission.
    pub forbidden: &'static str,
}

impl Access {
    /// The possible URLs of the REST API. A URL without a path may be that of a GitHub Enterprise or Gitea server, whose API
    /// has a path.
    pub(crate) fn possible_apis(&self) -> Vec<String> {
        let api = &self.api;
        let is_server = Url::parse(api)
            .is_ok_and(|url| url.path() == "/" && url.host_str().is_some_and(|host| host != "api.github.com"));
        let below = ["/api/v3", "/api/v1"].into_iter().filter(|_| is_server).map(|path| format!("{api}{path}"));
        std::iter::once(api.clone()).chain(below).collect()
    }

    /// The name of the repository, without its owner.
    pub(crate) fn repository_name(&self) -> &str {
        self.repository.split_once('/').map_or(self.repository.as_str(), |(_, name)| name)
    }

    /// Validates the credentials: a source has either a token or an App.
    pub fn validate_credentials(&self, problems: &mut Problems) {
        let is_given = |secret: Option<&Secret>| secret.is_some_and(|secret| !secret.expose().trim().is_empty());
        let app = [
            ("app_id", self.app_id.as_ref().is_some_and(|id| !id.trim().is_empty())),
            ("private_key", is_given(self.private_key.as_ref())),
        ];
        if is_gitea(&self.api) {
            for (key, _) in app.into_iter().filter(|(_, given)| *given) {
                problems.add(key, "does not work with Gitea, which has no GitHub Apps: set `access_token`");
            }
        }
        match (is_given(self.access_token.as_ref()), app) {
            (true, [(_, false), (_, false)]) if self.installation_id.is_none() => {}
            (true, _) => problems.add("access_token", "excludes `app_id`, `installation_id` and `private_key`"),
            (false, [(_, true), (_, true)]) => {}
            (false, [(_, false), (_, false)]) => problems.add_with_hint(
                "access_token",
                "required, but missing",
                "set `access_token`, or `app_id` and `private_key` to log in as a GitHub App",
            ),
            (false, _) => {
                for (key, _) in app.into_iter().filter(|(_, given)| !given) {
                    problems.add(key, "required to log in as a GitHub App, but missing");
                }
            }
        }
        if is_given(self.private_key.as_ref())
            && let Some(key) = &self.private_key
            && let Err(problem) = SigningKey::parse(key.expose())
        {
            problems.add("private_key", problem);
        }
        if let Some(id) = &self.installation_id
            && !is_number(id)
        {
            problems.add("installation_id", "expected a whole number");
        }
        if let Some(id) = &self.app_id
            && !id.trim().chars().all(|character| character.is_ascii_alphanumeric() || ".-_".contains(character))
        {
            problems.add("app_id", "expected the App's id or client id");
        }
    }

    /// Adds the problems of the API's URLs.
    pub fn validate_urls(&self, problems: &mut Problems) {
        let endpoint = self.endpoint_key;
        match Url::parse(&self.api) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) => {
                problems.add(endpoint, "expected `https://...`");
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                problems.add(endpoint, "must not have a query");
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                problems.add(endpoint, "must not contain a user or password");
            }
            Ok(_) => {}
            Err(error) => problems.add(endpoint, format!("expected `https://...`: {error}")),
        }
        if let Some(graphql) = &self.graphql
            && !Url::parse(graphql).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        {
            problems.add("v4_endpoint", "expected `https://...`");
        } else if self.graphql.is_some() && is_gitea(&self.api) {
            problems.add("v4_endpoint", "does not work with Gitea, which has no GraphQL API");
        }
    }
}

/// Whether the text is `OWNER/NAME` and cannot change the path of a request.
pub fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Whether the text is a full commit hash, SHA-1 or SHA-256.
pub fn is_commit_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_repository_accepts_only_owner_and_name() {
        for text in ["o/n", "my-org/my.repo_1"] {
            assert!(is_repository(text), "{text}");
        }
        for text in ["", "o", "o/", "/n", "o/n/x", "o/..", "../n", "o/n?x", "o/n#", "o /n", "o/%2e%2e", "o/n\n"] {
            assert!(!is_repository(text), "{text:?}");
        }
    }

    #[test]
    fn possible_apis_of_a_url_without_a_path_have_the_known_paths() {
        let apis = |api: &str| {
            let access = Access {
                type_name: "test",
                api: api.to_owned(),
                endpoint_key: "endpoint",
                graphql: None,
                repository: "o/n".to_owned(),
                access_token: None,
                app_id: None,
                installation_id: None,
                private_key: None,
                log_level: LogLevel::default(),
                hints: Hints { not_found: "", forbidden: "" },
            };
            access.possible_apis()
        };
        assert_eq!(apis("https://api.github.com"), ["https://api.github.com"]);
        assert_eq!(apis("https://ghe.example/api/v3"), ["https://ghe.example/api/v3"]);
        assert_eq!(
            apis("https://ghe.example"),
            ["https://ghe.example", "https://ghe.example/api/v3", "https://ghe.example/api/v1"]
        );
    }
}
