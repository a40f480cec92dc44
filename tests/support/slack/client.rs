//! Validates the stand-in with Slack's own client of the Web API, the npm package `@slack/web-api`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::counterparts;

/// A method with its arguments.
pub type Call = (&'static str, Value);

/// The client's result of a call.
#[derive(Debug)]
pub struct CallOutcome {
    /// The response, or the client's error.
    pub result: Result<Value, Value>,
    /// Warnings and errors that the client logged.
    pub logged: Vec<String>,
    /// The length of each wait that a response requested, in seconds.
    pub waits: Vec<u64>,
}

/// Calls methods, one after the other; `url` is the API's address. The client tries each call up to `retries` times more.
///
/// # Panics
/// If the client is not installed. Check [`Layer::Counterpart`](crate::layer::Layer::Counterpart) first.
pub fn call(url: &str, token: &str, retries: u32, calls: &[Call]) -> Vec<CallOutcome> {
    let packages = counterparts::directory("slack-client").unwrap_or_else(|reason| panic!("{reason}"));
    let mut child = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("support/slack/client/client.js"))
        .env("NODE_PATH", packages.join("node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run node");
    let request = json!({ "url": format!("{url}/"), "token": token, "retries": retries, "calls": calls });
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(request.to_string().as_bytes()).expect("write the request");
    drop(stdin);
    let output = child.wait_with_output().expect("wait for node");
    assert!(output.status.success(), "the client failed");
    let outcomes: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list of outcomes");
    outcomes.iter().map(outcome).collect()
}

fn outcome(value: &Value) -> CallOutcome {
    let logged = value["logged"].as_array().expect("a log").iter();
    let waits = value["waits"].as_array().expect("waits").iter();
    CallOutcome {
        result: match value.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(value["error"].clone()),
        },
        logged: logged.map(|line| line.as_str().expect("text").to_owned()).collect(),
        waits: waits.map(|seconds| seconds.as_u64().expect("seconds")).collect(),
    }
}
