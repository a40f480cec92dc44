//! check with `commit_filter`.

use std::slice;

use jetway_tests::repository::Repository;
use serde_json::{Value, json};

use crate::support::{check, history, messages, refs, serve, source, version_positions, with};

const MESSAGES: [&str; 6] = [
    "base",
    "feat: windows\n\nTicket: ABC-1\n",
    "fix: doors | locks",
    "chore: paint\n\nfeat: is not meant\n",
    "FIX: shouted",
    "feat: roof\n\nTicket: ABC-22\nSigned-off-by: Ada\n",
];

/// The messages that pass a filter, in a first check and in a check from the first commit on.
#[track_caller]
fn versions_with_filter(filter: Value) -> Vec<usize> {
    versions_with_source(json!({ "commit_filter": filter }))
}

#[track_caller]
fn versions_with_source(keys: Value) -> Vec<usize> {
    let (repository, commits) = history(&MESSAGES);
    let (_server, url) = serve(&repository);
    version_positions(&with(source(&url), keys), &commits)
}

#[test]
fn include_selects_commits_with_a_matching_line() {
    assert_eq!(versions_with_filter(json!({ "include": ["^feat:"] })), [1, 3, 5]);
    assert_eq!(versions_with_filter(json!({ "include": ["^feat:", "^fix:"] })), [1, 2, 3, 5]);
    assert_eq!(versions_with_filter(json!({ "include": ["nothing"] })), Vec::<usize>::new());
}

#[test]
fn exclude_omits_commits_with_a_matching_line() {
    assert_eq!(versions_with_filter(json!({ "exclude": ["^chore", "Ticket"] })), [0, 2, 4]);
    assert_eq!(versions_with_filter(json!({ "include": ["feat"], "exclude": ["^chore"] })), [1, 5]);
}

#[test]
fn all_match_keys_require_all_patterns() {
    assert_eq!(versions_with_filter(json!({ "include": ["^feat", "Signed-off"], "include_all_match": true })), [5]);
    let exclude = json!({ "exclude": ["^feat", "Signed-off"], "exclude_all_match": "true" });
    assert_eq!(versions_with_filter(exclude), [0, 1, 2, 3, 4]);
}

#[test]
fn patterns_are_basic_regular_expressions_with_gnu_escapes() {
    assert_eq!(versions_with_filter(json!({ "include": [r"ABC-[0-9]\{2\}$"] })), [5]);
    assert_eq!(versions_with_filter(json!({ "include": [r"^\(fix\|chore\):\s"] })), [2, 3]);
    assert_eq!(versions_with_filter(json!({ "include": ["doors | locks"] })), [2], "`|` is itself");
    assert_eq!(versions_with_filter(json!({ "include": [r"\<ABC\>-2\+"] })), [5]);
}

#[test]
fn git_config_selects_the_pattern_type() {
    let settings = |kind: &str| json!([{ "name": "grep.patternType", "value": kind }]);
    let filter = json!({ "include": ["^(fix|chore): "] });
    assert_eq!(versions_with_source(json!({ "commit_filter": filter, "git_config": settings("extended") })), [2, 3]);
    let filter = json!({ "include": ["s | l"] });
    assert_eq!(versions_with_source(json!({ "commit_filter": filter, "git_config": settings("fixed") })), [2]);
}

#[test]
fn filter_combines_with_paths_and_ci_skip() {
    let repository = Repository::new();
    let base = repository.commit("base", &[("a/x", "0")]);
    repository.commit("feat: elsewhere", &[("b/x", "1")]);
    repository.commit("feat: a [ci skip]", &[("a/x", "2")]);
    let wanted = repository.commit("feat: a", &[("a/x", "3")]);
    repository.commit("docs: a", &[("a/x", "4")]);
    let (_server, url) = serve(&repository);
    let filter = json!({ "paths": ["a"], "commit_filter": { "include": ["^feat"] } });
    let source = with(source(&url), filter);
    assert_eq!(refs(&check(&source, Some(&base))), [base, wanted.clone()]);
    assert_eq!(refs(&check(&source, None)), [wanted]);
}

#[test]
fn filter_ignores_messages_of_merged_commits() {
    let repository = Repository::new();
    let first = repository.commit("fix: one", &[("a", "1")]);
    repository.branch("topic", &first);
    repository.commit_on("topic", "fix: on the side", &[("b", "1")]);
    repository.commit("docs: two", &[("a", "2")]);
    repository.merge("main", "topic", "merge the topic");
    let (_server, url) = serve(&repository);
    let source = with(source(&url), json!({ "commit_filter": { "include": ["fix:"] } }));
    for version in [None, Some(first.as_str())] {
        assert_eq!(refs(&check(&source, version)), slice::from_ref(&first));
    }
    // A squashed merge is one commit. Its message lists those of the merged branch.
    let squashed = repository.commit("Feature (#12)\n\n* docs: three\n* fix: four\n", &[("c", "1")]);
    assert_eq!(refs(&check(&source, Some(&first))), [first.clone(), squashed.clone()]);
    assert_eq!(refs(&check(&source, None)), [squashed]);
}

#[test]
fn filter_works_without_other_filters() {
    let (repository, commits) = history(&["feat: one", "docs: two"]);
    let (_server, url) = serve(&repository);
    let filter = json!({ "disable_ci_skip": true, "commit_filter": { "include": ["feat"] } });
    assert_eq!(refs(&check(&with(source(&url), filter), None)), [commits[0].clone()]);
}

#[test]
fn filter_keeps_the_known_version() {
    let (repository, commits) = history(&["docs: one", "docs: two"]);
    let source = with(source(&repository.file_url()), json!({ "commit_filter": { "include": ["feat"] } }));
    assert_eq!(refs(&check(&source, Some(&commits[0]))), [commits[0].clone()]);
}

#[test]
fn invalid_patterns_are_refused() {
    let (repository, _) = history(&["one"]);
    let filter = json!({
        "include": ["fine", "[a"], "exclude": [r"\(a\)\1", r"\d\+"], "exlude": [], "include_all_match": "often",
    });
    let outcome = check(&with(source(&repository.file_url()), json!({ "commit_filter": filter })), None);
    outcome.failed();
    let expected = [
        "`source.commit_filter.exlude`: unknown key; did you mean `exclude`?",
        "`source.commit_filter.include_all_match`: expected true or false, found text",
    ];
    for line in expected {
        assert!(messages(&outcome).contains(line), "{}", messages(&outcome));
    }
    let filter = json!({ "include": ["fine", "[a"], "exclude": [r"\(a\)\1", r"\d\+"] });
    let outcome = check(&with(source(&repository.file_url()), json!({ "commit_filter": filter })), None);
    outcome.failed();
    let expected = [
        "`source.commit_filter.include[1]`: has a `[` without its `]`\n",
        "`source.commit_filter.exclude[0]`: has the back-reference `\\1`, which is not supported\n",
        "`source.commit_filter.exclude[1]`: has `\\d`, which is undefined in POSIX regular expressions; write `[0-9]`\n",
    ];
    for line in expected {
        assert!(messages(&outcome).contains(line), "{}", messages(&outcome));
    }
    let settings = json!([{ "name": "grep.patternType", "value": "perl" }]);
    let source =
        with(source(&repository.file_url()), json!({ "commit_filter": { "include": ["a"] }, "git_config": settings }));
    let outcome = check(&source, None);
    outcome.failed();
    assert!(
        messages(&outcome).contains("`source.commit_filter`: cannot be used with this `grep.patternType`"),
        "{}",
        messages(&outcome)
    );
}
