//! The README's examples, run by the `jetway` command. Only the server's URL is replaced.

use std::fs;
use std::path::Path;
use std::process::Command;

use jetway_tests::github::{AppKey, GitHub, LOGIN, TOKEN, commit};
use jetway_tests::verb::Runner;
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};

use crate::support::inputs;

/// The pipelines, in order. A step without a pipeline is added to the job of one.
fn pipelines() -> Vec<String> {
    let readme = include_str!("../../resources/github-status/README.md");
    let blocks = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let whole = |block: &str| {
        if block.starts_with("- put: ") {
            let step = block.trim_end().replace('\n', "\n  ");
            let source = "{repository: octo/app, access_token: ((github_token))}";
            format!(
                "resources:\n- {{name: status, type: github-status, source: {source}}}\njobs:\n- name: job\n  plan:\n  {step}\n"
            )
        } else {
            block.to_owned()
        }
    };
    blocks.map(whole).collect()
}

struct Example {
    github: GitHub,
    pipeline: String,
}

impl Example {
    /// The pipeline that contains `part`, with its own server.
    fn with(part: &str) -> Self {
        let github = if part.contains("company_authority") { GitHub::start_tls() } else { GitHub::start() };
        let found = pipelines().into_iter().find(|pipeline| pipeline.contains(part));
        let pipeline = found.unwrap_or_else(|| panic!("no example has `{part}`"));
        let url = github.url();
        let pipeline = if pipeline.contains("endpoint: ") {
            pipeline.replace("https://github.example.com/api/v3", &url)
        } else {
            pipeline
                .replace("repository: octo/app,", &format!("repository: octo/app, endpoint: \"{url}\","))
                .replace("repository: octo/app\n", &format!("repository: octo/app\n    endpoint: {url}\n"))
        };
        Self { github, pipeline }
    }

    /// Runs a verb on a resource, and returns its output.
    #[track_caller]
    fn run(&self, verb: &[&str], directory: Option<&Path>, status: Option<&str>) -> Value {
        let files = scratch::directory();
        let file = |name: &str, content: &str| {
            let path = files.path().join(name);
            fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let authority = if self.github.url().starts_with("https") { self.github.authority() } else { "" };
        let mut command = Command::new(binaries::named("jetway"));
        command.env_clear().env("HOME", files.path()).env("TMPDIR", files.path());
        command.args(verb).args(["--pipeline", &file("pipeline.yml", &self.pipeline)]);
        command.args(["--var", &format!("github_token={TOKEN}")]);
        command.args(["--var", &format!("github_app_key=@{}", file("key", &AppKey::new().pkcs1))]);
        command.args(["--var", &format!("company_authority=@{}", file("ca", authority))]);
        command.args(directory).envs(status.map(|status| ("BUILD_STATUS", status)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{verb:?}: {}\n{}", String::from_utf8_lossy(&output.stderr), self.pipeline);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn check(&self, resource: &str) -> Value {
        self.run(&["check", "--resource", resource], None, None)
    }
}

/// Inputs with all files that the examples name.
fn code() -> tempfile::TempDir {
    let (one, five) = (commit(1), commit(5));
    inputs(&[
        ("code-base/.git/HEAD", "ref: refs/heads/main\n"),
        ("code-base/.git/refs/heads/main", &one),
        ("lint/summary.txt", "one warning"),
        ("pull-request/.git/resource/version.json", &format!(r#"{{"pr":"5","commit":"{five}"}}"#)),
        ("coverage/report.md", "97 %"),
    ])
}

fn is_elsewhere() -> bool {
    // The `jetway` command contains the types, so these tests do not exercise the image.
    Runner::chosen() != Runner::Binary
}

#[test]
fn job_sets_its_status() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("on_success: &report\n    put: status\n    params: {commit: code-base}\n");
    let code = code();
    example.run(&["put", "--resource", "status", "--job", "test", "--step", "1"], Some(code.path()), None);
    assert_eq!(example.github.statuses(&commit(1))[0]["state"], "pending");
    example.run(&["put", "--resource", "status", "--job", "test", "--step", "2"], Some(code.path()), Some("failed"));
    assert_eq!(example.github.statuses(&commit(1))[0]["state"], "failure");
    assert_eq!(example.github.statuses(&commit(1))[0]["context"], "ci/test");
    assert_eq!(example.check("status"), json!([{ "commit": commit(1), "status": "1002" }]));
}

#[test]
fn app_and_enterprise_log_in() {
    if is_elsewhere() {
        return;
    }
    for part in ["app_id: 4711", "company_authority"] {
        let example = Example::with(part);
        example.github.install_app("4711", "jetway", &AppKey::new());
        let id = example.github.set_status(&commit(1), "default", "success", "a");
        assert_eq!(example.check("status"), json!([{ "commit": commit(1), "status": id.to_string() }]));
    }
}

#[test]
fn single_steps_set_statuses() {
    if is_elsewhere() {
        return;
    }
    let code = code();
    let example = Example::with("context: ci/unit, state: success");
    example.run(&["put", "--resource", "status", "--job", "job"], Some(code.path()), None);
    assert_eq!(example.github.statuses(&commit(1)).len(), 2);

    let example = Example::with("delete_previous_comments: true");
    example.github.open_pull_request(5, &commit(5), "main");
    example.github.comment(5, LOGIN, "96 %");
    example.run(&["put", "--resource", "status", "--job", "job"], Some(code.path()), None);
    assert_eq!(example.github.statuses(&commit(5))[0]["context"], "concourse-ci/unit");
    assert_eq!(example.github.comments(5), [(LOGIN.to_owned(), "97 %".to_owned())]);
}

#[test]
fn gate_holds_production() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("creators: [alice, bob]");
    let code = code();
    example.run(&["put", "--resource", "status", "--job", "staging"], Some(code.path()), None);
    assert_eq!(example.check("go"), json!([]));
    example.github.set_status(&commit(1), "go-no-go", "success", "mallory");
    assert_eq!(example.check("go"), json!([]));
    let go = example.github.set_status(&commit(1), "go-no-go", "success", "alice");
    let version = json!({ "commit": commit(1), "status": go.to_string() });
    assert_eq!(example.check("go"), json!([version]));
}

#[test]
fn deployment_is_set_and_gated() {
    if is_elsewhere() {
        return;
    }
    let example = Example::with("deployment: {environment: production, state: in_progress}");
    let code = code();
    let put = |step: &str, status| {
        example.run(&["put", "--resource", "status", "--job", "roll-out", "--step", step], Some(code.path()), status);
    };
    put("1", None);
    assert_eq!(example.check("live"), json!([]));
    put("2", Some("succeeded"));
    assert_eq!(example.github.deployments().len(), 1);
    assert_eq!(example.check("live")[0]["commit"], commit(1));
}
