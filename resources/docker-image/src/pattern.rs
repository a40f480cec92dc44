//! Regular expressions in RE2's syntax, which the established resources and Concourse itself use.
//!
//! They are matched with the crate `regex`, whose syntax differs: `\d`, `\s`, `\w` and `\b` match Unicode there, but
//! only ASCII in RE2; in a set, `[`, `&` and `~` are special; `\Q...\E` is not supported.

use regex::Regex;

/// Compiles a pattern, or returns what is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translated(pattern)).map_err(|error| last_line(&error.to_string()).to_owned())
}

/// The last line of a parser's error: the lines before it repeat the pattern.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

fn translated(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_set = false;
    while let Some(character) = rest.chars().next() {
        let mut taken = character.len_utf8();
        match character {
            '\\' => taken += escape(rest.get(taken..).unwrap_or_default(), in_set, &mut translated),
            '[' if in_set => match rest.find(":]").filter(|_| rest.starts_with("[:")) {
                // A named class in the set, `[[:alpha:]]`.
                Some(end) => {
                    taken = end + 2;
                    translated.push_str(rest.get(..taken).unwrap_or_default());
                }
                None => translated.push_str(r"\["),
            },
            '[' => {
                in_set = true;
                translated.push('[');
                if rest.get(taken..).is_some_and(|rest| rest.starts_with('^')) {
                    taken += 1;
                    translated.push('^');
                }
                // A `]` at the beginning does not end the set.
                if rest.get(taken..).is_some_and(|rest| rest.starts_with(']')) {
                    taken += 1;
                    translated.push_str(r"\]");
                }
            }
            ']' => {
                in_set = false;
                translated.push(']');
            }
            '&' | '~' if in_set => translated.extend(['\\', character]),
            other => translated.push(other),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    translated
}

/// Translates an escape after its `\`, and returns how many bytes it has.
fn escape(rest: &str, in_set: bool, translated: &mut String) -> usize {
    let Some(character) = rest.chars().next() else {
        translated.push('\\');
        return 0;
    };
    match character {
        'd' => translated.push_str("[0-9]"),
        'D' => translated.push_str("[^0-9]"),
        's' => translated.push_str(r"[\t\n\f\r ]"),
        'S' => translated.push_str(r"[^\t\n\f\r ]"),
        'w' => translated.push_str("[0-9A-Za-z_]"),
        'W' => translated.push_str("[^0-9A-Za-z_]"),
        'b' if !in_set => translated.push_str(r"(?-u:\b)"),
        'Q' if !in_set => {
            let quoted = rest.get(1..).unwrap_or_default();
            let end = quoted.find(r"\E").unwrap_or(quoted.len());
            translated.push_str(&regex::escape(quoted.get(..end).unwrap_or_default()));
            return (1 + end + 2).min(rest.len());
        }
        other => translated.extend(['\\', other]),
    }
    character.len_utf8()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_like_re2() {
        for (pattern, matching, other) in [
            (r"^v\d+\.\d+$", &["v1.20"][..], &["v1.x", "v\u{0661}.1"][..]),
            (r"^[\w.-]+$", &["a_1.b-c"], &["a b", "\u{e9}"]),
            (r"^\D\W\S$", &["a-b"], &["1-b", "aab", "a- "]),
            (r"\brc\b", &["1.0-rc.1", "\u{e9}rc"], &["arc"]),
            (r"^[[:digit:]x]+$", &["1x"], &["y"]),
            (r"^[[]$", &["["], &["x"]),
            (r"^[]a]+$", &["]a"], &["b"]),
            (r"^[^]a]$", &["b"], &["]"]),
            (r"^[a&&b~~]+$", &["a&b~"], &["c"]),
            (r"^\Qa.b*\E.$", &["a.b*c"], &["axb*c"]),
            (r"\Q1.2", &["1.2"], &["1x2"]),
            (r"^[^\d]$", &["a"], &["1"]),
            (r"(?i)^LATEST$", &["latest"], &["late"]),
            (r"^\p{Greek}\.$", &["\u{3b1}."], &["a."]),
            (r"\\d", &[r"\d"], &["1"]),
        ] {
            let compiled = compile(pattern).unwrap_or_else(|problem| panic!("{pattern}: {problem}"));
            assert!(matching.iter().all(|text| compiled.is_match(text)), "{pattern} {matching:?}");
            assert!(!other.iter().any(|text| compiled.is_match(text)), "{pattern} {other:?}");
        }
    }

    #[test]
    fn reports_invalid_pattern_without_its_text() {
        for (pattern, says) in
            [("(x", "unclosed group"), ("[x", "unclosed character class"), ("x\\", "incomplete escape")]
        {
            assert!(compile(pattern).unwrap_err().contains(says), "{}", compile(pattern).unwrap_err());
        }
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "\\PC{0,20}", escapes in "(\\\\[a-zQE]|[\\[\\]\\^:&~a\u{e9}-]){0,12}") {
            let _ = (compile(&pattern), compile(&escapes));
        }
    }
}
