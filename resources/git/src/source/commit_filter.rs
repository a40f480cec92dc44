//! The patterns of a source that filter commits by their messages.

use jetway::Problems;
use jetway_git_client::source::setting::Setting;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pattern::Pattern;
use crate::pattern::posix_regex::Dialect;

/// Patterns for commit messages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct CommitFilter {
    /// Regular expressions: only commits with a message line that matches one of them are versions. The syntax is that
    /// of `git log --grep` (POSIX basic).
    #[serde(default)]
    #[schemars(extend("x-keeps-blanks" = true))]
    pub include: Vec<String>,

    /// Regular expressions: commits with a message line that matches one of them are not versions.
    #[serde(default)]
    #[schemars(extend("x-keeps-blanks" = true))]
    pub exclude: Vec<String>,

    /// Include a commit only if every pattern of `include` matches one of its message lines.
    #[serde(default)]
    pub include_all_match: bool,

    /// Exclude a commit only if every pattern of `exclude` matches one of its message lines.
    #[serde(default)]
    pub exclude_all_match: bool,
}

impl CommitFilter {
    pub(crate) fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Validates the patterns.
    pub(crate) fn validate(&self, settings: &[Setting], problems: &mut Problems) {
        if self.is_empty() {
            return;
        }
        match Grammar::of(settings) {
            Err(problem) => problems.add("commit_filter", problem),
            Ok(grammar) => {
                for (key, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
                    for (index, pattern) in patterns.iter().enumerate() {
                        if let Err(problem) = grammar.compile(pattern) {
                            problems.add(format!("commit_filter.{key}[{index}]"), problem);
                        }
                    }
                }
            }
        }
    }
}

/// The syntax of the patterns (git's `grep.patternType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    Regex(Dialect),
    Text,
}

impl Grammar {
    /// The syntax that `git_config` selects with `grep.patternType` or `grep.extendedRegexp`, by git's rules.
    pub(crate) fn of(settings: &[Setting]) -> Result<Self, &'static str> {
        let value = |name: &str| {
            let setting = settings.iter().rev().find(|setting| setting.name.eq_ignore_ascii_case(name));
            setting.map(|setting| setting.value.to_ascii_lowercase())
        };
        let is_extended =
            value("grep.extendedRegexp").is_some_and(|value| ["true", "yes", "on", "1"].contains(&&*value));
        match value("grep.patternType").as_deref() {
            None | Some("default") if is_extended => Ok(Self::Regex(Dialect::Extended)),
            None | Some("default" | "basic") => Ok(Self::Regex(Dialect::Basic)),
            Some("extended") => Ok(Self::Regex(Dialect::Extended)),
            Some("fixed") => Ok(Self::Text),
            Some(_) => {
                Err("cannot be used with this `grep.patternType` in `git_config`; `basic`, `extended` and `fixed` are \
                 supported")
            }
        }
    }

    /// Compiles each line of a pattern separately, as git does: a message matches if one of them matches.
    pub(crate) fn compile(self, pattern: &str) -> Result<Vec<Pattern>, String> {
        let lines = pattern.strip_suffix('\n').unwrap_or(pattern).split('\n');
        let compile = |line| match self {
            Self::Regex(dialect) => Pattern::regex(dialect, line),
            Self::Text => Pattern::text(line),
        };
        lines.map(compile).collect()
    }
}
