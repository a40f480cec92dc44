//! The `source` of a resource.

use std::time::Duration;

use jetway::http::HttpSettings;
use jetway::{Context, Parameters, Problems, Result, Secret, trimmed};
use jetway_git_client::source::git_crypt_key;
use jetway_git_client::source::remote::{Remote, check_branch_name};
use jetway_git_client::source::submodule_credentials::SubmoduleCredential;
use jetway_github::access::is_repository;
use jetway_github::address::{is_gitea, server_of};
use jetway_github::{Access, GitHub, Hints, LogLevel};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::glob::Glob;

/// The hints that name permissions of the token.
const HINTS: Hints = Hints {
    not_found: "the repository, pull request or commit does not exist, or the token has no access: it needs the scope `repo`, or the permissions `Contents` and `Pull requests` of a fine-grained token or App",
    forbidden: "the token lacks a permission: `Contents` and `Pull requests` (read) for checks and gets, `Commit statuses` (write) for statuses, `Pull requests` (write) for comments",
};

/// The hints of errors from Gitea and Forgejo.
const GITEA_HINTS: Hints = Hints {
    not_found: "the repository, pull request or commit does not exist, or the token has no access: it needs the scope `read:repository`",
    forbidden: "the token lacks a scope: `read:repository` for checks and gets, `write:repository` for statuses, `write:issue` and `read:user` for comments",
};

/// Why Gitea cannot filter by authors.
pub(crate) const NO_ROLES: &str = "does not work with Gitea, whose API does not report the role of an author; `disable_forks` skips the pull requests of those who may not push";

/// The hints of errors from git.
const GIT_HINTS: jetway_git_client::Hints = jetway_git_client::Hints {
    login: "git logs in with the token of the source: check that it may read the repository's contents",
    redirect: "the server redirected git to another address, which gets no credentials; set `uri` to that address",
    silence: "git waits twice as long as `read_timeout` in the source for a silent server",
};

/// The user name that GitHub expects with a token as the password.
const TOKEN_USER: &str = "x-access-token";

/// The repository, the credentials, and the pull requests that are versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct Source {
    /// The repository, `OWNER/NAME`.
    #[serde(default)]
    pub repository: String,

    /// An alias of `repository`, from an older pull-request resource.
    pub repo: Option<String>,

    /// A token: the scope `repo` of a classic token, or the permissions `Contents` (read), `Pull requests` (read; write for
    /// comments) and `Commit statuses` (write for statuses) of a fine-grained token. On Gitea, the scope `repository` (read; write
    /// for statuses), and `issue` (write) and `user` (read) for comments.
    pub access_token: Option<Secret>,

    /// The id (or client id) of a GitHub App, to log in as an installation of it instead of by `access_token`.
    pub app_id: Option<String>,

    /// The id of the App's installation. Defaults to the installation that has access to the repository.
    pub installation_id: Option<String>,

    /// The App's private key in PEM format, PKCS#1 (as downloaded from GitHub) or PKCS#8.
    pub private_key: Option<Secret>,

    /// The URL of the REST API: `https://HOST/api/v3` for GitHub Enterprise, `https://HOST/api/v1` for Gitea and Forgejo.
    #[serde(default = "endpoint")]
    pub v3_endpoint: String,

    /// The URL of the GraphQL API. Defaults to the one of the server in `v3_endpoint`.
    pub v4_endpoint: Option<String>,

    /// An alias of `v3_endpoint`, from an older pull-request resource.
    pub api_endpoint: Option<String>,

    /// The address of the repository for git, `https://` or `http://`. Defaults to the repository on the server of
    /// `v3_endpoint`. The token is sent to its host.
    pub uri: Option<String>,

    /// Only pull requests into this branch.
    pub base_branch: Option<String>,

    /// An alias of `base_branch`, from an older pull-request resource.
    pub base: Option<String>,

    /// Only pull requests with at least one of these labels.
    pub labels: Option<Labels>,

    /// An alias of `labels`, from an older pull-request resource.
    pub label: Option<Labels>,

    /// The states of the pull requests: `OPEN`, `MERGED`, `CLOSED`.
    #[serde(default = "open")]
    pub states: Vec<State>,

    /// Only pull requests that change a file that matches one of these patterns. In a pattern, `*` and `?` match anything
    /// but `/`, `**` matches anything, `[a-z]` a set. A pattern that is a directory matches all files below it.
    #[serde(default)]
    pub paths: Vec<String>,

    /// Patterns of files that do not count: pull requests that change no other file are skipped.
    #[serde(default)]
    pub ignore_paths: Vec<String>,

    /// Include pull requests with `[ci skip]` or `[skip ci]` in their title or in the message of their head commit. By
    /// default they are skipped.
    #[serde(default)]
    pub disable_ci_skip: bool,

    /// Skip pull requests from forks.
    #[serde(default)]
    pub disable_forks: bool,

    /// Skip drafts.
    #[serde(default)]
    pub ignore_drafts: bool,

    /// Only pull requests that at least this many reviewers approve. Of a reviewer, the latest review that approves or
    /// requests changes counts.
    #[serde(default)]
    pub required_review_approvals: u32,

    /// An alias of `required_review_approvals: 1`, from an older pull-request resource.
    #[serde(default)]
    pub require_review_approval: bool,

    /// Only pull requests whose author is an owner, a member or a collaborator.
    #[serde(default)]
    pub authorship_restriction: bool,

    /// The git-crypt key (`git-crypt export-key`) in base64, with which gets decrypt files.
    pub git_crypt_key: Option<Secret>,

    /// Do not download git-lfs files: check out their pointers.
    #[serde(default)]
    pub disable_git_lfs: bool,

    /// Credentials for submodules on other hosts, or with their own keys.
    #[serde(default)]
    pub submodule_credentials: Vec<SubmoduleCredential>,

    /// Additional CA certificates to trust, in PEM format.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Accept any TLS certificate. Anyone who can intercept the connection can then read the token.
    #[serde(default)]
    pub skip_ssl_verification: bool,

    /// The proxy for the requests of the API, `http://user:password@host:port`. If absent, the worker's `HTTPS_PROXY`,
    /// `HTTP_PROXY` and `NO_PROXY` are used, which git uses in any case.
    pub proxy: Option<String>,

    /// The timeout for a connection to the API, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The timeout for a read or write without progress, in seconds. git waits twice as long.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1, max = 86400))]
    pub read_timeout: u32,
}

/// One or several labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Labels {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Labels {
    fn names(&self) -> &[String] {
        match self {
            Self::One(label) => std::slice::from_ref(label),
            Self::Several(labels) => labels,
        }
    }
}

/// The state of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It is open.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without a merge.
    Closed,
}

impl State {
    /// GitHub's name of the state.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Merged => "MERGED",
            Self::Closed => "CLOSED",
        }
    }
}

fn endpoint() -> String {
    "https://api.github.com".to_owned()
}

fn open() -> Vec<State> {
    vec![State::Open]
}

fn connect_timeout() -> u32 {
    15
}

fn read_timeout() -> u32 {
    60
}

impl Source {
    /// `OWNER/NAME`.
    pub(crate) fn repository(&self) -> &str {
        if self.repository.trim().is_empty() {
            trimmed(self.repo.as_ref()).unwrap_or_default()
        } else {
            self.repository.trim()
        }
    }

    /// The owner and the name of the repository.
    pub(crate) fn owner_and_name(&self) -> (&str, &str) {
        self.repository().split_once('/').unwrap_or_default()
    }

    /// The URL of the REST API, without a trailing slash.
    fn api(&self) -> &str {
        trimmed(self.api_endpoint.as_ref()).unwrap_or(self.v3_endpoint.trim()).trim_end_matches('/')
    }

    /// The base branch of the pull requests.
    pub(crate) fn base_branch(&self) -> Option<&str> {
        trimmed(self.base_branch.as_ref()).or_else(|| trimmed(self.base.as_ref()))
    }

    /// The labels to filter by: a pull request needs at least one of them. Empty if it needs none.
    pub(crate) fn labels(&self) -> Vec<&str> {
        let labels = self.labels.iter().chain(&self.label).flat_map(Labels::names);
        labels.map(|label| label.trim()).filter(|label| !label.is_empty()).collect()
    }

    /// The states of the pull requests.
    pub(crate) fn states(&self) -> &[State] {
        if self.states.is_empty() { &[State::Open] } else { &self.states }
    }

    /// The number of approvals that a pull request needs.
    pub(crate) fn required_approvals(&self) -> usize {
        let required = self.required_review_approvals.max(u32::from(self.require_review_approval));
        usize::try_from(required).unwrap_or(usize::MAX)
    }

    /// Whether pull requests are filtered by their changed files.
    pub(crate) fn filters_paths(&self) -> bool {
        !self.paths.is_empty() || !self.ignore_paths.is_empty()
    }

    /// The parts of the source that decide which versions it has. Each identity has a memory of its own.
    pub(crate) fn identity(&self) -> Vec<String> {
        let text = |part: &dyn std::fmt::Debug| format!("{part:?}");
        vec![
            self.api().to_owned(),
            self.repository().to_ascii_lowercase(),
            text(&(self.base_branch(), self.labels(), self.states(), &self.paths, &self.ignore_paths)),
            text(&(self.disable_ci_skip, self.disable_forks, self.ignore_drafts, self.authorship_restriction)),
            text(&self.required_approvals()),
        ]
    }

    /// The address of the repository for git.
    pub(crate) fn git_address(&self) -> String {
        match trimmed(self.uri.as_ref()) {
            Some(uri) => uri.to_owned(),
            None => format!("{}/{}.git", server_of(self.api()), self.repository()),
        }
    }

    /// The hints that name permissions of the token.
    pub(crate) fn hints(&self) -> Hints {
        if is_gitea(self.api()) { GITEA_HINTS } else { HINTS }
    }

    /// The settings of the API client.
    fn access(&self) -> Access {
        Access {
            type_name: "github-pr",
            api: self.api().to_owned(),
            endpoint_key: if trimmed(self.api_endpoint.as_ref()).is_some() { "api_endpoint" } else { "v3_endpoint" },
            graphql: trimmed(self.v4_endpoint.as_ref()).map(str::to_owned),
            repository: self.repository().to_owned(),
            access_token: self.access_token.clone(),
            app_id: self.app_id.clone(),
            installation_id: self.installation_id.clone(),
            private_key: self.private_key.clone(),
            log_level: LogLevel::Info,
            hints: self.hints(),
        }
    }

    /// The settings of the git program; `token` is the password.
    pub(crate) fn git_access(&self, token: Secret) -> jetway_git_client::Access {
        jetway_git_client::Access {
            uri: self.git_address(),
            username: Some(TOKEN_USER.to_owned()),
            password: Some(token),
            submodule_credentials: self.submodule_credentials.clone(),
            ca_certs: self.ca_certs.clone(),
            skip_ssl_verification: self.skip_ssl_verification,
            network_timeout: self.read_timeout.saturating_mul(2),
            hints: GIT_HINTS,
            ..jetway_git_client::Access::default()
        }
    }

    /// The client for a get or a put.
    pub(crate) fn github<'c>(&self, context: &'c Context) -> Result<GitHub<'c>> {
        GitHub::new(context, self.access(), self.http())
    }

    /// The client for a check, whose container may be reused.
    pub(crate) fn github_for_check<'c>(&self, context: &'c Context) -> Result<GitHub<'c>> {
        GitHub::for_check(context, self.access(), self.http())
    }

    fn http(&self) -> HttpSettings {
        HttpSettings {
            ca_certs: self.ca_certs.clone(),
            insecure: self.skip_ssl_verification,
            proxy: self.proxy.clone(),
            connect_timeout: Duration::from_secs(self.connect_timeout.into()),
            read_timeout: Duration::from_secs(self.read_timeout.into()),
            ..HttpSettings::default()
        }
    }

    fn validate_repository(&self, problems: &mut Problems) {
        let key = if self.repository.trim().is_empty() && self.repo.is_some() { "repo" } else { "repository" };
        match self.repository() {
            "" => problems.add("repository", "required, but missing"),
            repository if !is_repository(repository) => {
                problems.add(key, format!("expected `OWNER/NAME`, found `{repository}`"));
            }
            repository => {
                if let Some(alias) = trimmed(self.repo.as_ref())
                    && !alias.eq_ignore_ascii_case(repository)
                {
                    problems.add("repo", "is an alias of `repository`, but has a different value");
                }
            }
        }
        if let Some(uri) = trimmed(self.uri.as_ref()) {
            let remote = Remote::parse(uri);
            if let Err(problem) = remote.check_format() {
                problems.add("uri", problem);
            } else if !remote.is_http() {
                problems.add("uri", "expected `https://...`: git logs in with the token of the source");
            } else if remote.user.is_some() || remote.password.is_some() {
                problems.add("uri", "must not contain a user or password");
            }
        }
    }
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        self.validate_repository(problems);
        let access = self.access();
        access.validate_credentials(problems);
        access.validate_urls(problems);
        if self.authorship_restriction && is_gitea(self.api()) {
            problems.add("authorship_restriction", NO_ROLES);
        }
        for (key, branch) in [("base_branch", &self.base_branch), ("base", &self.base)] {
            if let Some(branch) = trimmed(branch.as_ref())
                && let Err(problem) = check_branch_name(branch)
            {
                problems.add(key, problem);
            }
        }
        for (key, patterns) in [("paths", &self.paths), ("ignore_paths", &self.ignore_paths)] {
            for (index, pattern) in patterns.iter().enumerate() {
                if let Err(problem) = Glob::parse(pattern) {
                    problems.add(format!("{key}[{index}]"), problem);
                }
            }
        }
        if let Some(key) = self.git_crypt_key.as_ref().filter(|key| !key.is_empty())
            && let Err(problem) = git_crypt_key::decode(key.expose())
        {
            problems.add("git_crypt_key", problem);
        }
        for (index, entry) in self.submodule_credentials.iter().enumerate() {
            entry.validate(index, problems);
        }
        self.http().validate(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let remote = trimmed(self.uri.as_ref()).map(Remote::parse);
        let of_uri = remote.into_iter().flat_map(|remote| [remote.user, remote.password]).flatten();
        self.http().hidden_secrets().into_iter().chain(of_uri).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_of_the_older_resource_are_read() {
        let source = serde_json::json!({
            "repo": "o/n", "access_token": "t", "base": "main", "label": "ci", "require_review_approval": true,
            "api_endpoint": "https://ghe.example/api/v3/",
        });
        let source: Source = serde_json::from_value(source).unwrap();
        assert_eq!((source.repository(), source.base_branch()), ("o/n", Some("main")));
        assert_eq!((source.labels(), source.required_approvals()), (vec!["ci"], 1));
        assert_eq!(source.git_address(), "https://ghe.example/o/n.git");
    }
}
