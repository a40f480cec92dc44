//! A child that has ended, and its error if it failed.

use std::process::ExitStatus;

use anyhow::anyhow;

use crate::error::{Error, Result};

/// A child that has ended.
#[derive(Debug)]
pub struct Finished {
    pub(super) label: String,
    pub(super) status: ExitStatus,
    /// Its standard output. Empty if that was relayed.
    pub stdout: Vec<u8>,
    /// The end of its standard error. It is not redacted and must not be shown.
    pub stderr: String,
}

impl Finished {
    /// Whether it ended with exit code 0.
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// The exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text, without white space at its end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Returns itself if the child succeeded, or else [`Self::failure`].
    pub fn success(self) -> Result<Self> {
        if self.is_success() { Ok(self) } else { Err(self.failure()) }
    }

    /// The error with the exit code and the last lines of standard error.
    pub fn failure(&self) -> Error {
        let ended = match self.status.code() {
            Some(code) => format!("`{}` ended with exit code {code}", self.label),
            None => format!("`{}` was ended by a signal ({})", self.label, self.status),
        };
        let messages = last_lines(&self.stderr);
        if messages.is_empty() { anyhow!(ended) } else { anyhow!(messages).context(ended) }
    }
}

/// The last lines of standard error, without progress lines and without git's hints, which do not apply to a pipeline.
pub(super) fn last_lines(stderr: &str) -> String {
    let is_noise = |line: &str| {
        let begins = ["hint:", "Total ", "Delta compression "].iter().any(|word| line.starts_with(word));
        begins || line.contains("% (") || line.ends_with("done.")
    };
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !is_noise(line)).collect();
    let skipped = lines.len().saturating_sub(8);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}
