//! Verbs whose work is one request, beside curl with that request.

use std::process::Command;

use jetway_tests::verb::{Container, Verb};
use jetway_tests::{git, scratch};
use serde_json::Value;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// A verb, and the request that it sends.
pub(crate) struct OneRequest {
    /// The name of the curl case.
    pub(crate) floor: &'static str,
    /// The name of the verb's case.
    pub(crate) name: &'static str,
    /// The verb.
    pub(crate) verb: Verb,
    /// The verb's standard input.
    pub(crate) input: Value,
    /// The URL for curl.
    pub(crate) url: String,
    /// The body for curl, as JSON.
    pub(crate) body: Value,
    /// Further arguments of curl: headers.
    pub(crate) arguments: Vec<String>,
}

/// Measures each verb and its curl in turns. A verb takes at most 1.3 times the time of its curl, starts no process, and stays
/// small.
pub(crate) fn measure(runs: usize, requests: &[OneRequest]) -> Vec<Measured> {
    let directory = scratch::directory();
    let mut cases = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let input = directory.path().join(format!("{index}.json"));
        std::fs::write(&input, request.input.to_string()).expect("write a request");
        cases.push(Case {
            name: request.floor,
            floor: None,
            limits: Limits::default(),
            succeeds: true,
            prepare: Box::new(|| {
                // The environment of this machine, for example a proxy, does not apply to either.
                let mut command = Command::new("curl");
                command.env_clear().env("PATH", git::search_path());
                command.args(["--silent", "--show-error", "--fail", "--header", "Content-Type: application/json"]);
                command.args(&request.arguments).arg("--data-binary").arg(request.body.to_string()).arg(&request.url);
                Run::raw(command)
            }),
        });
        cases.push(Case {
            name: request.name,
            floor: Some(request.floor),
            limits: Limits {
                ratio: Some(1.3),
                children: Some(0),
                peak_rss: Some(12 * 1024 * 1024),
                ..Limits::default()
            },
            succeeds: true,
            prepare: Box::new(move || Run::verb(&request.verb, &input, Container::new())),
        });
    }
    in_turns(runs, cases)
}
