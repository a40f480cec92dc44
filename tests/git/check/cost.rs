//! The cost of a check, in requests, bytes and commits.

use std::fs;
use std::time::{Duration, SystemTime};

use jetway_tests::verb::{Container, Verb};
use serde_json::json;

use crate::support::{check, check_in, history, messages, refs, serve, source};

#[test]
fn unchanged_tip_costs_one_ref_out_of_ten_thousand() {
    let (repository, commits) = history(&["one", "two"]);
    let branches = (0..10_000).map(|number| format!("{} refs/heads/topic-{number:05}", commits[0]));
    let header = "# pack-refs with: peeled fully-peeled sorted ".to_owned();
    let packed = [header].into_iter().chain(branches).collect::<Vec<_>>().join("\n") + "\n";
    fs::write(repository.path().join("packed-refs"), packed).expect("write the branches");
    let (server, url) = serve(&repository);
    let outcome = check(&source(&url), Some(&commits[1]));
    assert_eq!(refs(&outcome), [commits[1].clone()]);
    assert_eq!(server.requests().len(), 2, "the greeting and the list of one ref: {:?}", server.requests());
    assert!(server.bytes_sent() < 4096, "{} bytes for one ref", server.bytes_sent());
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn first_check_is_independent_of_history_length() {
    let bytes = |length: usize| {
        let (repository, commits) = history(&vec!["commit"; length]);
        let (server, url) = serve(&repository);
        assert_eq!(refs(&check(&source(&url), None)).last(), commits.last());
        server.bytes_sent()
    };
    let (short, long) = (bytes(2), bytes(150));
    assert!(long <= short + 64, "{long} bytes for a long history, {short} for a short one");
}

#[test]
fn new_commits_are_fetched_without_files() {
    let noise: String = (0..20_000_u32).map(|number| char::from(b'a' + (number * 7919 % 23) as u8)).collect();
    let (repository, commits) = history(&["one", "two"]);
    let (server, url) = serve(&repository);
    let container = Container::new();
    check_in(&container, &source(&url), None).succeeded();
    let newest = repository.commit("three", &[("large", &noise)]);
    server.reset();
    let found = refs(&check_in(&container, &source(&url), Some(&commits[1])));
    assert_eq!(found, [commits[1].clone(), newest]);
    assert!(server.bytes_sent() < 4096, "{} bytes for one commit", server.bytes_sent());
}

#[test]
fn old_version_does_not_fetch_older_history() {
    let mut messages = vec!["commit"; 120];
    messages.push("newest");
    let (repository, commits) = history(&messages);
    let (server, url) = serve(&repository);
    let found = refs(&check(&source(&url), Some(&commits[118])));
    assert_eq!(found, commits[118..]);
    assert!(server.bytes_sent() < 6144, "{} bytes for three commits", server.bytes_sent());
}

#[test]
fn old_merged_branch_fetches_only_its_commits() {
    for first_protocol in [false, true] {
        let (repository, mut commits) = history(&vec!["commit"; 150]);
        let (server, url) = serve(&repository);
        let container = Container::new();
        let run = |container: &Container, version: &str| {
            let request = json!({ "source": source(&url), "version": { "ref": version } });
            let verb = Verb::check("git").container(container).request(&request);
            if first_protocol { verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run() } else { verb.run() }
        };
        run(&container, &commits[148]).succeeded();
        repository.branch("topic", &commits[0]);
        repository.commit_on("topic", "on the side", &[("s", "1")]);
        commits.push(repository.merge("main", "topic", "merge"));
        repository.allow_any_commit(!first_protocol);
        for container in [container, Container::new()] {
            server.reset();
            let outcome = run(&container, &commits[148]);
            assert_eq!(refs(&outcome), commits[148..]);
            // A commit takes about 200 bytes. If the version is not served by hash, 51 commits are fetched.
            let most = if first_protocol { 16_000 } else { 6_144 };
            assert!(server.bytes_sent() < most, "{} bytes: {}", server.bytes_sent(), messages(&outcome));
            assert!(!messages(&outcome).contains("--unshallow"), "{}", messages(&outcome));
        }
    }
}

#[test]
fn merges_of_older_commits_cost_one_fetch() {
    let (repository, mut commits) = history(&vec!["commit"; 100]);
    repository.set_clock(SystemTime::now() - Duration::from_hours(8));
    for number in 0..3 {
        let topic = format!("topic-{number}");
        repository.branch(&topic, &commits[80]);
        repository.commit_on(&topic, "on the side", &[(&topic, "1")]);
    }
    let (server, url) = serve(&repository);
    let container = Container::new();
    let mut merge = |number: usize| {
        commits.push(repository.merge("main", &format!("topic-{number}"), "merge"));
        commits.clone()
    };
    let known = merge(0).pop().expect("a merge");
    assert_eq!(refs(&check_in(&container, &source(&url), None)), std::slice::from_ref(&known));
    merge(1);
    let commits = merge(2);
    // One request resolves the tip, others fetch it. A new container also fetches the version.
    for (container, requests) in [(container, 4), (Container::new(), 6)] {
        server.reset();
        let outcome = check_in(&container, &source(&url), Some(&known));
        assert_eq!(refs(&outcome), commits[100..]);
        assert_eq!(messages(&outcome), "", "the first fetch is sufficient");
        assert_eq!(server.requests().len(), requests, "{:?}", server.requests());
        // A commit takes about 300 bytes, and the window has about 50 commits.
        assert!(server.bytes_sent() < 20_000, "{} bytes", server.bytes_sent());
    }
}

#[test]
fn version_not_served_by_hash_is_searched_in_logged_steps() {
    let (repository, commits) = history(&vec!["commit"; 90]);
    repository.allow_any_commit(false);
    let (_server, url) = serve(&repository);
    let step = |version: &str, option: &str| {
        format!("deepening the history to find version `{version}` (git fetch {option})\n")
    };
    for (version, steps) in [(60, ["--depth=50"].as_slice()), (20, ["--depth=50", "--depth=400"].as_slice())] {
        let known = &commits[version];
        let request = json!({ "source": source(&url), "version": { "ref": known } });
        let outcome = Verb::check("git").request(&request).env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
        assert_eq!(refs(&outcome), commits[version..]);
        assert_eq!(messages(&outcome), steps.iter().map(|how| step(known, how)).collect::<String>());
    }
}

#[test]
fn version_from_a_merged_branch_costs_one_window() {
    let (repository, mut commits) = history(&vec!["commit"; 150]);
    repository.branch("topic", &commits[147]);
    let side = repository.commit_on("topic", "on the side", &[("s", "1")]);
    commits.push(repository.merge("main", "topic", "merge"));
    let (server, url) = serve(&repository);
    let outcome = check(&source(&url), Some(&side));
    let expected: Vec<String> = [&[side], &commits[148..]].concat();
    assert_eq!(refs(&outcome), expected);
    assert!(server.bytes_sent() < 18_000, "{} bytes", server.bytes_sent());
    assert!(!messages(&outcome).contains("--depth=400"), "{}", messages(&outcome));
}

#[test]
fn skipped_commit_is_fetched_once() {
    let (repository, commits) = history(&["one", "two [ci skip]"]);
    let (server, url) = serve(&repository);
    let container = Container::new();
    let source = source(&url);
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), [commits[0].clone()]);
    server.reset();
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), [commits[0].clone()]);
    assert_eq!(server.requests().len(), 2, "the tip was fetched before");
}
