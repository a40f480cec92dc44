//! A child process before its start: the program, its arguments, its environment, its input, and the visible part of
//! its output.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command as TokioCommand};

use super::finished::Finished;
use super::output::ShownOutput;
use crate::console::Console;
use crate::error::{Advise as _, Error, Result};
use crate::interrupt::Interrupt;

/// How long a child may take to end after SIGTERM, before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// How long a child has to end after a signal to the verb, which has two seconds in all.
const INTERRUPTED_GRACE: Duration = Duration::from_secs(1);

/// The `PATH` for a child if the environment has none. The C library's default lacks `/usr/local/bin`, where images have
/// programs.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the pause before the next run of a child, from how the child ended and how often it has run; `None` for no retry.
type NextPause = dyn Fn(&Finished, u32) -> Option<Duration>;

/// When a child is retried.
pub(super) struct RetryRule(pub(super) Box<NextPause>);

impl fmt::Debug for RetryRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RetryRule")
    }
}

/// A child process that has not started yet. [`crate::Context::command`] creates it.
#[derive(Debug)]
pub struct Command {
    pub(super) program: OsString,
    pub(super) label: String,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, Option<OsString>)>,
    pub(super) directory: Option<PathBuf>,
    pub(super) input: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) stderr: ShownOutput,
    pub(super) relay_stdout: bool,
    pub(super) shows_all: bool,
    pub(super) silence_limit: Option<(Duration, String)>,
    pub(super) cleans_up: bool,
    pub(super) retry_rule: Option<RetryRule>,
    pub(super) console: Console,
    pub(super) interrupt: Interrupt,
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
            stderr: ShownOutput::Lines,
            relay_stdout: false,
            shows_all: false,
            silence_limit: None,
            cleans_up: false,
            retry_rule: None,
            console,
            interrupt,
        }
    }

    /// Sets the name that errors show, such as `git fetch` instead of `git`.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds an argument. A value that could begin with `-` and comes from a pipeline or a server must follow a `--`.
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

    /// Sets a variable in the child's environment, which is a copy of this process's. It must not be a secret.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes a variable from the child's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets the child's working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets the child's standard input, which is empty by default.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets a second part of standard input, which is written after the child has begun to write to standard output. For
    /// protocols in which each side waits for the other.
    #[must_use]
    pub fn reply(mut self, reply: impl Into<Vec<u8>>) -> Self {
        self.reply = reply.into();
        self
    }

    /// Shows only the progress lines of the child's standard error, one every few seconds, and the lines that begin with
    /// `prefix`.
    #[must_use]
    pub fn progress(mut self, prefix: Option<&'static str>) -> Self {
        self.stderr = ShownOutput::Progress(prefix);
        self
    }

    /// Hides the child's standard error. Its last lines are still in the error if the child fails.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.stderr = ShownOutput::Nothing;
        self
    }

    /// Relays the child's standard output to the console, line by line, instead of capturing it.
    #[must_use]
    pub fn relay_stdout(mut self) -> Self {
        self.relay_stdout = true;
        self
    }

    /// Shows every line of the child's standard error. This overrides [`Self::progress`] and [`Self::quiet`], for a type's
    /// debug mode.
    #[must_use]
    pub fn show_all(mut self) -> Self {
        self.shows_all = true;
        self
    }

    /// Ends the child if it writes nothing for this long. The error has `hint`, which names the key that sets the limit.
    #[must_use]
    pub fn silence_limit(mut self, limit: Duration, hint: impl Into<String>) -> Self {
        self.silence_limit = Some((limit, hint.into()));
        self
    }

    /// Declares that the child cleans up when it is terminated, such as releasing a lock on a server. After a signal it has five
    /// seconds for that instead of one, and the verb ends within eight seconds instead of two.
    #[must_use]
    pub fn cleans_up_when_terminated(mut self) -> Self {
        self.cleans_up = true;
        self
    }

    /// Retries the child after the pause that `pause` returns, until it returns `None`. `pause` gets the outcome of the last run
    /// and the number of runs. It must limit the number of retries itself.
    #[must_use]
    pub fn retry(mut self, pause: impl Fn(&Finished, u32) -> Option<Duration> + 'static) -> Self {
        self.retry_rule = Some(RetryRule(Box::new(pause)));
        self
    }

    /// How long the child may take to end after SIGTERM, if it is sent now.
    pub(super) fn grace(&self) -> Duration {
        if self.cleans_up || self.interrupt.received().is_none() { GRACE } else { INTERRUPTED_GRACE }
    }

    pub(super) fn spawn(&self, stdin: Stdio) -> Result<Child> {
        self.spawn_with(stdin, Stdio::piped(), Stdio::piped())
    }

    pub(super) fn spawn_with(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<Child> {
        if let Some(interrupted) = self.interrupt.received() {
            return Err(interrupted.into());
        }
        let mut command = TokioCommand::new(&self.program);
        command.args(&self.arguments).stdin(stdin).stdout(stdout).stderr(stderr).process_group(0).kill_on_drop(true);
        if std::env::var_os("PATH").is_none_or(|path| path.is_empty()) {
            command.env("PATH", DEFAULT_PATH);
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

    fn not_started(&self, error: io::Error) -> Error {
        let program = self.program.to_string_lossy();
        let missing = error.kind() == io::ErrorKind::NotFound;
        let error = Error::new(error).context(format!("cannot run `{program}`"));
        if missing { error.hint(format!("is `{program}` installed and on PATH?")) } else { error }
    }
}
