//! The `source` of a resource.

use std::time::Duration;

use jetway::http::HttpSettings;
use jetway::{Console, Parameters, Problems, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use jetway_github::access::{Access, Hints, is_commit_hash, is_repository};
use jetway_github::context_name;
use jetway_github::log::{Log, LogLevel};
use jetway_github::state::{require_deployment_state, require_state};

/// The hints that name permissions of the token.
const HINTS: Hints = Hints {
    not_found: "the repository or commit does not exist, or the token has no access: it needs the scope `repo:status`, or the permission `Commit statuses` of a fine-grained token or App",
    forbidden: "the token lacks a permission: `Commit statuses` for statuses, `Pull requests` for comments, `Deployments` for \
         deployments",
};

/// The repository, the credentials, and the statuses to follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each field is a key in pipelines, independent of the others")]
pub struct Source {
    /// The repository, `OWNER/NAME`. `owner` and `repo` can be set instead.
    #[serde(default)]
    pub repository: String,

    /// The owner of the repository, as in the `cogito` resource.
    pub owner: Option<String>,

    /// With `owner`, the name of the repository. The context of a put then defaults to the job's name, as in the
    /// `cogito` resource. Without `owner`, `OWNER/NAME`, as in an older pull-request resource.
    pub repo: Option<String>,

    /// A token with write access to commit statuses: the scope `repo:status` of a classic token, the permission `Commit
    /// statuses` of a fine-grained token. Comments also require `Pull requests` (write), and `deployment` requires
    /// `Deployments`.
    pub access_token: Option<Secret>,

    /// The id (or client id) of a GitHub App, to log in as an installation of it instead of by `access_token`.
    pub app_id: Option<String>,

    /// The id of the App's installation. Defaults to the installation that has access to the repository.
    pub installation_id: Option<String>,

    /// The App's private key in PEM format, PKCS#1 (as downloaded from GitHub) or PKCS#8.
    pub private_key: Option<Secret>,

    /// The URL of the REST API: `https://HOST/api/v3` for GitHub Enterprise, `https://HOST/api/v1` for Gitea and Forgejo.
    #[serde(default = "endpoint")]
    pub endpoint: String,

    /// An alias of `endpoint`, from the established pull-request resource.
    pub v3_endpoint: Option<String>,

    /// The URL of the GraphQL API, which the established pull-request resource requires with `v3_endpoint`. Defaults to
    /// the one of the server in `endpoint`.
    pub v4_endpoint: Option<String>,

    /// The branch (or another ref, such as `pull/1/head`) whose head commit is followed; defaults to `master`. With
    /// `pull_requests`, the base branch of the pull requests.
    pub branch: Option<String>,

    /// The full hash of one commit to follow, instead of a branch.
    pub commit: Option<String>,

    /// Follow the head commit of each open pull request, instead of a branch.
    #[serde(default)]
    pub pull_requests: bool,

    /// The context of the statuses to follow, and the default context of puts.
    #[serde(default = "default_context")]
    pub context: String,

    /// A prefix for the context of each put, followed by a slash. The context of a put then defaults to the job's name.
    pub context_prefix: Option<String>,

    /// Set statuses without a `target_url`.
    #[serde(default)]
    pub omit_target_url: bool,

    /// The log level of a step.
    #[serde(default)]
    pub log_level: LogLevel,

    /// The contexts to follow, instead of `context`. In each, `*` matches any text.
    #[serde(default)]
    pub contexts: Vec<String>,

    /// Makes the resource a gate: it has a version only while the newest status of a context has the required state.
    /// Puts are then rejected, because their versions would pass the gate.
    #[schemars(extend("x-keeps-empty" = true))]
    pub gate: Option<Gate>,

    /// Follows deployments instead of commit statuses: each deployment that reaches the state is a version. Puts are
    /// then rejected, because their versions would pass as such a deployment.
    pub deployment: Option<DeploymentGate>,

    /// Additional CA certificates to trust, in PEM format.
    #[serde(default)]
    pub ca_certs: Vec<String>,

    /// Accept any TLS certificate. Anyone who can intercept the connection can then read the token.
    #[serde(default)]
    pub insecure: bool,

    /// An alias of `insecure`, from the established resource.
    #[serde(default)]
    pub skip_ssl_verification: bool,

    /// The proxy for all requests, `http://user:password@host:port`. If absent, the worker's `HTTPS_PROXY`,
    /// `HTTP_PROXY` and `NO_PROXY` are used.
    pub proxy: Option<String>,

    /// The timeout for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The timeout for a read or write without progress, in seconds. If it is not set, the first byte of a response may
    /// take 5 minutes.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1))]
    pub read_timeout: u32,
}

/// The conditions on a commit status.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Gate {
    /// The context of the status; defaults to the source's `context`.
    pub context: Option<String>,

    /// The state that passes the gate: `success`, `failure`, `error` or `pending`.
    #[serde(default = "success")]
    pub state: String,

    /// The logins whose statuses count; if empty, those of all logins. The login of a GitHub App is `NAME[bot]`.
    #[serde(default)]
    pub creators: Vec<String>,
}

/// The conditions on a deployment status.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeploymentGate {
    /// The environment, such as `production`.
    pub environment: String,

    /// The required state of the deployment: `success`, `failure`, `error`, `inactive`, `in_progress`, `queued` or `pending`.
    #[serde(default = "success")]
    pub state: String,

    /// The logins whose statuses count; if empty, those of all logins. The login of a GitHub App is `NAME[bot]`.
    #[serde(default)]
    pub creators: Vec<String>,
}

fn connect_timeout() -> u32 {
    15
}

fn read_timeout() -> u32 {
    60
}

fn endpoint() -> String {
    "https://api.github.com".to_owned()
}

fn default_context() -> String {
    "default".to_owned()
}

fn success() -> String {
    "success".to_owned()
}

/// The commits whose statuses are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed<'s> {
    /// The commit that a ref resolves to.
    Ref(&'s str),
    /// One commit.
    Commit(&'s str),
    /// The head commits of open pull requests, only of those into a base branch if it is given.
    PullRequests(Option<&'s str>),
}

impl Source {
    /// `OWNER/NAME`.
    pub(crate) fn repository(&self) -> String {
        match (&self.owner, &self.repo) {
            (Some(owner), Some(repo)) if self.repository.is_empty() => format!("{owner}/{repo}"),
            (None, Some(repo)) if self.repository.is_empty() => repo.clone(),
            _ => self.repository.clone(),
        }
    }

    /// The source's context, if it is set.
    pub(crate) fn own_context(&self) -> Option<&str> {
        (self.context != "default").then_some(self.context.as_str())
    }

    /// Whether a put without a context uses the job's name, as in the `cogito` resource.
    pub(crate) fn names_contexts_by_job(&self) -> bool {
        is_given(self.owner.as_ref()) || is_given(self.context_prefix.as_ref())
    }

    /// The log of a verb, at the source's log level.
    pub(crate) fn log<'c>(&self, console: &'c Console) -> Log<'c> {
        Log::new(console, self.log_level)
    }

    /// The commits to follow.
    pub(crate) fn followed(&self) -> Followed<'_> {
        match (&self.commit, self.pull_requests) {
            (Some(commit), _) => Followed::Commit(commit),
            (None, true) => Followed::PullRequests(self.branch.as_deref()),
            (None, false) => Followed::Ref(self.branch.as_deref().unwrap_or("master")),
        }
    }

    /// Whether statuses of this context are followed.
    pub(crate) fn follows_context(&self, context: &str) -> bool {
        if let Some(gate) = &self.gate {
            return self.gate_context(gate) == context;
        }
        match self.contexts.as_slice() {
            [] => self.context == context,
            patterns => patterns.iter().any(|pattern| context_name::matches(pattern, context)),
        }
    }

    /// The gate's context.
    pub(crate) fn gate_context<'s>(&'s self, gate: &'s Gate) -> &'s str {
        gate.context.as_deref().unwrap_or(&self.context)
    }

    /// The URL of the REST API, without a trailing slash.
    pub(crate) fn api(&self) -> &str {
        let endpoint = self.v3_endpoint.as_ref().filter(|endpoint| is_given(Some(endpoint))).unwrap_or(&self.endpoint);
        endpoint.trim().trim_end_matches('/')
    }

    /// The URL of the GraphQL API, if the source sets it.
    fn graphql(&self) -> Option<String> {
        self.v4_endpoint.as_ref().map(|endpoint| endpoint.trim().to_owned()).filter(|endpoint| !endpoint.is_empty())
    }

    /// The settings of the API client.
    pub(crate) fn access(&self) -> Access {
        Access {
            type_name: "github-status",
            api: self.api().to_owned(),
            endpoint_key: "endpoint",
            graphql: self.graphql(),
            repository: self.repository(),
            access_token: self.access_token.clone(),
            app_id: self.app_id.clone(),
            installation_id: self.installation_id.clone(),
            private_key: self.private_key.clone(),
            log_level: self.log_level,
            hints: HINTS,
        }
    }

    /// The HTTP settings.
    pub(crate) fn http(&self) -> HttpSettings {
        HttpSettings {
            ca_certs: self.ca_certs.clone(),
            insecure: self.insecure || self.skip_ssl_verification,
            proxy: self.proxy.clone(),
            connect_timeout: Duration::from_secs(self.connect_timeout.into()),
            read_timeout: Duration::from_secs(self.read_timeout.into()),
            ..HttpSettings::default()
        }
    }

    fn validate_repository(&self, problems: &mut Problems) {
        match (self.repository.as_str(), &self.owner, &self.repo) {
            ("", None, None) => {
                problems.add_with_hint(
                    "repository",
                    "required, but missing",
                    "set `repository`, or `owner` and `repo`",
                );
            }
            (_, Some(_), None) => problems.add("repo", "required with `owner`, but missing"),
            ("", None, Some(repo)) if is_repository(repo) => {}
            (_, None, Some(_)) => problems.add("owner", "required with `repo`, but missing"),
            ("", Some(owner), Some(repo)) if !is_repository(&format!("{owner}/{repo}")) => {
                problems.add("owner", format!("expected `owner` and `repo` to be names, found `{owner}` and `{repo}`"));
            }
            ("", Some(_), Some(_)) => {}
            (repository, _, _) if !is_repository(repository) => {
                problems.add("repository", format!("expected `OWNER/NAME`, found `{repository}`"));
            }
            (repository, Some(owner), Some(repo)) if !repository.eq_ignore_ascii_case(&format!("{owner}/{repo}")) => {
                problems.add("repository", "must name the same repository as `owner` and `repo`");
            }
            _ => {}
        }
    }
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        self.validate_repository(problems);
        let access = self.access();
        access.validate_credentials(problems);
        access.validate_urls(problems);
        if let Some(branch) = &self.branch
            && !is_ref(branch)
        {
            problems.add("branch", format!("`{branch}` is not a valid ref name"));
        }
        if let Some(commit) = &self.commit {
            if !is_commit_hash(commit) {
                problems.add("commit", "expected a full commit hash");
            }
            if self.branch.is_some() || self.pull_requests {
                problems.add("commit", "excludes `branch` and `pull_requests`");
            }
        }
        if self.context.trim().is_empty() {
            problems.add("context", "must not be empty");
        }
        if let Some(gate) = &self.gate {
            require_state(problems, "gate.state", &gate.state);
            if gate.context.as_ref().is_some_and(|context| context.trim().is_empty()) {
                problems.add("gate.context", "must not be empty");
            }
            if !self.contexts.is_empty() {
                problems.add("contexts", "has no effect with `gate`, which follows one context");
            }
        }
        if let Some(deployment) = &self.deployment {
            require_deployment_state(problems, "deployment.state", &deployment.state);
            if deployment.environment.trim().is_empty() {
                problems.add("deployment.environment", "must not be empty");
            }
            let others = [
                ("gate", self.gate.is_some()),
                ("pull_requests", self.pull_requests),
                ("contexts", !self.contexts.is_empty()),
            ];
            for (key, _) in others.into_iter().filter(|(_, given)| *given) {
                problems.add(key, "has no effect with `deployment`");
            }
        }
        self.http().validate(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        self.http().hidden_secrets()
    }
}

/// Whether the text is a ref name that git accepts and that cannot change the path of a request.
fn is_ref(text: &str) -> bool {
    let legal = |part: &str| !part.is_empty() && !part.starts_with('.');
    !text.starts_with('-')
        && text.split('/').all(legal)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && !text.chars().any(|character| character.is_control() || " ~^:?*[\\".contains(character))
}

fn is_given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(more: &serde_json::Value) -> Source {
        let mut value = serde_json::json!({ "repository": "o/n", "access_token": "token" });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn is_ref_rejects_names_that_change_the_path_of_a_request() {
        for text in ["main", "feature/x", "pull/1/head", "ümlaut", "a.b"] {
            assert!(is_ref(text), "{text}");
        }
        for text in ["", "..", "../../user", "a//b", "/a", "a/", "-o", "a b", "a?b", "a\nb", ".x", "@{-1}"] {
            assert!(!is_ref(text), "{text:?}");
        }
    }

    #[test]
    fn repository_is_joined_from_owner_and_repo() {
        let repository = |value: serde_json::Value| serde_json::from_value::<Source>(value).unwrap().repository();
        assert_eq!(repository(serde_json::json!({ "owner": "o", "repo": "n" })), "o/n");
        assert_eq!(repository(serde_json::json!({ "repo": "o/n" })), "o/n");
        assert_eq!(repository(serde_json::json!({ "repository": "o/n", "owner": "o", "repo": "n" })), "o/n");
    }

    #[test]
    fn branch_defaults_to_master() {
        assert_eq!(source(&serde_json::json!({})).followed(), Followed::Ref("master"));
        assert_eq!(source(&serde_json::json!({ "branch": "b" })).followed(), Followed::Ref("b"));
        let requests = source(&serde_json::json!({ "branch": "b", "pull_requests": true }));
        assert_eq!(requests.followed(), Followed::PullRequests(Some("b")));
    }
}
