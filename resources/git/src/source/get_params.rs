//! What a pipeline may write under a get step's `params:`.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::remote::is_branch_name;

/// What a pipeline may write under a get step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct GetParams {
    /// How many generations of history to fetch; all of it when absent or 0. With `version_type: tags`, one when absent.
    pub depth: Option<u32>,

    /// The same as `depth`, in the spelling of older pull-request resources.
    #[serde(rename = "git.depth")]
    pub git_depth: Option<u32>,

    /// Branches, tags, full refs (`refs/pull/7/head`) or full commit hashes to fetch besides. A branch becomes a local branch of that
    /// name, a tag or a full ref is itself, and a commit is there by its hash.
    #[serde(default)]
    pub fetch: Vec<String>,

    /// Whether to fetch all tags, or none; those of the fetched history come when nothing is said here or in the source.
    pub fetch_tags: Option<bool>,

    /// Fetch all branches instead of the followed one alone.
    #[serde(default)]
    pub all_branches: bool,

    /// Delete all tags of the clone at the end; metadata and `.git/tags` still name those of the commit.
    #[serde(default)]
    pub clean_tags: bool,

    /// Which submodules to fetch: `all`, `none`, or a list of paths.
    #[serde(default)]
    pub submodules: Submodules,

    /// Fetch the submodules of submodules too.
    #[serde(default = "yes")]
    pub submodule_recursive: bool,

    /// Check out the tip of each submodule's branch instead of the recorded commit.
    #[serde(default)]
    pub submodule_remote: bool,

    /// Leave files in git-lfs as the pointers that stand in the commits.
    #[serde(default)]
    pub disable_git_lfs: bool,

    /// How `.git/short_ref` is written: `%s` stands for the first seven characters of the version's ref, `%.5s` for five of
    /// them.
    #[serde(default = "plain")]
    pub short_ref_format: String,

    /// How `.git/commit_timestamp` is written: a format of `git log --date`.
    #[serde(default = "iso8601")]
    pub timestamp_format: String,

    /// The options of `git describe` for `.git/describe_ref`, with blanks between them.
    #[serde(default = "always")]
    #[schemars(extend("x-keeps-empty" = true))]
    pub describe_ref_options: String,

    /// Show what git does, as in the source.
    #[serde(default)]
    pub debug: bool,
}

fn yes() -> bool {
    true
}

fn plain() -> String {
    "%s".to_owned()
}

fn iso8601() -> String {
    "iso8601".to_owned()
}

fn always() -> String {
    "--always --dirty --broken".to_owned()
}

impl Parameters for GetParams {
    fn rules(&self, problems: &mut Problems) {
        if let (Some(depth), Some(alias)) = (self.depth, self.git_depth)
            && depth != alias
        {
            problems.add("git.depth", "must have the same value as `depth`, of which it is an alias");
        }
        for (index, branch) in self.fetch.iter().enumerate() {
            if let Err(problem) = is_branch_name(branch) {
                problems.add(format!("fetch[{index}]"), problem);
            }
        }
    }
}

/// Which submodules a get fetches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Submodules {
    /// All of them, or none.
    Word(AllOrNone),
    /// Those at these paths, or below them.
    Paths(Vec<String>),
}

/// All of them, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllOrNone {
    /// Every submodule.
    All,
    /// No submodule.
    None,
}

impl Default for Submodules {
    fn default() -> Self {
        Self::Word(AllOrNone::All)
    }
}
