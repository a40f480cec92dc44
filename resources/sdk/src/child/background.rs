//! Children that run beside the verb's other work.

use std::process::Stdio;

use anyhow::{Context as _, anyhow};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdin;

use super::{Command, Running, last_words, silence};
use crate::child_output::Activity;
use crate::error::Result;

/// The most that is read of what a child says before it is ready, or that it cannot be, in bytes.
const FIRST_WORDS: u64 = 16 * 1024;

/// A child that runs until this is dropped, which ends it and all that it has started.
///
/// Its standard input stays open as long: a child that reads it knows by its end that this process is gone, even when that
/// was killed.
pub struct Background {
    _running: Running,
    _stdin: Option<ChildStdin>,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Command {
    /// Starts the child beside other work. It is ready when it writes to its standard output, which is waited for as long
    /// as its silence limit allows; one that ends first is an error that tells what it said. What it writes later is read
    /// by nobody.
    pub async fn start(self) -> Result<Background> {
        let mut running = Running::new(self.spawn(Stdio::piped())?);
        let stdin = running.child.stdin.take();
        let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
        let ready = async {
            let mut first = [0; 64];
            let length = match stdout {
                Some(mut stdout) => stdout.read(&mut first).await.context("cannot read a child's output")?,
                None => 0,
            };
            if length > 0 {
                return Ok(());
            }
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                stderr.take(FIRST_WORDS).read_to_end(&mut said).await.context("cannot read a child's output")?;
            }
            let ended = format!("`{}` ended before it was ready", self.label);
            let said = last_words(&String::from_utf8_lossy(&said));
            Err(if said.is_empty() { anyhow!(ended) } else { anyhow!(said).context(ended) })
        };
        let activity = Activity::default();
        let outcome = tokio::select! {
            ready = ready => ready,
            interrupted = self.interrupt.wait() => {
                Err(crate::Error::new(interrupted).context(format!("`{}` did not start", self.label)))
            }
            error = silence(&activity, &self) => Err(error),
        };
        if let Err(error) = outcome {
            running.terminate().await;
            return Err(error);
        }
        Ok(Background { _running: running, _stdin: stdin })
    }
}
