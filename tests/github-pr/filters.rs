//! Filters: which pull requests are versions.

use jetway_tests::github::{GitHub, PullRequest, commit};
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{check, check_in, numbers, source, with};

/// The numbers of the pull requests that the source selects, after `change` was applied to all but the first.
fn selected(more: Value, change: impl Fn(&mut PullRequest, u64)) -> Vec<u64> {
    let github = GitHub::start();
    let source = with(source(&github), more);
    let container = Container::new();
    check_in(&container, &source, None).succeeded();
    for number in 1..=3 {
        let mut pull = PullRequest::new(number, &commit(10 + u32::try_from(number).unwrap()));
        change(&mut pull, number);
        github.put_pull(pull);
    }
    numbers(&check_in(&container, &source, None))
}

#[test]
fn by_base_branch() {
    let change = |pull: &mut PullRequest, number| pull.base = if number == 2 { "v1".into() } else { "main".into() };
    for key in ["base_branch", "base"] {
        assert_eq!(selected(json!({ key: "v1" }), change), [2]);
    }
    assert_eq!(selected(json!({}), change), [1, 2, 3]);
}

#[test]
fn by_label() {
    let change = |pull: &mut PullRequest, number: u64| pull.labels = vec![format!("l{number}"), "all".into()];
    assert_eq!(selected(json!({ "labels": ["l1", "L3"] }), change), [1, 3]);
    assert_eq!(selected(json!({ "label": "l2" }), change), [2]);
    assert_eq!(selected(json!({ "labels": [] }), change), [1, 2, 3]);
}

#[test]
fn by_draft_fork_and_author() {
    assert_eq!(selected(json!({ "ignore_drafts": true }), |pull, number| pull.is_draft = number == 2), [1, 3]);
    assert_eq!(selected(json!({ "disable_forks": true }), |pull, number| pull.is_from_fork = number == 2), [1, 3]);
    let stranger =
        |pull: &mut PullRequest, number| pull.association = if number == 2 { "NONE" } else { "COLLABORATOR" };
    assert_eq!(selected(json!({ "authorship_restriction": true }), stranger), [1, 3]);
}

#[test]
fn by_state() {
    let change = |pull: &mut PullRequest, number: u64| {
        pull.state = match number {
            1 => "OPEN",
            2 => "MERGED",
            _ => "CLOSED",
        };
    };
    assert_eq!(selected(json!({}), change), [1]);
    assert_eq!(selected(json!({ "states": ["MERGED"] }), change), [2]);
    assert_eq!(selected(json!({ "states": ["OPEN", "CLOSED"] }), change), [1, 3]);
}

#[test]
fn by_approvals_of_different_reviewers() {
    let change = |pull: &mut PullRequest, number| {
        let review = |login: &str, state| (login.to_owned(), state);
        pull.reviews = match number {
            1 => vec![review("ada", "APPROVED"), review("eve", "APPROVED")],
            2 => vec![review("ada", "APPROVED"), review("eve", "CHANGES_REQUESTED")],
            _ => Vec::new(),
        };
    };
    assert_eq!(selected(json!({ "required_review_approvals": 2 }), change), [1]);
    assert_eq!(selected(json!({ "require_review_approval": true }), change), [1, 2]);
}

#[test]
fn by_ci_skip() {
    let change = |pull: &mut PullRequest, number| match number {
        1 => pull.title = "Docs [CI skip]".to_owned(),
        2 => pull.message = "words\n\n[skip ci]".to_owned(),
        _ => {}
    };
    assert_eq!(selected(json!({}), change), [3]);
    assert_eq!(selected(json!({ "disable_ci_skip": true }), change), [1, 2, 3]);
}

#[test]
fn by_paths() {
    let change = |pull: &mut PullRequest, number: u64| {
        pull.files = match number {
            1 => vec!["src/main.go".into(), "README.md".into()],
            2 => vec!["docs/a.md".into()],
            _ => vec!["docs/b/c.txt".into(), "x.go".into()],
        };
    };
    assert_eq!(selected(json!({ "paths": ["src"] }), change), [1]);
    assert_eq!(selected(json!({ "paths": ["*.go"] }), change), [3]);
    assert_eq!(selected(json!({ "paths": ["docs/*.md", "src/*"] }), change), [1, 2]);
    assert_eq!(selected(json!({ "ignore_paths": ["docs/"] }), change), [1, 3]);
    assert_eq!(selected(json!({ "ignore_paths": ["**"] }), change), Vec::<u64>::new());
    assert_eq!(selected(json!({ "paths": ["docs"], "ignore_paths": ["**/*.md"] }), change), [3]);
}

/// The files of all new heads are read in one request; those of known heads are not read.
#[test]
fn paths_cost_a_request_only_for_new_heads() {
    let github = GitHub::start();
    let source = with(source(&github), json!({ "paths": ["src"] }));
    let container = Container::new();
    check_in(&container, &source, None).succeeded();
    for number in 1..=20 {
        let mut pull = PullRequest::new(number, &commit(10 + u32::try_from(number).unwrap()));
        pull.files = vec![if number % 2 == 0 { "src/a".into() } else { "docs/a".into() }];
        github.put_pull(pull);
    }
    let before = github.requests().len();
    let found = check_in(&container, &source, None);
    assert_eq!(numbers(&found), [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
    assert_eq!(github.requests().len() - before, 2);
    let known = found.json()[9].clone();
    assert_eq!(numbers(&check_in(&container, &source, Some(&known))), [20]);
    assert_eq!(github.requests().len() - before, 3);
}

#[test]
fn paths_of_a_large_pull_request_are_all_read() {
    let github = GitHub::start();
    let mut pull = PullRequest::new(1, &commit(11));
    pull.files = (0..250).map(|number| format!("docs/{number}")).chain(["src/last".to_owned()]).collect();
    github.put_pull(pull);
    github.put_pull(PullRequest::new(2, &commit(12)));
    assert_eq!(numbers(&check(&with(source(&github), json!({ "paths": ["src"] })), None)), [1]);
}

/// A pull request becomes a version when it begins to match, even if its head is old.
#[test]
fn pull_request_that_begins_to_match_is_new() {
    let github = GitHub::start();
    let source = with(source(&github), json!({ "labels": ["ci"], "ignore_drafts": true }));
    let mut ready = PullRequest::new(1, &commit(11));
    ready.labels = vec!["ci".to_owned()];
    github.put_pull(ready);
    let mut draft = PullRequest::new(2, &commit(12));
    (draft.labels, draft.is_draft) = (vec!["ci".to_owned()], true);
    github.put_pull(draft);
    github.put_pull(PullRequest::new(3, &commit(13)));
    let container = Container::new();
    let known = check_in(&container, &source, None).json()[0].clone();
    github.change_pull(2, |pull| pull.is_draft = false);
    github.change_pull(3, |pull| pull.labels.push("ci".to_owned()));
    assert_eq!(numbers(&check_in(&container, &source, Some(&known))), [1, 2, 3]);
}
