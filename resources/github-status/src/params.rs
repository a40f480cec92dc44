//! The `params` of a put step.

use jetway::{Parameters, Problems, non_empty};
use schemars::JsonSchema;
use serde::Deserialize;

use jetway_github::context_name::Contexts;
use jetway_github::state::{State, require_deployment_state, require_state};

/// The `params` of a put step.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// The commit: a checkout in the inputs, a file in the inputs that contains a full hash, or a full hash. Inputs
    /// take precedence over a hash. If `commit` and `path` are absent, the only checkout in the inputs is used.
    pub commit: Option<String>,

    /// Instead of `commit`: the checkout of a pull request, as created by the get of a pull-request resource. Contexts
    /// then begin with `base_context`.
    pub path: Option<String>,

    /// The state to set: `success`, `failure`, `error` (or `abort`) or `pending`, case-insensitive. Defaults to
    /// `BUILD_STATUS`, which Concourse sets only in `on_success`, `on_failure`, `on_abort` and `on_error`. With a
    /// `deployment` or a comment, there is no default.
    pub state: Option<String>,

    /// An alias of `state`, from the pull-request resource.
    pub status: Option<String>,

    /// The context, or a list of contexts, each of which gets the status. Defaults to the source's `context`, or with
    /// `path` and no context in the source, to `status`.
    pub context: Option<Contexts>,

    /// A prefix for the context, followed by a slash. Defaults to `concourse-ci` if `path` is set and the context is
    /// not the source's; else there is no prefix.
    pub base_context: Option<String>,

    /// A short text, truncated at a word boundary to 140 characters. With `path`, it defaults to `Concourse CI build STATE`.
    pub description: Option<String>,

    /// A file in the inputs with the description; overrides `description`.
    pub description_file: Option<String>,

    /// A file in the inputs with the description; `description` overrides it.
    pub description_path: Option<String>,

    /// The URL that the status links to. Defaults to the page of the build.
    pub target_url: Option<String>,

    /// A file in the inputs with the `target_url`; `target_url` overrides it.
    pub target_url_path: Option<String>,

    /// Several statuses of the commit, instead of one. A key that an entry does not set defaults to the key of the params.
    #[serde(default)]
    pub statuses: Vec<StatusParams>,

    /// A comment to add to the pull request, or a file in the inputs with the comment.
    pub comment: Option<String>,

    /// A file in the inputs with another comment. An empty file adds no comment.
    pub comment_file: Option<String>,

    /// Delete the previous comments of the same login on the pull request.
    #[serde(default)]
    pub delete_previous_comments: bool,

    /// Not supported: an older pull-request resource sets a label.
    pub label: Option<serde_json::Value>,

    /// Not supported: an older pull-request resource merges the pull request.
    pub merge: Option<serde_json::Value>,

    /// Creates a deployment of the commit, or continues its current one, and sets the deployment's status.
    pub deployment: Option<DeploymentParams>,
}

/// An entry of `statuses`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct StatusParams {
    /// The context.
    pub context: Option<String>,

    /// A prefix for the context.
    pub base_context: Option<String>,

    /// The state to set.
    pub state: Option<String>,

    /// A short text.
    pub description: Option<String>,

    /// A file in the inputs with the description; overrides `description`.
    pub description_file: Option<String>,

    /// The URL that the status links to.
    pub target_url: Option<String>,
}

impl Params {
    /// `state`, by either name.
    pub(crate) fn state(&self) -> Option<&str> {
        non_empty(self.state.as_ref()).or_else(|| non_empty(self.status.as_ref()))
    }

    /// Whether there is something to do besides setting a status.
    pub(crate) fn has_other_work(&self) -> bool {
        self.deployment.is_some() || self.delete_previous_comments || self.wants_comments()
    }

    fn wants_comments(&self) -> bool {
        non_empty(self.comment.as_ref()).or_else(|| non_empty(self.comment_file.as_ref())).is_some()
    }
}

impl Parameters for Params {
    fn validate(&self, problems: &mut Problems) {
        match (non_empty(self.commit.as_ref()), non_empty(self.path.as_ref())) {
            (Some(_), Some(_)) => problems.add("path", "excludes `commit`: both keys name the commit"),
            // Means the only checkout in the inputs, which are not known yet.
            (None, None) => {}
            // It may be a path or a hash; the inputs are not known yet.
            (Some(commit), None) => problems.require_input("commit", commit),
            (None, Some(path)) => problems.require_input("path", path),
        }
        let states = [("state", non_empty(self.state.as_ref())), ("status", non_empty(self.status.as_ref()))];
        for (key, state) in states {
            if let Some(state) = state {
                require_state(problems, key, state);
            }
        }
        if let [(_, Some(state)), (_, Some(status))] = states
            && State::parse(state) != State::parse(status)
        {
            problems.add("status", "is an alias of `state`, but has a different value");
        }
        let paths = [
            ("description_file", &self.description_file),
            ("description_path", &self.description_path),
            ("target_url_path", &self.target_url_path),
            ("comment_file", &self.comment_file),
        ];
        for (key, path) in paths {
            if let Some(path) = non_empty(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        for (index, status) in self.statuses.iter().enumerate() {
            if let Some(state) = non_empty(status.state.as_ref()) {
                require_state(problems, &format!("statuses[{index}].state"), state);
            }
            if let Some(path) = non_empty(status.description_file.as_ref()) {
                problems.require_input(&format!("statuses[{index}].description_file"), path);
            }
        }
        for (key, is_set) in [("label", self.label.is_some()), ("merge", self.merge.is_some())] {
            if is_set {
                problems.add(key, "is not supported; run `gh` in a task instead");
            }
        }
        if let Some(deployment) = &self.deployment {
            deployment.validate(problems);
        }
    }
}

/// A deployment to create or continue, and its status.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeploymentParams {
    /// The environment, such as `production`.
    pub environment: String,

    /// The state to set: `success`, `failure`, `error`, `inactive`, `in_progress`, `queued` or `pending`,
    /// case-insensitive. Defaults to `BUILD_STATUS`, which Concourse does not set in `ensure`. Without a state, the
    /// deployment is only created.
    pub state: Option<String>,

    /// A short text, truncated to 140 characters.
    pub description: Option<String>,

    /// The URL of the deployed application.
    pub environment_url: Option<String>,

    /// The task of the deployment; GitHub's default is `deploy`.
    pub task: Option<String>,

    /// The contexts that must have succeeded on the commit before GitHub creates the deployment.
    #[serde(default)]
    pub required_contexts: Vec<String>,

    /// Whether a success makes earlier deployments in the environment inactive; GitHub's default is to do so.
    pub auto_inactive: Option<bool>,

    /// Whether the environment is one that users see; GitHub's default is true for `production` only.
    pub production_environment: Option<bool>,

    /// Whether the environment is temporary.
    pub transient_environment: Option<bool>,
}

impl DeploymentParams {
    pub(crate) fn validate(&self, problems: &mut Problems) {
        if self.environment.trim().is_empty() {
            problems.add("deployment.environment", "must not be empty");
        }
        if let Some(state) = &self.state {
            require_deployment_state(problems, "deployment.state", state);
        }
    }
}
