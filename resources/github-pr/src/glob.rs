//! Path patterns: globs, and directories, which match all files below them.
//!
//! It is a matcher of our own, since in the documentation of `paths` `**` matches anything, and braces are literal, as
//! in the resource that these patterns come from (Go's `filepath.Match`). In globset (0.4) `**` has a meaning only
//! between slashes, `**/` also matches nothing, and `{a,b}` are alternatives.

/// A path pattern.
#[derive(Debug)]
pub(crate) struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// A character.
    One(char),
    /// `?`: any character but `/`.
    Any,
    /// `*`: any text without `/`.
    Star,
    /// `**`: any text.
    Stars,
    /// `[a-z]`, `[^a-z]`: a character in a set, or not in it.
    Set { ranges: Vec<(char, char)>, is_negated: bool },
}

impl Glob {
    /// Parses a pattern. A leading slash means the root of the repository, as in a `.gitignore`.
    pub(crate) fn parse(pattern: &str) -> Result<Self, &'static str> {
        let text = pattern.trim().trim_start_matches("./").trim_start_matches('/');
        if text.is_empty() {
            return Err("must not be empty");
        }
        let mut characters = text.chars().peekable();
        let mut parts = Vec::new();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '?' => Part::Any,
                '*' if characters.next_if_eq(&'*').is_some() => Part::Stars,
                '*' => Part::Star,
                '[' => set(&mut characters).ok_or("has a `[` without its `]`")?,
                '\\' => Part::One(characters.next().ok_or("ends with a `\\`")?),
                character => Part::One(character),
            });
        }
        Ok(Self { text: text.trim_end_matches('/').to_owned(), parts })
    }

    /// Whether the pattern matches the path, or is the path of one of its parent directories.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let is_below = path.strip_prefix(&self.text).is_some_and(|rest| rest.starts_with('/'));
        is_below || path == self.text || matches(&self.parts, path)
    }
}

/// Parses the rest of a set, after its `[`.
fn set(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let is_negated = characters.next_if(|next| matches!(next, '^' | '!')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match characters.next()? {
            ']' if !ranges.is_empty() => return Some(Part::Set { ranges, is_negated }),
            '\\' => characters.next()?,
            first => first,
        };
        let mut last = first;
        if characters.next_if_eq(&'-').is_some() {
            match characters.next()? {
                // A `-` at the end is a character of the set.
                ']' => {
                    ranges.extend([(first, first), ('-', '-')]);
                    return Some(Part::Set { ranges, is_negated });
                }
                '\\' => last = characters.next()?,
                end => last = end,
            }
        }
        ranges.push((first, last));
    }
}

/// Whether the parts match the whole text. The run time is at most proportional to the product of both lengths.
fn matches(parts: &[Part], text: &str) -> bool {
    // For each position in the pattern, whether the text so far can match up to it.
    let mut reached = vec![false; parts.len() + 1];
    let reach = |reached: &mut Vec<bool>, position: usize| {
        let mut position = position;
        loop {
            if let Some(slot) = reached.get_mut(position) {
                *slot = true;
            }
            // A star also matches the empty text.
            match parts.get(position) {
                Some(Part::Star | Part::Stars) => position += 1,
                _ => break,
            }
        }
    };
    reach(&mut reached, 0);
    for character in text.chars() {
        let mut next = vec![false; parts.len() + 1];
        for (position, part) in parts.iter().enumerate() {
            if !reached.get(position).copied().unwrap_or_default() {
                continue;
            }
            match part {
                Part::Stars => reach(&mut next, position),
                Part::Star if character != '/' => reach(&mut next, position),
                Part::Any if character != '/' => reach(&mut next, position + 1),
                Part::One(expected) if *expected == character => reach(&mut next, position + 1),
                Part::Set { ranges, is_negated } if character != '/' => {
                    let is_in = ranges.iter().any(|(first, last)| (*first..=*last).contains(&character));
                    if is_in != *is_negated {
                        reach(&mut next, position + 1);
                    }
                }
                Part::Star | Part::Any | Part::One(_) | Part::Set { .. } => {}
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_paths_and_directories() {
        for (pattern, path) in [
            ("*.md", "README.md"),
            ("docs/*", "docs/a"),
            ("docs", "docs/a/b"),
            ("docs/", "docs/a"),
            ("/docs", "docs/a"),
            ("**/*.go", "a/b/c.go"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[^a]x", "bx"),
            ("a\\*", "a*"),
            ("src/**", "src/a/b"),
            ("a*b*c", "axxbxxc"),
            ("README.md", "README.md"),
        ] {
            assert!(Glob::parse(pattern).unwrap().matches(path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("*.md", "docs/README.md"),
            ("docs/*", "docs/a/b"),
            ("doc", "docs/a"),
            ("a?c", "a/c"),
            ("[a-c]x", "dx"),
            ("[^a]x", "ax"),
            ("*", "a/b"),
        ] {
            assert!(!Glob::parse(pattern).unwrap().matches(path), "{pattern} {path}");
        }
        for pattern in ["", "/", "[a", "a\\"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }

    /// When this test fails after an upgrade of globset, this matcher may have lost its reason.
    #[test]
    fn globset_differs() {
        for (pattern, path, expected) in
            [("a**b", "a/b", true), ("**/*.md", "README.md", false), ("{a,b}", "{a,b}", true), ("{a,b}", "a", false)]
        {
            let theirs = globset::GlobBuilder::new(pattern).literal_separator(true).build().unwrap().compile_matcher();
            let ours = Glob::parse(pattern).unwrap();
            assert_eq!((ours.matches(path), theirs.is_match(path)), (expected, !expected), "{pattern} on {path}");
        }
    }

    #[test]
    fn matches_in_bounded_time_with_many_stars() {
        let pattern = "a*".repeat(200);
        assert!(!Glob::parse(&format!("{pattern}b")).unwrap().matches(&"a".repeat(4000)));
    }
}
