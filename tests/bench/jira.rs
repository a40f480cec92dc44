//! The jira resource: one comment. The put reads the issue before and after besides, on connections that the server closes each time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::jira::{API_TOKEN, EMAIL, Edition, Jira};
use jetway_tests::scratch;
use jetway_tests::verb::Verb;
use serde_json::json;

use crate::measure::Measured;
use crate::one_request::{self, OneRequest};

/// Measures a put and the curl that adds the same comment.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create(0, "A ticket");
    let headers = [
        format!("Authorization: Basic {}", STANDARD.encode(format!("{EMAIL}:{API_TOKEN}"))),
        "Accept: application/json".to_owned(),
        // The stand-in reports any other user agent as a problem.
        "User-Agent: jetway-jira/curl".to_owned(),
    ];
    let paragraph = json!({ "type": "paragraph", "content": [{ "type": "text", "text": "Deployed" }] });
    let inputs = scratch::directory();
    let request = OneRequest {
        floor: "curl",
        name: "put",
        verb: Verb::put("jira").dir(inputs.path()),
        input: json!({ "source": jira.source(), "params": { "issue": key, "comment": "Deployed" } }),
        url: format!("{}/rest/api/3/issue/{key}/comment", jira.url()),
        body: json!({ "body": { "type": "doc", "version": 1, "content": [paragraph] } }),
        arguments: headers.into_iter().flat_map(|header| ["--header".to_owned(), header]).collect(),
    };
    one_request::measure(runs, &[request])
}
