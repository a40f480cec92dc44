//! What every type does alike with a request: keys that it does not know, values that are empty, ends of lines.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "test code")]

use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::Verb;
use serde_json::{Map, Value, json};

/// A type, and what its cases need.
struct Type {
    name: &'static str,
    /// A source of which a check fails or succeeds soon: the server knows nothing.
    source: Value,
    /// A key of the source, a misspelling of it, and the key in another case.
    key: [&'static str; 3],
    /// Optional keys that mean nothing when they are empty.
    optional: &'static [&'static str],
    /// Whether a check refuses unknown keys, as the established resource does.
    refuses: bool,
}

fn types(server: &StandIn) -> [Type; 8] {
    let url = server.url();
    let registry = json!({ "repository": format!("{}/team/app", url.trim_start_matches("http://")), "tag": "1" });
    let image = |name, refuses| Type {
        name,
        source: registry.clone(),
        key: ["repository", "repositry", "Repository"],
        optional: &["username", "password", "variant"],
        refuses,
    };
    [
        image("docker-image", false),
        image("registry-image", true),
        Type {
            name: "git",
            source: json!({ "uri": format!("{url}/app.git"), "branch": "main" }),
            key: ["branch", "brnach", "Branch"],
            optional: &["username", "password", "tag_filter", "commit_filter"],
            refuses: true,
        },
        Type {
            name: "github-pr",
            source: json!({ "repository": "octo/app", "access_token": "t0k3n", "v3_endpoint": url }),
            key: ["repository", "repositroy", "Repository"],
            optional: &["base_branch", "proxy"],
            refuses: false,
        },
        Type {
            name: "github-status",
            source: json!({ "repository": "octo/app", "access_token": "t0k3n", "endpoint": url, "branch": "main" }),
            key: ["branch", "brnach", "Branch"],
            optional: &["context", "proxy"],
            refuses: false,
        },
        Type {
            name: "helm-release",
            source: json!({ "cluster_url": url, "token": "t0k3n", "namespace": "default", "release": "demo" }),
            key: ["release", "relaese", "Release"],
            optional: &["cluster_ca", "proxy"],
            refuses: false,
        },
        Type {
            name: "jira",
            source: json!({ "url": url, "token": "t0k3n", "project": "OPS", "status": "Done" }),
            key: ["project", "projcet", "Project"],
            optional: &["jql", "proxy"],
            refuses: false,
        },
        Type {
            name: "slack",
            source: json!({ "url": format!("{url}/services/x") }),
            key: ["url", "urll", "Url"],
            optional: &["proxy", "channel"],
            refuses: false,
        },
    ]
}

/// What a check with that source says, in plain text.
fn messages(kind: &Type, more: &Value) -> String {
    let mut source: Map<String, Value> = kind.source.as_object().unwrap().clone();
    source.extend(more.as_object().unwrap().clone());
    said_of(kind, &Value::Object(source))
}

fn said_of(kind: &Type, source: &Value) -> String {
    let outcome = Verb::check(kind.name).request(&json!({ "source": source })).env("NO_COLOR", "1").run();
    outcome.stderr
}

fn with_each_type(case: impl Fn(&Type)) {
    let server = StandIn::start(|_| Response::text(404, "nothing is here"));
    types(&server).iter().for_each(case);
}

#[test]
fn an_unknown_key_is_a_warning_and_an_error_when_the_source_is_strict() {
    with_each_type(|kind| {
        let strict = messages(kind, &json!({ "quux_zyx": "x", "strict": true }));
        assert!(strict.contains("`source.quux_zyx`: unknown key; known keys: "), "{}: {strict}", kind.name);
        let messages = messages(kind, &json!({ "quux_zyx": "x" }));
        let expected = if kind.refuses { "unknown key; known keys: " } else { "unknown key, ignored\n" };
        assert!(messages.contains(&format!("`source.quux_zyx`: {expected}")), "{}: {messages}", kind.name);
    });
}

#[test]
fn a_misspelt_key_is_an_error_with_the_key_that_was_meant() {
    with_each_type(|kind| {
        let [key, misspelt, _] = kind.key;
        let messages = messages(kind, &json!({ misspelt: "x" }));
        let expected = format!("`source.{misspelt}`: unknown key; did you mean `{key}`?");
        assert!(messages.contains(&expected), "{}: {messages}", kind.name);
    });
}

#[test]
fn a_key_in_another_case_is_read_with_a_warning() {
    with_each_type(|kind| {
        let [key, _, other] = kind.key;
        let mut source = kind.source.clone();
        let value = source.as_object_mut().unwrap().remove(key).unwrap();
        source[other] = value;
        let messages = said_of(kind, &source);
        let expected = format!("warning: `source.{other}`: the key is written `{key}`");
        assert!(messages.contains(&expected) && !messages.contains("missing"), "{}: {messages}", kind.name);
    });
}

#[test]
fn empty_values_are_absent_and_ends_of_lines_do_not_matter() {
    with_each_type(|kind| {
        let plain = messages(kind, &json!({}));
        for empty in [json!(""), json!(" \n")] {
            let more: Map<String, Value> = kind.optional.iter().map(|key| ((*key).to_owned(), empty.clone())).collect();
            assert_eq!(messages(kind, &Value::Object(more)), plain, "{}: {empty}", kind.name);
        }
        let [key, ..] = kind.key;
        let line = format!("{}\n", kind.source[key].as_str().unwrap());
        assert_eq!(messages(kind, &json!({ key: line })), plain, "{}", kind.name);
    });
}
