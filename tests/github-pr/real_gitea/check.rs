//! check on a real Gitea.

use super::*;

#[test]
fn returns_the_latest_update_at_first() {
    let Some(project) = Project::new() else { return };
    assert_eq!(check(&project.source(), None).json(), json!([]));
    project.open("one", &[("1", "1")]);
    let (number, head) = project.open("two", &[("2", "2")]);
    let found = check(&project.source(), None).json();
    assert_eq!(found, json!([project.version(number, &head)]));
    assert_eq!(check(&project.source(), Some(&found[0])).json()[0], found[0]);
}

#[test]
fn push_with_an_older_commit_date_is_found() {
    let Some(project) = Project::new() else { return };
    let container = Container::new();
    let (first, _) = project.open("one", &[("1", "1")]);
    let known = last(&check_in(&container, &project.source(), None));
    project.local.set_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(1_400_000_000));
    let (second, _) = project.open("two", &[("2", "2")]);
    let outcome = check_in(&container, &project.source(), Some(&known));
    assert_eq!(numbers(&outcome), [first, second]);
    let known = last(&outcome);
    assert_eq!(known["committed"], "2014-05-13T16:53:20Z");
    // A push with force of another old commit, and a third pull request with one that is older still.
    project.local.set_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(1_300_000_000));
    let head = project.push_from(first, "one", "main", &[("1", "again")]);
    let (third, _) = project.open("three", &[("3", "3")]);
    let outcome = check_in(&container, &project.source(), Some(&known));
    let mut found = numbers(&outcome);
    assert_eq!((found.remove(0), outcome.json().as_array().unwrap().len()), (second, 3));
    found.sort_unstable();
    assert_eq!(found, [first, third]);
    assert!(outcome.json().as_array().unwrap().contains(&project.version(first, &head)), "{:#}", outcome.json());
    // Each once, and a comment is no version.
    project.remote.api("POST", &format!("/issues/{first}/comments"), Some(&json!({ "body": "a comment" })));
    assert_eq!(numbers(&check_in(&container, &project.source(), Some(&last(&outcome)))).len(), 1);
}

#[test]
fn new_container_returns_doubtful_heads_one_at_a_time() {
    let Some(project) = Project::new() else { return };
    let (first, head) = project.open("one", &[("1", "1")]);
    let (second, _) = project.open("two", &[("2", "2")]);
    let (third, third_head) = project.open("three", &[("3", "3")]);
    let known = project.version(first, &head);
    let outcome = check(&project.source(), Some(&known));
    assert_eq!(numbers(&outcome), [first, third]);
    let container = Container::new();
    let outcome = check_in(&container, &project.source(), Some(&last(&outcome)));
    let [given, next] = numbers(&outcome)[..] else { panic!("{:#}", outcome.json()) };
    assert_eq!((given, next), (third, second));
    // The given version's pull request is closed: it is in no list, and the check finds it all the same.
    project.change(third, json!({ "state": "closed" }));
    assert_eq!(numbers(&check(&project.source(), Some(&project.version(third, &third_head)))), [third, second]);
}

#[test]
fn reads_all_pages() {
    let Some(project) = Project::new() else { return };
    for number in 1..=MORE_THAN_A_PAGE {
        let branch = format!("branch-{number}");
        project.commit(&branch, "main", &[("number", &branch)]);
    }
    project.remote.push_all(project.local.path());
    let container = Container::new();
    let first = project.request("branch-1", "main", "first");
    let known = last(&check_in(&container, &project.source(), None));
    for number in 2..=MORE_THAN_A_PAGE {
        project.request(&format!("branch-{number}"), "main", "another");
    }
    let found = numbers(&check_in(&container, &project.source(), Some(&known)));
    assert_eq!(found, (first..first + MORE_THAN_A_PAGE).collect::<Vec<u64>>());
}

#[test]
fn filters_by_label_base_branch_draft_and_title() {
    let Some(project) = Project::new() else { return };
    let sources = [
        json!({}),
        json!({ "disable_ci_skip": true }),
        json!({ "labels": ["ready"] }),
        json!({ "base_branch": "v1" }),
        json!({ "base_branch": "main", "ignore_drafts": true }),
    ];
    let sources = sources.map(|more| (with(project.source(), more), Container::new()));
    for (source, container) in &sources {
        assert_eq!(check_in(container, source, None).json(), json!([]));
    }
    project.local.branch("v1", "main");
    project.push(&project.remote.url_with_login(), "v1");
    let label = json!({ "name": "Ready", "color": "#00ff00" });
    let label = project.remote.api("POST", "/labels", Some(&label))["id"].clone();
    let (labelled, _) = project.open("labelled", &[("1", "1")]);
    project.remote.api("POST", &format!("/issues/{labelled}/labels"), Some(&json!({ "labels": [label] })));
    project.commit("into-v1", "main", &[("2", "2")]);
    project.push(&project.remote.url_with_login(), "into-v1");
    let into_v1 = project.request("into-v1", "v1", "Into v1");
    let (draft, _) = project.open("draft", &[("3", "3")]);
    project.change(draft, json!({ "title": "WIP: change" }));
    let (skipped, _) = project.open("skipped", &[("4", "4")]);
    project.change(skipped, json!({ "title": "A change [skip ci]" }));
    let change = project.local.change("a change [CI skip]").on("skipped-too").from("main").write("5", "5");
    change.commit();
    project.push(&project.remote.url_with_login(), "skipped-too");
    let skipped_too = project.request("skipped-too", "main", "A change");
    let expected = [
        vec![labelled, into_v1, draft],
        vec![labelled, into_v1, draft, skipped, skipped_too],
        vec![labelled],
        vec![into_v1],
        vec![labelled],
    ];
    for ((source, container), expected) in sources.iter().zip(expected) {
        let mut found = numbers(&check_in(container, source, None));
        found.sort_unstable();
        assert_eq!(found, expected, "{source:#}");
    }
}

#[test]
fn label_and_end_of_a_draft_make_a_version() {
    let Some(project) = Project::new() else { return };
    let source = with(project.source(), json!({ "ignore_drafts": true }));
    let container = Container::new();
    assert_eq!(check_in(&container, &source, None).json(), json!([]));
    let (number, head) = project.open("draft", &[("1", "1")]);
    project.change(number, json!({ "title": "WIP: change" }));
    assert_eq!(check_in(&container, &source, None).json(), json!([]));
    project.change(number, json!({ "title": "change" }));
    assert_eq!(check_in(&container, &source, None).json(), json!([project.version(number, &head)]));
}

#[test]
fn filters_by_paths() {
    let Some(project) = Project::new() else { return };
    let source = with(project.source(), json!({ "paths": ["src"], "ignore_paths": ["**/*.md"] }));
    let container = Container::new();
    assert_eq!(check_in(&container, &source, None).json(), json!([]));
    let names: Vec<String> = (0..MORE_THAN_A_PAGE).map(|number| format!("docs/{number:02}")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "text")).collect();
    project.open("docs", &files);
    project.open("text", &[("src/README.md", "text")]);
    // The file that counts is on the second page.
    files.push(("src/main", "code"));
    let (number, head) = project.open("code", &files);
    let found = check_in(&container, &source, None).json();
    assert_eq!(found, json!([project.version(number, &head)]));
    assert_eq!(check_in(&container, &source, Some(&found[0])).json(), found);
}

#[test]
fn forks_are_found_unless_disabled() {
    let Some(project) = Project::new() else { return };
    let (container, another) = (Container::new(), Container::new());
    let own = with(project.source(), json!({ "disable_forks": true }));
    for source in [&project.source(), &own] {
        let container = if *source == own { &another } else { &container };
        assert_eq!(check_in(container, source, None).json(), json!([]));
    }
    let (fork, head) = project.open_from_fork("fork", &[("1", "1")]);
    let (branch, _) = project.open("branch", &[("2", "2")]);
    let outcome = check_in(&container, &project.source(), None);
    assert_eq!(numbers(&outcome), [fork, branch]);
    assert_eq!(outcome.json()[0], project.version(fork, &head));
    assert_eq!(numbers(&check_in(&another, &own, None)), [branch]);
    // A push to Gitea's `refs/for/main` needs no right to push, as a fork.
    project.commit("agit", "main", &[("3", "3")]);
    let push = ["push", "-q", &project.remote.url_with_login(), "agit:refs/for/main/topic"];
    project.local.git(&push);
    assert_eq!(numbers(&check_in(&another, &own, None)), [branch]);
    assert_eq!(numbers(&check_in(&container, &project.source(), Some(&last(&outcome)))), [branch, branch + 1]);
}

#[test]
fn approvals_are_counted_by_reviewer() {
    let Some(project) = Project::new() else { return };
    let source = with(project.source(), json!({ "required_review_approvals": 1 }));
    let container = Container::new();
    let (number, head) = project.open("one", &[("1", "1")]);
    next_second();
    project.open("two", &[("2", "2")]);
    let none = |why: &str| assert_eq!(check_in(&container, &source, None).json(), json!([]), "{why}");
    none("without a review");
    project.review(number, "COMMENT");
    none("with a comment");
    next_second();
    project.change(number + 1, json!({ "title": "another title" }));
    none("with the memory of what is not approved");
    project.review(number, "APPROVED");
    project.review(number, "REQUEST_CHANGES");
    none("with a request for changes after an approval");
    let approval = project.review(number, "APPROVED");
    let dismissal = json!({ "message": "not yet" });
    project.remote.api("POST", &format!("/pulls/{number}/reviews/{approval}/dismissals"), Some(&dismissal));
    none("with an approval that was dismissed");
    project.review(number, "APPROVED");
    assert_eq!(check_in(&container, &source, None).json(), json!([project.version(number, &head)]));
}

#[test]
fn closed_and_merged_pull_requests_keep_their_head() {
    let Some(project) = Project::new() else { return };
    let source = with(project.source(), json!({ "states": ["MERGED", "CLOSED"] }));
    let (one, two, three) = (Container::new(), Container::new(), Container::new());
    let all = with(project.source(), json!({ "states": ["OPEN", "MERGED", "CLOSED"] }));
    assert_eq!(check_in(&one, &source, None).json(), json!([]));
    assert_eq!(check_in(&two, &all, None).json(), json!([]));
    assert_eq!(check_in(&three, &project.source(), None).json(), json!([]));
    let (merged, merged_head) = project.open("merged", &[("1", "1")]);
    let (closed, closed_head) = project.open("closed", &[("2", "2")]);
    let (open, _) = project.open("open", &[("3", "3")]);
    project.merge(merged);
    next_second();
    project.change(closed, json!({ "state": "closed" }));
    // A push to the branch afterwards is no push to the pull request.
    project.commit("closed", &closed_head, &[("2", "later")]);
    project.push(&project.remote.url_with_login(), "closed");
    let state = |version: Value, state: &str| with(version, json!({ "state": state }));
    let found = check_in(&one, &source, None).json();
    let versions = [
        state(project.version(merged, &merged_head), "MERGED"),
        state(project.version(closed, &closed_head), "CLOSED"),
    ];
    assert_eq!(found, json!(versions));
    // That of the branch is no new version either.
    assert!(numbers(&check_in(&one, &source, Some(&found[1]))).len() <= 1);
    let mut states = numbers(&check_in(&two, &all, None));
    states.sort_unstable();
    assert_eq!(states, [merged, closed, open]);
    assert_eq!(numbers(&check_in(&three, &project.source(), None)), [open]);
}

#[test]
fn address_of_the_server_suffices() {
    let Some(project) = Project::new() else { return };
    let (number, head) = project.open("one", &[("1", "1")]);
    let source = with(project.source(), json!({ "v3_endpoint": project.gitea.url() }));
    let outcome = check(&source, None);
    assert_eq!(outcome.json(), json!([project.version(number, &head)]));
    assert!(outcome.stderr.contains("/api/v1`; set `v3_endpoint` to this URL"), "{}", outcome.stderr);
    let directory = scratch::directory();
    get(&source, &outcome.json()[0], json!({}), directory.path()).succeeded();
    assert_eq!(text(directory.path(), "1"), "1");
    let outcome = check(&with(source, json!({ "authorship_restriction": true })), None);
    outcome.failed();
    assert!(messages(&outcome).contains("`authorship_restriction` does not work with Gitea"), "{}", outcome.stderr);
}

#[test]
fn says_what_is_wrong() {
    let Some(project) = Project::new() else { return };
    let outcome = check(&with(project.source(), json!({ "repository": format!("{USER}/absent") })), None);
    outcome.failed();
    assert!(messages(&outcome).contains("it needs the scope `read:repository`"), "{}", outcome.stderr);
    let outcome = check(&with(project.source(), json!({ "access_token": "0".repeat(40) })), None);
    outcome.failed();
    assert!(messages(&outcome).contains("401"), "{}", outcome.stderr);
}
