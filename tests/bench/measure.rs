//! Running cases in turns, and medians.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jetway_tests::process::{self, Footprint};
use jetway_tests::verb::Container;

/// One run of a case: a command that is ready to start, and its standard input.
pub(crate) struct Run {
    pub(crate) command: Command,
    pub(crate) input: PathBuf,
    /// Where a verb runs; it is removed with the run.
    pub(crate) _container: Option<Container>,
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
    pub(crate) name: &'static str,
    pub(crate) floor: Option<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) footprint: Footprint,
}

/// Runs all cases in turns, `runs` times after one round that only warms up, then once more each to count processes and memory.
pub(crate) fn in_turns(runs: usize, mut cases: Vec<Case<'_>>) -> Vec<Measured> {
    let mut walls = vec![Vec::new(); cases.len()];
    let mut cpus = vec![Vec::new(); cases.len()];
    let shows_progress = std::io::stderr().is_terminal();
    for round in 0..=runs {
        if shows_progress {
            eprint!("\rround {round} of {runs}");
        }
        for (index, case) in cases.iter_mut().enumerate() {
            let mut run = (case.prepare)();
            let cost = process::cost(&mut run.command, &run.input).expect("run a case");
            assert!(cost.status.success() == case.succeeds, "`{}` ended with {}", case.name, cost.status);
            if round > 0 {
                walls[index].push(cost.wall);
                cpus[index].push(cost.cpu);
            }
        }
    }
    if shows_progress {
        eprintln!();
    }
    let figures = walls.into_iter().zip(cpus);
    let measured = cases.iter_mut().zip(figures).map(|(case, (wall, cpu))| {
        let run = (case.prepare)();
        let footprint = process::footprint(&run.command, &run.input).expect("count a case's processes");
        let (wall, cpu) = (median(wall), median(cpu));
        Measured { name: case.name, floor: case.floor, limits: case.limits, wall, cpu, footprint }
    });
    measured.collect()
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2 }
}
