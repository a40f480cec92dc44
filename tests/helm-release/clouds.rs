//! Clusters of clouds: the signed requests to each cloud, and their result.

mod amazon;
mod digitalocean;
mod google;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jetway_tests::aws::Key;
use jetway_tests::github::AppKey;
use jetway_tests::kubernetes::{Helm, Namespace};
use jetway_tests::process::wait_until;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{messages, put, revisions, with};

const TOKEN: &str = "ya29.s3cret-token-of-a-cloud";

/// An API server with one release that accepts the bearer tokens for which `accepts` is true.
fn api_server(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> StandIn {
    StandIn::start_tls(move |request| {
        let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        if !token.is_some_and(&accepts) {
            return Response::json(401, &json!({ "kind": "Status", "message": "Unauthorized" }));
        }
        let labels = json!({ "name": "demo", "owner": "helm", "status": "deployed", "version": "1" });
        Response::json(200, &json!({ "metadata": {}, "items": [{ "metadata": { "labels": labels } }] }))
    })
}

fn authority_data(server: &StandIn) -> String {
    STANDARD.encode(server.authority())
}

fn check(source: &Value, environment: &[(&str, &str)]) -> Outcome {
    let verb = Verb::check("helm-release").request(&json!({ "source": source }));
    environment.iter().fold(verb, |verb, (name, value)| verb.env(name, value)).run()
}

#[track_caller]
fn check_succeeds(source: &Value, environment: &[(&str, &str)]) {
    let outcome = check(source, environment);
    assert_eq!(outcome.json(), revisions([1]));
    assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
}
