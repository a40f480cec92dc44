//! Messages: hints that name the right key, and accurate errors about the server.

use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::ssh_git::SshGit;
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};

use crate::support::{check, history, messages, refs, request, source, with};

fn get(source: &Value, version: &Value) -> (String, Outcome) {
    let destination = scratch::directory();
    let request = json!({ "source": source, "version": version, "params": {} });
    let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
    let head =
        if outcome.code == Some(0) { git::run(destination.path(), &["rev-parse", "HEAD"]) } else { String::new() };
    (head.trim().to_owned(), outcome)
}

#[test]
fn ssh_address_without_a_key_hints_at_private_key() {
    if !require(Layer::Program("sshd")) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let server = SshGit::start();
    let url = server.url(repository.path());
    for source in [source(&url), with(source(&url), json!({ "known_hosts": server.known_hosts() }))] {
        let outcome = check(&source, None);
        outcome.failed();
        let hint = "hint: set `private_key` in the source: an ssh address needs it\n";
        assert!(messages(&outcome).ends_with(hint), "{}", messages(&outcome));
    }
}

#[test]
fn missing_default_branch_fails_with_the_existing_branches() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("side", &commits[0]);
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
    let source = json!({ "uri": repository.file_url() });
    for version in [None, Some(commits[0].as_str())] {
        let outcome = check(&source, version);
        outcome.failed();
        assert_eq!(
            messages(&outcome),
            "error: the default branch of `file://[TEMP]/repository.git` does not exist: its HEAD names a missing \
             branch\nhint: set `branch` in the source; the server has `main`, `side`\n"
        );
    }
    for params in [json!({}), json!({ "depth": 1 })] {
        let destination = scratch::directory();
        let outcome = Verb::get("git").dir(destination.path()).request(&request(&source, None, &params)).run();
        outcome.failed();
        let expected = "its HEAD names a missing branch\n";
        assert!(messages(&outcome).ends_with(expected), "{}", messages(&outcome));
    }
}

#[test]
fn filter_without_a_match_warns() {
    let (repository, _) = history(&["one"]);
    repository.tag("v1", "main");
    let outcome = check(&json!({ "uri": repository.file_url(), "tag_filter": "release-*" }), None);
    assert_eq!(refs(&outcome), Vec::<String>::new());
    let expected = "warning: no tag of `file://[TEMP]/repository.git` matches `tag_filter: release-*`\n";
    assert_eq!(messages(&outcome), expected);
}

#[test]
fn get_accepts_head_and_full_ref_names() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[0]);
    repository.branch("side", &commits[0]);
    let source = source(&repository.file_url());
    for (reference, expected) in [
        ("HEAD", &commits[1]),
        ("refs/tags/v1", &commits[0]),
        ("refs/heads/side", &commits[0]),
        (&commits[0][..5], &commits[0]),
    ] {
        let (head, outcome) = get(&source, &json!({ "ref": reference }));
        assert_eq!(outcome.json()["version"], json!({ "ref": reference }));
        assert_eq!(head, *expected, "{reference}");
    }
    for (reference, expected) in [
        ("refs/tags/v2", "version `refs/tags/v2` is gone: `file://[TEMP]/repository.git` has no such tag\n"),
        ("refs/heads/v1", "version `refs/heads/v1` is gone: `file://[TEMP]/repository.git` has no such branch\n"),
        ("v3", "version `v3` is gone: `file://[TEMP]/repository.git` has no such tag or branch\n"),
        ("123456", "version `123456` is gone: it is not in branch `main`"),
    ] {
        let (_, outcome) = get(&source, &json!({ "ref": reference }));
        outcome.failed();
        assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
    }
}

#[test]
fn check_of_tags_accepts_a_full_ref_name() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[0]);
    repository.tag("v2", &commits[1]);
    let source = json!({ "uri": repository.file_url(), "tag_filter": "v*" });
    let outcome = check(&source, Some("refs/tags/v1"));
    assert_eq!(refs(&outcome), ["v1", "v2"]);
    assert_eq!(messages(&outcome), "");
}

#[test]
fn check_follows_a_version_in_a_merged_unrelated_history() {
    let (repository, commits) = history(&["one", "two"]);
    let other = Repository::new();
    let known = other.commit("other one", &[("o", "1")]);
    let tip = other.commit("other two", &[("o", "2")]);
    repository.git(&["fetch", "-q", &other.file_url(), "main:other"]);
    let merge = repository.git(&[
        "commit-tree",
        &repository.resolve("main^{tree}"),
        "-p",
        &commits[1],
        "-p",
        &tip,
        "-m",
        "merge the other history",
    ]);
    repository.move_branch("main", &merge);
    let expected = repository.git(&["rev-list", "--first-parent", "--reverse", &format!("{known}..main")]);
    let expected: Vec<&str> = [known.as_str()].into_iter().chain(expected.lines()).collect();
    let outcome = check(&source(&repository.file_url()), Some(&known));
    assert_eq!(refs(&outcome), expected);
    assert!(!messages(&outcome).contains("no history in common"), "{}", messages(&outcome));
}

#[test]
fn backslash_d_in_tag_regex_hints_at_a_set() {
    let source = json!({ "uri": "file:///x", "tag_regex": r"v\d+" });
    let outcome = Verb::check("git").request(&request(&source, None, &json!({}))).run();
    outcome.failed();
    let expected = r"`source.tag_regex`: has `\d`, which is undefined in POSIX regular expressions; write `[0-9]`";
    assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
}
