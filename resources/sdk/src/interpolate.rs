//! Substitutes `$NAME` and `${NAME}` in text, without a shell.

/// How to treat variables without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownVariables {
    /// Keeps the variable unchanged.
    Keep,
    /// Removes the variable, as `envsubst` does.
    Remove,
}

/// The result of an interpolation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpolated {
    /// The text with its variables replaced.
    pub text: String,
    /// The names without a value, in order, for a warning.
    pub unknown: Vec<String>,
}

/// Replaces `$NAME` and `${NAME}`. NAME is a letter or `_`, followed by letters, digits and `_`.
///
/// There is one pass: a value that contains `$X` is not expanded again. Everything else, such as `$$`, `$1`, `${A:-b}` and a
/// lone `$`, stays unchanged. These are the rules of GNU `envsubst`.
pub fn interpolate<'v>(
    text: &str,
    lookup: impl Fn(&str) -> Option<&'v str>,
    unknown: UnknownVariables,
) -> Interpolated {
    let mut result = Interpolated { text: String::with_capacity(text.len()), unknown: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.text.push_str(before);
        let Some((name, reference, tail)) = reference(after) else {
            result.text.push('$');
            rest = after;
            continue;
        };
        if let Some(value) = lookup(name) {
            result.text.push_str(value);
        } else {
            result.unknown.push(name.to_owned());
            if unknown == UnknownVariables::Keep {
                result.text.push('$');
                result.text.push_str(reference);
            }
        }
        rest = tail;
    }
    result.text.push_str(rest);
    result
}

/// Splits the text after a `$` into the name, the reference as written, and the rest.
fn reference(after: &str) -> Option<(&str, &str, &str)> {
    let (open, inner) = match after.strip_prefix('{') {
        Some(inner) => (1, inner),
        None => (0, after),
    };
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, tail) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (close, tail) = match open {
        0 => (0, tail),
        _ => (1, tail.strip_prefix('}')?),
    };
    let reference = after.get(..open + name.len() + close)?;
    Some((name, reference, tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<&'static str> {
        match name {
            "BUILD_ID" => Some("42"),
            "TRICK" => Some("$BUILD_ID `id` $(id)"),
            _ => None,
        }
    }

    fn filled(text: &str) -> String {
        interpolate(text, lookup, UnknownVariables::Keep).text
    }

    #[test]
    fn expands_both_forms() {
        assert_eq!(filled("a $BUILD_ID-${BUILD_ID}b"), "a 42-42b");
    }

    #[test]
    fn inserts_values_verbatim() {
        assert_eq!(filled("$TRICK"), "$BUILD_ID `id` $(id)");
    }

    #[test]
    fn keeps_all_other_text() {
        for text in ["$", "$$", "$1", "${BUILD_ID:-x}", "${}", "${BUILD_ID", "$(id)", "cost: 5$ or $ 5", "ü$"] {
            assert_eq!(filled(text), text);
        }
    }

    #[test]
    fn keeps_or_empties_unknown_names_and_reports_them() {
        let stays = interpolate("x ${NOPE}$NOPE2 y", lookup, UnknownVariables::Keep);
        assert_eq!(stays.text, "x ${NOPE}$NOPE2 y");
        assert_eq!(stays.unknown, ["NOPE", "NOPE2"]);
        assert_eq!(interpolate("x ${NOPE} y", lookup, UnknownVariables::Remove).text, "x  y");
    }

    proptest! {
        #[test]
        fn never_changes_text_without_known_names(text in "\\PC*") {
            prop_assert_eq!(interpolate(&text, |_| None, UnknownVariables::Keep).text, text);
        }
    }
}
