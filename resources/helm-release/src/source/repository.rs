//! The repositories of charts that a source names.

use std::collections::BTreeSet;

use jetway::http::{Url, authority_problem};
use jetway::{Problems, Secret, address_secrets, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;

/// The repository that helm 2 had by default.
pub(crate) const STABLE: &str = "stable";

/// Its current address.
const STABLE_URL: &str = "https://charts.helm.sh/stable";

/// A repository of charts.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Repository {
    /// Its name in `chart: NAME/CHART`.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The user to log in as.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// The certificate of the only authority to trust for it, in PEM form.
    pub ca_cert: Option<String>,
    /// Accept any certificate of the repository.
    #[serde(default)]
    pub insecure: bool,
    /// Also send the user and password to other hosts that its index names.
    #[serde(default)]
    pub pass_credentials: bool,
}

/// The address of the repository `stable`, or whether there is one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StableRepository {
    /// Whether there is one.
    Flag(bool),
    /// Its address.
    Url(String),
}

/// The repositories of a source: those of `repos`, and `stable`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repositories<'s> {
    /// Those of `repos`.
    pub(crate) listed: &'s [Repository],
    /// The address of the repository `stable`.
    pub(crate) stable: Option<&'s str>,
}

impl<'s> Repositories<'s> {
    /// The repositories that these keys name.
    pub(crate) fn new(listed: &'s [Repository], stable: Option<&'s StableRepository>) -> Self {
        let stable = match stable {
            None | Some(StableRepository::Flag(false)) => None,
            Some(StableRepository::Flag(true)) => Some(STABLE_URL),
            Some(StableRepository::Url(url)) => Some(url.trim()).filter(|url| !url.is_empty()),
        };
        Self { listed, stable }
    }

    /// The option for a command that fetches from a repository, given by its name or its address. helm itself applies
    /// the repository's TLS settings only to the index.
    pub(crate) fn option(self, repository: &str) -> Option<&'static str> {
        let named = repository.trim_start_matches("alias:").trim_start_matches('@');
        let is_it = |one: &&Repository| {
            one.name.trim() == named || one.url.trim().trim_end_matches('/') == repository.trim().trim_end_matches('/')
        };
        self.listed.iter().find(is_it)?.insecure.then_some("--insecure-skip-tls-verify")
    }

    /// The names of all repositories.
    pub(crate) fn names(self) -> Vec<&'s str> {
        let stable = self.stable.map(|_| STABLE);
        self.listed.iter().map(|repository| repository.name.trim()).chain(stable).collect()
    }

    /// The addresses of all repositories.
    pub(crate) fn urls(self) -> impl Iterator<Item = &'s str> + Clone {
        self.listed.iter().map(|repository| repository.url.trim()).chain(self.stable)
    }

    /// The passwords and tokens in the addresses.
    pub(crate) fn hidden_secrets(self) -> Vec<String> {
        self.urls().flat_map(address_secrets).collect()
    }

    /// Notes what is wrong with the repositories.
    pub(crate) fn validate(self, problems: &mut Problems) {
        let mut names = BTreeSet::new();
        for (index, repository) in self.listed.iter().enumerate() {
            let at = |key: &str| format!("repos[{index}].{key}");
            let name = repository.name.trim();
            if name.is_empty() || name.starts_with('-') || name.contains(|character: char| !is_of_name(character)) {
                problems.add(at("name"), "expected a name: letters, digits, `-`, `_` and `.`");
            } else if !names.insert(name) {
                problems.add(at("name"), format!("another repository has the same name: `{name}`"));
            }
            validate_url(&repository.url, &at("url"), problems);
            match (trimmed(repository.username.as_ref()), Secret::non_empty(repository.password.as_ref())) {
                (Some(_), None) => problems.add(at("password"), "required with `username`, but missing"),
                (None, Some(_)) => problems.add(at("username"), "required with `password`, but missing"),
                _ => {}
            }
            if let Some(problem) = trimmed(repository.ca_cert.as_ref()).and_then(authority_problem) {
                problems.add(at("ca_cert"), problem);
            }
        }
        if let Some(url) = self.stable {
            validate_url(url, "stable_repo", problems);
            if names.contains(STABLE) {
                problems.add("stable_repo", "conflicts with the repository `stable` in `repos`; remove one");
            }
        }
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.".contains(character)
}

fn validate_url(url: &str, key: &str, problems: &mut Problems) {
    let url = url.trim();
    if url.starts_with("oci://") {
        problems.add_with_hint(
            key,
            "is the address of a registry, which has no index",
            format!("write `chart: {url}/CHART` for a chart there, and `private_registry` to log in"),
        );
    } else if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        problems.add(key, "expected an address, `https://...`");
    }
}
