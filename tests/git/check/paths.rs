//! `paths` and `ignore_paths`.

use jetway_tests::repository::Repository;
use serde_json::json;

use crate::support::{check, history, refs, source, version_positions, with};

fn monorepo() -> (Repository, Vec<String>) {
    let repository = Repository::new();
    let commits =
        [("a", "a/x.txt"), ("b", "b/x.txt"), ("a again", "a/deep/y.txt"), ("docs", "a/README.md"), ("c", "c/-x")]
            .map(|(message, path)| repository.commit(message, &[(path, message)]));
    (repository, commits.to_vec())
}

fn versions_of_paths(filter: serde_json::Value) -> Vec<usize> {
    let (repository, commits) = monorepo();
    version_positions(&with(source(&repository.file_url()), filter), &commits)
}

#[test]
fn include_commits_that_change_matching_files() {
    assert_eq!(versions_of_paths(json!({ "paths": ["a"] })), [0, 2, 3]);
    assert_eq!(versions_of_paths(json!({ "paths": ["a", "b"] })), [0, 1, 2, 3]);
    assert_eq!(versions_of_paths(json!({ "paths": ["nothing"] })), Vec::<usize>::new());
}

#[test]
fn support_stars_across_directories_and_pathspec_magic() {
    assert_eq!(versions_of_paths(json!({ "paths": ["*.txt"] })), [0, 1, 2]);
    assert_eq!(versions_of_paths(json!({ "paths": [":(glob)a/*.txt"] })), [0]);
    assert_eq!(versions_of_paths(json!({ "paths": [":(icase)A/readme.md"] })), [3]);
}

#[test]
fn ignore_paths_excludes_matching_files() {
    assert_eq!(versions_of_paths(json!({ "ignore_paths": ["*.md"] })), [0, 1, 2, 4]);
    assert_eq!(versions_of_paths(json!({ "paths": ["a"], "ignore_paths": ["*.md", "a/deep"] })), [0]);
    assert_eq!(versions_of_paths(json!({ "paths": ["."], "ignore_paths": [":(icase)A/README.MD"] })), [0, 1, 2, 4]);
}

#[test]
fn exclude_empty_commits() {
    let (repository, mut commits) = history(&["one", "two"]);
    repository.empty_commit("build again");
    for filter in [json!({ "ignore_paths": ["docs"] }), json!({ "paths": ["."], "ignore_paths": ["docs"] })] {
        let source = with(source(&repository.file_url()), filter);
        assert_eq!(refs(&check(&source, None)), commits[1..]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
    }
    // Without a filter, they are versions.
    commits.push(repository.tip("main"));
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[0]))), commits);
}

#[test]
fn are_passed_to_git_without_a_shell() {
    let repository = Repository::new();
    let odd = "a b/$(touch pwned);'\"x";
    let wanted = repository.commit("odd", &[(odd, "1")]);
    repository.commit("other", &[("other", "1")]);
    let source = with(source(&repository.file_url()), json!({ "paths": [odd] }));
    assert_eq!(refs(&check(&source, None)), [wanted]);
}

#[test]
fn compare_a_merge_with_its_first_parent() {
    let repository = Repository::new();
    let base = repository.commit("base", &[("a/x", "1")]);
    repository.branch("topic", &base);
    repository.commit_on("topic", "on the side", &[("a/y", "1")]);
    let other = repository.commit("b", &[("b/x", "1")]);
    let merge = repository.merge("main", "topic", "merge");
    let source = with(source(&repository.file_url()), json!({ "paths": ["a"] }));
    assert_eq!(refs(&check(&source, Some(&other))), [other.clone(), merge.clone()]);
    assert_eq!(refs(&check(&source, None)), [merge]);
}

#[test]
fn are_searched_beyond_the_first_window() {
    let repository = Repository::new();
    let wanted = repository.commit("wanted", &[("a/x", "1")]);
    for index in 0..70 {
        repository.commit("other", &[("b/x", &index.to_string())]);
    }
    let source = with(source(&repository.file_url()), json!({ "paths": ["a"] }));
    assert_eq!(refs(&check(&source, None)), [wanted]);
}
