//! Invalid requests: each mistake with its exact message, without a response and without a request to GitHub.

use jetway_tests::github::{GitHub, commit};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{check, inputs, messages, put, put_with, source, with};

/// The program and its release, as error messages name them.
const PROGRAM: &str = concat!("jetway-github-status ", env!("CARGO_PKG_VERSION"));

#[track_caller]
fn refused(outcome: &Outcome, expected: &str) {
    outcome.failed();
    assert_eq!(messages(outcome), expected.replace("PROGRAM", PROGRAM));
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

/// Asserts that a put is rejected because of its params.
#[track_caller]
fn params(params: Value, expected: &str) {
    let github = GitHub::start();
    let source = source(&github);
    refused(&put(&source, params), expected);
    assert_eq!(github.requests(), Vec::<String>::new());
}

/// Asserts that a check is rejected because of its source.
#[track_caller]
fn of_source(value: Value, expected: &str) {
    refused(&check(&value, None), expected);
}

mod source_problems {
    use super::*;

    #[test]
    fn empty_source() {
        of_source(
            json!({}),
            "error: the request has 2 problems (PROGRAM)\n    `source.repository`: required, but missing; set `repository`, or `owner` and `repo`\n    `source.access_token`: required, but missing; set `access_token`, or `app_id` and `private_key` to log in as a GitHub App\n",
        );
    }

    #[test]
    fn missing_credentials() {
        for token in [json!(null), json!(""), json!(" ")] {
            of_source(
                json!({ "repository": "o/n", "access_token": token }),
                "error: the request has 1 problem (PROGRAM)\n    `source.access_token`: required, but missing; set `access_token`, or `app_id` and `private_key` to log in as a GitHub App\n",
            );
        }
    }

    #[test]
    fn incomplete_app_or_app_with_token() {
        of_source(
            json!({ "repository": "o/n", "app_id": 1 }),
            "error: the request has 1 problem (PROGRAM)\n    `source.private_key`: required to log in as a GitHub App, but \
             missing\n",
        );
        of_source(
            json!({ "repository": "o/n", "access_token": "hunter2", "app_id": 1 }),
            "error: the request has 1 problem (PROGRAM)\n    `source.access_token`: excludes `app_id`, `installation_id` and \
             `private_key`\n",
        );
    }

    #[test]
    fn invalid_app_key() {
        of_source(
            json!({ "repository": "o/n", "app_id": "a b", "installation_id": "x", "private_key": "hunter2" }),
            "error: the request has 3 problems (PROGRAM)\n    \
             `source.private_key`: is not a private key (expected `-----BEGIN RSA PRIVATE KEY-----` to `-----END RSA PRIVATE \
             KEY-----`)\n    \
             `source.installation_id`: expected a whole number\n    \
             `source.app_id`: expected the App's id or client id\n",
        );
    }

    #[test]
    fn misspelt_keys_and_values_of_the_wrong_type() {
        of_source(
            json!({
                "repostory": "o/n", "access_tokn": "token", "skip_ssl_verification": "yes", "branch": ["a"],
                "gate": { "creator": "alice" },
            }),
            "error: the request has 5 problems (PROGRAM)\n    \
             `source.repostory`: unknown key; did you mean `repository`?\n    \
             `source.access_tokn`: unknown key; did you mean `access_token`?\n    \
             `source.skip_ssl_verification`: expected true or false, found text\n    \
             `source.branch`: expected text, found a list\n    \
             `source.gate.creator`: unknown key; did you mean `creators`?\n",
        );
    }

    #[test]
    fn invalid_values() {
        of_source(
            json!({
                "repository": "https://github.com/o/n", "access_token": "token", "endpoint": "api.github.com",
                "branch": "a..b", "commit": "main", "context": "", "gate": { "state": "succes", "context": " " },
                "contexts": ["*"], "ca_certs": ["x"], "proxy": "ftp://x",
            }),
            "error: the request has 9 problems (PROGRAM)\n    \
             `source.repository`: expected `OWNER/NAME`, found `https://github.com/o/n`\n    \
             `source.endpoint`: expected `https://...`: relative URL without a base\n    \
             `source.branch`: `a..b` is not a valid ref name\n    \
             `source.commit`: expected a full commit hash\n    \
             `source.commit`: excludes `branch` and `pull_requests`\n    \
             `source.gate.state`: expected `error`, `failure`, `pending` or `success`, found `succes`; did you mean \
             `success`?\n    \
             `source.contexts`: has no effect with `gate`, which follows one context\n    \
             `source.ca_certs[0]`: expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none\n    \
             `source.proxy`: expected `http://host:port` or `socks5://host:port`, found the scheme `ftp`\n",
        );
    }

    #[test]
    fn keys_that_exclude_deployment() {
        of_source(
            json!({
                "repository": "o/n", "access_token": "token", "deployment": { "environment": "", "state": "failed" },
                "gate": {}, "pull_requests": true, "contexts": ["*"],
            }),
            "error: the request has 6 problems (PROGRAM)\n    \
             `source.contexts`: has no effect with `gate`, which follows one context\n    \
             `source.deployment.state`: expected `error`, `failure`, `in_progress`, `inactive`, `pending`, `queued` or \
             `success`, found `failed`; did you mean `failure`?\n    \
             `source.deployment.environment`: must not be empty\n    \
             `source.gate`: has no effect with `deployment`\n    \
             `source.pull_requests`: has no effect with `deployment`\n    \
             `source.contexts`: has no effect with `deployment`\n",
        );
    }
}

mod put_problems {
    use super::*;

    #[test]
    fn missing_commit_or_both_commit_and_path() {
        params(
            json!({ "state": "success" }),
            "error: `commit` is missing, and there is no checkout in the inputs\n\
             hint: set `commit` to a checkout, a file that contains a hash, or a hash; or set `path` to the checkout of a pull request\n",
        );
        params(
            json!({ "state": "success", "commit": "a", "path": "a" }),
            "error: the request has 1 problem (PROGRAM)\n    `params.path`: excludes `commit`: both keys name the commit\n",
        );
    }

    /// dpb587/github-status-resource#3: with `failed` instead of `failure`, the version was `null` and there was no error.
    #[test]
    fn unknown_states() {
        for (word, near) in
            [("failed", "failure"), ("succeeded", "success"), ("errored", "error"), ("PENDNG", "pending")]
        {
            params(
                json!({ "state": word, "commit": "a" }),
                &format!(
                    "error: the request has 1 problem (PROGRAM)\n    `params.state`: expected `error`, `failure`, `pending` \
                     or `success`, found `{word}`; did you mean `{near}`?\n"
                ),
            );
        }
        params(
            json!({
                "state": "success", "status": "failure", "commit": "a", "statuses": [{ "state": "aborted" }],
                "deployment": { "environment": " ", "state": "done" },
            }),
            "error: the request has 4 problems (PROGRAM)\n    \
             `params.status`: is an alias of `state`, but has a different value\n    \
             `params.statuses[0].state`: expected `error`, `failure`, `pending` or `success`, found `aborted`\n    \
             `params.deployment.environment`: must not be empty\n    \
             `params.deployment.state`: expected `error`, `failure`, `in_progress`, `inactive`, `pending`, `queued` or \
             `success`, found `done`\n",
        );
    }

    #[test]
    fn unknown_keys_and_values_of_the_wrong_type() {
        params(
            json!({ "commit": "a", "state": ["success"], "descripton": "x", "statuses": { "a": 1 }, "comment": { "a": 1 } }),
            "error: the request has 4 problems (PROGRAM)\n    \
             `params.state`: expected text, found a list\n    \
             `params.descripton`: unknown key; did you mean `description`?\n    \
             `params.statuses`: expected a list, found keys and values\n    \
             `params.comment`: expected text, found keys and values\n",
        );
    }

    #[test]
    fn commits_that_do_not_exist() {
        params(
            json!({ "commit": "code", "state": "success" }),
            "error: cannot find the commit of `code`\n  caused by: it is neither in the inputs nor a full commit hash\n\
             hint: name a checkout, a file that contains a full hash, or a full hash\n",
        );
        params(
            json!({ "commit": "0123456", "state": "success" }),
            "error: cannot find the commit of `0123456`\n  caused by: it is neither in the inputs nor a full commit hash\n\
             hint: name a checkout, a file that contains a full hash, or a full hash\n",
        );
        params(
            json!({ "path": "pr", "state": "success" }),
            "error: `pr` is not a directory in the inputs\n\
             hint: set `path` to the name of an earlier get of a pull request\n",
        );
    }

    #[test]
    fn inputs_without_a_commit() {
        let github = GitHub::start();
        let (hash, large) = (commit(1), "x".repeat(1024 * 1024 + 1));
        let files = [
            ("short", "0123456\n"),
            ("two", &format!("{hash} {hash}")),
            ("large", &large),
            ("empty/x", ""),
            ("unborn/.git/HEAD", "ref: refs/heads/main\n"),
            ("broken/.git/HEAD", "what\n"),
            ("odd/.git/HEAD", "ref: refs/../../x\n"),
            ("tables/.git/HEAD", "ref: refs/heads/.invalid\n"),
            ("tables/.git/reftable/x", ""),
            ("worktree/.git", "gitdir: /tmp/build/e55deab7/app/.git/worktrees/tree\n"),
        ];
        for (name, words) in [
            ("short", "the file does not contain a full commit hash\n"),
            ("two", "the file does not contain a full commit hash\n"),
            ("large", "it is larger than 1 MiB\n"),
            (
                "empty",
                "it has no `.git`\nhint: name a checkout, a file that contains the commit's hash, or the hash itself\n",
            ),
            ("unborn", "its branch `refs/heads/main` has no commit yet\n"),
            ("broken", "its `HEAD` contains neither a ref nor a commit hash\n"),
            ("odd", "the ref name in its `HEAD` is not valid\n"),
            (
                "tables",
                "it stores its refs in the `reftable` format, which is not supported\nhint: set `commit` to a file that contains the commit's hash, such as `.git/ref` of a git resource's get\n",
            ),
            (
                "worktree",
                "the git directory that its `.git` file refers to is not in the inputs\nhint: add the main repository of the worktree to the inputs\n",
            ),
        ] {
            let outcome = put_with(&source(&github), json!({ "commit": name, "state": "success" }), &files);
            refused(&outcome, &format!("error: cannot find the commit of `{name}`\n  caused by: {words}"));
        }
        assert_eq!(github.requests(), Vec::<String>::new());
    }

    #[test]
    fn comment_files_that_do_not_exist() {
        params(
            json!({ "commit": commit(1), "comment_file": "a/b" }),
            "error: `comment_file`\n  caused by: file `a/b` does not exist in the inputs\n\
             hint: begin the path with the name of an earlier get or of a task's output\n",
        );
        let github = GitHub::start();
        let inputs = inputs(&[("dir/x", "")]);
        let params = json!({ "commit": commit(1), "state": "success", "comment_file": "dir" });
        refused(
            &crate::support::put_step(&source(&github), params, inputs.path()).run(),
            "error: `comment_file`\n  caused by: cannot read `dir`\n  caused by: it is not a file\n",
        );
    }

    #[test]
    fn keys_of_the_pull_request_resource_that_are_not_supported() {
        for key in ["label", "merge"] {
            params(
                json!({ "commit": "a", "state": "success", key: "x" }),
                &format!(
                    "error: the request has 1 problem (PROGRAM)\n    `params.{key}`: is not supported; run `gh` in a task instead\n"
                ),
            );
        }
    }

    #[test]
    fn missing_directory() {
        let github = GitHub::start();
        let request = json!({ "source": source(&github), "params": { "commit": commit(1), "state": "success" } });
        refused(
            &Verb::put("github-status").request(&request).run(),
            "error: `out` needs a directory as its argument\n\
             hint: usage: jetway-github-status out DIRECTORY < request.json (PROGRAM)\n",
        );
    }
}

#[test]
fn unknown_keys_are_warnings_and_misspelt_keys_with_allow_unknown_keys() {
    let github = GitHub::start();
    for (keys, warning) in [
        (json!({ "git_crypt_key": "x" }), "warning: `source.git_crypt_key`: unknown key, ignored\n"),
        (
            json!({ "allow_unknown_keys": true, "brnach": "x" }),
            "warning: `source.brnach`: unknown key, ignored since `allow_unknown_keys` is set; did you mean `branch`?\n",
        ),
    ] {
        let outcome =
            put(&with(source(&github), keys), json!({ "commit": commit(1), "state": "success", "context": "a" }));
        outcome.succeeded();
        assert!(messages(&outcome).starts_with(warning), "{}", outcome.stderr);
    }
}

#[test]
fn get_has_no_params() {
    let github = GitHub::start();
    let destination = inputs(&[]);
    let request = json!({
        "source": with(source(&github), json!({ "strict": true })), "version": { "commit": commit(1), "status": "1" },
        "params": { "skip": true },
    });
    refused(
        &Verb::get("github-status").dir(destination.path()).request(&request).run(),
        "error: the request has 1 problem (PROGRAM)\n    `params.skip`: unknown key; no key is known here\n",
    );
}
