//! Children that serve requests while the verb works: a daemon, a tunnel.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, anyhow};

use super::command::Command;
use super::running::Running;
use crate::error::{Error, Result};

/// The length of the end of a service's log that is read for its last lines, in bytes.
const TAIL: u64 = 16 * 1024;

/// A child that serves requests. Dropping this kills its process group; [`Service::stop`] lets it clean up.
///
/// Unlike a [`super::Background`] it may write any amount of output, which goes to a log file. The caller detects by its own
/// requests that the service is ready, and finds the reason of a failure in the log.
pub struct Service {
    running: Running,
    command: Command,
    log: PathBuf,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Service").field("label", &self.command.label).finish_non_exhaustive()
    }
}

impl Command {
    /// Starts the child in the background. All its output goes to the file `log`, which is truncated first; its standard input
    /// is empty.
    pub fn serve(self, log: &Path) -> Result<Service> {
        let open = || {
            let file = File::create(log)?;
            Ok::<_, io::Error>((file.try_clone()?, file))
        };
        let (out, err) = open().with_context(|| format!("cannot write `{}`", log.display()))?;
        let child = self.spawn_with(Stdio::null(), out.into(), err.into())?;
        Ok(Service { running: Running::new(child), command: self, log: log.to_owned() })
    }
}

impl Service {
    /// Returns an error that says how the service ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<Error> {
        let status = self.running.child.try_wait().ok()??;
        let label = &self.command.label;
        Some(match status.code() {
            Some(code) => anyhow!("`{label}` ended with exit code {code}"),
            None => anyhow!("`{label}` was ended by a signal ({status})"),
        })
    }

    /// The last `lines` lines of the service's log. They are not redacted.
    pub fn log_tail(&self, lines: usize) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let skipped = all.len().saturating_sub(lines);
        all.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    /// Terminates the service's process group: sends SIGTERM, then SIGKILL to the processes that are still running after five
    /// seconds (one second if the verb was interrupted).
    pub async fn stop(mut self) {
        self.running.terminate(self.command.grace()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{BuildMetadata, Colour, Console, Context, Redactor};

    fn shell(script: &str, log: &Path) -> Service {
        let console = Console::new(io::sink(), Redactor::default(), Colour::Never);
        let context = Context::new(BuildMetadata::default(), console, std::env::temp_dir());
        context.command("sh").args(["-c", script]).serve(log).unwrap()
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not come to that");
    }

    #[tokio::test]
    async fn keeps_the_last_output_of_a_service() {
        let directory = tempfile::tempdir().unwrap();
        let mut service = shell("echo one; echo two >&2; echo; echo three; exit 4", &directory.path().join("log"));
        until(|| service.ended().is_some()).await;
        assert_eq!(service.ended().unwrap().to_string(), "`sh` ended with exit code 4");
        assert_eq!(service.log_tail(2), "two\nthree");
    }

    #[tokio::test]
    async fn stopped_service_may_clean_up() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let service = shell("trap 'echo cleaned; exit' TERM; echo ready; while :; do sleep 0.01; done", &log);
        until(|| service.log_tail(1) == "ready").await;
        service.stop().await;
        assert!(std::fs::read_to_string(log).unwrap().ends_with("cleaned\n"));
    }

    #[tokio::test]
    async fn reads_only_the_end_of_a_large_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut service = shell("seq 1 100000", &directory.path().join("log"));
        until(|| service.ended().is_some()).await;
        let last = service.log_tail(usize::MAX);
        assert!(last.ends_with("\n99999\n100000") && last.len() <= 16 * 1024, "{}", last.len());
    }
}
