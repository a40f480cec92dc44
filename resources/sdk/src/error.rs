//! Errors: what failed, on what, one line for each cause, and hints.
//!
//! An error is an [`anyhow::Error`]: its contexts say what failed, outermost first. [`Advise::hint`] adds hints, which are shown
//! on separate lines after the causes.

use std::error::Error as StdError;
use std::fmt;

/// The error type of resource types.
pub type Error = anyhow::Error;

/// A result whose error is an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with hints. It replaces the error that it wraps in the chain.
struct Advised {
    error: Error,
    hints: Vec<String>,
}

impl fmt::Debug for Advised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, formatter)
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, formatter)
    }
}

impl StdError for Advised {
    /// The wrapped error, so that `downcast_ref` finds its type in the chain. Its text equals this one's and is shown only once.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.error.as_ref())
    }
}

/// Adds hints to an error.
pub trait Advise {
    /// Adds a `hint:` line that says what the user can do.
    #[must_use]
    fn hint(self, hint: impl Into<String>) -> Self;
}

impl Advise for Error {
    fn hint(self, hint: impl Into<String>) -> Self {
        // Only at the top of the chain: `downcast` would also find hints further down, and lose the contexts above.
        if !self.chain().next().is_some_and(<dyn StdError>::is::<Advised>) {
            return Self::new(Advised { error: self, hints: vec![hint.into()] });
        }
        match self.downcast::<Advised>() {
            Ok(mut advised) => {
                advised.hints.push(hint.into());
                Self::new(advised)
            }
            Err(error) => Self::new(Advised { error, hints: vec![hint.into()] }),
        }
    }
}

impl<T> Advise for Result<T> {
    fn hint(self, hint: impl Into<String>) -> Self {
        self.map_err(|error| error.hint(hint))
    }
}

/// The error of a verb that a signal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// The name of the signal, such as `SIGTERM`.
    pub signal: &'static str,
    /// The number of the signal, as in `signal(7)`. The exit code is 128 more.
    pub number: u8,
}

impl Interrupted {
    /// Whether a signal caused an error.
    pub fn caused(error: &Error) -> bool {
        error.chain().any(<dyn StdError>::is::<Self>)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "interrupted by {}", self.signal)
    }
}

impl StdError for Interrupted {}

/// The error of a child process that was stopped because it wrote no output for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentChild {
    /// The child's name in messages.
    pub(crate) label: String,
    /// The silence limit in seconds.
    pub(crate) seconds: u64,
}

impl SilentChild {
    /// Whether a silent child caused an error. A retry would probably wait as long again.
    pub fn caused(error: &Error) -> bool {
        error.chain().any(<dyn StdError>::is::<Self>)
    }
}

impl fmt::Display for SilentChild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` wrote no output for {} s and was stopped", self.label, self.seconds)
    }
}

impl StdError for SilentChild {}

/// Splits an error into its lines: what failed, then each cause, then the hints of all levels.
///
/// A cause is left out if the line above ends with the same text.
pub fn lines(error: &Error) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        if let Some(advised) = cause.downcast_ref::<Advised>() {
            // The chain continues with the wrapped error, so hints further down are found too.
            hints.extend(advised.hints.iter().cloned().map(Line::Hint));
        }
        let text = cause.to_string();
        if lines.last().is_none_or(|last| !last.text().ends_with(&text)) {
            lines.push(if lines.is_empty() { Line::Failure(text) } else { Line::Cause(text) });
        }
    }
    lines.extend(hints);
    lines
}

/// One line or paragraph of an error report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// What failed.
    Failure(String),
    /// A cause of the line before.
    Cause(String),
    /// What the user can do.
    Hint(String),
}

impl Line {
    /// The text without its label.
    pub fn text(&self) -> &str {
        match self {
            Self::Failure(text) | Self::Cause(text) | Self::Hint(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn lists_causes_in_order_and_hints_last() {
        let error = anyhow!("connection refused")
            .hint("is the server up?")
            .context("cannot reach `host`")
            .hint("check `uri`")
            .hint("or the proxy")
            .context("cannot fetch `main`");
        assert_eq!(
            lines(&error),
            [
                Line::Failure("cannot fetch `main`".into()),
                Line::Cause("cannot reach `host`".into()),
                Line::Cause("connection refused".into()),
                Line::Hint("check `uri`".into()),
                Line::Hint("or the proxy".into()),
                Line::Hint("is the server up?".into()),
            ]
        );
    }

    #[test]
    fn does_not_repeat_a_cause() {
        let inner: Result<(), _> = Err(anyhow!("no such file"));
        let error = inner.context("cannot read `x`: no such file").unwrap_err();
        assert_eq!(lines(&error), [Line::Failure("cannot read `x`: no such file".into())]);
    }

    #[test]
    fn finds_the_type_of_an_error_below_hints() {
        let error = Error::new(Interrupted { signal: "SIGTERM", number: 15 }).hint("wait").hint("or do not");
        assert!(error.chain().any(<dyn StdError>::is::<Interrupted>));
        assert_eq!(lines(&error).len(), 3);
    }

    #[test]
    fn finds_an_interruption_below_contexts_and_hints() {
        let error = Error::new(Interrupted { signal: "SIGTERM", number: 15 }).context("cannot clone").hint("wait");
        assert!(error.chain().any(<dyn StdError>::is::<Interrupted>));
    }
}
