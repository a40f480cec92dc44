//! What a pipeline may write under a put step's `params:`.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::state::{State, require_deployment_state, require_state};

/// What a pipeline may write under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Params {
    /// The commit: a checkout in the inputs, a file in the inputs that holds a full hash, or a full hash. What is in the
    /// inputs comes first. Without it and `path`, the only checkout in the inputs.
    pub commit: Option<String>,

    /// In place of `commit`, the checkout of a pull request as a pull-request resource gets it. Contexts then begin with
    /// `base_context`.
    pub path: Option<String>,

    /// How the commit fares: `success`, `failure`, `error` (or `abort`) or `pending`, in any case. Without it, what `BUILD_STATUS` says,
    /// which Concourse sets in `on_success`, `on_failure`, `on_abort` and `on_error` alone, unless there is a `deployment` or a comment
    /// and so something else to do.
    pub state: Option<String>,

    /// The pull-request resource's name for `state`.
    pub status: Option<String>,

    /// The context, or a list of them, each of which gets the status. Without it, the source's; with `path` and none in the source
    /// either, `status`.
    pub context: Option<Contexts>,

    /// What the context begins with, a slash between. `concourse-ci` where `path` is given and the context is not the
    /// source's; else nothing.
    pub base_context: Option<String>,

    /// A short text, cut at a word when it has more than 140 characters. With `path`, it is `Concourse CI build STATE`
    /// when not given.
    pub description: Option<String>,

    /// A file in the inputs that holds the description; it comes before `description`.
    pub description_file: Option<String>,

    /// A file in the inputs that holds the description; `description` comes before it.
    pub description_path: Option<String>,

    /// Where the status leads. The page of the build when not given.
    pub target_url: Option<String>,

    /// A file in the inputs that holds what `target_url` would; `target_url` comes before it.
    pub target_url_path: Option<String>,

    /// Several statuses of the commit, in place of one. What one of them does not say is taken from the keys above.
    #[serde(default)]
    pub statuses: Vec<StatusParams>,

    /// A comment to make on the pull request, or a file in the inputs that holds it.
    pub comment: Option<String>,

    /// A file in the inputs that holds another comment. An empty one is none.
    pub comment_file: Option<String>,

    /// Delete what the same login has commented on the pull request before.
    #[serde(default)]
    pub delete_previous_comments: bool,

    /// Refused: a label of an older pull-request resource, which this type does not set.
    pub label: Option<serde_json::Value>,

    /// Refused: a merge by an older pull-request resource, which this type does not do.
    pub merge: Option<serde_json::Value>,

    /// Makes a deployment of the commit, or goes on with the one that there is, and sets its status.
    pub deployment: Option<DeploymentParams>,
}

/// One context or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Contexts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Contexts {
    /// The contexts that are not empty.
    pub(crate) fn given(&self) -> Vec<&str> {
        let all = match self {
            Self::One(context) => std::slice::from_ref(context),
            Self::Several(contexts) => contexts,
        };
        all.iter().map(String::as_str).filter(|context| !context.trim().is_empty()).collect()
    }
}

/// One of several statuses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct StatusParams {
    /// The context.
    pub context: Option<String>,

    /// What the context begins with.
    pub base_context: Option<String>,

    /// How the commit fares.
    pub state: Option<String>,

    /// A short text.
    pub description: Option<String>,

    /// A file in the inputs that holds the description; it comes before `description`.
    pub description_file: Option<String>,

    /// Where the status leads.
    pub target_url: Option<String>,
}

impl Params {
    /// `state`, by either name.
    pub(crate) fn state(&self) -> Option<&str> {
        given(self.state.as_ref()).or_else(|| given(self.status.as_ref()))
    }

    /// Whether there is something to do besides setting a status.
    pub(crate) fn has_other_work(&self) -> bool {
        self.deployment.is_some() || self.delete_previous_comments || self.wants_comments()
    }

    fn wants_comments(&self) -> bool {
        given(self.comment.as_ref()).or_else(|| given(self.comment_file.as_ref())).is_some()
    }
}

impl Parameters for Params {
    fn rules(&self, problems: &mut Problems) {
        match (given(self.commit.as_ref()), given(self.path.as_ref())) {
            (Some(_), Some(_)) => problems.add("path", "excludes `commit`, which says the same in another way"),
            // The only checkout in the inputs, which is seen once they are known.
            (None, None) => {}
            // A hash needs no file; whether it is one is seen once the inputs are known.
            (Some(commit), None) => problems.require_input("commit", commit),
            (None, Some(path)) => problems.require_input("path", path),
        }
        let states = [("state", given(self.state.as_ref())), ("status", given(self.status.as_ref()))];
        for (key, state) in states {
            if let Some(state) = state {
                require_state(problems, key, state);
            }
        }
        if let [(_, Some(state)), (_, Some(status))] = states
            && State::parse(state) != State::parse(status)
        {
            problems.add("status", "says something else than `state`, whose other name it is");
        }
        let paths = [
            ("description_file", &self.description_file),
            ("description_path", &self.description_path),
            ("target_url_path", &self.target_url_path),
            ("comment_file", &self.comment_file),
        ];
        for (key, path) in paths {
            if let Some(path) = given(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
        for (index, status) in self.statuses.iter().enumerate() {
            if let Some(state) = given(status.state.as_ref()) {
                require_state(problems, &format!("statuses[{index}].state"), state);
            }
            if let Some(path) = given(status.description_file.as_ref()) {
                problems.require_input(&format!("statuses[{index}].description_file"), path);
            }
        }
        for (key, is_set) in [("label", self.label.is_some()), ("merge", self.merge.is_some())] {
            if is_set {
                problems.add(key, "is not done by this type, which sets statuses; a task can do it by `gh`");
            }
        }
        if let Some(deployment) = &self.deployment {
            deployment.rules(problems);
        }
    }
}

/// What a key holds, unless that is nothing: pipelines write an empty text for "not set".
pub(crate) fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.trim().is_empty())
}

/// A deployment to make or to go on with, and what to say of it.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeploymentParams {
    /// The environment, such as `production`.
    pub environment: String,

    /// What to say of it: `success`, `failure`, `error`, `inactive`, `in_progress`, `queued` or `pending`, in any case.
    /// Without it, what `BUILD_STATUS` says, which Concourse does not set in `ensure`; without either the deployment is just made.
    pub state: Option<String>,

    /// A short text, cut at 140 characters.
    pub description: Option<String>,

    /// Where the deployed thing can be seen.
    pub environment_url: Option<String>,

    /// What is done, GitHub's `deploy` when absent.
    pub task: Option<String>,

    /// Contexts that must have succeeded on the commit before GitHub lets it be deployed.
    #[serde(default)]
    pub required_contexts: Vec<String>,

    /// Whether a success makes earlier deployments in the environment inactive, as GitHub does when not told.
    pub auto_inactive: Option<bool>,

    /// Whether the environment is one that users see; GitHub takes `production` for one.
    pub production_environment: Option<bool>,

    /// Whether the environment will be gone again some day.
    pub transient_environment: Option<bool>,
}

impl DeploymentParams {
    pub(crate) fn rules(&self, problems: &mut Problems) {
        if self.environment.trim().is_empty() {
            problems.add("deployment.environment", "must not be empty");
        }
        if let Some(state) = &self.state {
            require_deployment_state(problems, "deployment.state", state);
        }
    }
}
