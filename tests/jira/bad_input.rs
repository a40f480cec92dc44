//! Invalid requests: each mistake with its exact message, without a response and without a request to Jira.

use jetway_tests::jira::{Edition, Jira};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{check, get, inputs, messages, put, put_with, with};

/// The program and its release, as error messages name them.
const PROGRAM: &str = concat!("jetway-jira ", env!("CARGO_PKG_VERSION"));

#[track_caller]
fn refused(outcome: &Outcome, expected: &str) {
    outcome.failed();
    assert_eq!(messages(outcome), expected.replace("PROGRAM", PROGRAM));
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

/// The report of a request with these problems.
fn problems(expected: &[&str]) -> String {
    let noun = if expected.len() == 1 { "problem" } else { "problems" };
    format!("error: the request has {} {noun} (PROGRAM)\n    {}\n", expected.len(), expected.join("\n    "))
}

/// Asserts that a check rejects the source.
#[track_caller]
fn of_source(value: Value, expected: &[&str]) {
    refused(&check(&value, None), &problems(expected));
}

/// Asserts that a put rejects the params without a request to Jira.
#[track_caller]
fn of_params(params: Value, expected: &[&str]) {
    let jira = Jira::start(Edition::Cloud);
    refused(&put(&jira.source(), params), &problems(expected));
    assert_eq!(jira.requests(), Vec::<String>::new());
}

fn cloud(more: Value) -> Value {
    with(json!({ "url": "https://x.example", "email": "a@b", "api_token": "t" }), more)
}

#[test]
fn rejects_missing_url_and_credentials() {
    of_source(json!({}), &["`source.url`: required, but missing"]);
    let no_login = "`source.api_token`: required, but missing; set `email` and `api_token` for Jira Cloud, or `token` (a \
                    personal access token) for Jira Data Center";
    of_source(json!({ "url": "https://x" }), &[no_login]);
    of_source(json!({ "url": "https://x", "email": "", "api_token": " ", "token": null }), &[no_login]);
    of_source(json!({ "url": "https://x", "email": "a" }), &["`source.api_token`: required with `email`, but missing"]);
    of_source(
        json!({ "url": "https://x", "api_token": "a" }),
        &["`source.email`: required with `api_token`, but missing"],
    );
    of_source(cloud(json!({ "token": "x" })), &["`source.token`: excludes `email` and `api_token`"]);
}

#[test]
fn rejects_invalid_url() {
    for (url, reason) in [
        ("x.atlassian.net", "expected `https://...`: relative URL without a base"),
        ("ftp://x", "expected `https://...`"),
        ("https://x?a=b", "must not contain a query"),
        ("https://me:hunter2@x", "must not contain a user or a password"),
        ("https://x/rest/api/2", "must be the URL of Jira, without `/rest/api`"),
    ] {
        of_source(cloud(json!({ "url": url })), &[&format!("`source.url`: {reason}")]);
    }
}

#[test]
fn rejects_incomplete_gate() {
    of_source(
        cloud(json!({ "jql": "a = b" })),
        &["`source.status`: required with `jql`, but missing; set `status` or `status_category`, so that an issue \
             in the status is a version"],
    );
    of_source(
        cloud(json!({ "status": "Done" })),
        &["`source.jql`: required with `status` or `status_category`, but missing; set `jql` or `project`"],
    );
    of_source(
        cloud(
            json!({ "status": ["Done", " "], "status_category": "done", "jql": "order by x", "project": "my project" }),
        ),
        &[
            "`source.status`: must not be empty",
            "`source.status_category`: excludes `status`",
            "`source.jql`: must not be empty",
            "`source.project`: expected the key of a project, such as `OPS`",
        ],
    );
    of_source(
        cloud(json!({ "status": 10002, "project": "OPS" })),
        &["`source.status`: expected the name of a status, found its number"],
    );
}

#[test]
fn rejects_misspelt_keys_and_invalid_values() {
    of_source(
        cloud(
            json!({ "jqll": "x", "stauts": "Done", "api": "clod", "insecure": "yes", "status_category": "finished" }),
        ),
        &[
            "`source.jqll`: unknown key; did you mean `jql`?",
            "`source.stauts`: unknown key; did you mean `status`?",
            "`source.api`: expected `cloud` or `data_center`, found `clod`; did you mean `cloud`?",
            "`source.insecure`: expected true or false, found text",
            "`source.status_category`: expected `to_do`, `in_progress` or `done`, found `finished`",
        ],
    );
    of_source(
        json!({ "url": "https://x", "email": "a:b", "api_token": "a b", "ca_certs": ["x"], "proxy": "ftp://x" }),
        &[
            "`source.email`: must not contain a colon or a line break",
            "`source.api_token`: must not contain a space or a line break",
            "`source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none",
            "`source.proxy`: expected `http://host:port` or `socks5://host:port`, found the scheme `ftp`",
        ],
    );
}

#[test]
fn rejects_put_without_exactly_one_issue() {
    of_params(
        json!({ "comment": "x" }),
        &["`params.issue`: required, but missing; set `issue` or `issue_file`, or `create` for a new issue"],
    );
    of_params(
        json!({ "issue": "OPS-1", "issue_file": "x", "comment": "x" }),
        &["`params.issue_file`: excludes `issue`"],
    );
    of_params(
        json!({ "issue": "OPS-1", "create": { "summary": "x" }, "fields": { "a": 1 } }),
        &[
            "`params.create`: excludes `issue` and `issue_file`",
            "`params.fields`: excludes `create`; set `create.fields` instead",
        ],
    );
    for issue in ["OPS", "../OPS-1", "OPS-1?x", "OPS 1"] {
        of_params(
            json!({ "issue": issue, "comment": "x" }),
            &["`params.issue`: expected the key of an issue, such as `OPS-12`"],
        );
    }
}

#[test]
fn rejects_put_without_work() {
    for more in [json!({}), json!({ "comment": "" }), json!({ "link": false, "fields": {} })] {
        of_params(
            with(json!({ "issue": "OPS-1" }), more),
            &["`params.comment`: there is nothing to do; set `comment`, `transition`, `fields` or `link`"],
        );
    }
}

#[test]
fn rejects_invalid_params() {
    of_params(
        json!({
            "issue": "OPS-1", "comment": "x", "comment_file": "../x", "transition_fields": { "a": 1 }, "link": { "url": "ci" },
            "coment": "x",
        }),
        &[
            "`params.coment`: unknown key; did you mean `comment`?",
            "`params.comment_file`: excludes `comment`",
            "`params.transition_fields`: has no effect without `transition`",
            "`params.link.url`: expected `https://...`",
            "`params.comment_file`: must stay inside the directory of the inputs",
        ],
    );
    of_params(
        json!({ "create": { "project": "a b", "summary_file": "/etc/x", "fields": { "summary": "x" } } }),
        &[
            "`params.create.project`: expected the key of a project, such as `OPS`",
            "`params.create.summary_file`: must stay inside the directory of the inputs",
            "`params.create.fields.summary`: set `create.summary` instead",
        ],
    );
    of_params(json!({ "create": { "issuetype": "Task" } }), &["`params.create.summary`: required, but missing"]);
}

#[test]
fn rejects_new_issue_without_project() {
    let jira = Jira::start(Edition::Cloud);
    refused(
        &put(&jira.source(), json!({ "create": { "summary": "x" } })),
        "error: the project of the new issue is missing\nhint: set `create.project`, or `project` in the source\n",
    );
    assert_eq!(jira.requests(), Vec::<String>::new());
}

#[test]
fn rejects_file_without_issue_key() {
    let jira = Jira::start(Edition::Cloud);
    for (content, shown) in [("", ""), ("no key", "no key"), ("OPS-1\nOPS-2", "OPS-1\n    OPS-2")] {
        let outcome = put_with(&jira.source(), json!({ "issue_file": "x/key", "comment": "x" }), &[("x/key", content)]);
        refused(
            &outcome,
            &format!(
                "error: `issue_file`: `{shown}` is not the key of an issue\nhint: a get of an issue writes the key to the file `key`\n"
            ),
        );
    }
    refused(
        &put(&jira.source(), json!({ "issue_file": "x/key", "comment": "x" })),
        "error: `issue_file`\n  caused by: there is no `x/key` in the inputs\n\
         hint: the path begins with the name of an earlier get or of a task's output\n",
    );
    let inputs = inputs(&[("secret", "s3cret")]);
    std::os::unix::fs::symlink("/etc/passwd", inputs.path().join("link")).unwrap();
    let params = json!({ "issue": "OPS-1", "comment_file": "link" });
    let outcome = crate::support::put_step(&jira.source(), params, inputs.path()).run();
    outcome.failed();
    assert!(
        messages(&outcome).contains("it is a link to a path outside the directory of the inputs"),
        "{}",
        messages(&outcome)
    );
    assert_eq!(jira.requests(), Vec::<String>::new());
}

#[test]
fn rejects_field_that_is_no_file_name() {
    let jira = Jira::start(Edition::Cloud);
    let version = json!({ "issue": "OPS-1", "status": "x", "changed": "x" });
    for field in ["../x", "a/b", ".."] {
        let outcome = get(&jira.source(), &version, json!({ "fields": [field] }), inputs(&[]).path());
        refused(
            &outcome,
            &problems(&["`params.fields[0]`: expected the id or the name of a field that is valid as a file name"]),
        );
    }
}

#[test]
fn rejects_get_without_version() {
    let jira = Jira::start(Edition::Cloud);
    let destination = inputs(&[]);
    let request = json!({ "source": jira.source(), "version": null });
    let outcome = Verb::get("jira").dir(destination.path()).request(&request).run();
    outcome.failed();
    assert!(outcome.stdout.is_empty());
    assert_eq!(jira.requests(), Vec::<String>::new());
}
