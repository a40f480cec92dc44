//! Running cases in turns, and medians.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jetway_tests::process::{self, Cost, Footprint};
use jetway_tests::verb::{Container, Verb};

/// One run of a case: a command that is ready to start, and its standard input.
pub(crate) struct Run {
    command: Command,
    input: PathBuf,
    /// The program of the established resource for the same verb, if `PEERS` has it.
    peer: Option<PathBuf>,
    /// The container of a verb, which is removed with the run.
    _container: Option<Container>,
}

impl Run {
    /// A run of a verb in its container.
    pub(crate) fn verb(verb: &Verb, input: impl Into<PathBuf>, container: Container) -> Self {
        let peers = std::env::var_os("PEERS").filter(|path| !path.is_empty()).map(PathBuf::from);
        let peer = peers.map(|peers| peers.join(verb.program())).filter(|program| program.exists());
        Self { command: verb.command(&container), input: input.into(), peer, _container: Some(container) }
    }

    /// A run of another command.
    pub(crate) fn raw(command: Command) -> Self {
        Self::with_input(command, "/dev/null")
    }

    /// A run of another command that reads a file.
    pub(crate) fn with_input(command: Command, input: impl Into<PathBuf>) -> Self {
        Self { command, input: input.into(), peer: None, _container: None }
    }

    /// The same run in a container that it uses for its files.
    pub(crate) fn in_container(self, container: Container) -> Self {
        Self { _container: Some(container), ..self }
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same run with the program of the established resource. It is started by its own path, beside which it may
    /// have other files.
    fn with_program(self, program: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap_or(Path::new("/")));
        Self { command, ..self }
    }

    /// Runs it, and measures its cost.
    pub(crate) fn cost(mut self) -> Cost {
        process::cost(&mut self.command, &self.input).expect("run a case")
    }
}

/// Something to measure. `prepare` makes a run ready, untimed: it empties the destination, or writes the commit to push.
pub(crate) struct Case<'a> {
    pub(crate) name: &'static str,
    /// The case that is its floor.
    pub(crate) floor: Option<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) succeeds: bool,
    pub(crate) prepare: Box<dyn FnMut() -> Run + 'a>,
}

/// What a case must not exceed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Wall time, as a multiple of the floor's.
    pub(crate) ratio: Option<f64>,
    /// CPU time of the whole tree of processes, as a multiple of the floor's.
    pub(crate) cpu_ratio: Option<f64>,
    /// CPU time of the whole tree of processes.
    pub(crate) cpu: Option<Duration>,
    /// Wall time.
    pub(crate) wall: Option<Duration>,
    /// Wall time beyond the floor's. Where this is the limit and there is none on memory, the process measured is an engine's
    /// client: its memory says nothing.
    pub(crate) over: Option<Duration>,
    /// The resident size of the resource's own process, in bytes.
    pub(crate) peak_rss: Option<u64>,
    /// Processes that the resource starts itself.
    pub(crate) children: Option<usize>,
}

/// What was found.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) floor: Option<&'static str>,
    pub(crate) limits: Limits,
    /// Whether this is the established resource.
    pub(crate) is_established: bool,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) footprint: Footprint,
}

/// The times of all runs of one program in one case.
#[derive(Default)]
struct Times {
    walls: Vec<Duration>,
    cpus: Vec<Duration>,
    has_failed: bool,
}

/// Runs all cases in turns, `runs` times after one round that only warms up, then once more each to count processes and memory.
/// Each verb is followed by that of the established resource, if `PEERS` has it.
pub(crate) fn in_turns(runs: usize, mut cases: Vec<Case<'_>>) -> Vec<Measured> {
    let mut all: Vec<(Times, Option<Times>)> = cases.iter().map(|_| Default::default()).collect();
    let shows_progress = std::io::stderr().is_terminal();
    for round in 0..=runs {
        if shows_progress {
            eprint!("\rround {round} of {runs}");
        }
        for (case, (ours, established)) in cases.iter_mut().zip(&mut all) {
            let run = (case.prepare)();
            let peer = run.peer.clone();
            ours.add(round, case.succeeds, run.cost());
            assert!(!ours.has_failed, "`{}` did not end as it should", case.name);
            if let Some(peer) = peer {
                let run = (case.prepare)().with_program(&peer);
                established.get_or_insert_default().add(round, case.succeeds, run.cost());
            }
        }
    }
    if shows_progress {
        eprintln!();
    }
    let mut measured = Vec::new();
    for (case, (ours, established)) in cases.iter_mut().zip(all) {
        let run = (case.prepare)();
        let peer = run.peer.clone();
        measured.push(Measured {
            name: case.name.to_owned(),
            is_established: false,
            floor: case.floor,
            limits: case.limits,
            wall: median(ours.walls),
            cpu: median(ours.cpus),
            footprint: process::footprint(&run.command, &run.input).expect("count a case's processes"),
        });
        let Some((established, peer)) = established.zip(peer) else { continue };
        if established.has_failed {
            eprintln!("no row for the established resource in `{}`: a run did not end as it should", case.name);
            continue;
        }
        let run = (case.prepare)().with_program(&peer);
        measured.push(Measured {
            name: format!("{}: the established resource", case.name),
            is_established: true,
            floor: case.floor,
            limits: Limits::default(),
            wall: median(established.walls),
            cpu: median(established.cpus),
            footprint: process::footprint(&run.command, &run.input).expect("count a case's processes"),
        });
    }
    measured
}

impl Times {
    /// Adds a run. The first round only warms up.
    fn add(&mut self, round: usize, succeeds: bool, cost: Cost) {
        self.has_failed |= cost.status.success() != succeeds;
        if round > 0 {
            self.walls.push(cost.wall);
            self.cpus.push(cost.cpu);
        }
    }
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2 }
}
