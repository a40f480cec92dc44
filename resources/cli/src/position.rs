//! Positions in a file, and findings at them.

use std::fmt;

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The pipeline does not work.
    Problem,
    /// The pipeline works, but perhaps not as its author intended.
    Warning,
}

/// A message about a position in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) position: Position,
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn problem(position: Position, message: impl Into<String>) -> Self {
        Self { position, severity: Severity::Problem, message: message.into() }
    }

    pub(crate) fn warning(position: Position, message: impl Into<String>) -> Self {
        Self { position, severity: Severity::Warning, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.severity {
            Severity::Problem => write!(formatter, "{}: {}", self.position, self.message),
            Severity::Warning => write!(formatter, "{}: warning: {}", self.position, self.message),
        }
    }
}
