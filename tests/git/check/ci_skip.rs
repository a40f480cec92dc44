//! Commits with a `[ci skip]` marker.

use serde_json::json;

use crate::support::{check, history, refs, source, with};

#[test]
fn excludes_commits_with_the_exact_marker_in_subject_or_body() {
    let messages = ["base", "x [ci skip]", "y\n\nbody [skip ci] here", "z [CI SKIP]", "w [skip-ci]", "v [ci\tskip]"];
    let (repository, commits) = history(&messages);
    let expected = [&commits[0], &commits[3], &commits[4]].map(Clone::clone);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[0]))), expected);
}

#[test]
fn disable_ci_skip_includes_all_commits() {
    let (repository, commits) = history(&["base", "x [ci skip]"]);
    let source = with(source(&repository.file_url()), json!({ "disable_ci_skip": true }));
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
}

#[test]
fn first_check_returns_the_newest_commit_without_marker() {
    let mut messages = vec!["good"];
    messages.extend(["[ci skip]"; 30]);
    let (repository, commits) = history(&messages);
    assert_eq!(refs(&check(&source(&repository.file_url()), None)), [commits[0].clone()]);
}

#[test]
fn returns_nothing_if_every_commit_has_the_marker() {
    let (repository, _) = history(&["[ci skip]", "[skip ci]"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), None)), Vec::<String>::new());
}

#[test]
fn returns_the_known_version_despite_its_marker() {
    let (repository, commits) = history(&["one", "two [ci skip]", "three [ci skip]"]);
    let source = source(&repository.file_url());
    assert_eq!(refs(&check(&source, Some(&commits[1]))), [commits[1].clone()]);
    assert_eq!(refs(&check(&source, Some(&commits[2]))), [commits[2].clone()]);
}
