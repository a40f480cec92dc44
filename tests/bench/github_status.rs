//! The github-status resource: one status. The put reads it back besides, on a connection that the server closes each time.

use jetway_tests::github::{GitHub, REPOSITORY, TOKEN, commit};
use jetway_tests::scratch;
use jetway_tests::verb::Verb;
use serde_json::json;

use crate::measure::Measured;
use crate::one_request::{self, OneRequest};

/// Measures a put and the curl that sets the same status.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let github = GitHub::start();
    let hash = commit(1);
    let headers = [
        format!("Authorization: Bearer {TOKEN}"),
        "Accept: application/vnd.github+json".to_owned(),
        "X-GitHub-Api-Version: 2022-11-28".to_owned(),
        // The stand-in reports any other user agent as a problem.
        "User-Agent: jetway-github-status/curl".to_owned(),
    ];
    let inputs = scratch::directory();
    let request = OneRequest {
        floor: "curl",
        name: "put",
        verb: Verb::put("github-status").dir(inputs.path()),
        input: json!({
            "source": { "repository": REPOSITORY, "access_token": TOKEN, "endpoint": github.url() },
            "params": { "commit": hash, "state": "success", "context": "ci", "target_url": "https://ci.example.com" },
        }),
        url: format!("{}/repos/{REPOSITORY}/statuses/{hash}", github.url()),
        body: json!({ "state": "success", "context": "ci", "target_url": "https://ci.example.com" }),
        arguments: headers.into_iter().flat_map(|header| ["--header".to_owned(), header]).collect(),
    };
    one_request::measure(runs, &[request])
}
