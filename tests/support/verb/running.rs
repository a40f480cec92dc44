//! A verb that is running.

use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Container, Outcome, piped};
use crate::process::{self, Process};

/// How long output may stay open after the verb has exited. After that, another process is assumed to hold it.
const GRACE: Duration = Duration::from_secs(2);

/// A running verb. Dropping it without [`wait`](Self::wait) kills it and its descendants.
pub struct Running {
    child: Child,
    /// The container's name, if there is one.
    name: Option<String>,
    started: Instant,
    stdout: Stream,
    stderr: Stream,
    ended: Option<Ended>,
    directory: Option<PathBuf>,
    container: Container,
}

#[derive(Clone)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) elapsed: Duration,
    pub(super) held_open: bool,
}

/// Output that is read while the verb runs.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(
        mut command: Command,
        input: Vec<u8>,
        name: Option<String>,
        directory: Option<PathBuf>,
        container: Container,
    ) -> Self {
        let started = Instant::now();
        let mut child = piped(&mut command).spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let mut stdin = child.stdin.take().expect("a pipe");
        // A verb may exit before it reads all of its input, so a failed write is not an error.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = Stream::read(child.stdout.take().expect("a pipe"));
        let stderr = Stream::read(child.stderr.take().expect("a pipe"));
        Self { child, name, started, stdout, stderr, ended: None, directory, container }
    }

    /// Starts a command that runs this container, or runs in it.
    pub(crate) fn of_container(command: Command, input: Vec<u8>, name: &str) -> Self {
        Self::start(command, input, Some(name.to_owned()), None, Container::default())
    }

    /// Whether it has exited.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// The PID of the verb on this machine.
    pub fn pid(&self) -> u32 {
        let Some(name) = &self.name else { return self.child.id() };
        let pid = process::wait_until(Duration::from_secs(20), || {
            let output = docker(&["inspect", "--format", "{{.State.Pid}}", name])?;
            output.trim().parse().ok().filter(|pid| *pid != 0)
        });
        pid.unwrap_or_else(|| panic!("the container {name} did not start"))
    }

    /// The running descendants of the verb, parents first.
    pub fn children(&self) -> Vec<Process> {
        process::descendants(self.pid())
    }

    /// Waits for a child whose command line contains `part`.
    ///
    /// # Panics
    /// If none appears within twenty seconds, or the verb ends first.
    pub fn wait_for_child(&mut self, part: &str) -> Process {
        let found = process::wait_until(Duration::from_secs(20), || {
            self.children().into_iter().find(|process| process.command.contains(part))
        });
        found.unwrap_or_else(|| panic!("the verb started no `{part}`; it said:\n{}", self.stderr()))
    }

    /// Waits for a text on standard error.
    ///
    /// # Panics
    /// If it does not appear within twenty seconds.
    pub fn wait_for_stderr(&self, part: &str) {
        let found = process::wait_until(Duration::from_secs(20), || self.stderr().contains(part).then_some(()));
        assert!(found.is_some(), "the verb did not say `{part}`, but:\n{}", self.stderr());
    }

    /// The stderr output so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }

    /// Sends SIGTERM to the verb's process only, as Concourse does first to abort a step.
    pub fn terminate(&self) {
        process::signal(self.pid(), Signal::TERM);
    }

    /// Sends SIGINT, as a terminal does.
    pub fn interrupt(&self) {
        process::signal(self.pid(), Signal::INT);
    }

    /// Sends SIGKILL, as Concourse does ten seconds later.
    pub fn kill(&self) {
        process::signal(self.pid(), Signal::KILL);
    }

    /// Waits until the verb exits.
    ///
    /// # Panics
    /// If it does not exit within `limit`; the verb is killed then.
    pub fn wait(mut self, limit: Duration) -> Outcome {
        let status = process::wait_until(limit, || self.child.try_wait().expect("wait for the verb"));
        let elapsed = self.started.elapsed();
        let Some(status) = status else { panic!("the verb did not end within {limit:?}; it said:\n{}", self.stderr()) };
        let closed = process::wait_until(GRACE, || (self.stdout.is_closed() && self.stderr.is_closed()).then_some(()));
        let ended = Ended {
            status,
            stdout: self.stdout.so_far(),
            stderr: self.stderr.so_far(),
            elapsed,
            held_open: closed.is_none(),
        };
        self.ended = Some(ended.clone());
        Outcome::new(ended, self.directory.clone(), self.container.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_some() || matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        for process in process::descendants(self.child.id()) {
            process.kill();
        }
        if let Some(name) = &self.name {
            docker(&["rm", "--force", name]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn read(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let sink = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                sink.lock().expect("no reader panicked").extend_from_slice(&buffer[..length]);
            }
        });
        Self { bytes, reader }
    }

    fn is_closed(&self) -> bool {
        self.reader.is_finished()
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("no reader panicked").clone()
    }
}

fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
