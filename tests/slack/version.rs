//! check and get: they send no requests, and always return the same.

use jetway_tests::scratch;
use jetway_tests::slack::{SlackApi, Webhook};
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{bot, source};

fn versions() -> [Value; 3] {
    [
        json!({ "timestamp": "1700000000" }),
        json!({ "ver": "static" }),
        json!({ "channel": "C0BUILDS", "ts": "1700000000.000100" }),
    ]
}

#[test]
fn check_returns_known_version_without_a_request() {
    let (webhook, api) = (Webhook::start(), SlackApi::start());
    for source in [source(&webhook), bot(&api)] {
        let check = |version: &Value| {
            let outcome = Verb::check("slack").request(&json!({ "source": source, "version": version })).run();
            assert_eq!(outcome.stderr, "");
            outcome.json()
        };
        for version in versions() {
            assert_eq!(check(&version), json!([version]));
            assert_eq!(check(&version), json!([version]));
        }
        // A version of a later release, with an additional key.
        assert_eq!(check(&json!({ "timestamp": "1", "more": "x" })), json!([{ "timestamp": "1" }]));
        for nothing in [Value::Null, json!({})] {
            assert_eq!(check(&nothing), json!([]));
        }
    }
    assert_eq!((webhook.server().connections(), api.server().connections()), (0, 0));
}

#[test]
fn get_writes_only_the_message_ids() {
    let webhook = Webhook::start();
    for (version, files) in versions().iter().zip([vec![], vec![], vec!["channel", "ts"]]) {
        let directory = scratch::directory();
        let request = json!({ "source": source(&webhook), "version": version });
        let outcome = Verb::get("slack").dir(directory.path()).request(&request).run();
        assert_eq!(outcome.json(), json!({ "version": version, "metadata": [] }));
        let mut found: Vec<String> = std::fs::read_dir(directory.path())
            .expect("list a directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        found.sort();
        assert_eq!(found, files);
    }
    assert_eq!(webhook.server().connections(), 0);
}

#[test]
fn get_without_version_works_as_in_the_established_resource() {
    let directory = scratch::directory();
    let request = json!({ "source": { "url": "https://hooks.example/x" } });
    let outcome = Verb::get("slack").dir(directory.path()).request(&request).run();
    assert_eq!(outcome.json()["version"], json!({ "timestamp": "none" }));
}
