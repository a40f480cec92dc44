//! Tags and branches as versions: the keys of a source that ask for them.

use jetway::{Problems, Result, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::glob;
use crate::pattern::Pattern;
use crate::posix_regex::Dialect;
use crate::source::Source;

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VersionType {
    /// A commit of the branch.
    Commits,
    /// A tag, with the commit that it names.
    Tags,
    /// A branch, with the commit at its tip.
    Branches,
}

/// What a matching tag makes a version.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagBehaviour {
    /// The tag itself.
    #[default]
    MatchTagged,
    /// The commits that it has been put on, and those before it.
    MatchTagAncestors,
}

/// What a check follows.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The commits of one branch.
    Commits,
    /// These tags.
    Tags(Names),
    /// The commits of which these tags' histories are made.
    TagAncestors(Names),
    /// These branches.
    Branches(Names),
}

/// Names of tags or branches.
#[derive(Debug)]
pub(crate) struct Names {
    /// What they match; any name when there is none.
    pattern: Option<Pattern>,
    /// What they all begin with.
    prefix: String,
}

impl Names {
    fn of(glob: Option<&str>, regex: Option<&str>) -> Result<Self, String> {
        Ok(match (glob, regex) {
            (Some(text), _) => {
                Self { pattern: Some(Pattern::glob(text)?), prefix: glob::literal_prefix(text).to_owned() }
            }
            (None, Some(text)) => {
                Self { pattern: Some(Pattern::whole_regex(Dialect::Extended, text)?), prefix: String::new() }
            }
            (None, None) => Self { pattern: None, prefix: String::new() },
        })
    }

    /// What they all begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether `name` is one of them.
    pub(crate) fn include(&self, name: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name.as_bytes()))
    }
}

impl Source {
    /// What a check follows.
    pub(crate) fn followed(&self) -> Result<Followed> {
        let names = |key: &str, names: Result<Names, String>| names.map_err(|problem| anyhow!("`{key}` {problem}"));
        if self.version_type == Some(VersionType::Branches) {
            return Ok(Followed::Branches(names("branch_regex", Names::of(None, self.branch_regex.as_deref()))?));
        }
        if !self.follows_tags() {
            return Ok(Followed::Commits);
        }
        let names = names("tag_filter", Names::of(self.tag_filter.as_deref(), self.tag_regex.as_deref()))?;
        Ok(match self.tag_behaviour {
            TagBehaviour::MatchTagged => Followed::Tags(names),
            TagBehaviour::MatchTagAncestors => Followed::TagAncestors(names),
        })
    }

    /// Whether tags decide what the versions are.
    pub(crate) fn follows_tags(&self) -> bool {
        self.tag_filter.is_some() || self.tag_regex.is_some() || self.version_type == Some(VersionType::Tags)
    }

    /// Notes what is wrong with the keys about tags and branches.
    pub(crate) fn label_rules(&self, problems: &mut Problems) {
        if let Some(Err(problem)) = self.tag_filter.as_deref().map(Pattern::glob) {
            problems.add("tag_filter", problem);
        }
        for (key, regex) in [("tag_regex", &self.tag_regex), ("branch_regex", &self.branch_regex)] {
            if let Some(Err(problem)) = regex.as_deref().map(|regex| Pattern::whole_regex(Dialect::Extended, regex)) {
                problems.add(key, problem);
            }
        }
        if self.tag_filter.is_some() && self.tag_regex.is_some() {
            problems.add("tag_regex", "cannot be given together with `tag_filter`");
        }
        let is_branches = self.version_type == Some(VersionType::Branches);
        let tag_key = if self.tag_filter.is_some() { "tag_filter" } else { "tag_regex" };
        if (self.tag_filter.is_some() || self.tag_regex.is_some()) && is_branches {
            problems.add(tag_key, "is about tags, and with `version_type: branches` there are none");
        }
        if self.branch.is_some() && is_branches {
            let hint = "`branch_regex` chooses branches; a put names its own in its params";
            problems.add_with_hint("branch", "is one branch, and with `version_type: branches` all are followed", hint);
        }
        if self.branch_regex.is_some() && !is_branches {
            problems.add("branch_regex", "chooses branches only with `version_type: branches`");
        }
        if self.version_type == Some(VersionType::Commits)
            && self.follows_tags()
            && self.tag_behaviour == TagBehaviour::MatchTagged
        {
            let hint = "leave `version_type` out, or write `tags`";
            problems.add_with_hint(
                "version_type",
                format!("is `commits`, but `{tag_key}` makes versions of tags"),
                hint,
            );
        }
    }
}
