//! The log output of a verb, filtered by `log_level`.

use std::fmt;

use jetway::Console;
use schemars::JsonSchema;
use serde::Deserialize;

/// The log level. Errors are always shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// An alias of `info`.
    Debug,
    /// Actions and warnings.
    #[default]
    Info,
    /// Warnings.
    Warn,
    /// No warnings.
    Error,
    /// An alias of `error`.
    Silent,
}

/// A console that drops messages below the log level.
#[derive(Debug, Clone, Copy)]
pub struct Log<'c> {
    console: &'c Console,
    level: LogLevel,
}

impl<'c> Log<'c> {
    /// The log of a console at a level.
    pub fn new(console: &'c Console, level: LogLevel) -> Self {
        Self { console, level }
    }

    /// Logs an action.
    pub fn step(self, text: impl fmt::Display) {
        if self.level <= LogLevel::Info {
            self.console.step(text);
        }
    }

    /// Logs a warning.
    pub fn warn(self, text: impl fmt::Display) {
        if self.level <= LogLevel::Warn {
            self.console.warn(text);
        }
    }
}
