//! Child processes: argument vectors, never a shell; what they say is redacted; none outlives the verb.
//!
//! Each child leads a process group of its own. When the verb is interrupted, when a child shows no sign of life for too
//! long, or when its future is dropped, the whole group is ended, so that what the child has started goes with it.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command as TokioCommand};
use tokio::time::{Instant, sleep, timeout};

use crate::console::Console;
use crate::error::{Advise as _, Interrupted, Result};
use crate::interrupt::Interrupt;

/// How long a child has to end after SIGTERM before it gets SIGKILL. Concourse gives the resource itself ten seconds.
const GRACE: Duration = Duration::from_secs(5);

/// How long the output of a child that has ended is waited for: something that it left behind may hold the pipe open.
const DRAIN: Duration = Duration::from_secs(2);

/// The least time between two shown states of a progress line (one that ends with a carriage return).
const PROGRESS_PAUSE: Duration = Duration::from_secs(5);

/// The most that is kept of a child's standard error for its error message, in bytes.
const TAIL: usize = 16 * 1024;

/// The longest line that is waited for before what is there is shown, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// The most that is captured of a child's standard output, in bytes.
const LARGEST_OUTPUT: usize = 256 * 1024 * 1024;

/// What becomes of a child's standard error. Its tail is kept for the error message in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stderr {
    Relayed,
    Quiet,
}

/// A child process to be. Made by [`crate::Context::command`].
#[derive(Debug)]
pub struct Command {
    program: OsString,
    label: String,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    stderr: Stderr,
    relay_stdout: bool,
    silence_limit: Option<Duration>,
    console: Console,
    interrupt: Interrupt,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>, console: Console, interrupt: Interrupt) -> Self {
        let program = program.as_ref().to_owned();
        Self {
            label: program.to_string_lossy().into_owned(),
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            input: Vec::new(),
            stderr: Stderr::Relayed,
            relay_stdout: false,
            silence_limit: None,
            console,
            interrupt,
        }
    }

    /// What errors call it: `git fetch` rather than `git`.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds an argument. A value from outside that could begin with `-` belongs behind a `--`.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable in the child's environment, which is this process's otherwise. Secrets do not belong there.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Takes a variable out of the child's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// The directory that the child works in.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// What the child reads on standard input; nothing when not given.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Shows nothing of the child's standard error. Its end is still in the error when the child fails.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.stderr = Stderr::Quiet;
        self
    }

    /// Shows the child's standard output to people, line by line, instead of capturing it.
    #[must_use]
    pub fn relay_stdout(mut self) -> Self {
        self.relay_stdout = true;
        self
    }

    /// Ends the child when it has written nothing for this long.
    #[must_use]
    pub fn silence_limit(mut self, limit: Duration) -> Self {
        self.silence_limit = Some(limit);
        self
    }

    /// Runs the child to its end. A child that fails is no error here: see [`Finished::success`].
    pub async fn run(self) -> Result<Finished> {
        if let Some(interrupted) = self.interrupt.received() {
            return Err(interrupted.into());
        }
        let mut command = TokioCommand::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let child = command.spawn().map_err(|error| self.not_started(error))?;
        Running::new(child).finish(self).await
    }

    fn not_started(&self, error: io::Error) -> crate::Error {
        let program = self.program.to_string_lossy();
        let missing = error.kind() == io::ErrorKind::NotFound;
        let error = crate::Error::new(error).context(format!("cannot run `{program}`"));
        if missing { error.hint(format!("is `{program}` installed and on PATH?")) } else { error }
    }
}

/// A child that has ended.
#[derive(Debug)]
pub struct Finished {
    label: String,
    status: ExitStatus,
    /// What it wrote on standard output, unless that was relayed.
    pub stdout: Vec<u8>,
    /// The end of what it wrote on standard error, as it wrote it: not redacted, not for people.
    pub stderr: String,
}

impl Finished {
    /// Whether it ended with exit code 0.
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// The exit code, `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text, without white space at its end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// The same, or an error that tells how the child ended and what it said last.
    pub fn success(self) -> Result<Self> {
        if self.is_success() { Ok(self) } else { Err(self.failure()) }
    }

    /// The error that tells how the child ended and what it said last.
    pub fn failure(&self) -> crate::Error {
        let ended = match self.status.code() {
            Some(code) => format!("`{}` ended with exit code {code}", self.label),
            None => format!("`{}` was ended by a signal ({})", self.label, self.status),
        };
        let said = last_words(&self.stderr);
        if said.is_empty() { anyhow!(ended) } else { anyhow!(said).context(ended) }
    }
}

/// The lines that tell why: the last few, without progress.
fn last_words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = |line: &&str| line.starts_with("fatal:") || line.starts_with("error:") || line.starts_with("remote:");
    let telling: Vec<&str> = lines.iter().copied().filter(fatal).collect();
    let lines = if telling.is_empty() { lines } else { telling };
    let skipped = lines.len().saturating_sub(8);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

/// A child that is running; dropping it ends it and all that it has started.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn new(child: Child) -> Self {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, group }
    }

    async fn finish(mut self, command: Command) -> Result<Finished> {
        let activity = Activity::default();
        let stdin = self.child.stdin.take();
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take();
        let mut captured = Vec::new();
        let mut tail = String::new();

        let talk = async {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A child that does not read to the end closes the pipe; whether that is a failure, it says itself.
                    let _ = stdin.write_all(&command.input).await;
                }
                Ok(())
            };
            let show_stdout = command.relay_stdout.then_some(&command.console);
            let show_stderr = (command.stderr == Stderr::Relayed).then_some(&command.console);
            let mut ignored = String::new();
            let out = async {
                match (stdout, show_stdout) {
                    (Some(pipe), None) => capture(pipe, &mut captured, &activity).await,
                    (Some(pipe), shown) => relay(pipe, shown, &mut ignored, &activity).await,
                    (None, _) => Ok(()),
                }
            };
            let err = async {
                match stderr {
                    Some(pipe) => relay(pipe, show_stderr, &mut tail, &activity).await,
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
            // Whatever is in the pipes is read; what a left-behind process may still write is not waited for.
            if let Ok(talked) = timeout(DRAIN, talk).await {
                talked?;
            }
            Ok(status)
        };

        let ended = tokio::select! {
            status = work => Ended::ByItself(status),
            interrupted = command.interrupt.wait() => Ended::Interrupted(interrupted),
            limit = activity.silence(command.silence_limit) => Ended::Silent(limit),
        };
        match ended {
            Ended::ByItself(status) => {
                let status = status.with_context(|| format!("`{}` went wrong", command.label));
                if status.is_ok() {
                    self.group = None;
                }
                Ok(Finished { label: command.label, status: status?, stdout: captured, stderr: tail })
            }
            Ended::Interrupted(interrupted) => {
                self.terminate().await;
                Err(crate::Error::new(interrupted).context(format!("`{}` did not finish", command.label)))
            }
            Ended::Silent(limit) => {
                self.terminate().await;
                let label = &command.label;
                Err(anyhow!("`{label}` showed no sign of life for {} s, and was ended", limit.as_secs()))
            }
        }
    }

    /// Ends the group: SIGTERM, and SIGKILL for what is left of it after the grace.
    async fn terminate(&mut self) {
        let Some(group) = self.group.take() else { return };
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        let _ = timeout(GRACE, self.child.wait()).await;
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

/// Whether any process of the group is left, called when its leader is gone. Members whose parent is gone are this
/// process's to reap when it runs as the first process of a container.
fn group_exists(group: Pid) -> bool {
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    test_kill_process_group(group).is_ok()
}

enum Ended {
    ByItself(Result<ExitStatus>),
    Interrupted(Interrupted),
    Silent(Duration),
}

/// When the child last wrote something.
struct Activity(Cell<Instant>);

impl Default for Activity {
    fn default() -> Self {
        Self(Cell::new(Instant::now()))
    }
}

impl Activity {
    fn seen(&self) {
        self.0.set(Instant::now());
    }

    /// Returns when nothing was seen for `limit`.
    async fn silence(&self, limit: Option<Duration>) -> Duration {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let quiet_until = self.0.get() + limit;
            if quiet_until <= Instant::now() {
                return limit;
            }
            tokio::time::sleep_until(quiet_until).await;
        }
    }
}

async fn capture(mut pipe: impl AsyncRead + Unpin, captured: &mut Vec<u8>, activity: &Activity) -> Result<()> {
    while pipe.read_buf(captured).await.context("cannot read a child's output")? > 0 {
        activity.seen();
        if captured.len() > LARGEST_OUTPUT {
            return Err(anyhow!("its output is larger than {} MiB", LARGEST_OUTPUT / 1024 / 1024));
        }
    }
    Ok(())
}

/// Passes lines on as they come. Of a progress line, which overwrites itself by carriage returns, a state is shown
/// every few seconds, and the last one.
async fn relay(
    mut pipe: impl AsyncRead + Unpin,
    console: Option<&Console>,
    tail: &mut String,
    activity: &Activity,
) -> Result<()> {
    let mut pending: Vec<u8> = Vec::new();
    let mut last_progress = Instant::now();
    loop {
        let ended = pipe.read_buf(&mut pending).await.context("cannot read a child's output")? == 0;
        activity.seen();
        while let Some(end) = pending.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let rest = pending.split_off(end + 1);
            let is_progress = pending.pop() == Some(b'\r') && rest.first() != Some(&b'\n');
            let line = String::from_utf8_lossy(&pending).into_owned();
            pending = rest;
            if !is_progress {
                show(&line, console, tail);
            } else if last_progress.elapsed() >= PROGRESS_PAUSE {
                last_progress = Instant::now();
                if let Some(console) = console {
                    console.relay(line.trim_end());
                }
            }
        }
        if pending.len() > LONGEST_LINE {
            show(&String::from_utf8_lossy(&std::mem::take(&mut pending)), console, tail);
        }
        if ended {
            if !pending.is_empty() {
                show(&String::from_utf8_lossy(&pending), console, tail);
            }
            return Ok(());
        }
    }
}

fn show(line: &str, console: Option<&Console>, tail: &mut String) {
    let line = line.trim_end();
    if line.is_empty() {
        return;
    }
    if let Some(console) = console {
        console.relay(line);
    }
    tail.push_str(line);
    tail.push('\n');
    if tail.len() > 2 * TAIL {
        let cut = (tail.len() - TAIL..tail.len()).find(|at| tail.is_char_boundary(*at)).unwrap_or_default();
        tail.drain(..cut);
    }
}
