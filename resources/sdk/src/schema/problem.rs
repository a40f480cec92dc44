//! The problems of a request, and how they are shown.

use std::fmt;

/// One problem of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the key or value: `source.branch`, `params.values[2]`.
    pub path: String,
    /// What is wrong. It never contains the value of a secret.
    pub message: String,
    /// How to fix it, if known.
    pub hint: Option<String>,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// Whether the request fails because of it.
    pub severity: Severity,
}

/// The kinds of problems that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// An unknown key that is close to a known one.
    MisspeltKey,
    /// An unknown key that is close to no known one.
    UnknownKey,
    /// A key of the established resource that this release does not support yet.
    UnsupportedKey,
    /// A known key in upper or mixed case. Its value is read.
    KeyInOtherCase,
    /// Any other problem.
    Invalid,
}

impl ProblemKind {
    /// Whether the problem is with a key and not with a value.
    pub fn is_of_key(self) -> bool {
        self != Self::Invalid
    }
}

/// Whether a problem fails the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The request fails.
    Error,
    /// The request is served and the problem is shown as a warning.
    Warning,
}

impl Problem {
    /// A problem with a value.
    pub(crate) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of_kind(ProblemKind::Invalid, path, message, None)
    }

    pub(crate) fn of_kind(
        kind: ProblemKind,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        Self { path: path.into(), message: message.into(), hint, kind, severity: Severity::Error }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`: {}", self.path, self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Collects the problems that [`crate::Parameters::validate`] finds in one value. Paths are relative to that value.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem with `key`: ``problems.add("uri", "must not begin with `-`")``.
    pub fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::invalid(key, message));
    }

    /// Adds a problem with `key`, and a hint that says what to do about it.
    pub fn add_with_hint(&mut self, key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem { hint: Some(hint.into()), ..Problem::invalid(key, message) });
    }

    /// The problems with absolute paths: each path is appended to `prefix`.
    pub(crate) fn below(self, prefix: &str) -> Vec<Problem> {
        let mut problems = self.0;
        for problem in &mut problems {
            problem.path = join_path(prefix, &problem.path);
        }
        problems
    }
}

/// Joins a path and a key to `a.b`. Either may be empty, and an index follows without a dot: `a[2]`.
pub(crate) fn join_path(prefix: &str, key: &str) -> String {
    match (prefix.is_empty(), key.is_empty() || key.starts_with('[')) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{prefix}{key}"),
        (false, false) => format!("{prefix}.{key}"),
    }
}
