//! Runs a child to its end, and ends its process group.

use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::command::{Command, RetryRule};
use super::finished::Finished;
use super::output::{Activity, ShownOutput, capture, relay};
use crate::error::{Advise as _, Error, Interrupted, Result, SilentChild};

/// How long to wait for the output of a child that has ended: a process that it left behind may keep the pipe open.
const DRAIN: Duration = Duration::from_secs(2);

impl Command {
    /// Runs the child to its end. A failing exit code is not an error here: see [`Finished::success`].
    pub async fn run(self) -> Result<Finished> {
        let mut runs = 0;
        if self.cleans_up {
            self.interrupt.extend_for_cleanup();
        }
        loop {
            let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
            let child = self.spawn(stdin)?;
            let finished = Running::new(child).finish(&self).await?;
            runs += 1;
            let pause = self.retry_rule.as_ref().and_then(|RetryRule(next_pause)| next_pause(&finished, runs));
            let Some(pause) = pause else { return Ok(finished) };
            self.interrupt.sleep(pause).await?;
        }
    }
}

/// A running child. Dropping it kills its process group.
pub(super) struct Running {
    pub(super) child: Child,
    group: Option<Pid>,
}

impl Running {
    pub(super) fn new(child: Child) -> Self {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, group }
    }

    async fn finish(mut self, command: &Command) -> Result<Finished> {
        let activity = Activity::default();
        let stdin = self.child.stdin.take();
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take();
        let mut captured = Vec::new();
        let mut tail = String::new();

        let talk = async {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A child may close the pipe before it has read everything. Its exit code shows whether that is a
                    // failure.
                    let _ = stdin.write_all(&command.input).await;
                    if !command.reply.is_empty() {
                        activity.first_output().await;
                        let _ = stdin.write_all(&command.reply).await;
                    }
                }
                Ok(())
            };
            let console = &command.console;
            let stderr_shown = if command.shows_all { ShownOutput::Lines } else { command.stderr };
            let mut unused = String::new();
            let out = async {
                match stdout {
                    Some(pipe) if command.relay_stdout => {
                        relay(pipe, console, ShownOutput::Lines, &mut unused, &activity).await
                    }
                    Some(pipe) => capture(pipe, &mut captured, &activity).await,
                    None => Ok(()),
                }
            };
            let err = async {
                match stderr {
                    Some(pipe) => relay(pipe, console, stderr_shown, &mut tail, &activity).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(feed, out, err).map(|_| ())
        };

        let child = &mut self.child;
        let work = async {
            tokio::pin!(talk);
            let status = tokio::select! {
                status = child.wait() => status.context("cannot wait for a child process")?,
                talked = &mut talk => {
                    talked?;
                    return child.wait().await.context("cannot wait for a child process");
                }
            };
            // Read the pending output, but do not wait for background processes of the child that keep the pipes open.
            if let Ok(talked) = timeout(DRAIN, talk).await {
                talked?;
            }
            Ok(status)
        };

        let (ended, deadline) = {
            let mut work = pin!(work);
            let ended = tokio::select! {
                status = &mut work => Ended::ByItself(status),
                interrupted = command.interrupt.wait() => Ended::Interrupted(interrupted),
                error = silence_error(&activity, command) => Ended::Silent(error),
            };
            let grace = command.grace();
            let deadline = Instant::now() + grace;
            if !matches!(ended, Ended::ByItself(_)) {
                if let Some(group) = self.group {
                    let _ = kill_process_group(group, Signal::TERM);
                }
                // Read the pipes to their end: a child that cleans up may write to them, and a closed pipe would kill it.
                let _ = timeout(grace, work).await;
            }
            (ended, deadline)
        };
        match ended {
            Ended::ByItself(status) => {
                let status = status.with_context(|| format!("cannot finish `{}`", command.label))?;
                if self.group.is_some_and(group_exists) {
                    self.terminate(command.grace()).await;
                }
                self.group = None;
                Ok(Finished { label: command.label.clone(), status, stdout: captured, stderr: tail })
            }
            Ended::Interrupted(interrupted) => {
                self.kill(deadline).await;
                Err(Error::new(interrupted).context(format!("`{}` did not finish", command.label)))
            }
            Ended::Silent(error) => {
                self.kill(deadline).await;
                Err(error)
            }
        }
    }

    /// Terminates the group: sends SIGTERM, then SIGKILL to the processes that are still running after `grace`.
    pub(super) async fn terminate(&mut self, grace: Duration) {
        let Some(group) = self.group else { return };
        let deadline = Instant::now() + grace;
        let _ = kill_process_group(group, Signal::TERM);
        let _ = timeout(grace, self.child.wait()).await;
        self.kill(deadline).await;
    }

    /// Waits for the group to end, and sends SIGKILL to it at the deadline.
    async fn kill(&mut self, deadline: Instant) {
        let Some(group) = self.group.take() else { return };
        while group_exists(group) && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = timeout(DRAIN, self.child.wait()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Whether any process of the group is left after its leader has ended. As the first process of a container, this process must
/// reap the members that have lost their parent.
fn group_exists(group: Pid) -> bool {
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    test_kill_process_group(group).is_ok()
}

/// Returns an error once the child has been silent for too long.
pub(super) async fn silence_error(activity: &Activity, command: &Command) -> Error {
    let Some((limit, hint)) = &command.silence_limit else { return std::future::pending().await };
    activity.silence(*limit).await;
    Error::new(SilentChild { label: command.label.clone(), seconds: limit.as_secs() }).hint(hint)
}

/// Why a child ended.
enum Ended {
    ByItself(Result<ExitStatus>),
    Interrupted(Interrupted),
    Silent(Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildMetadata, Colour, Console, Context, Redactor};

    #[tokio::test]
    async fn retries_a_child_while_the_rule_returns_a_pause() {
        let directory = tempfile::tempdir().unwrap();
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        let context = Context::new(BuildMetadata::default(), console, directory.path().to_owned());
        let command =
            context.command("sh").args(["-c", "echo run >>file; cat file; exit 3"]).directory(directory.path());
        let again = |finished: &Finished, runs: u32| {
            (finished.code() == Some(3) && runs < 3).then_some(Duration::from_millis(1))
        };
        let finished = command.retry(again).run().await.unwrap();
        assert_eq!((finished.code(), finished.text().as_str()), (Some(3), "run\nrun\nrun"));
    }
}
