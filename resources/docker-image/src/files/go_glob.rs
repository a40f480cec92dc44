//! Compiles Go's patterns for paths: `filepath.Match`, and its extension by `**` in `moby/patternmatcher`.
//!
//! It is a matcher of our own, since globset (0.4) has alternatives (`{a,b}`) and `[!a]`, whose characters are literal
//! in Go, and matches `**a` and `a**` within one name only.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// The characters with a meaning in a pattern. A pattern without them matches itself.
pub(crate) const SPECIAL: [char; 4] = ['*', '?', '[', '\\'];

/// The meaning of `**`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoubleStar {
    /// Any number of directories, as in `.dockerignore`.
    Directories,
    /// The same as `*`, as in `filepath.Match`.
    Star,
}

/// Compiles a pattern, which matches a path from end to end. The error is a clause about the pattern ("it has ...").
pub(crate) fn compile(pattern: &str, double_star: DoubleStar) -> Result<Regex, &'static str> {
    let mut expression = String::from(r"(?s)\A");
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if double_star == DoubleStar::Directories && characters.next_if_eq(&'*').is_some() => {
                characters.next_if_eq(&'/');
                expression.push_str(if characters.peek().is_none() { ".*" } else { "(.*/)?" });
            }
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '[' => expression.push_str(&set(&mut characters)?),
            '\\' => {
                let escaped = characters.next().ok_or("it ends with an incomplete escape `\\`")?;
                expression.push_str(&literal(escaped));
            }
            other => expression.push_str(&literal(other)),
        }
    }
    expression.push_str(r"\z");
    Regex::new(&expression).map_err(|_| "it has a set with an invalid range")
}

/// Translates a set, `[a-c]` or `[^x]`, after its bracket.
fn set(characters: &mut Peekable<Chars<'_>>) -> Result<String, &'static str> {
    let mut set = String::from("[");
    if characters.next_if_eq(&'^').is_some() {
        set.push('^');
    }
    let mut is_empty = true;
    while is_empty || characters.next_if_eq(&']').is_none() {
        set.push_str(&member(characters)?);
        if characters.next_if_eq(&'-').is_some() {
            set.push('-');
            set.push_str(&member(characters)?);
        }
        is_empty = false;
    }
    set.push(']');
    Ok(set)
}

/// One character of a set, or one end of a range.
fn member(characters: &mut Peekable<Chars<'_>>) -> Result<String, &'static str> {
    const UNCLOSED: &str = "it has an unclosed `[`";
    let character = match characters.next().ok_or(UNCLOSED)? {
        ']' | '-' => return Err("it has a set with an unescaped `]` or `-`"),
        '\\' => characters.next().ok_or(UNCLOSED)?,
        other => other,
    };
    Ok(literal(character))
}

/// A character that stands for itself, inside and outside of a set.
fn literal(character: char) -> String {
    if character.is_alphanumeric() { character.to_string() } else { format!("\\x{{{:x}}}", u32::from(character)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use globset::GlobBuilder;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        compile(pattern, DoubleStar::Star).unwrap().is_match(path)
    }

    /// The results are those of `filepath.Match` of Go 1.26.
    #[test]
    fn matches_what_go_matches() {
        const TEXTS: &[&str] = &[
            "",
            "a",
            "ab",
            "axxb",
            "a/b",
            "ax",
            "dx",
            "!x",
            "bx",
            "]",
            "c",
            "axb",
            "a.b",
            "a+(b)|{c}$",
            "*",
            "[x]",
            "{a,b}",
            "éé",
            "é",
            "a]",
            ".b",
            "a\nb",
        ];
        let table: &[(&str, &[&str])] = &[
            ("a*b", &["ab", "axxb", "axb", "a.b", "a\nb"]),
            ("a**b", &["ab", "axxb", "axb", "a.b", "a\nb"]),
            ("?", &["a", "]", "c", "*", "é"]),
            ("[a-c]x", &["ax", "bx"]),
            ("[^a-c]x", &["dx", "!x"]),
            ("[!a]x", &["ax", "!x"]),
            ("[ab-d\\]]", &["a", "]", "c"]),
            ("a.b", &["a.b"]),
            ("a+(b)|{c}$", &["a+(b)|{c}$"]),
            ("\\*", &["*"]),
            ("\\[x\\]", &["[x]"]),
            ("{a,b}", &["{a,b}"]),
            ("é?", &["éé"]),
            ("[à-ï]", &["é"]),
            ("*/*", &["a/b"]),
            ("a]", &["a]"]),
        ];
        for (pattern, expected) in table {
            let found: Vec<&str> = TEXTS.iter().copied().filter(|text| matches(pattern, text)).collect();
            assert_eq!(found, *expected, "{pattern}");
        }
        assert!(TEXTS.iter().all(|text| matches("*", text) != text.contains('/')));
    }

    #[test]
    fn rejects_what_go_rejects() {
        for (pattern, problem) in [
            ("[", "it has an unclosed `[`"),
            ("[a", "it has an unclosed `[`"),
            ("[^", "it has an unclosed `[`"),
            ("[a\\", "it has an unclosed `[`"),
            ("[]", "it has a set with an unescaped `]` or `-`"),
            ("[]a]", "it has a set with an unescaped `]` or `-`"),
            ("[a-]", "it has a set with an unescaped `]` or `-`"),
            ("[-a]", "it has a set with an unescaped `]` or `-`"),
            ("[a-c-e]", "it has a set with an unescaped `]` or `-`"),
            ("a\\", "it ends with an incomplete escape `\\`"),
        ] {
            for double_star in [DoubleStar::Star, DoubleStar::Directories] {
                assert_eq!(compile(pattern, double_star).unwrap_err(), problem, "{pattern}");
            }
        }
        // `filepath.Match` accepts this and matches nothing.
        assert_eq!(compile("[9-1]", DoubleStar::Star).unwrap_err(), "it has a set with an invalid range");
    }

    /// When this test fails after an upgrade of globset, this matcher may have lost its reason.
    #[test]
    fn globset_differs() {
        for (pattern, path, expected) in [
            ("{a,b}", "{a,b}", true),
            ("{a,b}", "a", false),
            ("[!a]", "a", true),
            ("[!a]", "b", false),
            ("**a", "x/a", true),
            ("a**", "ab/c", true),
        ] {
            let compiled = compile(pattern, DoubleStar::Directories).unwrap();
            let theirs = GlobBuilder::new(pattern).literal_separator(true).build().unwrap().compile_matcher();
            assert_eq!((compiled.is_match(path), theirs.is_match(path)), (expected, !expected), "{pattern} on {path}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[a*?/\\[\\]\\\\^!-]{0,12}") {
            let _ = compile(&pattern, DoubleStar::Star);
            let _ = compile(&pattern, DoubleStar::Directories);
        }
    }
}
