//! A check of each type in its image, by `docker run`, beside an image whose program does nothing: what a user of the image
//! waits for beyond what any container costs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jetway_tests::engine::{self, BASE};
use jetway_tests::github::{GitHub, PullRequest, REPOSITORY, TOKEN, commit};
use jetway_tests::http_git::HttpGit;
use jetway_tests::jira::{Edition, Jira};
use jetway_tests::kubernetes::{Helm, cluster};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::Registry;
use jetway_tests::registry::image::Image;
use jetway_tests::repository::Repository;
use jetway_tests::{git, scratch};
use serde_json::{Value, json};

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// The name of the floor.
const NOTHING: &str = "an image that does nothing";

/// What a check may take beyond it.
const MAX_OVERHEAD: Duration = Duration::from_millis(50);

/// Measures the checks of the images that are there; nothing where there is no engine.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    if !engine::require() {
        return Vec::new();
    }
    let repository = Repository::new();
    repository.commit("Begin", &[("file", "1")]);
    let server = HttpGit::serve(repository.root());
    let registry = Registry::start();
    Image::named("small").push(registry.client(), "bench/small", "latest");
    let github = GitHub::start();
    github.set_status(&commit(1), "default", "success", "somebody");
    let of_image = json!({ "repository": registry.repository("bench/small"), "tag": "latest" });
    let of_status =
        json!({ "repository": REPOSITORY, "access_token": TOKEN, "endpoint": github.url(), "branch": "main" });
    github.put_pull(PullRequest::new(5, &commit(5)));
    let of_pull_request = json!({ "repository": REPOSITORY, "access_token": TOKEN, "v3_endpoint": github.url() });
    let jira = Jira::start(Edition::Cloud);
    jira.create_in(0, "go", "Done");
    let mut of_issue = jira.source();
    (of_issue["project"], of_issue["status"]) = (json!("OPS"), json!("Done"));
    let mut sources = vec![
        ("docker-image", of_image.clone()),
        ("git", json!({ "uri": server.url(repository.name()), "branch": "main" })),
        ("github-pr", of_pull_request),
        ("github-status", of_status),
        ("jira", of_issue),
        ("registry-image", of_image),
        ("slack", json!({ "url": "http://127.0.0.1:1/" })),
    ];
    let cluster = cluster();
    let namespace = cluster.as_ref().map(|cluster| cluster.namespace());
    if let Some((cluster, namespace)) = cluster.as_ref().zip(namespace.as_ref()) {
        let chart = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("helm-release/chart");
        namespace.helm(Helm::Four, &["upgrade", "--install", "demo", chart.to_str().expect("a path in UTF-8")]);
        let (token, _) = namespace.account("reader", &[("get,list", "secrets")]);
        let source = json!({
            "cluster_url": cluster.url(), "cluster_ca": cluster.authority(), "token": token, "release": "demo",
            "namespace": namespace.name(),
        });
        sources.push(("helm-release", source));
    }
    sources.retain(|(kind, _)| layer::require(Layer::Image(kind)));
    let directory = scratch::directory();
    let write = |kind: &str, source: &Value| {
        let path = directory.path().join(kind);
        std::fs::write(&path, json!({ "source": source }).to_string()).expect("write a request");
        path
    };
    let nothing = || in_container(BASE, "/bin/true", PathBuf::from("/dev/null"));
    let floor =
        Case { name: NOTHING, floor: None, limits: Limits::default(), succeeds: true, prepare: Box::new(nothing) };
    let checks = sources.iter().map(|(kind, source)| {
        let input = write(kind, source);
        Case {
            name: kind,
            floor: Some(NOTHING),
            limits: Limits { over: Some(MAX_OVERHEAD), ..Limits::default() },
            succeeds: true,
            prepare: Box::new(move || in_container(&layer::image_name(kind), "/opt/resource/check", input.clone())),
        }
    });
    in_turns(runs, [floor].into_iter().chain(checks).collect())
}

fn in_container(image: &str, program: &str, input: PathBuf) -> Run {
    let mut command = Command::new("docker");
    command.env_clear().env("PATH", git::search_path());
    command.args(["run", "--rm", "--interactive", "--network=host", "--entrypoint", program, image]);
    Run::with_input(command, input)
}
