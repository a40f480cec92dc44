//! A branch that was rewritten, or whose known version is gone.

use jetway_tests::repository::Repository;
use jetway_tests::verb::Container;

use crate::support::{check, check_in, history, messages, refs, source};

#[test]
fn returns_rewritten_commits_if_the_server_has_the_version() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.move_branch("main", &commits[0]);
    let rewritten = repository.commit("two, better", &[("x", "1")]);
    let source = source(&repository.file_url());
    let outcome = check(&source, Some(&commits[2]));
    assert_eq!(refs(&outcome), [rewritten]);
    let version = &commits[2];
    let message = format!(
        "deepening the history to find version `{version}` (git fetch --depth=50)\n\
         warning: version `{version}` is no longer on the branch; continuing from the last common commit\n"
    );
    assert_eq!(messages(&outcome), message);
}

#[test]
fn continues_from_the_newest_commit_if_the_version_is_gone() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.move_branch("main", &commits[0]);
    repository.commit("two, better", &[("x", "1")]);
    let newest = repository.commit("three, better", &[("x", "2")]);
    repository.forget_unreachable();
    let outcome = check(&source(&repository.file_url()), Some(&commits[2]));
    assert_eq!(refs(&outcome), [newest]);
    let version = &commits[2];
    let message = format!("warning: version `{version}` is gone from the server; continuing from the newest commit\n");
    assert_eq!(messages(&outcome), message);
}

#[test]
fn has_the_same_result_with_a_cache() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let container = Container::new();
    let source = source(&repository.file_url());
    check_in(&container, &source, Some(&commits[0])).succeeded();
    repository.move_branch("main", &commits[1]);
    let rewritten = repository.commit("three, better", &[("x", "1")]);
    repository.forget_unreachable();
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[2]))), [rewritten]);
}

#[test]
fn unrelated_history_restarts_at_the_newest_commit() {
    let (repository, commits) = history(&["one", "two"]);
    let other = Repository::new();
    other.commit("unrelated", &[("y", "1")]);
    let newest = other.commit("unrelated, too", &[("y", "2")]);
    repository.git(&["fetch", "-q", &other.file_url(), "+main:main"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), [newest]);
}

#[test]
fn invalid_version_restarts_at_the_newest_commit() {
    let (repository, commits) = history(&["one", "two"]);
    let outcome = check(&source(&repository.file_url()), Some("v1.0"));
    assert_eq!(refs(&outcome), [commits[1].clone()]);
    assert_eq!(messages(&outcome), "warning: version `v1.0` is not a commit hash; continuing from the newest commit\n");
}
