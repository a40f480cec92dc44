//! Reads processes from the kernel: descendants, the cost of a run, and the processes that it started.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use wait4::Wait4 as _;

use crate::scratch;

/// A process that was running when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its PID.
    pub pid: u32,
    /// Its parent's PID.
    pub parent: u32,
    /// Its command line, with spaces between the arguments.
    pub command: String,
    /// Its start time in kernel ticks. Together with the PID it is unique.
    started: u64,
}

impl Process {
    /// Finds a running process by PID.
    pub fn find(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, which may contain any characters.
        let (_, fields) = status.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        if matches!(fields.first().copied()?, "Z" | "X") {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim_end().to_owned();
        Some(Self { pid, parent: fields.get(1)?.parse().ok()?, command, started: fields.get(19)?.parse().ok()? })
    }

    /// Whether this process still runs, and not another one with the same PID.
    pub fn is_alive(&self) -> bool {
        Self::find(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Kills the process if its PID was not reused.
    pub fn kill(&self) {
        if self.is_alive() {
            signal(self.pid, Signal::KILL);
        }
    }
}

/// All descendants of `pid`, parents before children.
pub fn descendants(pid: u32) -> Vec<Process> {
    let processes: Vec<Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Process::find)
        .collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for process in processes.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid);
            found.push(process.clone());
        }
    }
    found
}

/// Polls until `ready` returns a value, for at most `limit`.
pub fn wait_until<T>(limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return Some(value);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The cost of one run of a command.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The time from the start until the exit was seen.
    pub wall: Duration,
    /// The user and system time of the process and of all descendants that were reaped.
    pub cpu: Duration,
    /// The exit status.
    pub status: ExitStatus,
}

/// Runs a command to its end, with a file as its input and without its output, and measures its cost.
///
/// The kernel counts only this child, so other children of this process (such as servers) are not included.
pub fn cost(command: &mut Command, input: &Path) -> io::Result<Cost> {
    command.stdin(fs::File::open(input)?).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let used = command.spawn()?.wait4()?;
    let wall = start.elapsed();
    Ok(Cost { wall, cpu: used.rusage.utime + used.rusage.stime, status: used.status })
}

/// Resource usage of a run, other than time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// The number of processes that the whole tree started, without the first one.
    pub started: usize,
    /// The number of processes that the first process started itself.
    pub children: usize,
    /// The largest resident size of the first process alone, in bytes.
    pub peak_rss: u64,
}

/// Runs a command under `strace` and counts its processes. It does not measure time.
///
/// Each process is stopped just before it exits, because its high-water mark is final then and still readable. (`wait4` reports
/// the maximum of the whole tree, which for a resource is its `git`.)
pub fn footprint(command: &Command, input: &Path) -> io::Result<Footprint> {
    let directory = scratch::directory();
    let mut traced = Command::new("strace");
    traced
        .args(["-ff", "-qq", "-s", "0", "-e", "signal=none", "-e", "trace=clone,clone3,fork,vfork,exit_group"])
        .args(["-e", "inject=exit_group:delay_enter=20000", "-o"])
        .arg(directory.path().join("trace"))
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(current) = command.get_current_dir() {
        traced.current_dir(current);
    }
    // `Command::get_envs` returns only changes to our environment. Measured commands start from an empty one, as in tests.
    traced.env_clear();
    traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    traced.stdin(fs::File::open(input)?).stdout(Stdio::null()).stderr(Stdio::null());

    let mut strace = traced.spawn()?;
    let (mut first, mut peak_rss) = (None, 0);
    while strace.try_wait()?.is_none() {
        // strace first tests its own features on short-lived children. The command is the process that is traced.
        if first.is_none() {
            first = descendants(strace.id())
                .into_iter()
                .find(|process| directory.path().join(format!("trace.{}", process.pid)).exists())
                .map(|process| process.pid);
        }
        // The last value, not the largest: before exec, the process was a copy of strace.
        if let Some(figure) = first.and_then(high_water_mark) {
            peak_rss = figure;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let first = first.ok_or_else(|| io::Error::other("strace started nothing"))?;
    let (started, children) = count(directory.path(), first)?;
    Ok(Footprint { started, children, peak_rss })
}

fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Counts processes in the trace files. There is one file per thread.
fn count(directory: &Path, first: u32) -> io::Result<(usize, usize)> {
    let mut threads_of: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut processes_of: HashMap<u32, usize> = HashMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(creator) = path.extension().and_then(|pid| pid.to_str()?.parse().ok()) else { continue };
        for line in fs::read_to_string(&path)?.lines() {
            let creates = ["clone(", "clone3(", "fork(", "vfork("].iter().any(|call| line.starts_with(call));
            let Some(new) = line.rsplit_once("= ").and_then(|(_, result)| result.trim().parse::<u32>().ok()) else {
                continue;
            };
            if creates && line.contains("CLONE_THREAD") {
                threads_of.entry(creator).or_default().push(new);
            } else if creates {
                *processes_of.entry(creator).or_default() += 1;
            }
        }
    }
    let mut threads = vec![first];
    let mut children = 0;
    while let Some(thread) = threads.pop() {
        children += processes_of.get(&thread).copied().unwrap_or(0);
        threads.extend(threads_of.get(&thread).into_iter().flatten());
    }
    Ok((processes_of.values().sum(), children))
}
