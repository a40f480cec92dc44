//! A put whose work is one request, beside curl doing that same request.

use std::process::Command;

use jetway_tests::verb::{Container, Verb};
use jetway_tests::{git, scratch};
use serde_json::Value;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// What is sent, by either.
pub(crate) struct OneRequest {
    /// The resource type.
    pub(crate) kind: &'static str,
    /// The put's request.
    pub(crate) put: Value,
    /// Where curl sends it.
    pub(crate) url: String,
    /// What curl sends, as JSON.
    pub(crate) body: Value,
    /// Further arguments of curl: headers.
    pub(crate) arguments: Vec<String>,
}

/// Measures both in turns: a put takes at most 1.3 times the time of that curl, starts no process, and stays small.
pub(crate) fn measure(runs: usize, request: &OneRequest) -> Vec<Measured> {
    let directory = scratch::directory();
    let input = directory.path().join("request.json");
    std::fs::write(&input, request.put.to_string()).expect("write a request");
    let curl = Case {
        name: "curl",
        floor: None,
        limits: Limits::default(),
        succeeds: true,
        prepare: Box::new(|| {
            // Nothing of this machine's environment, a proxy say, is in either's way.
            let mut command = Command::new("curl");
            command.env_clear().env("PATH", git::search_path());
            command.args(["--silent", "--show-error", "--fail", "--header", "Content-Type: application/json"]);
            command.args(&request.arguments).arg("--data-binary").arg(request.body.to_string()).arg(&request.url);
            Run::raw(command)
        }),
    };
    let put = Case {
        name: "put",
        floor: Some("curl"),
        limits: Limits { ratio: Some(1.3), children: Some(0), peak_rss: Some(12 * 1024 * 1024), ..Limits::default() },
        succeeds: true,
        prepare: Box::new(|| Run::verb(&Verb::put(request.kind).dir(directory.path()), &input, Container::new())),
    };
    in_turns(runs, vec![curl, put])
}
