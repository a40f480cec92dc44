//! Translates globs of `git tag --list` (wildmatch without `WM_PATHNAME`): `*` also matches `/`.
//!
//! It is a matcher of our own, since globset (0.4) has alternatives (`{a,b}`) and a meaning of its own for `**/`, which
//! git has not here.

use crate::pattern::character_set::{CharacterSet, class_name, literal, no_such_class};

/// Translates `glob` to a regular expression that matches a whole text.
pub(crate) fn expression(glob: &str) -> Result<String, String> {
    let mut expression = String::from(r"(?s)\A");
    let mut rest = glob;
    while let Some(character) = next(&mut rest) {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => expression.push_str(&set(&mut rest)?),
            '\\' => expression.push_str(&literal(next(&mut rest).ok_or("ends with a `\\` that escapes nothing")?)),
            other => expression.push_str(&literal(other)),
        }
    }
    expression.push_str(r"\z");
    Ok(expression)
}

/// The literal prefix of `glob`: every match begins with it.
pub(crate) fn literal_prefix(glob: &str) -> &str {
    glob.split(['*', '?', '[', '\\']).next().unwrap_or_default()
}

/// Parses a set after its `[`.
fn set(rest: &mut &str) -> Result<String, String> {
    const UNCLOSED: &str = "has a `[` without its `]`";
    let is_negated = rest.starts_with(['!', '^']);
    if is_negated {
        next(rest);
    }
    let mut set = CharacterSet::new(is_negated);
    let mut is_first = true;
    // The character before a `-`, which begins a range.
    let mut previous = None;
    loop {
        let character = next(rest).ok_or(UNCLOSED)?;
        match character {
            ']' if !is_first => return Ok(set.expression()),
            '-' if rest.starts_with(|next| next != ']')
                && let Some(first) = previous =>
            {
                let last = next(rest).ok_or(UNCLOSED)?;
                let last = if last == '\\' { next(rest).ok_or(UNCLOSED)? } else { last };
                set.add_range(first, last);
                previous = None;
            }
            '[' if rest.starts_with(':') && class_name(rest.get(1..).unwrap_or_default()).is_some() => {
                let (name, after) = class_name(rest.get(1..).unwrap_or_default()).unwrap_or_default();
                if !set.add_class(name) {
                    return Err(no_such_class(name));
                }
                *rest = after;
                previous = None;
            }
            _ => {
                let character = if character == '\\' { next(rest).ok_or(UNCLOSED)? } else { character };
                set.add(character);
                previous = Some(character);
            }
        }
        is_first = false;
    }
}

fn next(rest: &mut &str) -> Option<char> {
    let mut characters = rest.chars();
    let character = characters.next();
    *rest = characters.as_str();
    character
}
