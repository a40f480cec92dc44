//! The order of versions: every new head is found, whatever the time of its commit.

use jetway_tests::github::{GitHub, PullRequest, commit};
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{check, check_in, numbers, source, version, with};

/// Runs a check. Returns the numbers of its pull requests, and the last version, which Concourse gives to the next check.
fn next(container: &Container, source: &Value, known: &Value) -> (Vec<u64>, Value) {
    let outcome = check_in(container, source, Some(known));
    let last = outcome.json().as_array().unwrap().last().unwrap_or(known).clone();
    (numbers(&outcome), last)
}

/// The established resource never built a push whose commit is older than that of another pull request.
#[test]
fn push_with_an_older_commit_date_is_found() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)).committed("2026-01-01T10:00:00Z"));
    let container = Container::new();
    let known = check_in(&container, &source(&github), None).json()[0].clone();
    github.put_pull(PullRequest::new(2, &commit(12)).committed("2019-01-01T00:00:00Z"));
    let (found, known) = next(&container, &source(&github), &known);
    assert_eq!(found, [1, 2]);
    // The next one is even older, whatever the given version.
    github.put_pull(PullRequest::new(3, &commit(13)).committed("2018-01-01T00:00:00Z"));
    let (found, known) = next(&container, &source(&github), &known);
    assert_eq!(found, [2, 3]);
    assert_eq!(next(&container, &source(&github), &known).0, [3]);
}

#[test]
fn push_with_an_older_commit_date_is_found_without_the_cache() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)).committed("2026-01-02T10:00:00Z"));
    github.put_pull(PullRequest::new(2, &commit(12)).committed("2019-01-01T00:00:00Z"));
    let known = with(version(1, &commit(11)), json!({ "committed": "2026-01-02T00:00:30Z" }));
    assert_eq!(numbers(&check(&source(&github), Some(&known))), [1, 2]);
}

/// Without the memory, all pull requests since the date of an old commit would be new again.
#[test]
fn new_pull_request_with_an_old_commit_does_not_bring_back_others() {
    let github = GitHub::start();
    let day = |day: u32, pull: &mut PullRequest| pull.created = format!("2026-01-{day:02}T00:00:00Z");
    let mut old = PullRequest::new(1, &commit(11));
    day(1, &mut old);
    github.put_pull(old);
    let mut new = PullRequest::new(2, &commit(12)).committed("2019-01-01T00:00:00Z");
    // It was opened two days after the last update of the first pull request.
    day(4, &mut new);
    github.put_pull(new);
    let known = with(version(2, &commit(12)), json!({ "committed": "2019-01-01T00:00:00Z" }));
    assert_eq!(numbers(&check(&source(&github), Some(&known))), [2]);
    // GitHub returns the time of a force-push, too.
    github.change_pull(2, |pull| {
        pull.created = "2019-02-01T00:00:00Z".to_owned();
        pull.forced = Some(("2026-01-04T00:00:00Z".to_owned(), commit(12)));
    });
    assert_eq!(numbers(&check(&source(&github), Some(&known))), [2]);
    // A force-push to another commit does not count for this one.
    github.change_pull(2, |pull| pull.forced = Some(("2026-01-04T00:00:00Z".to_owned(), commit(99))));
    assert_eq!(numbers(&check(&source(&github), Some(&known))), [2, 1]);
}

#[test]
fn commit_date_in_the_future_hides_nothing() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)).committed("2999-01-01T00:00:00Z"));
    github.put_pull(PullRequest::new(2, &commit(12)));
    let known = with(version(1, &commit(11)), json!({ "committed": "2999-01-01T00:00:00Z" }));
    assert_eq!(numbers(&check(&source(&github), Some(&known))), [1, 2]);
    // Nor does an invalid date.
    let known = with(version(1, &commit(11)), json!({ "committed": "yesterday" }));
    assert_eq!(numbers(&check(&source(&github), Some(&known))), [1, 2]);
}

#[test]
fn new_heads_come_in_the_order_of_their_updates() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(9, &commit(19)));
    let container = Container::new();
    let known = check_in(&container, &source(&github), None).json()[0].clone();
    for (number, hash) in [(4, 14), (2, 12), (3, 13)] {
        github.put_pull(PullRequest::new(number, &commit(hash)));
    }
    let (found, known) = next(&container, &source(&github), &known);
    assert_eq!(found, [9, 4, 2, 3]);
    // Each of them is returned once.
    assert_eq!(next(&container, &source(&github), &known).0, [3]);
}

/// A comment, a label, a status or a merge queue updates a pull request without changing its head.
#[test]
fn update_without_a_push_is_not_a_version() {
    let github = GitHub::start();
    for number in 1..=3 {
        github.put_pull(PullRequest::new(number, &commit(10 + u32::try_from(number).unwrap())));
    }
    let container = Container::new();
    let known = check_in(&container, &source(&github), None).json()[0].clone();
    github.change_pull(1, |pull| pull.labels.push("queued".to_owned()));
    assert_eq!(numbers(&check_in(&container, &source(&github), Some(&known))), [3]);
}

#[test]
fn every_push_to_a_pull_request_is_found() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let container = Container::new();
    let mut known = check_in(&container, &source(&github), None).json()[0].clone();
    for number in 12..15 {
        github.change_pull(1, |pull| pull.head = commit(number));
        let found = check_in(&container, &source(&github), Some(&known)).json();
        // The previous commit is not returned, because it is no longer the head.
        assert_eq!(found, json!([version(1, &commit(number))]));
        known = found[0].clone();
    }
}

#[test]
fn given_version_of_a_closed_pull_request_is_kept() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    github.put_pull(PullRequest::new(2, &commit(12)));
    github.change_pull(2, |pull| pull.state = "CLOSED");
    let known = version(2, &commit(12));
    let found = numbers(&check(&source(&github), Some(&known)));
    assert_eq!(found[0], 2);
    // If GitHub no longer has the pull request, the check does not return its version, and succeeds.
    github.forget_pull(2);
    assert!(!numbers(&check(&source(&github), Some(&known))).contains(&2));
}

/// If Concourse did not store a response, the next check returns it again.
#[test]
fn lost_response_is_returned_again() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let container = Container::new();
    let known = check_in(&container, &source(&github), None).json()[0].clone();
    github.put_pull(PullRequest::new(2, &commit(12)));
    for _ in 0..5 {
        assert_eq!(next(&container, &source(&github), &known).0, [1, 2]);
    }
}

/// Without the cache, a check cannot tell which heads are new. It returns them one at a time, because Concourse would build an
/// old one again if the same response contained a new one.
#[test]
fn doubtful_heads_are_returned_one_at_a_time() {
    let github = GitHub::start();
    for number in 1..=3 {
        github.put_pull(PullRequest::new(number, &commit(10 + u32::try_from(number).unwrap())));
    }
    let container = Container::new();
    let known = with(version(1, &commit(11)), json!({ "committed": "2026-01-02T00:00:30Z" }));
    // Concourse already has the last one, so the given version stays the same until the head is no longer doubtful.
    for expected in [[1, 3], [1, 3], [1, 3], [1, 2]] {
        assert_eq!(next(&container, &source(&github), &known).0, expected);
    }
    // A head that is pushed now is certainly new, so it is returned at once.
    github.put_pull(PullRequest::new(4, &commit(14)));
    let (found, last) = next(&container, &source(&github), &known);
    assert_eq!(found, [1, 4]);
    // This one was new.
    let (found, last) = next(&container, &source(&github), &last);
    assert_eq!(found, [4, 2]);
    assert_eq!(next(&container, &source(&github), &last).0, [2]);
}

#[test]
fn ignores_damaged_cache() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let container = Container::new();
    let outcome = check_in(&container, &source(&github), None);
    let known = outcome.json()[0].clone();
    let mut damaged = 0;
    for path in outcome.leftovers().into_iter().filter(|path| path.to_string_lossy().contains("github-pr-heads")) {
        std::fs::write(path, "{").unwrap();
        damaged += 1;
    }
    assert_eq!(damaged, 1);
    github.put_pull(PullRequest::new(2, &commit(12)));
    assert_eq!(next(&container, &source(&github), &known).0, [1, 2]);
}

/// After `fly clear-versions`, Concourse has no version.
#[test]
fn check_without_a_version_returns_only_the_newest_commit() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let container = Container::new();
    let known = check_in(&container, &source(&github), None).json()[0].clone();
    check_in(&container, &source(&github), Some(&known)).succeeded();
    assert_eq!(check_in(&container, &source(&github), None).json(), json!([known]));
}

#[test]
fn merged_pull_request_is_a_version_of_its_own() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let source = with(source(&github), json!({ "states": ["OPEN", "MERGED"] }));
    let container = Container::new();
    let known = check_in(&container, &source, None).json()[0].clone();
    github.change_pull(1, |pull| pull.state = "MERGED");
    let (found, last) = next(&container, &source, &known);
    assert_eq!((found.len(), &last["state"]), (2, &json!("MERGED")));
    assert_eq!(next(&container, &source, &last).0, [1]);
}
