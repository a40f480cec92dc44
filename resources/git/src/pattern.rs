//! Patterns from pipelines: compiled once, and matched against bytes in linear time.

mod character_set;
pub(crate) mod glob;
pub(crate) mod posix_regex;

use regex::bytes::{Regex, RegexBuilder};

use self::posix_regex::Dialect;

/// The longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 4_096;

/// The most memory that a compiled pattern may take, in bytes.
const MAX_COMPILED_BYTES: usize = 4 * 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// A regular expression that may match any part of a text. The error is a predicate for messages ("has a ...").
    pub(crate) fn regex(dialect: Dialect, pattern: &str) -> Result<Self, String> {
        Self::compile(pattern, || posix_regex::expression(dialect, pattern))
    }

    /// A regular expression that matches a text from end to end.
    pub(crate) fn whole_regex(dialect: Dialect, pattern: &str) -> Result<Self, String> {
        Self::compile(pattern, || Ok(format!(r"\A(?:{})\z", posix_regex::expression(dialect, pattern)?)))
    }

    /// A glob, which matches a text from end to end.
    pub(crate) fn glob(pattern: &str) -> Result<Self, String> {
        Self::compile(pattern, || glob::expression(pattern))
    }

    /// A literal text that may match any part of a text.
    pub(crate) fn text(text: &str) -> Result<Self, String> {
        Self::compile(text, || Ok(regex::escape(text)))
    }

    /// Whether the pattern matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    fn compile(pattern: &str, translate: impl FnOnce() -> Result<String, String>) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("is longer than {MAX_PATTERN_BYTES} bytes"));
        }
        let compiled = RegexBuilder::new(&translate()?).size_limit(MAX_COMPILED_BYTES).build();
        compiled.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "repeats too much to be matched quickly".to_owned(),
            // The translation is always well-formed, but the regex crate limits how deep groups may be nested.
            _ => "is nested too deeply".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pattern: &str, text: &str) -> bool {
        Pattern::regex(Dialect::Basic, pattern).unwrap().matches(text.as_bytes())
    }

    fn extended(pattern: &str, text: &str) -> bool {
        Pattern::whole_regex(Dialect::Extended, pattern).unwrap().matches(text.as_bytes())
    }

    fn glob(pattern: &str, text: &str) -> bool {
        Pattern::glob(pattern).unwrap().matches(text.as_bytes())
    }

    #[test]
    fn basic_regex_operators_need_a_backslash() {
        for (pattern, text) in [
            ("a+b?", "a+b?"),
            ("(a|b){1}", "(a|b){1}"),
            (r"\(fix\|feat\)\+:", "featfix: x"),
            (r"^ab\{2,3\}\?$", "abbb"),
            (r"^a\{,2\}$", "aa"),
            ("*a", "*a"),
            (r"\(*a\)", "*a"),
            ("^*a", "*a"),
            ("a^b$c", "a^b$c"),
            (r"\(^a$\)", "a"),
            (r"\<fix\>", "a fix!"),
            (r"\w\W\w\s\S", "a-b c"),
            (r"a\bb\|\Bx", "axb"),
            (r"[]a]\.[^]]", "].x"),
            (r"[\]", r"\"),
            ("[[:digit:][.-.]x][[=y=]]", "-y"),
            ("[+--]", ","),
            ("été.", "étés"),
            ("^.$", "é"),
            ("", "anything"),
        ] {
            assert!(basic(pattern, text), "{pattern} in {text}");
        }
        for (pattern, text) in [
            (r"a\+b", "a+b"),
            (r"^a\{2\}$", "aaa"),
            (r"\<ix", "fix"),
            (r"a\Bb", "a b"),
            ("[a-c]", "B"),
            ("A", "a"),
            ("x$y", "x"),
        ] {
            assert!(!basic(pattern, text), "{pattern} in {text}");
        }
    }

    #[test]
    fn whole_regex_matches_only_the_whole_text() {
        for (pattern, text) in [
            (r"v[0-9]+(\.[0-9]+){2}", "v1.20.3"),
            ("a|b", "b"),
            ("(|x)y", "y"),
            (r"a\+\{", "a+{"),
            ("a{0,1}b**", "bb"),
            ("a+?b", "aab"),
            ("^v1$", "v1"),
        ] {
            assert!(extended(pattern, text), "{pattern} on {text}");
        }
        for (pattern, text) in [("v1", "v1.0"), ("a|b", "ab"), ("1", "v1"), ("a+?", "")] {
            assert!(!extended(pattern, text) || pattern == "a+?", "{pattern} on {text}");
        }
        assert!(extended("a+?", ""), "`?` after `+` makes it optional, not lazy");
    }

    #[test]
    fn star_in_glob_matches_slash() {
        for (pattern, text) in [
            ("v*", "v1/2"),
            ("*", ""),
            ("a/?", "a/b"),
            ("a?b", "a/b"),
            ("[!a-c]", "d"),
            ("[^a]", "/"),
            (r"\*", "*"),
            (r"[\]]", "]"),
            ("[]-]", "-"),
            ("[[:digit:]]*", "1x"),
            ("[[:x]", ":"),
            ("a.b", "a.b"),
            ("é?", "éè"),
        ] {
            assert!(glob(pattern, text), "{pattern} on {text}");
        }
        for (pattern, text) in [("v*", "xv1"), ("?", ""), ("[a-c]", "d"), ("a.b", "axb"), ("[z-a]", "b"), ("v", "v1")] {
            assert!(!glob(pattern, text), "{pattern} on {text}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_with_a_pattern() {
        let messages = |result: Result<Pattern, String>| result.unwrap_err();
        for (pattern, expected) in [
            (r"\(a", r"has a `\(` without its `\)`"),
            (r"a\)", r"has a `\)` without its `\(`"),
            (r"a\{2", r"has a `\{` without its `\}`"),
            (r"a\{3,2\}", r"has `\{3,2\}`, which is not a count from 0 to 32767"),
            (r"a\{,\}", r"has `\{,\}`, which is not a count from 0 to 32767"),
            (r"\{1\}", "has a repetition operator with nothing before it"),
            (r"\(a\)\1", r"has the back-reference `\1`, which is not supported"),
            (r"\d", r"has `\d`, which is undefined in POSIX regular expressions; write `[0-9]`"),
            ("a\\", r"ends with a `\` that escapes nothing"),
            ("[a", "has a `[` without its `]`"),
            ("[b-a]", "has the range `b-a`, whose ends are in the wrong order"),
            ("[a-c-e]", "has a `-` right after a range; to match a `-`, put it first or last in `[]`"),
            ("[[.ab.]]", "has a `[.` that is not followed by one character and `.]`"),
            (r"\(\(a\{1000\}\)\{1000\}\)\{1000\}", "repeats too much to be matched quickly"),
        ] {
            assert_eq!(messages(Pattern::regex(Dialect::Basic, pattern)), expected, "{pattern}");
        }
        let class = "has the unknown class `[:word:]`; the known classes are alnum, alpha, ";
        assert!(messages(Pattern::regex(Dialect::Basic, "[[:word:]]")).starts_with(class));
        assert!(messages(Pattern::glob("[[:word:]]")).starts_with(class));
        assert_eq!(
            messages(Pattern::regex(Dialect::Extended, "a|*")),
            "has a repetition operator with nothing before it"
        );
        assert_eq!(messages(Pattern::glob("[a")), "has a `[` without its `]`");
        assert_eq!(messages(Pattern::glob("a\\")), r"ends with a `\` that escapes nothing");
        assert_eq!(messages(Pattern::text(&"x".repeat(5000))), "is longer than 4096 bytes");
        assert_eq!(messages(Pattern::regex(Dialect::Extended, &"(".repeat(2000))), "has a `(` without its `)`");
        let deep = format!("{}a{}", "(".repeat(2000), ")".repeat(2000));
        assert_eq!(messages(Pattern::regex(Dialect::Extended, &deep)), "is nested too deeply");
    }
}
