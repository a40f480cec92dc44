//! The `params:` of a put step.

use jetway::{Parameters, Problems};
use jetway_git_client::source::remote::check_branch_name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::text::trimmed;

/// The `params:` of a put step.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct PutParams {
    /// The directory of the repository to push, in the inputs. Its HEAD is pushed.
    pub repository: String,

    /// The branch to push to. It overrides `branch` of the source.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch: Option<String>,

    /// Rebase onto the branch before the push, and again if another push comes first.
    #[serde(default)]
    pub rebase: bool,

    /// The strategy of `git rebase`, such as `ort`.
    pub rebase_strategy: Option<String>,

    /// Options of the rebase strategy, such as `theirs`: a list, or one line separated by blanks.
    pub rebase_strategy_option: Option<Words>,

    /// Merge the branch into HEAD before the push, and again if another push comes first.
    #[serde(default)]
    pub merge: bool,

    /// With `merge`, which commit becomes the version: `merged` (the merge commit) or `unmerged` (HEAD before the
    /// merge).
    #[serde(default)]
    pub returning: Returning,

    /// A file in the inputs with the name of a tag for the pushed commit.
    pub tag: Option<String>,

    /// A prefix for the name of the tag.
    #[serde(default)]
    pub tag_prefix: String,

    /// A file in the inputs with the message of the tag. It makes the tag annotated.
    pub annotate: Option<String>,

    /// Push only tags (`tag` and the repository's own), not the branch.
    #[serde(default)]
    pub only_tag: bool,

    /// Whether to push the repository's own tags too. By default, a put pushes the tags that the server does not have,
    /// and skips a tag that the server has on another commit. With `true`, such a tag fails the put, or is overwritten
    /// if `force` is set. With `false`, only `tag` is pushed.
    pub push_all_tags: Option<bool>,

    /// Overwrite the branch on the server. With `lease`, overwrite it only if it is still where the get found it, or,
    /// with `rebase` or `merge`, where the put fetched it.
    #[serde(default)]
    pub force: Force,

    /// A file in the inputs with a note (`git notes`) for the pushed commit.
    pub notes: Option<String>,

    /// The prefix of the branch's ref on the server, such as `refs/for` for a Gerrit review.
    #[serde(default = "heads")]
    pub refs_prefix: String,

    /// Options for the server's hooks (`git push --push-option`).
    #[serde(default)]
    pub push_options: Vec<String>,

    /// Show git's trace, as with `debug` in the source.
    #[serde(default)]
    pub debug: bool,
}

/// Which commit a put with `merge` returns as the version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Returning {
    /// The commit that was pushed.
    #[default]
    Merged,
    /// HEAD before the merge.
    Unmerged,
}

/// Words: a list, or one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Words {
    /// Separated by blanks.
    Line(String),
    /// One word per item.
    List(Vec<String>),
}

impl Words {
    pub(crate) fn list(&self) -> Vec<String> {
        match self {
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list.clone(),
        }
    }
}

fn heads() -> String {
    "refs/heads".to_owned()
}

impl Parameters for PutParams {
    fn validate(&self, problems: &mut Problems) {
        if let Some(branch) = &self.branch
            && let Err(problem) = check_branch_name(branch)
        {
            problems.add("branch", problem);
        }
        let paths = [
            ("repository", Some(&self.repository)),
            ("tag", self.tag.as_ref()),
            ("annotate", self.annotate.as_ref()),
            ("notes", self.notes.as_ref()),
        ];
        for (key, path) in paths.into_iter().filter_map(|(key, path)| Some((key, path?))) {
            problems.require_input(key, path);
        }
        if self.annotate.is_some() && self.tag.is_none() {
            problems.add("annotate", "has no effect without `tag`");
        }
        if self.only_tag && self.tag.is_none() && self.push_all_tags == Some(false) {
            problems.add("only_tag", "needs `tag` if `push_all_tags` is `false`: there is nothing else to push");
        }
        if self.merge && self.rebase {
            problems.add("merge", "cannot be set together with `rebase`");
        }
        let options = self.rebase_strategy_option.as_ref().map(Words::list).unwrap_or_default();
        if !self.rebase && (self.rebase_strategy.is_some() || !options.is_empty()) {
            problems.add("rebase_strategy", "has no effect without `rebase`");
        }
        if self.rebase_strategy.iter().chain(&options).any(|word| word.starts_with('-') || word.is_empty()) {
            problems.add("rebase_strategy_option", "must not begin with `-`");
        }
        let prefix = self.refs_prefix.trim_end_matches('/');
        if !prefix.starts_with("refs/") || !git2::Reference::is_valid_name(&format!("{prefix}/x")) {
            problems.add("refs_prefix", "must be the prefix of a ref name, such as `refs/heads`");
        } else if prefix != "refs/heads" && matches!(self.force, Force::Lease(_)) {
            problems.add_with_hint(
                "force",
                "cannot be `lease` with a `refs_prefix` other than `refs/heads`",
                "a get records the position of branches only",
            );
        }
    }
}

/// Whether a push may overwrite refs on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Force {
    /// `true` always overwrites, `false` never does.
    Flag(bool),
    /// Overwrites only if the branch has not moved since the last fetch.
    Lease(Lease),
}

/// The word `lease`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lease {
    /// `git push --force-with-lease`.
    Lease,
}

impl Default for Force {
    fn default() -> Self {
        Self::Flag(false)
    }
}
