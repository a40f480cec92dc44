//! The `params` of a get step and of a put step.

use jetway::{Parameters, Problems, trimmed};
use jetway_git_client::checkout::submodules::{self, AllOrNone};
use jetway_github::context_name::Contexts;
use jetway_github::state::require_state;
use schemars::JsonSchema;
use serde::Deserialize;

/// The `params` of a get step.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct GetParams {
    /// Do not clone the repository: write only the files in `.git/resource`. This suffices for the get after a put.
    #[serde(default)]
    pub skip_download: bool,

    /// How the head commit is integrated with the base branch: `merge`, `rebase` or `checkout`.
    #[serde(default)]
    pub integration_tool: IntegrationTool,

    /// The depth of the fetched history, in commits; the whole history if it is not set or 0. For a merge or a rebase, a get
    /// fetches more until the base branch and the pull request have a commit in common.
    pub git_depth: Option<u32>,

    /// An alias of `git_depth`, from an older pull-request resource.
    #[serde(rename = "git.depth")]
    pub git_dot_depth: Option<u32>,

    /// Whether to fetch submodules: `true` or `false`, or a list of their paths.
    #[serde(default)]
    pub submodules: Submodules,

    /// Write the paths of the changed files into `.git/resource/changed_files`.
    #[serde(default)]
    pub list_changed_files: bool,

    /// Fetch all tags.
    #[serde(default)]
    pub fetch_tags: bool,
}

impl Parameters for GetParams {
    fn validate(&self, problems: &mut Problems) {
        if let (Some(depth), Some(alias)) = (self.git_depth, self.git_dot_depth)
            && depth != alias
        {
            problems.add("git.depth", "is an alias of `git_depth`, but has a different value");
        }
    }
}

impl GetParams {
    /// The depth of the history; `None` for all of it.
    pub(crate) fn depth(&self) -> Option<u32> {
        self.git_depth.or(self.git_dot_depth).filter(|depth| *depth > 0)
    }
}

/// How a head commit is integrated with its base branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntegrationTool {
    /// Merge the head commit into the base branch.
    #[default]
    Merge,
    /// Rebase the head commit onto the base branch.
    Rebase,
    /// Check the head commit out as it is.
    Checkout,
}

/// The submodules to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Submodules {
    /// All, or none.
    All(bool),
    /// Those at or below these paths.
    Paths(Vec<String>),
}

impl Default for Submodules {
    fn default() -> Self {
        Self::All(false)
    }
}

impl Submodules {
    /// The selection, as the git client takes it.
    pub(crate) fn selection(&self) -> submodules::Submodules {
        match self {
            Self::All(true) => submodules::Submodules::Word(AllOrNone::All),
            Self::All(false) => submodules::Submodules::Word(AllOrNone::None),
            Self::Paths(paths) => submodules::Submodules::Paths(paths.clone()),
        }
    }
}

/// The `params` of a put step.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutParams {
    /// The directory of the pull request, as created by an earlier get of this type; or another checkout of the repository.
    pub path: String,

    /// The status to set on the head commit: `success`, `failure`, `error` or `pending`, case-insensitive. Without it, no
    /// status is set.
    pub status: Option<String>,

    /// The context, or a list of contexts, each of which gets the status. Defaults to `status`.
    pub context: Option<Contexts>,

    /// A prefix for the context, followed by a slash. Defaults to `concourse-ci`.
    pub base_context: Option<String>,

    /// The URL that the status links to. Defaults to the page of the build.
    pub target_url: Option<String>,

    /// A short text, truncated at a word boundary to 140 characters. Defaults to `Concourse CI build STATUS`.
    pub description: Option<String>,

    /// A file in the inputs with the description; overrides `description`.
    pub description_file: Option<String>,

    /// A comment to add to the pull request, or a file in the inputs with the comment.
    pub comment: Option<String>,

    /// A file in the inputs with another comment. An empty file adds no comment.
    pub comment_file: Option<String>,

    /// Delete the previous comments of the same login on the pull request.
    #[serde(default)]
    pub delete_previous_comments: bool,
}

impl Parameters for PutParams {
    fn validate(&self, problems: &mut Problems) {
        if self.path.trim().is_empty() {
            problems.add("path", "must not be empty");
        } else {
            problems.require_input("path", &self.path);
        }
        if let Some(status) = trimmed(self.status.as_ref()) {
            require_state(problems, "status", status);
        }
        for (key, path) in [("description_file", &self.description_file), ("comment_file", &self.comment_file)] {
            if let Some(path) = trimmed(path.as_ref()) {
                problems.require_input(key, path);
            }
        }
    }
}
