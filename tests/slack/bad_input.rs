//! Invalid requests: each mistake with its exact message, without a response and without a request to the chat.

use jetway_tests::slack::Webhook;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{messages, put, put_with, source};

/// The program and its release, as error messages name them.
const PROGRAM: &str = concat!("jetway-slack ", env!("CARGO_PKG_VERSION"));

#[track_caller]
fn refused(outcome: &Outcome, expected: &str) {
    outcome.failed();
    assert_eq!(messages(outcome), expected.replace("PROGRAM", PROGRAM));
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

fn problem(expected: &str) -> String {
    format!("error: the request has 1 problem (PROGRAM)\n    {expected}\n")
}

fn url() -> Value {
    json!({ "url": "https://hooks.example/x" })
}

#[test]
fn source_problems() {
    for (source, expected) in [
        (json!({}), "`source.url`: required, but missing; set `url` to a webhook URL, or `token` to a bot token"),
        (
            json!({ "url": " " }),
            "`source.url`: required, but missing; set `url` to a webhook URL, or `token` to a bot token",
        ),
        (
            json!({ "url": "https://x.example", "token": "xoxb-1" }),
            "`source.token`: excludes `url`: set either a webhook or a bot token",
        ),
        (
            json!({ "url": "ftp://x.example/y" }),
            "`source.url`: expected a URL that begins with `https://`; a webhook URL begins with `https://`",
        ),
        (json!({ "url": ["x"] }), "`source.url`: expected text, found a list"),
        (json!({ "url": "xoxb-1" }), "`source.url`: is a token, not a webhook URL; set `token` to a bot token"),
        (
            json!({ "token": "xoxb 1" }),
            "`source.token`: contains a space or a line break; a bot token begins with `xoxb-` and has no white space",
        ),
        (
            json!({ "token": "xoxb-1", "api_url": "slack.com/api" }),
            "`source.api_url`: expected a URL, `https://...`: relative URL without a base",
        ),
        (
            json!({ "url": "https://x.example", "concourse_url": "ci" }),
            "`source.concourse_url`: expected a URL, `https://...`: relative URL without a base",
        ),
        (json!({ "url": "https://x.example", "password": "p4ssw0rd" }), "`source.password`: requires `username`"),
        (
            json!({ "url": "https://x.example", "proxy": "ftp://x" }),
            "`source.proxy`: expected `http://host:port` or `socks5://host:port`, found the scheme `ftp`",
        ),
        (json!({ "url": "https://x.example", "ca_certs": "x" }), "`source.ca_certs`: expected a list, found text"),
        (
            json!({ "url": "https://x.example", "read_timeout": 0 }),
            "`source.read_timeout`: expected a whole number from 1 to 4294967295, found 0",
        ),
        (
            json!({ "url": "https://x.example", "chanel": "#a" }),
            "`source.chanel`: unknown key; did you mean `channel`?",
        ),
    ] {
        let expected = problem(expected);
        refused(&put(&source, json!({ "text": "x" })), &expected);
        refused(&Verb::check("slack").request(&json!({ "source": source })).run(), &expected);
    }
}

#[test]
fn put_params_problems() {
    for (params, expected) in [
        (json!({ "txt": "x" }), "`params.txt`: unknown key; did you mean `text`?"),
        (json!({ "text": ["x"] }), "`params.text`: expected text, found a list"),
        (
            json!({ "attachments": { "text": "x" } }),
            "`params.attachments`: expected a list of anything or text, found keys and values",
        ),
        (
            json!({ "blocks": { "type": "divider" } }),
            "`params.blocks`: expected a list of anything or text, found keys and values",
        ),
        (json!({ "text": "x", "reply_broadcast": true }), "`params.reply_broadcast`: has no effect without `thread`"),
        (
            json!({ "text": "x", "delivery": "twice" }),
            "`params.delivery`: expected `at_most_once` or `at_least_once`, found `twice`",
        ),
        (json!({ "text": "x", "silent": "yes" }), "`params.silent`: expected true or false, found text"),
        (
            json!({ "alert_type": "green" }),
            "`params.alert_type`: expected `default`, `success`, `failed`, `started`, `aborted`, `errored`, `fixed` or `broke`, \
             found `green`",
        ),
        (json!({ "text_file": "/etc/passwd" }), "`params.text_file`: must stay inside the directory of the inputs"),
        (json!({ "text": "x", "thread": "../x" }), "`params.thread`: must stay inside the directory of the inputs"),
        (json!({ "text": "x", "thread": "" }), "`params.thread`: must not be empty"),
        (
            json!({ "text": "x", "thread": { "ts": "now" } }),
            "`params.thread.ts`: must be a message's `ts`, such as `1700000000.000100`",
        ),
        (json!({ "text": "x", "update": ["x"] }), "`params.update`: expected text or keys and values, found a list"),
        (
            json!({ "text": "x", "thread": "a", "update": "b" }),
            "`params.update`: excludes `thread`: a put either replies to a message or updates one",
        ),
        (json!({ "reactions": ["tada"] }), "`params.reactions`: requires a message: set `text`, `thread` or `update`"),
        (
            json!({ "text": "x", "reactions": ["a b"] }),
            "`params.reactions[0]`: must be the name of an emoji, such as `tada` or `-tada`",
        ),
        (json!({ "text": "x", "mentions": ["ada"] }), "`params.mentions[0]`: must be an e-mail address"),
        (
            json!({ "text": "x", "escape": true, "link_names": true }),
            "`params.link_names`: excludes `escape`: `link_names` turns text into mentions, and `escape` prevents that",
        ),
    ] {
        refused(&put(&url(), params), &problem(expected));
    }
}

#[test]
fn reports_all_problems_at_once() {
    refused(
        &put(&json!({ "urll": "x", "disable": 1 }), json!({ "text": { "a": 1 }, "chanels": [] })),
        "error: the request has 4 problems (PROGRAM)\n    \
         `source.urll`: unknown key; did you mean `url`?\n    \
         `source.disable`: expected true or false, found a number\n    \
         `params.text`: expected text, found keys and values\n    \
         `params.chanels`: unknown key; did you mean `channels`?\n",
    );
}

#[test]
fn get_params_problems() {
    let request = json!({ "source": url(), "version": { "timestamp": ["x"] }, "params": { "skip": true } });
    let directory = jetway_tests::scratch::directory();
    refused(
        &Verb::get("slack").dir(directory.path()).request(&request).run(),
        "warning: `params.skip`: unknown key, ignored\n\
         error: the request has 1 problem (PROGRAM)\n    \
         `version.timestamp`: expected text, found a list\n",
    );
}

#[test]
fn file_problems() {
    let webhook = Webhook::start();
    for (params, content, expected) in [
        (
            json!({ "attachments_file": "f" }),
            "[{\"text\": $BUILD_ID}]",
            "error: file `f` is not valid JSON\n  caused by: expected value at line 1 column 11\n\
             hint: put variables inside strings: `\"build $BUILD_NAME\"`\n",
        ),
        (json!({ "attachments_file": "f" }), "{\"a\": 1}", "error: the file `f` contains no list of attachments\n"),
        (json!({ "blocks_file": "f" }), "12", "error: the file `f` contains no list of blocks\n"),
        (
            json!({ "text": "x", "thread": "f" }),
            "now\n",
            "error: `f` (`thread`) does not identify a message\n  \
             caused by: expected a message's `ts`, such as `1700000000.000100`\n",
        ),
        (
            json!({ "text": "x", "thread": "f" }),
            "{\"channel\": \"C1\"}",
            "error: `f` (`thread`) does not identify a message\n  caused by: it has no `ts`\n",
        ),
    ] {
        refused(&put_with(&source(&webhook), params, &[("f", content)]), expected);
    }
    assert_eq!(webhook.server().connections(), 0);
}

#[test]
fn build_name_problems() {
    let webhook = Webhook::start();
    let inputs = crate::support::inputs(&[]);
    let step = crate::support::put_step(&source(&webhook), json!({ "alert_type": "broke" }), inputs.path());
    refused(&step.env("BUILD_NAME", "x").run(), "error: the build name `x` is not a number such as `42` or `42.1`\n");
}
