//! Children that run in the background while the verb needs them.

use std::process::Stdio;

use anyhow::{Context as _, anyhow};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdin;

use super::command::Command;
use super::finished::last_lines;
use super::output::Activity;
use super::running::{Running, silence_error};
use crate::error::{Error, Result};

/// The maximum length of the error output of a child that does not become ready, in bytes.
const MAX_ERROR_OUTPUT: u64 = 16 * 1024;

/// A child that runs in the background. Dropping this kills its process group.
///
/// Its standard input stays open until then: a child that reads it can detect the end of this process, even if that was killed.
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
    /// Starts the child in the background and waits until it is ready, which it shows by writing to standard output. The
    /// silence limit bounds the wait. If the child ends first, the error has its last lines. Later output is discarded.
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
            let mut messages = Vec::new();
            if let Some(stderr) = stderr {
                stderr
                    .take(MAX_ERROR_OUTPUT)
                    .read_to_end(&mut messages)
                    .await
                    .context("cannot read a child's output")?;
            }
            let ended = format!("`{}` ended before it was ready", self.label);
            let messages = last_lines(&String::from_utf8_lossy(&messages));
            Err(if messages.is_empty() { anyhow!(ended) } else { anyhow!(messages).context(ended) })
        };
        let activity = Activity::default();
        let outcome = tokio::select! {
            ready = ready => ready,
            interrupted = self.interrupt.wait() => {
                Err(Error::new(interrupted).context(format!("`{}` did not start", self.label)))
            }
            error = silence_error(&activity, &self) => Err(error),
        };
        if let Err(error) = outcome {
            running.terminate(self.grace()).await;
            return Err(error);
        }
        Ok(Background { _running: running, _stdin: stdin })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{BuildMetadata, Colour, Console, Context, Redactor};

    fn shell(script: &str) -> Command {
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        let context = Context::new(BuildMetadata::default(), console, std::env::temp_dir());
        context.command("sh").args(["-c", script]).silence_limit(Duration::from_secs(20), "none")
    }

    #[tokio::test]
    async fn drop_ends_the_child() {
        let directory = tempfile::tempdir().unwrap();
        let pids = directory.path().join("pids");
        let script = format!("sleep 600 & echo $$ $! >'{}'; echo ready; wait", pids.display());
        let background = shell(&script).start().await.unwrap();
        let pids = std::fs::read_to_string(&pids).unwrap();
        let is_running = |pid: &str| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !status.is_empty() && !status.contains(") Z ")
        };
        assert!(pids.split_whitespace().all(is_running));
        drop(background);
        for _ in 0..500 {
            if !pids.split_whitespace().any(is_running) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("something is left running");
    }

    #[tokio::test]
    async fn reports_output_of_child_that_exits_before_it_is_ready() {
        let error = shell("echo no room >&2; exit 1").start().await.unwrap_err();
        assert_eq!(format!("{error:#}"), "`sh` ended before it was ready: no room");
    }

    #[tokio::test]
    async fn fails_when_child_is_never_ready() {
        let error = shell("sleep 600").silence_limit(Duration::from_millis(50), "none").start().await.unwrap_err();
        assert!(error.to_string().contains("wrote no output"), "{error}");
    }

    #[tokio::test]
    async fn fails_when_child_writes_errors_without_end() {
        let error = shell("exec >&-; while :; do echo no room >&2; done").start().await.unwrap_err();
        assert!(error.to_string().contains("ended before it was ready"), "{error}");
    }
}
