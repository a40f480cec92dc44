//! Runs servers that are separate programs and need a port as an argument.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::process;

/// The maximum number of ports to try.
const MAX_ATTEMPTS: u32 = 5;

/// The time limit for a server to start listening.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server's process. Dropping it kills the whole process group.
pub struct Daemon(Child);

impl Daemon {
    /// Starts a program that needs no port.
    pub fn start(command: &mut Command) -> Self {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = silent.process_group(0).spawn();
        Self(child.unwrap_or_else(|error| panic!("start {command:?}: {error}")))
    }

    /// Starts a program on a free port and waits until it listens there. If another process takes the port first, it tries
    /// another port.
    pub fn listen(mut command: impl FnMut(u16) -> Command) -> (Self, u16) {
        for _ in 0..MAX_ATTEMPTS {
            let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
            let port = free.expect("find a free port").port();
            let mut daemon = Self::start(&mut command(port));
            let listens = process::wait_until(START_TIMEOUT, || {
                let ended = !matches!(daemon.0.try_wait(), Ok(None));
                (ended || TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(!ended)
            });
            if listens == Some(true) {
                return (daemon, port);
            }
        }
        panic!("{:?} does not listen", command(0))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The PID of a child that was reaped may belong to another process, so it is not killed.
        if matches!(self.0.try_wait(), Ok(None)) {
            // Kills the group at once: a server that survives for a moment would restart the workers that it lost.
            if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}
