//! Tags and branches as versions: the keys of a source that ask for them.

use jetway::{Problems, Result, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::glob;
use crate::pattern::Pattern;
use crate::posix_regex::Dialect;
use crate::source::Source;

/// The most prefixes that a server is asked for; with more patterns, it is asked for all names.
const MOST_PREFIXES: usize = 50;

/// What a version is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionType {
    /// A commit of the branch, or a tag that `tag_filter` or `tag_regex` matches.
    #[default]
    Commits,
    /// A tag, with the commit that it names.
    Tags,
    /// The set of the branches' names.
    Branches,
    /// A branch, with the commit at its tip.
    BranchHeads,
}

impl VersionType {
    /// As a pipeline writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Tags => "tags",
            Self::Branches => "branches",
            Self::BranchHeads => "branch_heads",
        }
    }
}

/// What tags are sorted by.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagSort {
    /// The date of the tag, or of its commit if the tag has none.
    #[default]
    CreatorDate,
    /// The version in the name, as `sort -V` compares it.
    Version,
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
    /// These tags; with a `branch`, those that are merged into it.
    Tags(Names),
    /// These tags, whatever their commits are.
    AllTags(Names, TagSort),
    /// The commits of which these tags' histories are made.
    TagAncestors(Names),
    /// The set of these branches' names.
    Branches(Names),
    /// These branches, with the commits at their tips.
    BranchHeads(Names),
}

/// How much of a name a regular expression has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Part,
}

/// Names of tags or branches.
#[derive(Debug)]
pub(crate) struct Names {
    /// What they match, one pattern or another; any name when there is none.
    patterns: Vec<Pattern>,
    /// What they begin with, one prefix or another.
    prefixes: Vec<String>,
    /// The patterns as they are written.
    written: String,
}

impl Names {
    /// A regular expression is ignored when there are globs.
    fn of<'g>(
        globs: impl IntoIterator<Item = (&'g str, &'g String)>,
        regex: (&str, Option<&str>),
        extent: Extent,
    ) -> Result<Self, String> {
        let (keys, globs): (Vec<&str>, Vec<&String>) = globs.into_iter().unzip();
        let (regex_key, regex) = regex;
        if globs.is_empty() {
            let pattern = regex.map(|regex| regex_of(extent, regex)).transpose()?;
            let written = regex.map(|regex| format!("`{regex_key}: {regex}`")).unwrap_or_default();
            return Ok(Self { patterns: pattern.into_iter().collect(), prefixes: vec![String::new()], written });
        }
        let mut prefixes: Vec<String> = globs.iter().map(|glob| glob::literal_prefix(glob).to_owned()).collect();
        prefixes.sort();
        prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter.as_str()));
        if prefixes.len() > MOST_PREFIXES {
            prefixes = vec![String::new()];
        }
        let written: Vec<String> = keys.iter().zip(&globs).map(|(key, glob)| format!("`{key}: {glob}`")).collect();
        Ok(Self {
            patterns: globs.iter().map(|glob| Pattern::glob(glob)).collect::<Result<_, _>>()?,
            prefixes,
            written: written.join(", "),
        })
    }

    /// What they begin with: each of them with one of these.
    pub(crate) fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// Whether `name` is one of them.
    pub(crate) fn include(&self, name: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(name.as_bytes()))
    }

    /// The patterns for a message; `None` when any name is included.
    pub(crate) fn written(&self) -> Option<&str> {
        Some(self.written.as_str()).filter(|written| !written.is_empty())
    }
}

fn regex_of(extent: Extent, regex: &str) -> Result<Pattern, String> {
    match extent {
        Extent::Whole => Pattern::whole_regex(Dialect::Extended, regex),
        Extent::Part => Pattern::regex(Dialect::Extended, regex),
    }
}

impl Source {
    /// What a check follows.
    pub(crate) fn followed(&self) -> Result<Followed> {
        let checked = |key: &str, names: Result<Names, String>| names.map_err(|problem| anyhow!("`{key}` {problem}"));
        let branches = || {
            let globs = self.branch_filters.iter().map(|glob| ("branch_filters", glob));
            checked("branch_regex", Names::of(globs, ("branch_regex", self.branch_regex.as_deref()), Extent::Part))
        };
        let tags = || {
            let globs = self.tag_filters.iter().map(|glob| ("tag_filters", glob));
            let globs = globs.chain(self.tag_filter.iter().map(|glob| ("tag_filter", glob)));
            checked("tag_filter", Names::of(globs, ("tag_regex", self.tag_regex.as_deref()), self.tag_extent()))
        };
        Ok(match (self.version_type, self.tag_behaviour) {
            (VersionType::Branches, _) => Followed::Branches(branches()?),
            (VersionType::BranchHeads, _) => Followed::BranchHeads(branches()?),
            (VersionType::Tags, _) => Followed::AllTags(tags()?, self.tag_sort.unwrap_or_default()),
            (VersionType::Commits, _) if !self.follows_tags() => Followed::Commits,
            (VersionType::Commits, TagBehaviour::MatchTagged) => Followed::Tags(tags()?),
            (VersionType::Commits, TagBehaviour::MatchTagAncestors) => Followed::TagAncestors(tags()?),
        })
    }

    /// Whether tags decide which commits are versions.
    pub(crate) fn follows_tags(&self) -> bool {
        self.version_type == VersionType::Commits && (self.tag_filter.is_some() || self.tag_regex.is_some())
    }

    fn tag_extent(&self) -> Extent {
        if self.version_type == VersionType::Tags { Extent::Part } else { Extent::Whole }
    }

    /// Notes what is wrong with the keys about tags and branches.
    pub(crate) fn label_rules(&self, problems: &mut Problems) {
        if let Some(Err(problem)) = self.tag_filter.as_deref().map(Pattern::glob) {
            problems.add("tag_filter", problem);
        }
        for (key, globs) in [("tag_filters", &self.tag_filters), ("branch_filters", &self.branch_filters)] {
            for (index, glob) in globs.iter().enumerate() {
                if let Err(problem) = Pattern::glob(glob) {
                    problems.add(format!("{key}[{index}]"), problem);
                }
            }
        }
        let regexes =
            [("tag_regex", &self.tag_regex, self.tag_extent()), ("branch_regex", &self.branch_regex, Extent::Part)];
        for (key, regex, extent) in regexes {
            if let Some(Err(problem)) = regex.as_deref().map(|regex| regex_of(extent, regex)) {
                problems.add(key, problem);
            }
        }
        if self.version_type == VersionType::Commits && self.tag_filter.is_some() && self.tag_regex.is_some() {
            problems.add("tag_regex", "cannot be given together with `tag_filter`");
        }
        let is_of_branches = matches!(self.version_type, VersionType::Branches | VersionType::BranchHeads);
        let name = self.version_type.name();
        for (key, is_given) in [("tag_filter", self.tag_filter.is_some()), ("tag_regex", self.tag_regex.is_some())] {
            if is_given && is_of_branches {
                problems.add(key, format!("is about tags, and with `version_type: {name}` there are none"));
            }
        }
        let tag_keys = [("tag_filters", !self.tag_filters.is_empty()), ("tag_sort", self.tag_sort.is_some())];
        for (key, is_given) in tag_keys {
            if is_given && self.version_type != VersionType::Tags {
                problems.add(key, "has an effect only with `version_type: tags`");
            }
        }
        let branch_keys =
            [("branch_filters", !self.branch_filters.is_empty()), ("branch_regex", self.branch_regex.is_some())];
        for (key, is_given) in branch_keys {
            if is_given && !is_of_branches {
                problems.add(key, "has an effect only with `version_type: branches` or `branch_heads`");
            }
        }
        if self.branch.is_some() && self.version_type == VersionType::BranchHeads {
            let hint = "`branch_regex` chooses branches; a put names its own in its params";
            let message = "is one branch, and with `version_type: branch_heads` all are followed";
            problems.add_with_hint("branch", message, hint);
        }
    }

    /// The keys that are given and have no effect on what the versions are.
    pub(crate) fn ineffective_keys(&self) -> Vec<&'static str> {
        if !matches!(self.version_type, VersionType::Tags | VersionType::Branches) {
            return Vec::new();
        }
        let has_globs = self.tag_filter.is_some() || !self.tag_filters.is_empty();
        let keys = [
            ("branch", self.branch.is_some()),
            ("paths", !self.paths.is_empty()),
            ("ignore_paths", !self.ignore_paths.is_empty()),
            ("commit_filter", !self.commit_filter.is_empty()),
            ("tag_behaviour", self.tag_behaviour != TagBehaviour::default()),
            ("fetch_tags", self.fetch_tags.is_some()),
            ("sparse_paths", !self.sparse_paths.is_empty()),
            ("search_remote_refs", self.search_remote_refs),
            ("tag_regex", self.version_type == VersionType::Tags && has_globs && self.tag_regex.is_some()),
            ("version_depth", self.version_type == VersionType::Branches && self.version_depth != 1),
        ];
        keys.into_iter().filter_map(|(key, is_given)| is_given.then_some(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(globs: &[&str], regex: Option<&str>) -> Names {
        let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        Names::of(globs.iter().map(|glob| ("tag_filters", glob)), ("tag_regex", regex), Extent::Part).unwrap()
    }

    #[test]
    fn globs_are_alternatives_and_go_before_a_regex() {
        let names = names(&["v1.*", "v2.*"], Some("x"));
        assert!(names.include("v1.0") && names.include("v2.0") && !names.include("v3.0") && !names.include("x"));
        assert_eq!(names.written(), Some("`tag_filters: v1.*`, `tag_filters: v2.*`"));
    }

    #[test]
    fn the_server_is_asked_for_each_prefix_once() {
        assert_eq!(names(&["v1.*", "v*", "release/*"], None).prefixes(), ["release/", "v"]);
        assert_eq!(names(&["*-rc", "v*"], None).prefixes(), [""]);
        assert_eq!(names(&[], Some("^v")).prefixes(), [""]);
        let many: Vec<String> = (10..99).map(|number| format!("v{number}.*")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(names(&many, None).prefixes(), [""]);
    }

    #[test]
    fn a_regex_matches_a_part_of_the_name_unless_it_is_anchored() {
        assert!(names(&[], Some("go1")).include("xgo1.2"));
        assert!(!names(&[], Some(r"^go1\.[0-9]+$")).include("go1.2rc1"));
        assert!(names(&[], None).include("anything") && names(&[], None).written().is_none());
    }
}
