//! check: the versions, and the number of requests.

use jetway_tests::github::{GitHub, PullRequest, commit};
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{check, check_in, messages, numbers, source, version, with};

#[test]
fn returns_only_the_newest_commit_in_the_first_check() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)).committed("2026-01-01T10:00:00Z"));
    github.put_pull(PullRequest::new(2, &commit(12)).committed("2026-01-01T11:00:00Z"));
    github.put_pull(PullRequest::new(3, &commit(13)).committed("2025-01-01T10:00:00Z"));
    let found = check(&source(&github), None).json();
    assert_eq!(found, json!([{ "pr": "2", "commit": commit(12), "committed": "2026-01-01T11:00:00Z" }]));
}

#[test]
fn returns_nothing_without_pull_requests() {
    let github = GitHub::start();
    assert_eq!(check(&source(&github), None).json(), json!([]));
}

#[test]
fn returns_the_given_version_if_nothing_is_new() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let known = version(1, &commit(11));
    assert_eq!(check(&source(&github), Some(&known)).json(), json!([known]));
}

#[test]
fn reads_versions_of_the_established_resource() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let known = with(version(1, &commit(11)), json!({ "approved_review_count": "0", "state": "OPEN" }));
    assert_eq!(check(&source(&github), Some(&known)).json(), json!([known]));
}

#[test]
fn first_pull_requests_are_all_returned_after_an_empty_check() {
    let github = GitHub::start();
    let container = Container::new();
    assert_eq!(check_in(&container, &source(&github), None).json(), json!([]));
    github.put_pull(PullRequest::new(1, &commit(11)));
    github.put_pull(PullRequest::new(2, &commit(12)));
    assert_eq!(numbers(&check_in(&container, &source(&github), None)), [1, 2]);
}

#[test]
fn sends_one_request_that_costs_one_point() {
    let github = GitHub::start();
    for number in 1..=100 {
        github.put_pull(PullRequest::new(number, &commit(1000 + u32::try_from(number).unwrap())));
    }
    check(&source(&github), None).succeeded();
    assert_eq!((github.requests(), github.points()), (vec!["POST /graphql".to_owned()], 1));
}

#[test]
fn filters_by_labels_and_approvals_cost_a_point_each() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    check(&with(source(&github), json!({ "labels": ["x"], "required_review_approvals": 1 })), None).succeeded();
    assert_eq!((github.requests().len(), github.points()), (1, 3));
}

#[test]
fn lists_500_pull_requests_in_five_requests_and_then_one() {
    let github = GitHub::start();
    for number in 1..=500 {
        github.put_pull(PullRequest::new(number, &commit(1000 + u32::try_from(number).unwrap())));
    }
    let container = Container::new();
    let known: Value = check_in(&container, &source(&github), None).json()[0].clone();
    assert_eq!((github.requests().len(), github.points()), (5, 5));
    // The next check reads only the pull requests that were updated since then: one page.
    github.change_pull(77, |pull| pull.head = commit(7777));
    assert_eq!(numbers(&check_in(&container, &source(&github), Some(&known))).last(), Some(&77));
    assert_eq!((github.requests().len(), github.points()), (6, 6));
}

#[test]
fn returns_500_new_pull_requests_at_once() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(501, &commit(1)));
    let container = Container::new();
    let known = check_in(&container, &source(&github), None).json()[0].clone();
    for number in 1..=500 {
        github.put_pull(PullRequest::new(number, &commit(1000 + u32::try_from(number).unwrap())));
    }
    let found = numbers(&check_in(&container, &source(&github), Some(&known)));
    assert_eq!(found, std::iter::once(501).chain(1..=500).collect::<Vec<u64>>());
}

#[test]
fn reports_missing_repository() {
    let github = GitHub::start();
    let outcome = check(&with(source(&github), json!({ "repository": "octo/nope" })), None);
    outcome.failed();
    assert!(
        messages(&outcome).contains("Could not resolve to a Repository with the name 'octo/nope'"),
        "{}",
        outcome.stderr
    );
    assert!(
        messages(&outcome).contains("hint: the repository, pull request or commit does not exist"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn logs_in_as_an_app() {
    let github = GitHub::start();
    let key = jetway_tests::github::AppKey::new();
    github.install_app("4711", "jetway", &key);
    github.put_pull(PullRequest::new(1, &commit(11)));
    let source = json!({
        "repository": jetway_tests::github::REPOSITORY, "v3_endpoint": github.url(), "app_id": "4711",
        "private_key": key.pkcs1,
    });
    let container = Container::new();
    let known = check_in(&container, &source, None).json()[0].clone();
    check_in(&container, &source, Some(&known)).succeeded();
    // The second check uses the token of the first.
    let logins = github.requests().iter().filter(|request| request.contains("access_tokens")).count();
    assert_eq!(logins, 1);
}

#[test]
fn finds_the_api_of_github_enterprise_from_the_server_url() {
    let github = GitHub::start();
    github.put_pull(PullRequest::new(1, &commit(11)));
    let refused = jetway_tests::stand_in::Response::json(404, &json!({ "message": "Not Found" }));
    github.answer(1, "POST", "/graphql", refused);
    let outcome = check(&source(&github), None);
    // The check tries both URLs; the stand-in does not serve `/api/graphql`.
    outcome.failed();
    assert!(github.requests().contains(&"POST /api/graphql".to_owned()), "{:?}", github.requests());
    github.put_pull(PullRequest::new(2, &commit(12)));
    let explicit = json!({
        "v3_endpoint": format!("{}/api/v3", github.url()), "v4_endpoint": format!("{}/graphql", github.url()),
    });
    check(&with(source(&github), explicit), None).succeeded();
}
