//! Filters commits by their messages.

use jetway::{Result, anyhow};

use crate::pattern::Pattern;
use crate::source::Source;
use crate::source::commit_filter::Grammar;

/// The compiled message filter of a source.
#[derive(Debug)]
pub(crate) struct MessageFilter {
    obeys_ci_skip: bool,
    include: Option<PatternList>,
    exclude: Option<PatternList>,
}

/// A list of patterns for one message.
#[derive(Debug)]
struct PatternList {
    patterns: Vec<Pattern>,
    /// Whether all patterns must match, or only one.
    all: bool,
}

impl MessageFilter {
    /// A filter that passes every commit.
    pub(crate) fn all() -> Self {
        Self { obeys_ci_skip: false, include: None, exclude: None }
    }

    /// Compiles the filter of a source.
    pub(crate) fn of(source: &Source) -> Result<Self> {
        let filter = &source.commit_filter;
        let wanted = |patterns: &[String], all| {
            if patterns.is_empty() {
                return Ok(None);
            }
            let compile = |pattern: &String| Grammar::of(&source.git_config)?.compile(pattern);
            let patterns: Result<Vec<_>, String> = patterns.iter().map(compile).collect();
            let patterns = patterns.map_err(|problem| anyhow!("a pattern of `commit_filter` {problem}"))?;
            Ok::<_, jetway::Error>(Some(PatternList { patterns: patterns.into_iter().flatten().collect(), all }))
        };
        Ok(Self {
            obeys_ci_skip: !source.disable_ci_skip,
            include: wanted(&filter.include, filter.include_all_match)?,
            exclude: wanted(&filter.exclude, filter.exclude_all_match)?,
        })
    }

    /// Whether every message passes, so that messages need not be read.
    pub(crate) fn passes_everything(&self) -> bool {
        !self.obeys_ci_skip && self.include.is_none() && self.exclude.is_none()
    }

    /// Whether a commit with this message passes.
    pub(crate) fn passes(&self, message: &[u8]) -> bool {
        if self.obeys_ci_skip && has_ci_skip(message) {
            return false;
        }
        // Patterns match characters. Invalid UTF-8 becomes U+FFFD.
        let message = String::from_utf8_lossy(message);
        self.include.as_ref().is_none_or(|wanted| wanted.match_message(&message))
            && !self.exclude.as_ref().is_some_and(|wanted| wanted.match_message(&message))
    }
}

impl PatternList {
    fn match_message(&self, message: &str) -> bool {
        let message = message.strip_suffix('\n').unwrap_or(message);
        let is_in = |pattern: &Pattern| message.split('\n').any(|line| pattern.matches(line.as_bytes()));
        if self.all { self.patterns.iter().all(is_in) } else { self.patterns.iter().any(is_in) }
    }
}

/// Whether a commit message contains `[ci skip]` or `[skip ci]`, with one blank or tab between the words, as in the
/// established resource.
fn has_ci_skip(message: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"[ci skip]", b"[ci\tskip]", b"[skip ci]", b"[skip\tci]"];
    WORDS.iter().any(|word| message.windows(word.len()).any(|window| window == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &serde_json::Value) -> MessageFilter {
        let source = serde_json::json!({ "uri": "u", "commit_filter": json });
        MessageFilter::of(&serde_json::from_value(source).unwrap()).unwrap()
    }

    #[test]
    fn ci_skip_matches_as_in_the_established_resource() {
        for message in ["x [ci skip]", "subject\n\nbody [skip ci] y", "[ci\tskip]"] {
            assert!(has_ci_skip(message.as_bytes()), "{message}");
        }
        for message in ["[CI SKIP]", "[skip-ci]", "[ci  skip]", "[ci\nskip]", "ci skip"] {
            assert!(!has_ci_skip(message.as_bytes()), "{message}");
        }
    }

    #[test]
    fn each_message_line_is_matched_separately() {
        let any = filter(&serde_json::json!({ "include": ["^b$", "z"] }));
        assert!(any.passes(b"a\n\nb\n") && !any.passes(b"a b\n"));
        let all = filter(&serde_json::json!({ "include": ["a", "b"], "include_all_match": true }));
        assert!(all.passes(b"b\na") && !all.passes(b"a\na"));
        let none_of_all = filter(&serde_json::json!({ "exclude": ["a", "b"], "exclude_all_match": true }));
        assert!(none_of_all.passes(b"a\na") && !none_of_all.passes(b"b\na"));
    }

    #[test]
    fn each_pattern_line_is_a_pattern() {
        let any = filter(&serde_json::json!({ "include": ["x\ny\n"] }));
        assert!(any.passes(b"-y-") && any.passes(b"x") && !any.passes(b"z"));
    }
}
