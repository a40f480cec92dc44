//! Writes the output of a command to standard output.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;
use jetway::Result;

/// Writes `text` to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader (`head`, a pager) closed the pipe, which is not an error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("cannot write to standard output"),
    }
}
