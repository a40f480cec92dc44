//! `make bench`: what a verb costs beside the raw command that is its floor: git, or one curl.
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

mod chart;
mod docker_image;
mod git;
mod github_pr;
mod github_status;
mod helm_release;
mod images;
mod jira;
mod measure;
mod one_request;
mod redactor;
mod registry_image;
mod report;
mod slack;
mod start;

use std::process::ExitCode;

use jetway_tests::scratch;

use crate::measure::Measured;

/// The benchmarks of one type, or of one part of the SDK.
struct Bench {
    kind: &'static str,
    /// What is measured, for the head of the table.
    what: &'static str,
    measure: fn(usize) -> Vec<Measured>,
}

const BENCHES: [Bench; 12] = [
    Bench { kind: "docker-image", what: docker_image::WHAT, measure: docker_image::measure },
    Bench { kind: "git", what: "25,000 commits over HTTP on loopback", measure: git::measure },
    Bench { kind: "git-large", what: git::LARGE, measure: git::measure_large },
    Bench { kind: "github-pr", what: github_pr::WHAT, measure: github_pr::measure },
    Bench { kind: "github-status", what: "one status over HTTP on loopback", measure: github_status::measure },
    Bench { kind: "helm-release", what: "ten revisions in a Kubernetes on loopback", measure: helm_release::measure },
    Bench { kind: "images", what: "`docker run` of a check, servers on loopback", measure: images::measure },
    Bench { kind: "jira", what: "one comment over HTTP on loopback", measure: jira::measure },
    Bench { kind: "redactor", what: redactor::WHAT, measure: redactor::measure },
    Bench { kind: "registry-image", what: registry_image::WHAT, measure: registry_image::measure },
    Bench { kind: "slack", what: "one request over HTTP on loopback", measure: slack::measure },
    Bench { kind: "start", what: start::WHAT, measure: start::measure },
];

fn main() -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("only a release build is worth measuring: use `make bench`");
        return ExitCode::FAILURE;
    }
    if std::env::args().nth(1).is_some_and(|argument| argument == redactor::ARGUMENT) {
        redactor::redact_input();
        return ExitCode::SUCCESS;
    }
    let (mut runs, mut kinds) = (15, Vec::new());
    for argument in std::env::args().skip(1) {
        match (argument.parse(), BENCHES.iter().find(|bench| bench.kind == argument)) {
            (Ok(number @ 1..), _) => runs = number,
            (_, Some(bench)) => kinds.push(bench.kind),
            _ => {
                let known: Vec<&str> = BENCHES.iter().map(|bench| bench.kind).collect();
                eprintln!("usage: jetway-bench [RUNS] [TYPE]..., where TYPE is one of {}", known.join(", "));
                return ExitCode::FAILURE;
            }
        }
    }
    let folder = scratch::target_directory().join("bench");
    std::fs::create_dir_all(&folder).expect("create the folder of results");
    let (mut all_missed, mut groups) = (Vec::new(), Vec::new());
    for bench in BENCHES.iter().filter(|bench| kinds.is_empty() || kinds.contains(&bench.kind)) {
        let results = (bench.measure)(runs);
        let (table, missed) = report::render(runs, bench.what, &results);
        println!("# {}\n\n{table}", bench.kind);
        std::fs::write(folder.join(format!("{}.md", bench.kind)), table).expect("write the results");
        all_missed.extend(missed);
        groups.push(chart::Group { kind: bench.kind, results });
    }
    if let Some(chart) = chart::render(&groups) {
        std::fs::write(folder.join("chart.svg"), chart).expect("write the chart");
    }
    for miss in &all_missed {
        eprintln!("missed: {miss}");
    }
    if all_missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
