//! The `params:` of a get step.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use jetway_git_client::checkout::submodules::Submodules;
use jetway_git_client::source::remote::check_branch_name;

/// The `params:` of a get step.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct GetParams {
    /// The depth of the fetched history, in commits; the whole history if it is not set or 0. With `version_type:
    /// tags`, the default is 1.
    pub depth: Option<u32>,

    /// An alias of `depth`, for pipelines that used an older pull-request resource.
    #[serde(rename = "git.depth")]
    pub git_depth: Option<u32>,

    /// Branches, tags, full refs (`refs/pull/7/head`) or full commit hashes to fetch in addition. A branch becomes a
    /// local branch with the same name; tags and full refs keep their names; a commit can be used by its hash.
    #[serde(default)]
    pub fetch: Vec<String>,

    /// Whether to fetch all tags (`true`) or none (`false`). If it is set neither here nor in the source, a get fetches
    /// the tags that point into the fetched history.
    pub fetch_tags: Option<bool>,

    /// Fetch all branches, not only the followed one.
    #[serde(default)]
    pub all_branches: bool,

    /// Delete all tags from the clone at the end. Metadata and `.git/tags` still list the tags of the commit.
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

    /// Do not download git-lfs files: check out their pointers.
    #[serde(default)]
    pub disable_git_lfs: bool,

    /// The format of `.git/short_ref`: `%s` is replaced by the first seven characters of the version's ref, `%.5s` by
    /// the first five.
    #[serde(default = "plain")]
    pub short_ref_format: String,

    /// The format of `.git/commit_timestamp`, as in `git log --date`.
    #[serde(default = "iso8601")]
    pub timestamp_format: String,

    /// The options of `git describe` for `.git/describe_ref`, separated by blanks.
    #[serde(default = "always")]
    #[schemars(extend("x-keeps-empty" = true))]
    pub describe_ref_options: String,

    /// Show git's trace, as with `debug` in the source.
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
    fn validate(&self, problems: &mut Problems) {
        if let (Some(depth), Some(alias)) = (self.depth, self.git_depth)
            && depth != alias
        {
            problems.add("git.depth", "is an alias of `depth`, but has a different value");
        }
        for (index, branch) in self.fetch.iter().enumerate() {
            if let Err(problem) = check_branch_name(branch) {
                problems.add(format!("fetch[{index}]"), problem);
            }
        }
    }
}
