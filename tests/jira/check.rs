//! check: which issues it returns, in which order, and how many requests it sends.

use jetway_tests::jira::{EDITIONS, Edition, Jira, at};
use jetway_tests::verb::Container;
use serde_json::{Value, json};

use crate::support::{approved, check, check_in, gate, messages, with};

#[test]
fn returns_the_newest_arrival_when_no_version_is_given() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let source = gate(&jira);
        assert_eq!(check(&source, None).json(), json!([]), "{edition:?}");
        let (first, second) = (jira.create(0, "first"), jira.create(1, "second"));
        jira.move_to(20, &second, "Approved");
        jira.move_to(10, &first, "Approved");
        // A comment updates an issue, but is not an arrival.
        jira.edit(30, &first, "labels", json!(["x"]));
        assert_eq!(check(&source, None).json(), json!([approved(&second, 20)]), "{edition:?}");
    }
}

#[test]
fn returns_arrivals_since_the_given_version_in_order() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let source = gate(&jira);
        let keys: Vec<String> = (0..4).map(|second| jira.create(second, "x")).collect();
        for (key, second) in keys.iter().zip([10, 40, 20, 30]) {
            jira.move_to(second, key, "Approved");
        }
        let known = approved(&keys[2], 20);
        let expected = json!([known, approved(&keys[3], 30), approved(&keys[1], 40)]);
        assert_eq!(check(&source, Some(&known)).json(), expected, "{edition:?}");
        let last = approved(&keys[1], 40);
        assert_eq!(check(&source, Some(&last)).json(), json!([last]), "{edition:?}");
    }
}

#[test]
fn returns_each_arrival_once_even_in_the_same_millisecond() {
    let jira = Jira::start(Edition::Cloud);
    let source = gate(&jira);
    let container = Container::new();
    let keys: Vec<String> = (0..11).map(|_| jira.create(0, "x")).collect();
    for key in &keys {
        jira.move_to(10, key, "Approved");
    }
    // `OPS-2` comes before `OPS-10`.
    let known = approved("OPS-9", 10);
    let expected = json!([known, approved("OPS-10", 10), approved("OPS-11", 10)]);
    assert_eq!(check_in(&container, &source, Some(&known)).json(), expected);
    let last = approved("OPS-11", 10);
    assert_eq!(check_in(&container, &source, Some(&last)).json(), json!([last]));
    assert_eq!(check(&source, Some(&last)).json(), json!([last]));
}

#[test]
fn counts_the_creation_in_the_status_as_an_arrival() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let key = jira.create_in(5, "imported", "Approved");
        jira.edit(9, &key, "labels", json!(["x"]));
        assert_eq!(check(&gate(&jira), None).json(), json!([approved(&key, 5)]), "{edition:?}");
    }
}

#[test]
fn returns_issue_again_after_it_left_and_returned() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let (source, key) = (gate(&jira), jira.create(0, "x"));
        jira.move_to(10, &key, "Approved");
        let first = approved(&key, 10);
        assert_eq!(check(&source, Some(&first)).json(), json!([first]));
        jira.move_to(20, &key, "To Do");
        assert_eq!(check(&source, Some(&first)).json(), json!([]));
        jira.move_to(30, &key, "Approved");
        assert_eq!(check(&source, Some(&first)).json(), json!([approved(&key, 30)]), "{edition:?}");
    }
}

/// Jira's search index shows changes late, and in another order.
#[test]
fn returns_issue_that_the_search_index_showed_late() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let (source, container) = (gate(&jira), Container::new());
        let keys: Vec<String> = (0..3).map(|second| jira.create(second, "x")).collect();
        jira.move_to(10, &keys[0], "Approved");
        assert_eq!(check_in(&container, &source, None).json(), json!([approved(&keys[0], 10)]));
        jira.move_to(20, &keys[1], "Approved");
        jira.move_to(21, &keys[2], "Approved");
        jira.hide(&keys[1], true);
        let (a, late, b) = (approved(&keys[0], 10), approved(&keys[1], 20), approved(&keys[2], 21));
        assert_eq!(check_in(&container, &source, Some(&a)).json(), json!([a, b]));
        jira.hide(&keys[1], false);
        // It comes after the known version; Concourse would ignore it before that version.
        assert_eq!(check_in(&container, &source, Some(&b)).json(), json!([b, late]), "{edition:?}");
        assert_eq!(check_in(&container, &source, Some(&late)).json(), json!([late]), "{edition:?}");
        assert_eq!(check_in(&container, &source, Some(&late)).json(), json!([late]), "{edition:?}");
    }
}

#[test]
fn does_not_return_old_arrival_again_after_an_edit() {
    let jira = Jira::start(Edition::Cloud);
    let (source, container) = (gate(&jira), Container::new());
    let (old, new) = (jira.create(0, "x"), jira.create(1, "x"));
    jira.move_to(10, &old, "Approved");
    jira.move_to(4000, &new, "Approved");
    let known = approved(&new, 4000);
    for container in [&container, &container, &Container::new()] {
        jira.edit(5000, &old, "labels", json!(["x"]));
        assert_eq!(check_in(container, &source, Some(&known)).json(), json!([known]));
    }
}

#[test]
fn repeats_response_that_concourse_did_not_store() {
    let jira = Jira::start(Edition::Cloud);
    let (source, container) = (gate(&jira), Container::new());
    let keys: Vec<String> = (0..2).map(|second| jira.create(second, "x")).collect();
    jira.move_to(10, &keys[0], "Approved");
    jira.move_to(20, &keys[1], "Approved");
    let (a, b) = (approved(&keys[0], 10), approved(&keys[1], 20));
    for _ in 0..2 {
        assert_eq!(check_in(&container, &source, Some(&a)).json(), json!([a, b]));
    }
}

#[test]
fn follows_issues_of_jql_project_and_category() {
    for edition in EDITIONS {
        let jira = Jira::start(edition);
        let (go, other, done) = (jira.create(0, "go"), jira.create(1, "other"), jira.create(2, "done"));
        jira.edit(3, &go, "labels", json!(["go"]));
        for key in [&go, &other] {
            jira.move_to(10, key, "Approved");
        }
        jira.move_to(20, &done, "Done");
        let checked = |more: Value| check(&with(jira.source(), more), None).json();
        let by_label = json!({ "jql": "labels = go order by key", "status": ["Done", "APPROVED"] });
        assert_eq!(checked(by_label), json!([approved(&go, 10)]));
        assert_eq!(checked(json!({ "jql": "labels in (stop, wait)", "status": "Approved" })), json!([]));
        let version = json!({ "issue": done, "status": "Done", "changed": at(20) });
        assert_eq!(checked(json!({ "project": "OPS", "status_category": "done" })), json!([version]));
        let version = approved(&other, 10);
        assert_eq!(checked(json!({ "project": "OPS", "status_category": "in_progress" })), json!([version]));
        assert_eq!(checked(json!({ "project": "DEV", "status": "Approved" })), json!([]));
    }
}

#[test]
fn returns_the_given_version_when_the_source_has_no_gate() {
    let jira = Jira::start(Edition::Cloud);
    let version = approved("OPS-1", 10);
    assert_eq!(check(&jira.source(), Some(&version)).json(), json!([version]));
    assert_eq!(check(&jira.source(), None).json(), json!([]));
    assert_eq!(jira.requests(), Vec::<String>::new());
}

mod costs {
    use super::*;

    #[test]
    fn first_check_sends_two_requests_and_check_without_changes_one() {
        for edition in EDITIONS {
            let jira = Jira::start(edition);
            let (source, container) = (gate(&jira), Container::new());
            for second in 0..15 {
                let key = jira.create(second, "x");
                jira.move_to(100 + second, &key, "Approved");
            }
            let known = approved("OPS-15", 114);
            assert_eq!(check_in(&container, &source, None).json(), json!([known]));
            let first = match edition {
                Edition::Cloud => ["POST /rest/api/3/search/jql", "POST /rest/api/3/changelog/bulkfetch"],
                Edition::DataCenter => ["POST /jira/rest/api/2/search", "POST /jira/rest/api/2/search"],
            };
            assert_eq!(jira.requests(), first);
            for checks in 1..4 {
                assert_eq!(check_in(&container, &source, Some(&known)).json(), json!([known]));
                assert_eq!(jira.requests().len(), 2 + checks, "{:?}", jira.requests());
            }
            // One more issue costs only a request for its changelog.
            let key = jira.create(200, "x");
            jira.move_to(300, &key, "Approved");
            check_in(&container, &source, Some(&known)).succeeded();
            let last = jira.recorded_requests().pop().unwrap().json();
            let request = last.get("issueIdsOrKeys").or(last.get("jql")).unwrap().to_string();
            assert!(request == r#"["10016"]"# || request == r#""key in (\"OPS-16\")""#, "{request}");
        }
    }

    #[test]
    fn first_check_reads_one_page_of_many_issues() {
        for edition in EDITIONS {
            let jira = Jira::start(edition);
            jira.page(5);
            for second in 0..30 {
                jira.create_in(second, "x", "Approved");
            }
            assert_eq!(check(&gate(&jira), None).json(), json!([approved("OPS-30", 29)]));
            assert_eq!(jira.requests().len(), 2, "{:?}", jira.requests());
        }
    }

    #[test]
    fn reads_only_pages_with_later_issues() {
        for edition in EDITIONS {
            let jira = Jira::start(edition);
            jira.page(5);
            for second in 0..30 {
                jira.create_in(second * 3600, "x", "Approved");
            }
            let known = approved("OPS-23", 22 * 3600);
            let checked = check(&gate(&jira), Some(&known)).json();
            assert_eq!(checked.as_array().unwrap().len(), 8, "{edition:?}");
            assert_eq!((&checked[0], &checked[7]), (&known, &approved("OPS-30", 29 * 3600)));
            let searches = jira.bodies("POST", "search");
            let pages = searches.iter().filter(|body| !body["jql"].as_str().unwrap().starts_with("key in"));
            assert_eq!(pages.count(), 2, "{edition:?}");
        }
    }

    #[test]
    fn reads_at_most_twenty_pages() {
        for edition in EDITIONS {
            let jira = Jira::start(edition);
            jira.page(1);
            for second in 0..30 {
                jira.create_in(second, "x", "Approved");
            }
            let outcome = check(&gate(&jira), Some(&approved("OPS-1", 0)));
            outcome.failed();
            assert!(
                messages(&outcome).ends_with(
                    "error: more than 20 pages of issues in the status were updated since the last version\n\
                     hint: narrow `jql` to the issues of the gate\n"
                ),
                "{}",
                messages(&outcome)
            );
            assert!(jira.requests().len() <= 40, "{:?}", jira.requests());
        }
    }

    #[test]
    fn reads_all_pages_of_changelogs() {
        let jira = Jira::start(Edition::Cloud);
        jira.page(2);
        let (a, b) = (jira.create(0, "x"), jira.create(1, "x"));
        for (second, key, status) in [
            (10, &a, "In Review"),
            (11, &b, "In Review"),
            (12, &a, "To Do"),
            (13, &b, "Approved"),
            (14, &a, "Approved"),
        ] {
            jira.move_to(second, key, status);
        }
        let known = approved(&b, 13);
        assert_eq!(check(&gate(&jira), Some(&known)).json(), json!([known, approved(&a, 14)]));
    }
}

#[test]
fn warns_of_issues_that_do_not_count() {
    let jira = Jira::start(Edition::Cloud);
    let (gone, there) = (jira.create(0, "x"), jira.create(1, "x"));
    jira.move_to(10, &gone, "Approved");
    jira.move_to(11, &there, "Approved");
    // The index has the old status of one issue, and the changelog of the other is newer than the index.
    let search = json!({ "issues": [
        { "id": "10001", "key": gone, "fields": { "status": { "id": "10000", "name": "To Do" }, "updated": at(10) } },
        { "id": "10002", "key": there, "fields": { "status": { "id": "10002", "name": "Approved" }, "updated": at(11) } },
    ], "isLast": true });
    jira.move_to(12, &there, "Done");
    jira.answer(1, "POST", "/search/jql", jetway_tests::jira::from_jira(200, &search));
    let outcome = check(&gate(&jira), None);
    assert_eq!(outcome.json(), json!([]));
    assert_eq!(
        messages(&outcome),
        format!("{gone} has the status `To Do` and is ignored\n{there} has left `Approved`\n")
    );
}

#[test]
fn starts_again_from_a_version_without_a_time() {
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create_in(5, "x", "Approved");
    let version = json!({ "issue": key, "status": "Approved", "changed": "yesterday" });
    assert_eq!(check(&gate(&jira), Some(&version)).json(), json!([approved(&key, 5)]));
}

#[test]
fn memory_is_readable_only_by_its_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let jira = Jira::start(Edition::Cloud);
    let key = jira.create_in(5, "x", "Approved");
    let container = Container::new();
    let outcome = check_in(&container, &gate(&jira), Some(&approved(&key, 5)));
    outcome.succeeded();
    let files: Vec<_> = outcome.leftovers().into_iter().filter(|path| path.is_file()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let content = std::fs::read_to_string(&files[0]).unwrap();
    assert!(!content.contains("SECRET") && content.contains(&key), "{content}");
}
