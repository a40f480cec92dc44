//! Runs the counter in isolation: with an empty environment and its own temporary directory.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The program that is run.
pub(crate) const COUNTER: &str = env!("CARGO_BIN_EXE_counter");

/// The time limit of a run.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A run that has not started yet.
pub(crate) struct Run {
    command: Command,
    input: Vec<u8>,
    temporary: Option<TempDir>,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The files that it has left in its temporary directory.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// The counter, called with a sub-command.
pub(crate) fn counter(verb: &str) -> Run {
    called(Path::new(COUNTER)).arg(verb)
}

/// The counter, called by this path.
pub(crate) fn called(path: &Path) -> Run {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(path);
    command.env_clear().env("NO_COLOR", "1").env("TMPDIR", temporary.path()).env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Run { command, input: Vec::new(), temporary: Some(temporary) }
}

impl Run {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Shares a temporary directory with other runs.
    pub(crate) fn temporary(mut self, directory: &Path) -> Self {
        self.temporary = None;
        self.env("TMPDIR", directory)
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Sets these bytes as standard input.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets a request with this source as standard input.
    pub(crate) fn source(self, source: &Value) -> Self {
        self.input(serde_json::json!({ "source": source }).to_string())
    }

    /// Runs it to its end.
    pub(crate) fn outcome(self) -> Outcome {
        self.start().outcome()
    }

    /// Starts it, and leaves standard input open when there is nothing to read.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take();
        if !self.input.is_empty() {
            // A program that rejects a request before reading all of it closes the pipe.
            let _ = stdin.take().unwrap().write_all(&self.input);
        }
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stdin, stderr, messages: String::new(), temporary: self.temporary }
    }
}

/// A running process. It is killed if its test ends first.
pub(crate) struct Running {
    child: Child,
    stdin: Option<std::process::ChildStdin>,
    stderr: BufReader<std::process::ChildStderr>,
    messages: String,
    temporary: Option<TempDir>,
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for a line on standard error that begins with `beginning`, and returns the rest of the line.
    pub(crate) fn line(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "`{beginning}` is not in: {}", self.messages);
            self.messages.push_str(&line);
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// Waits until the process handles SIGTERM.
    pub(crate) fn listens(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        wait_until(|| {
            let status = fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Closes standard input, and waits for the end.
    pub(crate) fn outcome(mut self) -> Outcome {
        drop(self.stdin.take());
        self.ended()
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> Outcome {
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        self.stderr.read_to_string(&mut self.messages).unwrap();
        let code = self.child.wait().unwrap().code();
        let leftovers = self.temporary.as_ref().map_or_else(Vec::new, |directory| entries(directory.path()));
        Outcome { code, stdout, stderr: std::mem::take(&mut self.messages), leftovers }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    /// Asserts that the run succeeded, and returns the response.
    #[track_caller]
    pub(crate) fn response(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Asserts that the run failed without a response, and returns standard error.
    #[track_caller]
    pub(crate) fn failure(&self) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{}", self.stderr);
        assert_eq!(self.leftovers, Vec::<PathBuf>::new());
        &self.stderr
    }
}

/// The entries of a directory.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Waits until the condition is true.
#[track_caller]
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < TIME_LIMIT, "the condition stays false");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is running; a zombie is not.
pub(crate) fn is_alive(pid: &str) -> bool {
    let number = Pid::from_raw(pid.parse().unwrap()).unwrap();
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(number).is_ok() && !state.contains(") Z ")
}
