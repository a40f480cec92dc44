//! check: which statuses are versions, their order, and the number of requests.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jetway_tests::github::{GitHub, commit};
use jetway_tests::stand_in::Response;
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{check, check_in, messages, source, version, with};

/// The response of a check.
#[track_caller]
fn versions(source: &Value, known: Option<&Value>) -> Value {
    check(source, known).json()
}

#[test]
fn first_version_is_the_newest_status_of_the_context() {
    let github = GitHub::start();
    github.set_status(&commit(1), "default", "pending", "a");
    let newest = github.set_status(&commit(1), "default", "success", "a");
    github.set_status(&commit(1), "other", "failure", "a");
    assert_eq!(versions(&source(&github), None), json!([version(&commit(1), newest)]));
    assert_eq!(github.requests(), ["GET /repos/octo/app/commits/main/statuses?per_page=100"]);
}

#[test]
fn returns_no_version_without_a_status() {
    let github = GitHub::start();
    assert_eq!(versions(&source(&github), None), json!([]));
    github.set_status(&commit(1), "other", "failure", "a");
    assert_eq!(versions(&source(&github), None), json!([]));
}

/// dpb587/github-status-resource returned statuses in GitHub's order, newest first, and no history.
#[test]
fn returns_versions_from_the_known_one_oldest_first() {
    let github = GitHub::start();
    let hash = commit(1);
    let ids: Vec<u64> = ["pending", "failure", "pending", "success"]
        .map(|state| github.set_status(&hash, "default", state, "a"))
        .into();
    let expected: Vec<Value> = ids[1..].iter().map(|id| version(&hash, *id)).collect();
    assert_eq!(versions(&source(&github), Some(&version(&hash, ids[1]))), json!(expected));
    assert_eq!(github.requests().len(), 1);
}

#[test]
fn follows_one_context_or_patterns() {
    let github = GitHub::start();
    let hash = commit(1);
    let known = github.set_status(&hash, "ci/a", "success", "a");
    let other = github.set_status(&hash, "lint", "success", "a");
    let last = github.set_status(&hash, "ci/b", "success", "a");
    let followed = |more: Value| versions(&with(source(&github), more), Some(&version(&hash, known)));
    let all_of = |ids: &[u64]| json!(ids.iter().map(|id| version(&hash, *id)).collect::<Vec<_>>());
    assert_eq!(followed(json!({ "context": "lint" })), all_of(&[known, other]));
    assert_eq!(followed(json!({ "contexts": ["ci/*"] })), all_of(&[known, last]));
    assert_eq!(followed(json!({ "contexts": ["*"] })), all_of(&[known, other, last]));
}

/// Other tools read only the first page of 30 statuses (bors-ng#1169, test-infra#10380).
#[test]
fn reads_all_pages() {
    for count in [31, 101, 250] {
        let github = GitHub::start();
        let hash = commit(1);
        let first = github.set_status(&hash, "default", "pending", "a");
        for index in 1..count {
            github.set_status(&hash, &format!("other/{index}"), "success", "a");
        }
        assert_eq!(versions(&source(&github), None), json!([version(&hash, first)]), "{count}");
        assert_eq!(github.requests().len(), usize::div_ceil(count, 100));
        let all = versions(&with(source(&github), json!({ "contexts": ["*"] })), Some(&version(&hash, first)));
        assert_eq!(all.as_array().unwrap().len(), count);
    }
}

#[test]
fn stops_at_the_known_version() {
    let github = GitHub::start();
    let hash = commit(1);
    for index in 0..250 {
        github.set_status(&hash, &format!("other/{index}"), "success", "a");
    }
    let known = github.set_status(&hash, "default", "success", "a");
    versions(&source(&github), None);
    versions(&source(&github), Some(&version(&hash, known)));
    assert_eq!(github.requests().len(), 2);
}

#[test]
fn keeps_known_version_when_branch_moves() {
    let github = GitHub::start();
    let known = github.set_status(&commit(1), "default", "success", "a");
    github.set_ref("main", &commit(2));
    let known = version(&commit(1), known);
    assert_eq!(versions(&source(&github), Some(&known)), json!([known]));
    let new = github.set_status(&commit(2), "default", "pending", "a");
    assert_eq!(versions(&source(&github), Some(&known)), json!([known, version(&commit(2), new)]));
    github.forget_commit(&commit(1));
    assert_eq!(versions(&source(&github), Some(&known)), json!([version(&commit(2), new)]));
}

/// The put of dpb587/github-status-resource returned `"status": "null"` when GitHub had rejected the status.
#[test]
fn ignores_invalid_known_version() {
    let github = GitHub::start();
    let newest = version(&commit(1), github.set_status(&commit(1), "default", "success", "a"));
    for known in [
        json!({ "commit": commit(1), "status": "null" }),
        json!({ "commit": "null", "status": "1" }),
        json!({ "commit": "../../user", "status": "1" }),
        json!({ "commit": commit(8), "status": "1" }),
        json!({ "commit": commit(1), "status": "1", "deployment": "4" }),
    ] {
        assert_eq!(versions(&source(&github), Some(&known)), json!([newest]), "{known}");
    }
}

#[test]
fn follows_any_ref() {
    for (name, path) in [("pull/1/head", "pull/1/head"), ("feature/ü", "feature/%C3%BC"), ("a#b", "a%23b")] {
        let github = GitHub::start();
        github.set_ref(name, &commit(3));
        let id = github.set_status(&commit(3), "default", "success", "a");
        let source = with(source(&github), json!({ "branch": name }));
        assert_eq!(versions(&source, None), json!([version(&commit(3), id)]));
        assert_eq!(github.requests(), [format!("GET /repos/octo/app/commits/{path}/statuses?per_page=100")]);
    }
}

#[test]
fn branch_defaults_to_master() {
    let github = GitHub::start();
    let id = github.set_status(&commit(1), "default", "success", "a");
    let mut source = source(&github);
    source.as_object_mut().unwrap().remove("branch");
    assert_eq!(versions(&source, None), json!([version(&commit(1), id)]));
    assert!(github.requests()[0].contains("/commits/master/"));
}

#[test]
fn follows_one_commit() {
    let github = GitHub::start();
    github.add_commit(&commit(4));
    let id = github.set_status(&commit(4), "default", "success", "a");
    let mut source = with(source(&github), json!({ "commit": commit(4) }));
    source.as_object_mut().unwrap().remove("branch");
    assert_eq!(versions(&source, None), json!([version(&commit(4), id)]));
}

mod pull_requests {
    use super::*;

    fn of(hash: &str, status: u64, pr: &str) -> Value {
        with(version(hash, status), json!({ "pr": pr }))
    }

    #[test]
    fn follows_heads_of_open_pull_requests() {
        let github = GitHub::start();
        for (number, base) in [(1, "main"), (2, "main"), (3, "release")] {
            github.open_pull_request(number.into(), &commit(10 + number), base);
        }
        let source = with(source(&github), json!({ "pull_requests": true }));
        assert_eq!(versions(&source, None), json!([]));
        let a = github.set_status(&commit(12), "default", "pending", "a");
        let b = github.set_status(&commit(11), "default", "success", "a");
        github.set_status(&commit(13), "default", "success", "a");
        assert_eq!(versions(&source, None), json!([of(&commit(11), b, "1")]));
        let c = github.set_status(&commit(12), "default", "success", "a");
        let known = of(&commit(12), a, "2");
        let expected = json!([known, of(&commit(11), b, "1"), of(&commit(12), c, "2")]);
        assert_eq!(versions(&source, Some(&known)), expected);
        github.close_pull_request(2);
        assert_eq!(versions(&source, Some(&known)), json!([known, of(&commit(11), b, "1")]));
        github.forget_commit(&commit(12));
        assert_eq!(versions(&source, Some(&known)), json!([of(&commit(11), b, "1")]));
    }

    #[test]
    fn reads_all_pages_of_pull_requests() {
        let github = GitHub::start();
        for number in 1..=101 {
            github.open_pull_request(number.into(), &commit(1000 + number), "main");
        }
        let id = github.set_status(&commit(1101), "default", "success", "a");
        let source = with(source(&github), json!({ "pull_requests": true }));
        assert_eq!(versions(&source, None), json!([of(&commit(1101), id, "101")]));
    }
}

mod second_check_in_the_same_container {
    use super::*;

    #[test]
    fn unmodified_responses_do_not_count_for_the_rate_limit() {
        let github = GitHub::start();
        let container = Container::new();
        let id = github.set_status(&commit(1), "default", "success", "a");
        let known = version(&commit(1), id);
        for _ in 0..3 {
            assert_eq!(check_in(&container, &source(&github), Some(&known)).json(), json!([known]));
        }
        let requests = github.recorded_requests();
        assert_eq!(requests.len(), 3);
        assert!(requests[0].header("if-none-match").is_none());
        // With the `ETag`, the response is 304, which GitHub does not count.
        assert!(requests[1].header("if-none-match").is_some() && requests[2].header("if-none-match").is_some());
        let new = github.set_status(&commit(1), "default", "failure", "a");
        let expected = json!([known, version(&commit(1), new)]);
        assert_eq!(check_in(&container, &source(&github), Some(&known)).json(), expected);
    }

    #[test]
    fn cache_files_are_private_and_without_token() {
        let github = GitHub::start();
        let container = Container::new();
        github.set_status(&commit(1), "default", "success", "a");
        let outcome = check_in(&container, &source(&github), None);
        outcome.succeeded();
        let left = outcome.leftovers();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(fs::metadata(&left[0]).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&left[0]).unwrap().contains("SECRET"));
    }

    #[test]
    fn ignores_damaged_cache() {
        let github = GitHub::start();
        let container = Container::new();
        let known = version(&commit(1), github.set_status(&commit(1), "default", "success", "a"));
        let kept = check_in(&container, &source(&github), None).leftovers().remove(0);
        let whole = fs::read_to_string(&kept).unwrap();
        for damaged in [
            String::new(),
            "{".to_owned(),
            "[]".to_owned(),
            whole.replace("\"items\":[", "\"items\":[7,"),
            "\0".repeat(99),
        ] {
            fs::write(&kept, damaged).unwrap();
            assert_eq!(check_in(&container, &source(&github), Some(&known)).json(), json!([known]));
            assert!(github.recorded_requests().last().unwrap().header("if-none-match").is_none());
        }
    }
}

#[test]
fn logs_the_remaining_rate_limit() {
    let github = GitHub::start();
    github.rate(5000, 4321, 1_700_000_000);
    let outcome = check(&source(&github), None);
    outcome.succeeded();
    assert_eq!(messages(&outcome), "rate limit: 4321 of 5000 requests are left until 22:13 UTC\n");
}

/// dpb587/github-status-resource printed nothing and exited with 0, or printed an error of `jq`.
#[test]
fn reports_github_s_error_message() {
    let github = GitHub::start();
    let outcome = check(&with(source(&github), json!({ "access_token": "ghp_wrong" })), None);
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: `GET http://127.0.0.1:[PORT]/repos/octo/app/commits/main/statuses?per_page=...` answered 401 Unauthorized \
         (x-github-request-id: 0680:45A6:21C5D6C:62D2A4F:62D6350C)\n  caused by: Bad credentials\n\
         hint: the token or the App's private key is wrong, expired or revoked\n"
    );
    let mut source = with(source(&github), json!({}));
    source["branch"] = json!("nope");
    let outcome = check(&source, None);
    outcome.failed();
    assert!(messages(&outcome).contains("  caused by: No commit found for SHA: nope\n"), "{}", outcome.stderr);
}

#[test]
fn fails_on_endless_list() {
    let github = GitHub::start();
    let page = Response::json(200, &json!([])).with("Link", "<https://x.example/?page=2>; rel=\"next\"");
    github.answer(1000, "GET", "/statuses", page);
    let outcome = check(&source(&github), None);
    outcome.failed();
    assert!(messages(&outcome).contains("has more than 100 pages"), "{}", outcome.stderr);
    assert_eq!(github.requests().len(), 100);
}

#[test]
fn explains_responses_that_do_not_come_from_github() {
    for body in ["", "{}", "[1]", "[{\"id\": -1}]", "[{\"state\":\"success\"}]"] {
        let github = GitHub::start();
        github.answer(9, "GET", "/statuses", Response::text(200, body));
        let outcome = check(&source(&github), None);
        outcome.failed();
        assert!(outcome.stderr.contains("error"), "{}", outcome.stderr);
    }
}

#[test]
fn status_without_url_uses_commit_of_combined_status() {
    let github = GitHub::start();
    let bare = json!([{ "id": 7, "state": "success", "created_at": "", "updated_at": "" }]);
    github.answer(9, "GET", "/statuses", Response::json(200, &bare));
    let outcome = check(&source(&github), None);
    assert_eq!(outcome.json(), json!([version(&commit(1), 7)]), "{}", outcome.stderr);
    github.answer(9, "GET", "/commits/main/status", Response::json(404, &json!({ "message": "Not Found" })));
    check(&source(&github), None).failed();
}
