//! A filter for the names of tags or branches.

use crate::pattern::posix_regex::Dialect;
use crate::pattern::{Pattern, glob};

/// The most `ref-prefix` lines in one request. With more prefixes, the request asks for all names.
const MAX_PREFIXES: usize = 50;

/// Whether a regular expression must match the whole name, or any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    Part,
}

/// The names of tags or branches that match at least one pattern.
#[derive(Debug)]
pub(crate) struct NameFilter {
    /// The patterns, of which one has to match. If there are none, every name matches.
    patterns: Vec<Pattern>,
    /// The literal prefixes of the patterns: every matching name begins with one of them.
    prefixes: Vec<String>,
    /// The patterns with their keys, for messages.
    description: String,
}

impl NameFilter {
    /// Compiles the patterns. The regular expression is ignored if there are globs.
    pub(crate) fn new<'g>(
        globs: impl IntoIterator<Item = (&'g str, &'g String)>,
        regex: (&str, Option<&str>),
        extent: Extent,
    ) -> Result<Self, String> {
        let (keys, globs): (Vec<&str>, Vec<&String>) = globs.into_iter().unzip();
        let (regex_key, regex) = regex;
        if globs.is_empty() {
            let pattern = regex.map(|regex| regex_of(extent, regex)).transpose()?;
            let description = regex.map(|regex| format!("`{regex_key}: {regex}`")).unwrap_or_default();
            return Ok(Self { patterns: pattern.into_iter().collect(), prefixes: vec![String::new()], description });
        }
        let mut prefixes: Vec<String> = globs.iter().map(|glob| glob::literal_prefix(glob).to_owned()).collect();
        prefixes.sort();
        prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter.as_str()));
        if prefixes.len() > MAX_PREFIXES {
            prefixes = vec![String::new()];
        }
        let description: Vec<String> = keys.iter().zip(&globs).map(|(key, glob)| format!("`{key}: {glob}`")).collect();
        Ok(Self {
            patterns: globs.iter().map(|glob| Pattern::glob(glob)).collect::<Result<_, _>>()?,
            prefixes,
            description: description.join(", "),
        })
    }

    /// The prefixes to ask the server for: every matching name begins with one of them.
    pub(crate) fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// Whether `name` matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(name.as_bytes()))
    }

    /// The patterns with their keys, for a message; `None` if every name matches.
    pub(crate) fn description(&self) -> Option<&str> {
        Some(self.description.as_str()).filter(|description| !description.is_empty())
    }
}

pub(crate) fn regex_of(extent: Extent, regex: &str) -> Result<Pattern, String> {
    match extent {
        Extent::Whole => Pattern::whole_regex(Dialect::Extended, regex),
        Extent::Part => Pattern::regex(Dialect::Extended, regex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(globs: &[&str], regex: Option<&str>) -> NameFilter {
        let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        NameFilter::new(globs.iter().map(|glob| ("tag_filters", glob)), ("tag_regex", regex), Extent::Part).unwrap()
    }

    #[test]
    fn globs_are_alternatives_and_override_the_regex() {
        let names = names(&["v1.*", "v2.*"], Some("x"));
        assert!(names.matches("v1.0") && names.matches("v2.0") && !names.matches("v3.0") && !names.matches("x"));
        assert_eq!(names.description(), Some("`tag_filters: v1.*`, `tag_filters: v2.*`"));
    }

    #[test]
    fn prefixes_are_deduplicated() {
        assert_eq!(names(&["v1.*", "v*", "release/*"], None).prefixes(), ["release/", "v"]);
        assert_eq!(names(&["*-rc", "v*"], None).prefixes(), [""]);
        assert_eq!(names(&[], Some("^v")).prefixes(), [""]);
        let many: Vec<String> = (10..99).map(|number| format!("v{number}.*")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(names(&many, None).prefixes(), [""]);
    }

    #[test]
    fn regex_matches_any_part_of_the_name() {
        assert!(names(&[], Some("go1")).matches("xgo1.2"));
        assert!(!names(&[], Some(r"^go1\.[0-9]+$")).matches("go1.2rc1"));
        assert!(names(&[], None).matches("anything") && names(&[], None).description().is_none());
    }
}
