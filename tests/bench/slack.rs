//! The slack resource: a message by a webhook.

use jetway_tests::scratch;
use jetway_tests::slack::Webhook;
use jetway_tests::verb::Verb;
use serde_json::json;

use crate::measure::Measured;
use crate::one_request::{self, OneRequest};

/// Measures a put and the curl that sends the same message.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let webhook = Webhook::start();
    let inputs = scratch::directory();
    let request = OneRequest {
        floor: "curl",
        name: "put",
        verb: Verb::put("slack").dir(inputs.path()),
        input: json!({ "source": { "url": webhook.url() }, "params": { "text": "Build $BUILD_NAME", "channel": "#builds" } }),
        url: webhook.url(),
        body: json!({ "channel": "#builds", "text": "Build 42\n" }),
        arguments: Vec::new(),
    };
    one_request::measure(runs, &[request])
}
