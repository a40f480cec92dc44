//! Errors as people read them: what was tried, on what, one line of cause per level, and what to do.
//!
//! An error is an [`anyhow::Error`]: its context lines say what was tried, outermost first. Advice is data, added with
//! [`Advise::hint`], and printed on lines of its own after the causes.

use std::error::Error as StdError;
use std::fmt;

/// The error of every fallible function of a resource type.
pub type Error = anyhow::Error;

/// A result whose error is an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with advice. It stands in the chain for the error that it wraps.
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
    /// The wrapped error itself, so that its type is found in the chain. Its text, which is this one's, is shown once.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.error.as_ref())
    }
}

/// Adds advice to an error.
pub trait Advise {
    /// The same error, with a `hint:` line for the person who can do something about it.
    #[must_use]
    fn hint(self, hint: impl Into<String>) -> Self;
}

impl Advise for Error {
    fn hint(self, hint: impl Into<String>) -> Self {
        // Only the top of the chain: `downcast` alone would also find advice further down, and lose the contexts above.
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

/// The verb was ended by a signal, not by a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// The name of the signal, such as `SIGTERM`.
    pub signal: &'static str,
    /// Its number, as in `signal(7)`; the exit code is 128 more.
    pub number: u8,
}

impl Interrupted {
    /// Whether an error is only that a signal ended the verb.
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

/// A child process said nothing for so long that it was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// What the child is called.
    pub(crate) label: String,
    /// For how many seconds nothing came of it.
    pub(crate) seconds: u64,
}

impl Silent {
    /// Whether an error is only that a child said nothing: what waited for it would wait as long again.
    pub fn caused(error: &Error) -> bool {
        error.chain().any(<dyn StdError>::is::<Self>)
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` showed no sign of life for {} s, and was ended", self.label, self.seconds)
    }
}

impl StdError for Silent {}

/// The lines of an error: what failed, then each cause once, then the hints of every level.
///
/// A cause that only says again what the line above it ends with is left out.
pub fn lines(error: &Error) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        if let Some(advised) = cause.downcast_ref::<Advised>() {
            // The wrapped error stands for itself, so hints that it carries further down belong to it too.
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

/// One line (or paragraph) of an error report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// What failed.
    Failure(String),
    /// Why, one level down.
    Cause(String),
    /// What to do about it.
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
    fn causes_come_in_order_and_hints_come_last() {
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
    fn a_cause_is_not_said_twice() {
        let inner: Result<(), _> = Err(anyhow!("no such file"));
        let error = inner.context("cannot read `x`: no such file").unwrap_err();
        assert_eq!(lines(&error), [Line::Failure("cannot read `x`: no such file".into())]);
    }

    #[test]
    fn the_type_of_an_error_is_found_below_the_advice_on_it() {
        let error = Error::new(Interrupted { signal: "SIGTERM", number: 15 }).hint("wait").hint("or do not");
        assert!(error.chain().any(<dyn StdError>::is::<Interrupted>));
        assert_eq!(lines(&error).len(), 3);
    }

    #[test]
    fn an_interruption_is_found_below_contexts_and_hints() {
        let error = Error::new(Interrupted { signal: "SIGTERM", number: 15 }).context("cannot clone").hint("wait");
        assert!(error.chain().any(<dyn StdError>::is::<Interrupted>));
    }
}
