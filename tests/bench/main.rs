//! `make bench`: what a verb costs beside the raw git command that is its floor.
//!
//! Whole processes are measured, in one run and in turns, so that a busy machine slows both sides alike; what is compared are
//! medians. The history is long on purpose: the figures must not depend on it. Exits non-zero when a limit is missed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to report but that"
)]

mod git;
mod measure;
mod report;

use std::process::ExitCode;

use jetway_tests::scratch;

fn main() -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("only a release build is worth measuring: use `make bench`");
        return ExitCode::FAILURE;
    }
    let runs = match std::env::args().nth(1).map(|argument| argument.parse()) {
        None => 15,
        Some(Ok(runs @ 1..)) => runs,
        Some(_) => {
            eprintln!("usage: jetway-bench [RUNS]");
            return ExitCode::FAILURE;
        }
    };
    let results = git::measure(runs);
    let (table, missed) = report::render(runs, &results);
    print!("{table}");
    let folder = scratch::target_directory().join("bench");
    std::fs::create_dir_all(&folder).expect("create the folder of results");
    std::fs::write(folder.join("git.md"), table).expect("write the results");
    for miss in &missed {
        eprintln!("missed: {miss}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
