//! Validates the stand-in with a third-party client of Jira Cloud's REST API, the npm package `jira.js`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::EMAIL;
use crate::counterparts;

/// An operation of a group, with its parameters.
pub type Call = (&'static str, &'static str, Value);

/// Calls operations, one after the other, and returns the client's result or error for each response.
///
/// # Panics
/// If the client is not installed. Check [`Layer::Counterpart`](crate::layer::Layer::Counterpart) first.
pub fn call(url: &str, api_token: &str, calls: &[Call]) -> Vec<Result<Value, Value>> {
    let packages = counterparts::directory("jira-client").unwrap_or_else(|reason| panic!("{reason}"));
    let mut child = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("support/jira/client/client.mjs"))
        .arg(packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run node");
    let request = json!({ "host": url, "email": EMAIL, "apiToken": api_token, "calls": calls });
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(request.to_string().as_bytes()).expect("write the request");
    drop(stdin);
    let output = child.wait_with_output().expect("wait for node");
    assert!(output.status.success(), "the client failed");
    let outcomes: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list of outcomes");
    let outcome = |value: Value| value.get("result").cloned().ok_or_else(|| value["error"].clone());
    outcomes.into_iter().map(outcome).collect()
}
