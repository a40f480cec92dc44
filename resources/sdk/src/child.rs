//! Child processes: argument vectors, never a shell; what they say is redacted; none outlives the verb.
//!
//! Each child leads a process group of its own. When the child has ended, when the verb is interrupted, when the child
//! shows no sign of life for too long, or when its future is dropped, the whole group is ended, so that what the child
//! has started goes with it.

mod again;
mod background;
mod service;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command as TokioCommand};
use tokio::time::{Instant, sleep, timeout};

pub use background::Background;
pub use service::Service;

use self::again::Again;
use crate::child_output::{Activity, Shown, capture, relay};
use crate::console::Console;
use crate::error::{Advise as _, Interrupted, Result, Silent};
use crate::interrupt::Interrupt;

/// How long a child has to end after SIGTERM before it gets SIGKILL, when it is not needed any more.
const GRACE: Duration = Duration::from_secs(5);

/// The same after a signal to the verb, which has two seconds itself.
const INTERRUPTED_GRACE: Duration = Duration::from_secs(1);

/// How long the output of a child that has ended is waited for: something that it left behind may hold the pipe open.
const DRAIN: Duration = Duration::from_secs(2);

/// Where programs are looked for when no `PATH` says so: images of ours have some in `/usr/local/bin`, which is not among the
/// places that the C library thinks of.
const PLACES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A child process to be. Made by [`crate::Context::command`].
#[derive(Debug)]
pub struct Command {
    program: OsString,
    label: String,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    reply: Vec<u8>,
    stderr: Shown,
    relay_stdout: bool,
    shows_all: bool,
    silence_limit: Option<(Duration, String)>,
    sets_right: bool,
    again: Option<Again>,
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
            reply: Vec::new(),
            stderr: Shown::Lines,
            relay_stdout: false,
            shows_all: false,
            silence_limit: None,
            sets_right: false,
            again: None,
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

    /// What the child reads after it has answered the input: it is written when the first of the child's standard
    /// output has come. For protocols in which one side waits for the other.
    #[must_use]
    pub fn reply(mut self, reply: impl Into<Vec<u8>>) -> Self {
        self.reply = reply.into();
        self
    }

    /// Shows of the child's standard error only how far it is, every few seconds, and the lines that begin with
    /// `prefix` when there is one.
    #[must_use]
    pub fn progress(mut self, prefix: Option<&'static str>) -> Self {
        self.stderr = Shown::Progress(prefix);
        self
    }

    /// Shows nothing of the child's standard error. Its end is still in the error when the child fails.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.stderr = Shown::Nothing;
        self
    }

    /// Shows the child's standard output to people, line by line, instead of capturing it.
    #[must_use]
    pub fn relay_stdout(mut self) -> Self {
        self.relay_stdout = true;
        self
    }

    /// Shows every line of the child's standard error, whatever else is said of it: for a type's debug mode.
    #[must_use]
    pub fn show_all(mut self) -> Self {
        self.shows_all = true;
        self
    }

    /// Ends the child when it has written nothing for this long. The error carries `hint`, which says what sets the
    /// limit.
    #[must_use]
    pub fn silence_limit(mut self, limit: Duration, hint: impl Into<String>) -> Self {
        self.silence_limit = Some((limit, hint.into()));
        self
    }

    /// Says that the child sets something right when it is ended, such as a lock on a server. It has five seconds for that instead of
    /// one, and the verb ends within eight seconds of a signal instead of two, from when it runs on.
    #[must_use]
    pub fn sets_right_when_ended(mut self) -> Self {
        self.sets_right = true;
        self
    }

    /// How long the child has to end now.
    fn grace(&self) -> Duration {
        if self.sets_right || self.interrupt.received().is_none() { GRACE } else { INTERRUPTED_GRACE }
    }

    /// Runs the child to its end. A child that fails is no error here: see [`Finished::success`].
    pub async fn run(self) -> Result<Finished> {
        let mut runs = 0;
        if self.sets_right {
            self.interrupt.allow_setting_right();
        }
        loop {
            let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
            let child = self.spawn(stdin)?;
            let finished = Running::new(child).finish(&self).await?;
            runs += 1;
            let pause = self.again.as_ref().and_then(|Again(again)| again(&finished, runs));
            let Some(pause) = pause else { return Ok(finished) };
            self.interrupt.sleep(pause).await?;
        }
    }

    fn spawn(&self, stdin: Stdio) -> Result<Child> {
        self.spawn_with(stdin, Stdio::piped(), Stdio::piped())
    }

    fn spawn_with(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<Child> {
        if let Some(interrupted) = self.interrupt.received() {
            return Err(interrupted.into());
        }
        let mut command = TokioCommand::new(&self.program);
        command.args(&self.arguments).stdin(stdin).stdout(stdout).stderr(stderr).process_group(0).kill_on_drop(true);
        if std::env::var_os("PATH").is_none_or(|path| path.is_empty()) {
            command.env("PATH", PLACES);
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.spawn().map_err(|error| self.not_started(error))
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

/// The lines that tell why: the last few, without progress, and without advice for who sits at the program itself.
fn last_words(stderr: &str) -> String {
    let is_noise = |line: &str| {
        let begins = ["hint:", "Total ", "Delta compression "].iter().any(|word| line.starts_with(word));
        begins || line.contains("% (") || line.ends_with("done.")
    };
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !is_noise(line)).collect();
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
                    // A child that does not read to the end closes the pipe; whether that is a failure, it says itself.
                    let _ = stdin.write_all(&command.input).await;
                    if !command.reply.is_empty() {
                        activity.answered().await;
                        let _ = stdin.write_all(&command.reply).await;
                    }
                }
                Ok(())
            };
            let console = &command.console;
            let stderr_shown = if command.shows_all { Shown::Lines } else { command.stderr };
            let mut unused = String::new();
            let out = async {
                match stdout {
                    Some(pipe) if command.relay_stdout => {
                        relay(pipe, console, Shown::Lines, &mut unused, &activity).await
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
            // Whatever is in the pipes is read; what a left-behind process may still write is not waited for.
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
                error = silence(&activity, command) => Ended::Silent(error),
            };
            let grace = command.grace();
            let deadline = Instant::now() + grace;
            if !matches!(ended, Ended::ByItself(_)) {
                if let Some(group) = self.group {
                    let _ = kill_process_group(group, Signal::TERM);
                }
                // A child that sets things right before it ends has something to say about it, and would be killed by
                // saying it to nobody: its pipes are read to the end.
                let _ = timeout(grace, work).await;
            }
            (ended, deadline)
        };
        match ended {
            Ended::ByItself(status) => {
                let status = status.with_context(|| format!("`{}` went wrong", command.label))?;
                if self.group.is_some_and(group_exists) {
                    self.terminate(command.grace()).await;
                }
                self.group = None;
                Ok(Finished { label: command.label.clone(), status, stdout: captured, stderr: tail })
            }
            Ended::Interrupted(interrupted) => {
                self.kill(deadline).await;
                Err(crate::Error::new(interrupted).context(format!("`{}` did not finish", command.label)))
            }
            Ended::Silent(error) => {
                self.kill(deadline).await;
                Err(error)
            }
        }
    }

    /// Ends the group: SIGTERM, and SIGKILL for what is left of it after the grace.
    async fn terminate(&mut self, grace: Duration) {
        let Some(group) = self.group else { return };
        let deadline = Instant::now() + grace;
        let _ = kill_process_group(group, Signal::TERM);
        let _ = timeout(grace, self.child.wait()).await;
        self.kill(deadline).await;
    }

    /// Waits for what is left of the group, and ends it at the deadline.
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

/// Whether any process of the group is left, called when its leader is gone. Members whose parent is gone are this
/// process's to reap when it runs as the first process of a container.
fn group_exists(group: Pid) -> bool {
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    test_kill_process_group(group).is_ok()
}

/// Returns, with the error that says so, when the child has been silent for too long.
async fn silence(activity: &Activity, command: &Command) -> crate::Error {
    let Some((limit, hint)) = &command.silence_limit else { return std::future::pending().await };
    activity.silence(*limit).await;
    crate::Error::new(Silent { label: command.label.clone(), seconds: limit.as_secs() }).hint(hint)
}

enum Ended {
    ByItself(Result<ExitStatus>),
    Interrupted(Interrupted),
    Silent(crate::Error),
}
