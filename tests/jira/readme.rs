//! The examples of the README with the address of the stand-in, run with the `jetway` command.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::jira::{API_TOKEN, Edition, Jira, TOKEN};
use jetway_tests::verb::Runner;
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};

use crate::support::{approved, inputs};

/// The pipelines, in order. A list of steps becomes a job with the resources of the first pipeline.
fn pipelines() -> Vec<String> {
    let readme = include_str!("../../resources/jira/README.md");
    let blocks = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let blocks: Vec<&str> = blocks.collect();
    let (resources, _) = blocks[0].split_once("jobs:\n").expect("jobs");
    let whole = |block: &&str| {
        if block.starts_with("- ") {
            format!("{resources}jobs:\n- name: job\n  plan:\n  {}\n", block.trim_end().replace('\n', "\n  "))
        } else {
            (*block).to_owned()
        }
    };
    blocks.iter().map(whole).collect()
}

struct Example {
    jira: Jira,
    pipeline: String,
}

impl Example {
    /// The pipeline that contains `part`, with its own server.
    fn with(part: &str) -> Self {
        let found = pipelines().into_iter().find(|pipeline| pipeline.contains(part));
        let pipeline = found.unwrap_or_else(|| panic!("no example has `{part}`"));
        let is_cloud = pipeline.contains("api_token");
        let jira = if is_cloud { Jira::start(Edition::Cloud) } else { Jira::start_tls(Edition::DataCenter) };
        let address = if is_cloud { "https://example.atlassian.net" } else { "https://jira.example.com" };
        assert!(pipeline.contains(address), "{pipeline}");
        let pipeline = pipeline.replace(address, &jira.url());
        Self { jira, pipeline }
    }

    /// Runs a verb of a resource, and returns the response.
    #[track_caller]
    fn run(&self, verb: &[&str], directory: Option<&Path>) -> Value {
        let files = scratch::directory();
        let file = |name: &str, content: &str| {
            let path = files.path().join(name);
            fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let (token, authority) =
            if self.jira.url().starts_with("https") { (TOKEN, self.jira.authority()) } else { (API_TOKEN, "") };
        let mut command = Command::new(binaries::named("jetway"));
        command.env_clear().env("HOME", files.path()).env("TMPDIR", files.path());
        command
            .env("BUILD_NAME", "42")
            .env("BUILD_PIPELINE_NAME", "app")
            .env("BUILD_URL", "https://ci.example/builds/42");
        command.args(verb).args(["--pipeline", &file("pipeline.yml", &self.pipeline)]);
        command.args(["--var", &format!("jira_token={token}")]);
        command.args(["--var", &format!("company_authority=@{}", file("ca", authority))]);
        command.args(directory);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{verb:?}: {}\n{}", String::from_utf8_lossy(&output.stderr), self.pipeline);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn is_elsewhere() -> bool {
    // The `jetway` command runs the types itself, so these tests cannot run in an image.
    Runner::chosen() != Runner::Binary
}

#[test]
fn gate_starts_production_job() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("version: every");
    let key = example.jira.create(0, "Release 1.2");
    example.jira.edit(1, &key, "issuetype", json!({ "name": "Change" }));
    assert_eq!(example.run(&["check", "--resource", "approved"], None), json!([]));
    example.jira.move_to(10, &key, "Approved");
    assert_eq!(example.run(&["check", "--resource", "approved"], None), json!([approved(&key, 10)]));
    let inputs = inputs(&[("approved/key", &key)]);
    example.run(&["put", "--resource", "ticket", "--job", "production"], Some(inputs.path()));
    assert_eq!((example.jira.status(&key), example.jira.links(&key).len()), ("Done".to_owned(), 1));
    assert_eq!(
        example.jira.comments(&key)[0]["content"][0]["content"][0]["text"],
        json!("On production since build 42.")
    );
}

#[test]
fn data_center_source_logs_in() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("company_authority");
    // The query contains `AND`, which the stand-in cannot parse in brackets.
    let example = Example {
        pipeline: example
            .pipeline
            .replace("project = OPS AND labels = production", "labels = production")
            .replace("Released", "Done"),
        ..example
    };
    let key = example.jira.create(0, "x");
    example.jira.edit(1, &key, "labels", json!(["production"]));
    example.jira.move_to(10, &key, "Approved");
    assert_eq!(example.run(&["check", "--resource", "approved"], None), json!([approved(&key, 10)]));
}

#[test]
fn put_steps_create_and_transition() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("description_file: notes/changes.txt");
    let notes = inputs(&[("notes/changes.txt", "all of it")]);
    let answer = example.run(&["put", "--resource", "ticket", "--job", "job"], Some(notes.path()));
    assert_eq!(answer["version"]["issue"], "OPS-1");
    assert_eq!(example.jira.field("OPS-1", "summary"), "Deploy app #42");

    let example = Example::with("relationship: releases");
    let key = example.jira.create(0, "x");
    let ticket = inputs(&[("ticket/key", &key)]);
    example.run(&["put", "--resource", "ticket", "--job", "job"], Some(ticket.path()));
    assert_eq!(example.jira.field(&key, "resolution"), json!({ "name": "Done" }));
    assert_eq!(example.jira.links(&key)[0]["object"]["title"], "Release 42");
}

#[test]
fn get_writes_fields() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("fields: [Change window");
    let key = example.jira.create_in(5, "x", "Approved");
    example.jira.edit(6, &key, "customfield_10042", json!({ "value": "Sunday" }));
    example.jira.edit(6, &key, "labels", json!(["a"]));
    let version = approved(&key, 5);
    let entries = ["issue", "status", "changed"].map(|name| format!("{name}={}", version[name].as_str().unwrap()));
    let destination = scratch::directory();
    let mut verb = vec!["get", "--resource", "approved", "--job", "job"];
    verb.extend(entries.iter().flat_map(|entry| ["--version", entry]));
    example.run(&verb, Some(destination.path()));
    for name in ["Change window", "customfield_10042"] {
        assert_eq!(fs::read_to_string(destination.path().join("fields").join(name)).unwrap(), "Sunday");
    }
}
