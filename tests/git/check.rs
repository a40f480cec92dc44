//! check of a branch: the versions and the costs.

mod ci_skip;
mod cost;
mod damaged_cache;
mod moved_branch;
mod paths;

use std::fs;

use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Verb};
use serde_json::json;

use crate::support::{check, check_in, history, messages, refs, serve, source, with};

#[test]
fn returns_the_newest_commit_without_a_version() {
    let (repository, commits) = history(&["one", "two", "three"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), None)), [commits[2].clone()]);
}

#[test]
fn follows_the_default_branch_without_branch() {
    let (repository, commits) = history(&["one", "two"]);
    let source = json!({ "uri": repository.file_url() });
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
}

#[test]
fn follows_the_default_branch_when_it_changes() {
    let (repository, mut commits) = history(&["one"]);
    let source = json!({ "uri": repository.file_url() });
    let container = Container::new();
    assert_eq!(refs(&check_in(&container, &source, None)), commits);
    // Rename the default branch.
    repository.branch("trunk", "main");
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    repository.delete_branch("main");
    commits.push(repository.commit_on("trunk", "two", &[("x", "2")]));
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), commits);
    let destination = jetway_tests::scratch::directory();
    let request = crate::support::request(&source, Some(&commits[1]), &json!({}));
    Verb::get("git").dir(destination.path()).request(&request).run().succeeded();
    let branch = fs::read_to_string(destination.path().join(".git/branch")).expect("read the branch");
    assert_eq!(branch, "trunk\n");
    // Make another branch the default branch.
    repository.branch("develop", "trunk");
    commits.push(repository.commit_on("develop", "three", &[("x", "3")]));
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/develop"]);
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[1]))), commits[1..]);
}

#[test]
fn ignores_a_branch_whose_name_ends_with_the_branch() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("a/main", &commits[0]);
    let source = with(source(&repository.file_url()), json!({ "disable_ci_skip": true }));
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
}

#[test]
fn first_check_returns_version_depth_commits_oldest_first() {
    let (repository, commits) = history(&["one", "two [ci skip]", "three", "four"]);
    let source = with(source(&repository.file_url()), json!({ "version_depth": 3 }));
    let expected = [&commits[0], &commits[2], &commits[3]].map(Clone::clone);
    assert_eq!(refs(&check(&source, None)), expected);
    let everything = with(source, json!({ "version_depth": "99" }));
    assert_eq!(refs(&check(&everything, None)), expected);
}

#[test]
fn returns_the_version_and_newer_commits_oldest_first() {
    let (repository, commits) = history(&["one", "two", "three", "four"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), commits[1..]);
}

#[test]
fn returns_only_the_version_when_nothing_is_new() {
    let (repository, commits) = history(&["one", "two"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), [commits[1].clone()]);
}

#[test]
fn resolves_an_abbreviated_hash() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    for _ in 0..2 {
        let outcome = check_in(&container, &source(&url), Some(&commits[1][..7]));
        assert_eq!(refs(&outcome), commits[1..]);
    }
    let outcome = check(&source(&url), Some("1234567"));
    assert_eq!(refs(&outcome), commits[2..]);
    let warning = "warning: version `1234567` is not a commit of the branch; continuing from the newest commit\n";
    assert!(messages(&outcome).ends_with(warning), "{}", messages(&outcome));
}

#[test]
fn returns_nothing_for_an_empty_repository() {
    let repository = Repository::new();
    let outcome = check(&json!({ "uri": repository.file_url() }), None);
    assert_eq!(refs(&outcome), Vec::<String>::new());
    assert_eq!(messages(&outcome), "warning: `file://[TEMP]/repository.git` has no commits yet\n");
}

mod merges {
    use super::*;

    #[test]
    fn only_first_parent_commits_are_versions() {
        let repository = Repository::new();
        let base = repository.commit("base", &[("a", "1")]);
        repository.branch("topic", &base);
        repository.commit_on("topic", "side 1", &[("b", "1")]);
        repository.commit_on("topic", "side 2", &[("b", "2")]);
        let ours = repository.commit("ours", &[("a", "2")]);
        let merge = repository.merge("main", "topic", "merge");
        let source = source(&repository.file_url());
        assert_eq!(refs(&check(&source, Some(&base))), [base.clone(), ours, merge]);
    }

    #[test]
    fn version_from_a_merged_branch_is_kept() {
        let repository = Repository::new();
        let base = repository.commit("base", &[("a", "1")]);
        repository.branch("topic", &base);
        let side = repository.commit_on("topic", "side", &[("b", "1")]);
        let ours = repository.commit("ours", &[("a", "2")]);
        let merge = repository.merge("main", "topic", "merge");
        let source = source(&repository.file_url());
        assert_eq!(refs(&check(&source, Some(&side))), [side, ours, merge]);
    }
}

mod limited_server {
    use super::*;

    #[test]
    fn without_filter_support_works() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.allow_filters(false);
        let (_server, url) = serve(&repository);
        let source = with(source(&url), json!({ "paths": ["file-1"] }));
        assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits[..2]);
    }

    #[test]
    fn with_protocol_version_0_and_without_commits_by_hash_works() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        let request = json!({ "source": source(&url), "version": { "ref": commits[0] } });
        let outcome = Verb::check("git").request(&request).env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
        assert_eq!(refs(&outcome), commits);
    }
}

#[test]
fn reads_a_commit_with_a_malformed_author_line() {
    let (repository, commits) = history(&["one", "two"]);
    let tree = repository.resolve("main^{tree}");
    let text = format!(
        "tree {tree}\nparent {}\nauthor broken 1600000000 +0000\ncommitter broken 1600000000 +0000\n\nodd\n",
        commits[1]
    );
    let file = repository.root().join("commit");
    fs::write(&file, text).expect("write the commit");
    let odd = repository.git(&["hash-object", "-t", "commit", "-w", "--literally", file.to_str().expect("UTF-8")]);
    let odd = odd.trim().to_owned();
    repository.move_branch("main", &odd);
    let newest = repository.commit("after it", &[("x", "1")]);
    let source = source(&repository.file_url());
    assert_eq!(refs(&check(&source, Some(&commits[1]))), [commits[1].clone(), odd.clone(), newest.clone()]);
    assert_eq!(refs(&check(&source, Some(&odd))), [odd.clone(), newest]);
    let destination = jetway_tests::scratch::directory();
    let get = crate::support::request(&source, Some(&odd), &json!({}));
    let outcome = Verb::get("git").dir(destination.path()).request(&get).run();
    assert_eq!(outcome.json()["version"], json!({ "ref": odd }));
}

#[test]
fn treats_empty_text_and_null_as_not_set() {
    let (repository, commits) = history(&["one"]);
    let source =
        json!({ "uri": repository.file_url(), "branch": "", "private_key": "", "username": "", "password": "" });
    for version in [json!({ "ref": null }), json!({ "ref": "" }), json!({}), json!(null)] {
        let outcome = Verb::check("git").request(&json!({ "source": source, "version": version })).run();
        assert_eq!(refs(&outcome), commits);
    }
}
