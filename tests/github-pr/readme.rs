//! The README's examples, run by the `jetway` command. Only the server's URL is replaced.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::github::TOKEN;
use jetway_tests::verb::Runner;
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};

use crate::support::{Project, version};

/// The YAML blocks, in order.
fn blocks() -> Vec<&'static str> {
    let readme = include_str!("../../resources/github-pr/README.md");
    readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

/// Runs a verb on a resource of a pipeline, with the project as the server, and returns its output.
#[track_caller]
fn run(project: &Project, pipeline: &str, verb: &[&str], directory: Option<&Path>) -> Value {
    let here = format!(
        "repository: octo/app\n    v3_endpoint: {}\n    uri: {}",
        project.github.url(),
        project.server.url("app.git")
    );
    assert!(pipeline.contains("    repository: octo/app\n"), "{pipeline}");
    let files = scratch::directory();
    let path = files.path().join("pipeline.yml");
    fs::write(&path, pipeline.replace("repository: octo/app", &here)).unwrap();
    let mut command = Command::new(binaries::named("jetway"));
    command
        .env_clear()
        .env("HOME", files.path())
        .env("TMPDIR", files.path())
        .env("PATH", jetway_tests::git::search_path());
    command.env("BUILD_NAME", "42").env("BUILD_URL", "https://ci.example/builds/42");
    command.args(verb).arg("--pipeline").arg(&path).args(["--var", &format!("github_token={TOKEN}")]);
    command.args(directory);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn first_example_gets_a_pull_request_and_sets_its_status() {
    if Runner::chosen() != Runner::Binary {
        // The `jetway` command contains the types, so this test does not exercise the image.
        return;
    }
    let project = Project::new();
    let head = project.open(7, &[("src/new.txt", "new")]);
    let blocks = blocks();
    let found = run(&project, blocks[0], &["check", "--resource", "pull-request"], None);
    assert_eq!(found, json!([version(7, &head)]));
    let inputs = scratch::directory();
    let directory = inputs.path().join("pull-request");
    fs::create_dir(&directory).unwrap();
    let (number, commit) = ("pr=7".to_owned(), format!("commit={head}"));
    let get = ["get", "--resource", "pull-request", "--version", &number, "--version", &commit];
    run(&project, blocks[0], &get, Some(&directory));
    assert!(directory.join("src/new.txt").is_file());
    let (resources, _) = blocks[0].split_once("jobs:\n").unwrap();
    let step = blocks[3].trim_end().replace('\n', "\n  ");
    let pipeline = format!("{resources}jobs:\n- name: job\n  plan:\n  {step}\n");
    run(&project, &pipeline, &["put", "--resource", "pull-request", "--job", "job"], Some(inputs.path()));
    let statuses = project.github.statuses(&head);
    assert_eq!((statuses.len(), &statuses[0]["description"]), (2, &json!("Change 7")));
    assert_eq!(project.github.comments(7)[0].1, "Build 42 is green.");
}

#[test]
fn second_example_selects_pull_requests() {
    if Runner::chosen() != Runner::Binary {
        return;
    }
    let project = Project::new();
    let head = project.open(7, &[("src/new.txt", "new")]);
    project.github.change_pull(7, |pull| pull.reviews.push(("ada".to_owned(), "APPROVED")));
    project.open(8, &[("README.md", "new")]);
    let types = blocks()[0].split_once("\nresources:").unwrap().0;
    let pipeline = format!("{types}\n{}\njobs:\n- name: job\n  plan:\n  - get: app\n", blocks()[1]);
    let found = run(&project, &pipeline, &["check", "--resource", "app"], None);
    assert_eq!(found, json!([version(7, &head)]));
}
