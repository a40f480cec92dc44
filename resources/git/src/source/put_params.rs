//! What a pipeline may write under a put step's `params:`.

use jetway::{Parameters, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::remote::is_branch_name;
use crate::source::text::trimmed;

/// What a pipeline may write under a put step's `params:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "the keys are the established resource's")]
pub struct PutParams {
    /// The repository to push from, a directory in the inputs. What its HEAD names is pushed.
    pub repository: String,

    /// The branch to push to, instead of the source's.
    #[serde(default, deserialize_with = "trimmed")]
    pub branch: Option<String>,

    /// Rebase onto the branch before the push, and again when others push meanwhile.
    #[serde(default)]
    pub rebase: bool,

    /// The strategy of `git rebase`, such as `ort`.
    pub rebase_strategy: Option<String>,

    /// Options of that strategy, such as `theirs`: a list, or one line with blanks between them.
    pub rebase_strategy_option: Option<Words>,

    /// Merge the branch into HEAD before the push, and again when others push meanwhile.
    #[serde(default)]
    pub merge: bool,

    /// With `merge`, which commit is the version: the merge, or what was merged.
    #[serde(default)]
    pub returning: Returning,

    /// A file in the inputs that holds the name of a tag to put on the pushed commit.
    pub tag: Option<String>,

    /// Text to put before the tag's name.
    #[serde(default)]
    pub tag_prefix: String,

    /// A file in the inputs that holds a message, which makes the tag an annotated one.
    pub annotate: Option<String>,

    /// Push tags and leave the branch alone: `tag`, and the repository's own.
    #[serde(default)]
    pub only_tag: bool,

    /// Whether the repository's own tags are pushed too. By default, those are that the server does not have, and one that the
    /// server has on another commit is left alone. With `true`, such a tag fails the put, or is overwritten with `force`; with
    /// `false`, no tag but `tag` is pushed.
    pub push_all_tags: Option<bool>,

    /// Overwrite what is on the server; `lease` does so only while the branch is where the get found it. With `rebase` or
    /// `merge` that is where it was when HEAD was brought up to it.
    #[serde(default)]
    pub force: Force,

    /// A file in the inputs that holds a note (`git notes`) to put on the pushed commit.
    pub notes: Option<String>,

    /// What the branch's name stands behind on the server, such as `refs/for` for a review.
    #[serde(default = "heads")]
    pub refs_prefix: String,

    /// Options that the server's hooks read (`git push --push-option`).
    #[serde(default)]
    pub push_options: Vec<String>,

    /// Show what git does, as in the source.
    #[serde(default)]
    pub debug: bool,
}

/// Which commit a merging put answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Returning {
    /// The commit that was pushed.
    #[default]
    Merged,
    /// The commit that HEAD named before.
    Unmerged,
}

/// Words, as a list or in one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Words {
    /// With blanks between them.
    Line(String),
    /// One by one.
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
    fn rules(&self, problems: &mut Problems) {
        if let Some(branch) = &self.branch
            && let Err(problem) = is_branch_name(branch)
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
            problems.add("only_tag", "needs `tag` when `push_all_tags` is `false`: there is nothing else to push");
        }
        if self.merge && self.rebase {
            problems.add("merge", "either merge or rebase can be set, but not both");
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

/// Whether what is on the server may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Force {
    /// Always, or never.
    Flag(bool),
    /// Only while the branch is where it was seen last.
    Lease(Lease),
}

/// The word for it.
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
