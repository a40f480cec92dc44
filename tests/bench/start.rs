//! The start of each binary: a check that is refused for an unknown key, before any request to a server.

use std::time::Duration;

use jetway_tests::scratch;
use jetway_tests::verb::{Container, Verb};
use serde_json::json;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// What is measured, for the head of the table.
pub(crate) const WHAT: &str = "a check that is refused for an unknown key";

const TYPES: [&str; 8] =
    ["docker-image", "git", "github-pr", "github-status", "helm-release", "jira", "registry-image", "slack"];

/// Measures one check of each type.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let directory = scratch::directory();
    let input = directory.path().join("request.json");
    std::fs::write(&input, json!({ "source": { "unknown_key": true } }).to_string()).expect("write a request");
    let limits = Limits {
        wall: Some(Duration::from_millis(3)),
        peak_rss: Some(6 * 1024 * 1024),
        children: Some(0),
        ..Limits::default()
    };
    let case = |name: &'static str| {
        let input = &input;
        let prepare = move || Run::verb(&Verb::check(name), input, Container::new());
        Case { name, floor: None, limits, succeeds: false, prepare: Box::new(prepare) }
    };
    in_turns(runs, TYPES.map(case).into_iter().collect())
}
