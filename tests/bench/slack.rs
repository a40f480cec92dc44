//! The slack resource: a message by a webhook.

use jetway_tests::slack::Webhook;
use serde_json::json;

use crate::measure::Measured;
use crate::one_request::{self, OneRequest};

/// Measures a put and the curl that sends the same message.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let webhook = Webhook::start();
    let request = OneRequest {
        kind: "slack",
        put: json!({ "source": { "url": webhook.url() }, "params": { "text": "Build $BUILD_NAME", "channel": "#builds" } }),
        url: webhook.url(),
        body: json!({ "channel": "#builds", "text": "Build 42\n" }),
        arguments: Vec::new(),
    };
    one_request::measure(runs, &request)
}
