//! Invalid input and the exact messages. Nothing is printed for Concourse, and no file is created.

use std::fs;
use std::path::Path;

use jetway_tests::checkout::Checkout;
use jetway_tests::scratch;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{check, history, messages, refs, request, serve, source, with};

/// The program and release in error messages about requests.
const PROGRAM: &str = concat!("jetway-git ", env!("CARGO_PKG_VERSION"));

#[track_caller]
fn refused(outcome: &Outcome, expected: &str) {
    outcome.failed();
    assert_eq!(messages(outcome), expected.replace("PROGRAM", PROGRAM));
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

fn check_bytes(input: &str) -> Outcome {
    Verb::check("git").stdin(input).run()
}

fn put(inputs: &Path, source: &Value, params: Value) -> Outcome {
    Verb::put("git").dir(inputs).request(&request(source, None, &params)).run()
}

#[test]
fn fails_without_a_request() {
    refused(
        &check_bytes(""),
        "error: there is no request on standard input\n\
         hint: send one JSON object, as Concourse does: echo '{\"source\": {...}}' | jetway-git check; \
         see `jetway-git check --help`\n",
    );
}

#[test]
fn fails_for_invalid_json() {
    refused(
        &check_bytes("{\"source\": {\"uri\": hunter2}}"),
        "error: the request on standard input is not valid JSON\n  caused by: expected value at line 1 column 20\n",
    );
    refused(&check_bytes("[]"), "error: the request on standard input must be a JSON object\n");
}

/// A public repository is read, as with the established resource.
#[test]
fn warns_of_password_without_username() {
    let (repository, commits) = history(&["one"]);
    let (_server, url) = serve(&repository);
    let warning = "warning: `password` has no effect without `username`: requests carry no credentials\n";
    for (more, expected) in [
        (json!({}), warning),
        (json!({ "username": "" }), warning),
        (json!({ "username": "bob" }), ""),
        (json!({ "uri": repository.file_url() }), ""),
    ] {
        let source = with(with(source(&url), json!({ "password": "s3cret-word" })), more);
        let outcome = check(&source, None);
        assert_eq!(refs(&outcome), commits);
        assert_eq!(messages(&outcome), expected);
    }
}

#[test]
fn reports_all_problems_at_once() {
    let request = json!({
        "source": {
            "url": "x", "branch": ["a"], "paths": "a", "disable_ci_skip": "yes", "version_depth": 0,
        },
        "version": { "reff": "x" },
        "parms": {},
    });
    refused(
        &Verb::check("git").request(&request).run(),
        "warning: `parms`: unknown key, ignored; did you mean `params`?\n\
         error: the request has 6 problems (PROGRAM)\n    \
         `source.url`: unknown key; did you mean `uri`?\n    \
         `source.branch`: expected text, found a list\n    \
         `source.paths`: expected a list, found text\n    \
         `source.disable_ci_skip`: expected true or false, found text\n    \
         `source.version_depth`: expected a whole number from 1 to 4294967295, found 0\n    \
         `source.uri`: required, but missing\n",
    );
}

#[test]
fn allow_unknown_keys_turns_the_error_into_a_warning() {
    let (repository, commits) = history(&["one"]);
    let source = with(source(&repository.file_url()), json!({ "brnach": "x", "allow_unknown_keys": true }));
    let outcome = check(&source, None);
    assert_eq!(crate::support::refs(&outcome), commits);
    assert_eq!(
        messages(&outcome),
        "warning: `source.brnach`: unknown key, ignored since `allow_unknown_keys` is set; did you mean `branch`?\n"
    );
}

#[test]
fn fails_without_uri() {
    refused(
        &check(&json!({ "branch": "main" }), None),
        "error: the request has 1 problem (PROGRAM)\n    `source.uri`: required, but missing\n",
    );
    refused(
        &check(&json!({ "uri": " " }), None),
        "error: the request has 1 problem (PROGRAM)\n    `source.uri`: must not be empty\n",
    );
}

#[test]
fn refuses_names_that_look_like_options() {
    let source = json!({
        "uri": "--upload-pack=touch pwned", "branch": "-x", "paths": ["-x", ""], "ignore_paths": ["--all"],
    });
    refused(
        &check(&source, None),
        "error: the request has 5 problems (PROGRAM)\n    \
         `source.uri`: must not begin with `-`\n    \
         `source.branch`: must not begin with `-`\n    \
         `source.paths[0]`: must not begin with `-`; write `./-x` for a file of that name\n    \
         `source.paths[1]`: must not be empty\n    \
         `source.ignore_paths[0]`: must not begin with `-`; write `./--all` for a file of that name\n",
    );
    refused(
        &check(&json!({ "uri": "ext::sh -c 'touch pwned'" }), None),
        "error: the request has 1 problem (PROGRAM)\n    \
         `source.uri`: must not name a remote helper (`name::address`)\n",
    );
}

#[test]
fn fails_for_a_missing_branch() {
    let (repository, commits) = history(&["one"]);
    let source = json!({ "uri": repository.file_url(), "branch": "nope" });
    let message = "there is no branch `nope` in `file://[TEMP]/repository.git`\n";
    let outcome = check(&source, Some(&commits[0]));
    outcome.failed();
    assert_eq!(messages(&outcome), format!("error: {message}"));
    let outcome = check(&source, None);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        format!("error: cannot fetch `file://[TEMP]/repository.git`\n  caused by: {message}")
    );
    for (params, verb) in [(json!({}), "clone"), (json!({ "depth": 1 }), "fetch")] {
        let destination = scratch::directory();
        let outcome =
            Verb::get("git").dir(destination.path()).request(&request(&source, Some(&commits[0]), &params)).run();
        outcome.failed();
        let expected = format!("error: cannot {verb} `file://[TEMP]/repository.git`\n  caused by: {message}");
        assert_eq!(messages(&outcome), expected);
    }
}

#[test]
fn fails_for_a_missing_repository() {
    let directory = scratch::directory();
    let source = source(&format!("file://{}/nope.git", directory.path().display()));
    let outcome = check(&source, Some(&"1".repeat(40)));
    outcome.failed();
    let messages = messages(&outcome);
    assert!(messages.starts_with("error: cannot read `file://[TEMP]/nope.git`\n"), "{messages}");
    assert!(messages.contains("does not appear to be a git repository"), "{messages}");
}

#[test]
fn refuses_text_that_is_not_a_private_key() {
    let source = |key: &str| json!({ "uri": "git@127.0.0.1:x", "private_key": key });
    refused(
        &check(&source("hunter2 hunter2"), None),
        "error: the request has 1 problem (PROGRAM)\n    \
         `source.private_key`: is not a private key (expected `-----BEGIN ... PRIVATE KEY-----` to `-----END ...-----`, \
         with its line breaks)\n",
    );
}

mod get {
    use super::*;

    #[test]
    fn fails_without_a_destination() {
        let outcome = Verb::get("git").request(&request(&source("file:///x"), None, &json!({}))).run();
        refused(
            &outcome,
            "error: `in` needs a directory as its argument\n\
             hint: usage: jetway-git in DIRECTORY < request.json (PROGRAM)\n",
        );
    }

    #[test]
    fn refuses_a_version_that_looks_like_an_option() {
        let (repository, _) = history(&["one"]);
        let destination = scratch::directory();
        let outcome = Verb::get("git")
            .dir(destination.path())
            .request(&request(&source(&repository.file_url()), Some("--all"), &json!({})))
            .run();
        refused(&outcome, "error: version `--all` is neither a full commit hash nor the name of a tag or branch\n");
        assert_eq!(fs::read_dir(destination.path()).expect("list").count(), 0);
    }

    #[test]
    fn refuses_unknown_and_contradictory_params() {
        let destination = scratch::directory();
        let params = json!({ "depth": 1, "git.depth": 2, "submodule": "none" });
        let outcome =
            Verb::get("git").dir(destination.path()).request(&request(&source("file:///x"), None, &params)).run();
        refused(
            &outcome,
            "error: the request has 2 problems (PROGRAM)\n    \
             `params.submodule`: unknown key; did you mean `submodules`?\n    \
             `params.git.depth`: is an alias of `depth`, but has a different value\n",
        );
    }
}

mod put_step {
    use super::*;

    #[test]
    fn refuses_missing_repository_and_paths_outside_the_inputs() {
        let inputs = scratch::directory();
        refused(
            &put(inputs.path(), &source("file:///x"), json!({})),
            "error: the request has 1 problem (PROGRAM)\n    `params.repository`: required, but missing\n",
        );
        refused(
            &put(inputs.path(), &source("file:///x"), json!({ "repository": "../x", "tag": "-t", "branch": "a b" })),
            "error: the request has 3 problems (PROGRAM)\n    \
             `params.branch`: `a b` is not a valid branch name\n    \
             `params.repository`: must stay inside the directory of the inputs\n    \
             `params.tag`: must not begin with `-`\n",
        );
    }

    #[test]
    fn fails_without_a_branch() {
        let inputs = scratch::directory();
        refused(
            &put(inputs.path(), &json!({ "uri": "file:///x" }), json!({ "repository": "x" })),
            "error: there is no branch to push to\nhint: set `branch` in the source or in the put's params\n",
        );
    }

    #[test]
    fn fails_if_repository_is_missing_or_not_a_git_repository() {
        let inputs = scratch::directory();
        refused(
            &put(inputs.path(), &source("file:///x"), json!({ "repository": "app" })),
            "error: `app` is not a directory in the inputs\n\
             hint: `repository` is the name of an earlier get or of a task's output\n",
        );
        fs::create_dir(inputs.path().join("app")).expect("make a directory");
        let outcome = put(inputs.path(), &source("file:///x"), json!({ "repository": "app" }));
        outcome.failed();
        assert!(messages(&outcome).starts_with("error: `app` is not a git repository\n"), "{}", messages(&outcome));
    }

    #[test]
    fn fails_if_repository_has_no_commit() {
        let (repository, _) = history(&["one"]);
        let inputs = scratch::directory();
        let directory = inputs.path().join("app");
        fs::create_dir(&directory).expect("make a directory");
        jetway_tests::git::run(&directory, &["init", "-q"]);
        let outcome = put(inputs.path(), &source(&repository.file_url()), json!({ "repository": "app" }));
        outcome.failed();
        assert!(
            messages(&outcome).starts_with("error: the repository has no commit to push\n"),
            "{}",
            messages(&outcome)
        );
    }

    #[test]
    fn fails_if_tag_file_is_missing_or_has_an_invalid_name() {
        let (repository, _) = history(&["one"]);
        let inputs = scratch::directory();
        Checkout::clone(&repository.file_url(), inputs.path(), "app");
        let params = json!({ "repository": "app", "tag": "version" });
        let source = source(&repository.file_url());
        refused(
            &put(inputs.path(), &source, params.clone()),
            "error: cannot read the tag file `version`\n  caused by: there is no such file in the inputs\n",
        );
        fs::write(inputs.path().join("version"), "a b\n").expect("write the tag file");
        refused(&put(inputs.path(), &source, params), "error: `a b` from the file `version` is not a valid tag name\n");
    }
}
