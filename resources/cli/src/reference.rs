//! Parses `((vars))` in text: `((name))`, `((name.field))`, `((source:name))`, `(("quoted.name"))`, and the old form
//! `{{name}}`.

use std::fmt;

/// A parsed var.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The var source: `None` for an ordinary var, `.` for a local var of the build.
    pub(crate) source: Option<String>,
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
}

/// A piece of text: a var, or the literal text between vars.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Text(&'t str),
    Var { written: &'t str, name: &'t str, form: Form },
}

/// The syntax of a var.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `((name))`.
    Parentheses,
    /// `{{name}}`, from before Concourse 4.
    Braces,
}

/// Splits text into vars and the literal text between them.
///
/// Accepts the same syntax as Concourse: `(( name ))`, `((a b))` and `{{ .Values }}` are literal text.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut done = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((written, name, form)) = var_at_start(rest) {
            if let Some(before) = text.get(done..at).filter(|before| !before.is_empty()) {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Var { written, name, form });
            at += written.len();
            done = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    if let Some(rest) = text.get(done..).filter(|rest| !rest.is_empty()) {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Whether the text contains a var.
pub(crate) fn has_var(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Var { .. }))
}

/// Whether `{{name}}` is valid in the old syntax.
pub(crate) fn is_old_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

fn var_at_start(text: &str) -> Option<(&str, &str, Form)> {
    let (form, inner, close) = if let Some(inner) = text.strip_prefix("((") {
        (Form::Parentheses, inner, "))")
    } else {
        (Form::Braces, text.strip_prefix("{{")?, "}}")
    };
    let is_part = |c: char| match form {
        Form::Parentheses => c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | ':' | '@' | '"'),
        Form::Braces => c.is_alphanumeric() || matches!(c, '-' | '_'),
    };
    let end = inner.find(|c| !is_part(c))?;
    let (name, rest) = inner.split_at(end);
    let written = text.get(..text.len() - rest.len() + close.len())?;
    (!name.is_empty() && rest.starts_with(close)).then_some((written, name, form))
}

impl Reference {
    /// Parses the text between the parentheses; `Err` says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.matches('"').count().is_multiple_of(2) {
            return Err("it has an unclosed quote");
        }
        let (source, path) = match split_unquoted(text, ':') {
            Some((source, path)) => (Some(source.replace('"', "").trim().to_owned()), path),
            None => (None, text),
        };
        let mut segments = Vec::new();
        let mut rest = Some(path);
        while let Some(path) = rest {
            let (segment, next) = match split_unquoted(path, '.') {
                Some((segment, next)) => (segment, Some(next)),
                None => (path, None),
            };
            let segment = segment.trim().replace('"', "");
            if segment.trim_matches('/').is_empty() {
                return Err("it has an empty segment");
            }
            segments.push(segment);
            rest = next;
        }
        let mut segments = segments.into_iter();
        let name = segments.next().unwrap_or_default();
        Ok(Self { source: source.filter(|source| !source.is_empty()), name, fields: segments.collect() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(formatter, "{source}:")?;
        }
        for (index, segment) in std::iter::once(&self.name).chain(&self.fields).enumerate() {
            let dot = if index == 0 { "" } else { "." };
            let quote = if segment.contains(['.', ':']) { "\"" } else { "" };
            write!(formatter, "{dot}{quote}{segment}{quote}")?;
        }
        Ok(())
    }
}

fn split_unquoted(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut quoted = false;
    let found = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == separator && !quoted
    });
    let (at, _) = found?;
    Some((text.get(..at)?, text.get(at + separator.len_utf8()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        pieces(text)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Var { name, .. } => Some(name),
                Piece::Text(_) => None,
            })
            .collect()
    }

    #[test]
    fn finds_vars_like_concourse() {
        for (text, expected) in [
            ("((a))", vec!["a"]),
            ("x((a))y((b-c_d/e.f))", vec!["a", "b-c_d/e.f"]),
            ("(((a)))", vec!["a"]),
            ("((vault:a.b))", vec!["vault:a.b"]),
            ("((.:a))", vec![".:a"]),
            ("((\"a.b:c\".d))", vec!["\"a.b:c\".d"]),
            ("((ünï))", vec!["ünï"]),
            ("{{a}}-{{b_c}}", vec!["a", "b_c"]),
            ("(( a ))", vec![]),
            ("((a b))", vec![]),
            ("(())", vec![]),
            ("((a)", vec![]),
            ("$((1 + 2))", vec![]),
            ("{{ a }} {{.Values.a}} {{}}", vec![]),
            ("((a", vec![]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn parses_vars_like_concourse() {
        let parsed = |text: &str| {
            let Reference { source, name, fields } = Reference::parse(text).unwrap();
            format!("{} | {name} | {}", source.unwrap_or_default(), fields.join(" | "))
        };
        assert_eq!(parsed("a"), " | a | ");
        assert_eq!(parsed("a.b.c"), " | a | b | c");
        assert_eq!(parsed("vault:a.b"), "vault | a | b");
        assert_eq!(parsed(".:a"), ". | a | ");
        assert_eq!(parsed("\"a.b:c\".d"), " | a.b:c | d");
        assert_eq!(parsed("s:\"a.b\".\"c.d\""), "s | a.b | c.d");
        assert_eq!(Reference::parse("a..b"), Err("it has an empty segment"));
        assert_eq!(Reference::parse("a."), Err("it has an empty segment"));
        assert_eq!(Reference::parse("\"a"), Err("it has an unclosed quote"));
    }

    #[test]
    fn displays_valid_notation() {
        for text in ["a", "a.b", "vault:a.b", "\"a.b\".c", ".:a"] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
        }
    }
}
