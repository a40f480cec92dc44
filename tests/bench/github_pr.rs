//! The github-pr resource: a check of 100 open pull requests, and a put of one status. The put also reads the pull request.

use std::path::Path;

use jetway_tests::github::{GitHub, PullRequest, REPOSITORY, TOKEN, commit};
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Verb};
use serde_json::{Value, json};

use crate::measure::Measured;
use crate::one_request::{self, OneRequest};

/// What is measured, for the head of the table.
pub(crate) const WHAT: &str = "100 open pull requests, and one status, over HTTP on loopback";

/// Measures both verbs and the curls that send the same query and the same status.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let github = GitHub::start();
    for number in 1..=100 {
        github.put_pull(PullRequest::new(u64::from(number), &commit(1000 + number)));
    }
    let hash = commit(1100);
    let source = json!({ "repository": REPOSITORY, "access_token": TOKEN, "v3_endpoint": github.url() });
    let version = json!({ "pr": "100", "commit": hash, "committed": "2026-01-01T09:00:00Z" });
    let inputs = scratch::directory();
    get(&source, &version, &inputs.path().join("pr"));
    let check = json!({ "source": source });
    let headers: Vec<String> = [
        &format!("Authorization: Bearer {TOKEN}"),
        "Accept: application/vnd.github+json",
        "X-GitHub-Api-Version: 2022-11-28",
        // The stand-in reports any other user agent as a problem.
        "User-Agent: jetway-github-pr/curl",
    ]
    .into_iter()
    .flat_map(|header| ["--header".to_owned(), header.to_owned()])
    .collect();
    let description = "Concourse CI build success";
    let requests = [
        OneRequest {
            floor: "curl, 100 pull requests",
            name: "check, 100 pull requests",
            verb: Verb::check("github-pr"),
            url: format!("{}/graphql", github.url()),
            body: query(&github, &check),
            input: check,
            arguments: headers.clone(),
        },
        OneRequest {
            floor: "curl, one status",
            name: "put",
            verb: Verb::put("github-pr").dir(inputs.path()),
            url: format!("{}/repos/{REPOSITORY}/statuses/{hash}", github.url()),
            body: json!({ "state": "success", "context": "concourse-ci/status", "description": description }),
            input: json!({ "source": source, "params": { "path": "pr", "status": "success" } }),
            arguments: headers,
        },
    ];
    one_request::measure(runs, &requests)
}

/// Writes the files of a pull request that a put reads.
fn get(source: &Value, version: &Value, directory: &Path) {
    std::fs::create_dir(directory).expect("create a directory");
    let request = json!({ "source": source, "version": version, "params": { "skip_download": true } });
    Verb::get("github-pr").dir(directory).request(&request).run().succeeded();
}

/// The GraphQL query of a check.
fn query(github: &GitHub, check: &Value) -> Value {
    Verb::check("github-pr").container(&Container::new()).request(check).run().succeeded();
    github.bodies("POST", "/graphql").pop().expect("a check sends a query")
}
