//! `.dockerignore`: which files of a directory are excluded from a build.
//!
//! The rules are those of `moby/patternmatcher`, which Docker and BuildKit share: Go's `filepath.Match` with `**` for
//! any number of directories; a pattern also matches everything below a path that it matches; `!` includes a file
//! again; the last pattern that matches decides.

use regex::Regex;

use crate::files::go_glob::{self, DoubleStar, SPECIAL};

/// The longest pattern, in bytes; longer than any path can be.
const MAX_PATTERN_BYTES: usize = 4096;

/// The patterns of a file, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

/// The result of matching a path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    /// Whether the last matching pattern has no `!`.
    pub(crate) matched: bool,
    /// Which patterns match the path, or a directory above it.
    by: Vec<bool>,
}

#[derive(Debug, Clone)]
struct Pattern {
    /// `!`: includes the paths that match.
    includes: bool,
    /// The cleaned pattern: `a/*.b`.
    text: String,
    matches: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Exactly,
    /// `a/**`: everything below.
    Prefix(String),
    /// `**/a` and `**a`: every path with this suffix.
    Suffix(String),
    Expression(Regex),
}

impl Patterns {
    /// Parses the text of a `.dockerignore`.
    pub(crate) fn of_file(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::new(text.lines().filter(|line| !line.starts_with('#')).filter_map(as_in_a_file))
    }

    /// Parses patterns that are relative and clean already, as a builder sends them.
    pub(crate) fn new<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, String> {
        texts.into_iter().filter_map(|text| Pattern::new(text.as_ref()).transpose()).collect::<Result<_, _>>().map(Self)
    }

    /// Matches a path; `above` is the result for its parent directory.
    ///
    /// A pattern that matches a directory matches everything in it. But a pattern is not evaluated if it cannot change
    /// the result for the directory; then it does not apply to the content of the directory either, as in Docker.
    pub(crate) fn judge(&self, path: &str, above: &Judgement) -> Judgement {
        let mut matched = false;
        let judge = |(index, pattern): (usize, &Pattern)| {
            let fits = above.by.get(index) == Some(&true) || pattern.includes == matched && pattern.matches(path);
            if fits {
                matched = !pattern.includes;
            }
            fits
        };
        let by = self.0.iter().enumerate().map(judge).collect();
        Judgement { matched, by }
    }

    /// Whether a path is excluded.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let judge = |above: Judgement, end| self.judge(path.get(..end).unwrap_or_default(), &above);
        ends.fold(Judgement::default(), judge).matched
    }

    /// Whether something below an excluded directory may be included again.
    pub(crate) fn may_include_below(&self, directory: &str) -> bool {
        self.0.iter().filter(|pattern| pattern.includes).any(|pattern| pattern.may_match_below(directory))
    }

    /// Whether something below a directory may match.
    pub(crate) fn may_match_below(&self, directory: &str) -> bool {
        self.0.iter().any(|pattern| pattern.may_match_below(directory))
    }
}

/// A line of a file as a pattern: cleaned as a path, and relative.
fn as_in_a_file(line: &str) -> Option<String> {
    let line = line.trim();
    let (sign, path) = match line.strip_prefix('!') {
        Some(path) => ("!", path.trim()),
        None => ("", line),
    };
    if path.is_empty() {
        return (!sign.is_empty()).then(|| sign.to_owned());
    }
    let path = clean(path);
    let path = if path.len() > 1 { path.strip_prefix('/').unwrap_or(&path) } else { &path };
    Some(format!("{sign}{path}"))
}

/// Cleans a path like Go's `filepath.Clean`: removes `.`, `..` and empty parts.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("a pattern is longer than {MAX_PATTERN_BYTES} bytes"));
        }
        let text = clean(text);
        let (includes, text) = match text.strip_prefix('!') {
            Some("") => return Err("`!` requires a pattern".to_owned()),
            Some(rest) => (true, rest.to_owned()),
            None => (false, text),
        };
        let matches = compile(&text).map_err(|problem| format!("`{text}` is not a valid pattern: {problem}"))?;
        Ok(Some(Self { includes, text, matches }))
    }

    fn matches(&self, path: &str) -> bool {
        match &self.matches {
            Kind::Exactly => path == self.text,
            Kind::Prefix(prefix) => path.starts_with(prefix),
            // `**/a` also matches `a` itself.
            Kind::Suffix(suffix) => path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path),
            Kind::Expression(expression) => expression.is_match(path),
        }
    }

    /// Whether the literal parts at the start of the pattern match the directory or one of its parents.
    fn may_match_below(&self, directory: &str) -> bool {
        for (ours, theirs) in self.text.split('/').zip(directory.split('/')) {
            if ours.contains(SPECIAL) {
                return true;
            }
            if ours != theirs {
                return false;
            }
        }
        true
    }
}

/// Compiles a pattern.
fn compile(pattern: &str) -> Result<Kind, &'static str> {
    let expression = go_glob::compile(pattern, DoubleStar::Directories)?;
    let is_literal = |text: &&str| !text.contains(SPECIAL);
    if is_literal(&pattern) {
        return Ok(Kind::Exactly);
    }
    if let Some(suffix) = pattern.strip_prefix("**").filter(is_literal) {
        return Ok(Kind::Suffix(suffix.to_owned()));
    }
    if let Some(prefix) = pattern.strip_suffix("**/").or(pattern.strip_suffix("**")).filter(is_literal) {
        return Ok(Kind::Prefix(prefix.to_owned()));
    }
    Ok(Kind::Expression(expression))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Patterns, the paths that they exclude, and paths that they do not. Most are documented behaviour of
    /// `moby/patternmatcher`.
    const TABLE: &[(&str, &[&str], &[&str])] = &[
        ("a", &["a", "a/b", "a/b/c"], &["b/a", "ab"]),
        ("/a", &["a"], &["b/a"]),
        ("./a/", &["a", "a/x"], &["b"]),
        ("a/../b", &["b"], &["a"]),
        ("*", &["a", ".b", "a/b"], &[]),
        ("*.md", &["a.md", ".md"], &["a/b.md", "a.mdx"]),
        ("*/*.md", &["a/b.md"], &["a.md", "a/b/c.md"]),
        ("**/*.md", &["a.md", "a/b.md", "a/b/c.md"], &["a.mdx"]),
        ("**/a", &["a", "b/a", "b/c/a", "a/b"], &["ba", "b/ca"]),
        ("**a", &["a", "ba", "b/ca"], &["ab"]),
        ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
        ("**", &["a", "a/b"], &[]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b", "a/b/c"], &["a", "b", "ab"]),
        ("a?c", &["abc"], &["ac", "a/c", "abbc"]),
        ("[a-c]x", &["ax", "cx"], &["dx", "x"]),
        ("[^a]x", &["bx"], &["ax"]),
        (r"[\]]x", &["]x"], &["x"]),
        (r"\*", &["*"], &["a"]),
        (r"a\!b", &["a!b"], &["a"]),
        ("a.b", &["a.b"], &["axb"]),
        ("a+(b)|{c}$", &["a+(b)|{c}$"], &["aa"]),
        ("# a comment\n\n  b  ", &["b"], &["# a comment", "a"]),
        (" #no-comment", &["#no-comment"], &[]),
        ("\u{feff}a", &["a"], &[]),
        ("*\n!a", &["b"], &["a", "a/b"]),
        ("*\n!a\na/b", &["c", "a/b", "a/b/c"], &["a", "a/c"]),
        ("!a\n*", &["a", "b"], &[]),
        ("a\n! a/b ", &["a", "a/c"], &["a/b", "a/b/c"]),
        ("**/node_modules\n!keep/node_modules", &["node_modules/x", "a/node_modules"], &["keep/node_modules/x"]),
        (".git", &[".git", ".git/HEAD"], &[".gitignore"]),
        // `.git` itself is not excluded, so `!.git` is not evaluated for it, and does not include its content.
        ("*/**\n!.git", &[".git/HEAD", "a/b"], &[".git", "a"]),
        ("Dockerfile*\n!Dockerfile", &["Dockerfile.dev"], &["Dockerfile"]),
    ];

    #[test]
    fn excludes_what_docker_excludes() {
        for (text, out, kept) in TABLE {
            let patterns = Patterns::of_file(text).unwrap();
            for path in *out {
                assert!(patterns.matches(path), "{text:?} should leave out {path:?}");
            }
            for path in *kept {
                assert!(!patterns.matches(path), "{text:?} should keep {path:?}");
            }
        }
    }

    #[test]
    fn rejects_what_go_rejects() {
        for text in ["[", "[]", "[a", "a\\", "!", "[a-]", "[-a]", "a[\\"] {
            assert!(Patterns::of_file(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn searches_excluded_directory_that_may_contain_included_files() {
        let below = |text: &str, directory: &str| Patterns::of_file(text).unwrap().may_include_below(directory);
        assert!(
            below("*\n!a/b/c", "a") && below("*\n!a/b/c", "a/b") && below("*\n!**/x", "q/r") && below("*\n!a", "a/b")
        );
        assert!(!below("*\n!a/b/c", "b") && !below("*", "a") && !below("*\n!a/b", "a/c"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*", path in "[a-c/*]{0,12}") {
            if let Ok(patterns) = Patterns::of_file(&text) {
                patterns.matches(&path);
                patterns.may_include_below(&path);
            }
        }

        #[test]
        fn included_files_are_in_searched_directories(
            lines in proptest::collection::vec("!?(\\*\\*/)?[ab*?](/[ab*])?(/\\*\\*)?", 1..4),
            path in "[ab](/[ab]){1,3}",
        ) {
            let patterns = Patterns::of_file(&lines.join("\n")).unwrap();
            let directory = path.rsplit_once('/').unwrap().0;
            if patterns.matches(directory) && !patterns.matches(&path) {
                prop_assert!(patterns.may_include_below(directory), "{:?} {}", lines, path);
            }
        }
    }
}
