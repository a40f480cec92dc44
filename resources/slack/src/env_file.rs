//! Parses `env_file`: lines of `NAME=value`.
//!
//! The established resource lets a shell source this file. This module parses it as text: it expands `$NAME` in values but never
//! executes anything.

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'t> {
    /// A variable.
    Variable {
        /// Its name.
        name: &'t str,
        /// Its value, unquoted.
        value: &'t str,
        /// Whether to expand variables in the value; false for single quotes.
        expands: bool,
    },
    /// A line with another syntax, and its number.
    Unknown(usize),
}

/// Parses the lines. Skips empty lines, comments and variables without a value.
pub(crate) fn read(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=').filter(|(name, _)| is_name(name)) else {
            return Some(Line::Unknown(index + 1));
        };
        let (value, expands) = unquoted(value);
        (!value.is_empty()).then_some(Line::Variable { name, value, expands })
    })
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Removes a pair of quotes around the value. Also returns whether to expand variables in it.
fn unquoted(value: &str) -> (&str, bool) {
    let between = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    match (between('"'), between('\'')) {
        (Some(value), _) => (value, true),
        (_, Some(value)) => (value, false),
        _ => (value, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable<'t>(name: &'t str, value: &'t str) -> Line<'t> {
        Line::Variable { name, value, expands: true }
    }

    #[test]
    fn values_are_not_truncated() {
        let text = "# comment\n\nA=one two\nexport B=\"q d\"\n C=x=y # z\nD=\nE='$A'\nF=\"\nG=`id` $(id) \"q\"\r\n";
        assert_eq!(
            read(text).collect::<Vec<_>>(),
            [
                variable("A", "one two"),
                variable("B", "q d"),
                variable("C", "x=y # z"),
                Line::Variable { name: "E", value: "$A", expands: false },
                variable("F", "\""),
                variable("G", "`id` $(id) \"q\""),
            ]
        );
    }

    #[test]
    fn reports_lines_that_are_not_variables() {
        let lines: Vec<_> = read("A=1\nrm -rf /\n1B=2\na-b=3\n").collect();
        assert_eq!(lines, [variable("A", "1"), Line::Unknown(2), Line::Unknown(3), Line::Unknown(4)]);
    }
}
