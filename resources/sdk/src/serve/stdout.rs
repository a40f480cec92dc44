//! Standard output, which carries only the response.

use std::fs::File;
use std::io::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use crate::error::Result;

/// Reserves standard output for the response. While this exists, the output of children and libraries on descriptor 1 goes to
/// standard error.
pub(super) struct StdoutGuard {
    stdout: File,
}

impl StdoutGuard {
    /// Redirects descriptor 1 to standard error.
    pub(super) fn take() -> Result<Self> {
        let set_aside = || {
            let stdout = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3)?;
            rustix::stdio::dup2_stdout(std::io::stderr())?;
            Ok::<_, rustix::io::Errno>(stdout)
        };
        let stdout = set_aside().context("cannot redirect standard output")?;
        Ok(Self { stdout: File::from(stdout) })
    }

    /// Writes the response to the real standard output.
    pub(super) fn write(&mut self, answer: &Value) -> Result<()> {
        let mut text = answer.to_string();
        text.push('\n');
        self.stdout.write_all(text.as_bytes()).context("cannot write the response to standard output")
    }
}

impl Drop for StdoutGuard {
    /// Restores standard output, for a program that serves several requests.
    fn drop(&mut self) {
        // Text without a line break is still in the library's buffer. It belongs to standard error, before the response.
        let _ = std::io::stdout().flush();
        let _ = rustix::stdio::dup2_stdout(&self.stdout);
    }
}
