//! check of a branch: the versions and the costs.

use std::fs;
use std::time::{Duration, SystemTime};

use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Verb};
use serde_json::json;

use crate::support::{check, check_in, history, messages, refs, serve, source, with};

#[test]
fn returns_the_newest_commit_without_a_version() {
    let (repository, commits) = history(&["one", "two", "three"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), None)), [commits[2].clone()]);
}

#[test]
fn follows_the_default_branch_without_branch() {
    let (repository, commits) = history(&["one", "two"]);
    let source = json!({ "uri": repository.file_url() });
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
}

#[test]
fn follows_the_default_branch_when_it_changes() {
    let (repository, mut commits) = history(&["one"]);
    let source = json!({ "uri": repository.file_url() });
    let container = Container::new();
    assert_eq!(refs(&check_in(&container, &source, None)), commits);
    // Rename the default branch.
    repository.branch("trunk", "main");
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    repository.delete_branch("main");
    commits.push(repository.commit_on("trunk", "two", &[("x", "2")]));
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), commits);
    let destination = jetway_tests::scratch::directory();
    let request = crate::support::request(&source, Some(&commits[1]), &json!({}));
    Verb::get("git").dir(destination.path()).request(&request).run().succeeded();
    let branch = fs::read_to_string(destination.path().join(".git/branch")).expect("read the branch");
    assert_eq!(branch, "trunk\n");
    // Make another branch the default branch.
    repository.branch("develop", "trunk");
    commits.push(repository.commit_on("develop", "three", &[("x", "3")]));
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/develop"]);
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[1]))), commits[1..]);
}

#[test]
fn ignores_a_branch_whose_name_ends_with_the_branch() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("a/main", &commits[0]);
    let source = with(source(&repository.file_url()), json!({ "disable_ci_skip": true }));
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
}

#[test]
fn first_check_returns_version_depth_commits_oldest_first() {
    let (repository, commits) = history(&["one", "two [ci skip]", "three", "four"]);
    let source = with(source(&repository.file_url()), json!({ "version_depth": 3 }));
    let expected = [&commits[0], &commits[2], &commits[3]].map(Clone::clone);
    assert_eq!(refs(&check(&source, None)), expected);
    let everything = with(source, json!({ "version_depth": "99" }));
    assert_eq!(refs(&check(&everything, None)), expected);
}

#[test]
fn returns_the_version_and_newer_commits_oldest_first() {
    let (repository, commits) = history(&["one", "two", "three", "four"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), commits[1..]);
}

#[test]
fn returns_only_the_version_when_nothing_is_new() {
    let (repository, commits) = history(&["one", "two"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), [commits[1].clone()]);
}

#[test]
fn resolves_an_abbreviated_hash() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    for _ in 0..2 {
        let outcome = check_in(&container, &source(&url), Some(&commits[1][..7]));
        assert_eq!(refs(&outcome), commits[1..]);
    }
    let outcome = check(&source(&url), Some("1234567"));
    assert_eq!(refs(&outcome), commits[2..]);
    let warning = "warning: version `1234567` is not a commit of the branch; continuing from the newest commit\n";
    assert!(messages(&outcome).ends_with(warning), "{}", messages(&outcome));
}

#[test]
fn returns_nothing_for_an_empty_repository() {
    let repository = Repository::new();
    let outcome = check(&json!({ "uri": repository.file_url() }), None);
    assert_eq!(refs(&outcome), Vec::<String>::new());
    assert_eq!(messages(&outcome), "warning: `file://[TEMP]/repository.git` has no commits yet\n");
}

mod ci_skip {
    use super::*;

    #[test]
    fn excludes_commits_with_the_exact_marker_in_subject_or_body() {
        let messages =
            ["base", "x [ci skip]", "y\n\nbody [skip ci] here", "z [CI SKIP]", "w [skip-ci]", "v [ci\tskip]"];
        let (repository, commits) = history(&messages);
        let expected = [&commits[0], &commits[3], &commits[4]].map(Clone::clone);
        assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[0]))), expected);
    }

    #[test]
    fn disable_ci_skip_includes_all_commits() {
        let (repository, commits) = history(&["base", "x [ci skip]"]);
        let source = with(source(&repository.file_url()), json!({ "disable_ci_skip": true }));
        assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
    }

    #[test]
    fn first_check_returns_the_newest_commit_without_marker() {
        let mut messages = vec!["good"];
        messages.extend(["[ci skip]"; 30]);
        let (repository, commits) = history(&messages);
        assert_eq!(refs(&check(&source(&repository.file_url()), None)), [commits[0].clone()]);
    }

    #[test]
    fn returns_nothing_if_every_commit_has_the_marker() {
        let (repository, _) = history(&["[ci skip]", "[skip ci]"]);
        assert_eq!(refs(&check(&source(&repository.file_url()), None)), Vec::<String>::new());
    }

    #[test]
    fn returns_the_known_version_despite_its_marker() {
        let (repository, commits) = history(&["one", "two [ci skip]", "three [ci skip]"]);
        let source = source(&repository.file_url());
        assert_eq!(refs(&check(&source, Some(&commits[1]))), [commits[1].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[2]))), [commits[2].clone()]);
    }
}

mod paths {
    use super::*;

    fn monorepo() -> (Repository, Vec<String>) {
        let repository = Repository::new();
        let commits =
            [("a", "a/x.txt"), ("b", "b/x.txt"), ("a again", "a/deep/y.txt"), ("docs", "a/README.md"), ("c", "c/-x")]
                .map(|(message, path)| repository.commit(message, &[(path, message)]));
        (repository, commits.to_vec())
    }

    fn versions_of_paths(filter: serde_json::Value) -> Vec<usize> {
        let (repository, commits) = monorepo();
        let source = with(source(&repository.file_url()), filter);
        let found = refs(&check(&with(source.clone(), json!({ "version_depth": 99 })), None));
        // With a known version: the version, and the newer commits that pass the filter.
        let since = refs(&check(&source, Some(&commits[0])));
        let newer = found.iter().filter(|commit| **commit != commits[0]);
        assert_eq!(since, [&commits[0]].into_iter().chain(newer).cloned().collect::<Vec<_>>());
        found.iter().map(|found| commits.iter().position(|commit| commit == found).expect("a commit")).collect()
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
}

mod merges {
    use super::*;

    #[test]
    fn only_first_parent_commits_are_versions() {
        let repository = Repository::new();
        let base = repository.commit("base", &[("a", "1")]);
        repository.branch("topic", &base);
        repository.commit_on("topic", "side 1", &[("b", "1")]);
        repository.commit_on("topic", "side 2", &[("b", "2")]);
        let ours = repository.commit("ours", &[("a", "2")]);
        let merge = repository.merge("main", "topic", "merge");
        let source = source(&repository.file_url());
        assert_eq!(refs(&check(&source, Some(&base))), [base.clone(), ours, merge]);
    }

    #[test]
    fn version_from_a_merged_branch_is_kept() {
        let repository = Repository::new();
        let base = repository.commit("base", &[("a", "1")]);
        repository.branch("topic", &base);
        let side = repository.commit_on("topic", "side", &[("b", "1")]);
        let ours = repository.commit("ours", &[("a", "2")]);
        let merge = repository.merge("main", "topic", "merge");
        let source = source(&repository.file_url());
        assert_eq!(refs(&check(&source, Some(&side))), [side, ours, merge]);
    }
}

mod moved_branch {
    use super::*;

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
        let message =
            format!("warning: version `{version}` is gone from the server; continuing from the newest commit\n");
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
        assert_eq!(
            messages(&outcome),
            "warning: version `v1.0` is not a commit hash; continuing from the newest commit\n"
        );
    }
}

mod cost {
    use super::*;

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
                if first_protocol {
                    verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run()
                } else {
                    verb.run()
                }
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
            let outcome =
                Verb::check("git").request(&request).env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
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
}

mod limited_server {
    use super::*;

    #[test]
    fn without_filter_support_works() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.allow_filters(false);
        let (_server, url) = serve(&repository);
        let source = with(source(&url), json!({ "paths": ["file-1"] }));
        assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits[..2]);
    }

    #[test]
    fn with_protocol_version_0_and_without_commits_by_hash_works() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        let request = json!({ "source": source(&url), "version": { "ref": commits[0] } });
        let outcome = Verb::check("git").request(&request).env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
        assert_eq!(refs(&outcome), commits);
    }
}

mod damaged_cache {
    use super::*;

    fn container_after_a_check(source: &serde_json::Value, version: &str) -> Container {
        let container = Container::new();
        check_in(&container, source, Some(version)).succeeded();
        assert!(container.temporary().join("jetway-git-cache").is_dir());
        container
    }

    fn damage(container: &Container, break_it: impl Fn(&std::path::Path)) {
        let caches = fs::read_dir(container.temporary().join("jetway-git-cache")).expect("list the caches");
        caches.flatten().filter(|entry| entry.path().is_dir()).for_each(|entry| break_it(&entry.path()));
    }

    fn assert_check_succeeds_after(break_it: impl Fn(&std::path::Path)) {
        let (repository, mut commits) = history(&["one", "two", "three"]);
        let source = source(&repository.file_url());
        let container = container_after_a_check(&source, &commits[0]);
        damage(&container, break_it);
        commits.push(repository.commit("four", &[("x", "1")]));
        assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), commits);
    }

    #[test]
    fn is_recreated_without_head() {
        assert_check_succeeds_after(|cache| fs::remove_file(cache.join("HEAD")).expect("remove HEAD"));
    }

    #[test]
    fn is_recreated_without_objects() {
        assert_check_succeeds_after(|cache| fs::remove_dir_all(cache.join("objects")).expect("remove the objects"));
    }

    #[test]
    fn is_recreated_if_its_tip_is_missing() {
        assert_check_succeeds_after(|cache| {
            fs::write(cache.join("refs/jetway/tip"), format!("{}\n", "1".repeat(40))).expect("spoil the tip");
        });
    }

    /// A check was killed after it created the repository, and before it configured the remote.
    #[test]
    fn is_recreated_without_a_remote() {
        for config in ["", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"] {
            assert_check_succeeds_after(|cache| {
                fs::write(cache.join("config"), config).expect("spoil the configuration");
            });
        }
    }

    #[test]
    fn is_used_despite_stale_locks() {
        assert_check_succeeds_after(|cache| {
            for name in ["shallow.lock", "config.lock", "refs/jetway/tip.lock", "refs/jetway/known.lock"] {
                fs::write(cache.join(name), "").expect("leave a lock");
            }
        });
    }

    #[test]
    fn is_recreated_if_its_shallow_file_is_invalid() {
        assert_check_succeeds_after(|cache| fs::write(cache.join("shallow"), "nonsense\n").expect("spoil the list"));
    }

    #[test]
    fn is_separate_for_each_repository() {
        let (first, first_commits) = history(&["one", "two"]);
        let (second, second_commits) = history(&["other one", "other two"]);
        let container = container_after_a_check(&source(&first.file_url()), &first_commits[0]);
        let found = refs(&check_in(&container, &source(&second.file_url()), Some(&second_commits[0])));
        assert_eq!(found, second_commits);
    }
}

#[test]
fn reads_a_commit_with_a_malformed_author_line() {
    let (repository, commits) = history(&["one", "two"]);
    let tree = repository.resolve("main^{tree}");
    let text = format!(
        "tree {tree}\nparent {}\nauthor broken 1600000000 +0000\ncommitter broken 1600000000 +0000\n\nodd\n",
        commits[1]
    );
    let file = repository.root().join("commit");
    fs::write(&file, text).expect("write the commit");
    let odd = repository.git(&["hash-object", "-t", "commit", "-w", "--literally", file.to_str().expect("UTF-8")]);
    let odd = odd.trim().to_owned();
    repository.move_branch("main", &odd);
    let newest = repository.commit("after it", &[("x", "1")]);
    let source = source(&repository.file_url());
    assert_eq!(refs(&check(&source, Some(&commits[1]))), [commits[1].clone(), odd.clone(), newest.clone()]);
    assert_eq!(refs(&check(&source, Some(&odd))), [odd.clone(), newest]);
    let destination = jetway_tests::scratch::directory();
    let get = crate::support::request(&source, Some(&odd), &json!({}));
    let outcome = Verb::get("git").dir(destination.path()).request(&get).run();
    assert_eq!(outcome.json()["version"], json!({ "ref": odd }));
}

#[test]
fn treats_empty_text_and_null_as_not_set() {
    let (repository, commits) = history(&["one"]);
    let source =
        json!({ "uri": repository.file_url(), "branch": "", "private_key": "", "username": "", "password": "" });
    for version in [json!({ "ref": null }), json!({ "ref": "" }), json!({}), json!(null)] {
        let outcome = Verb::check("git").request(&json!({ "source": source, "version": version })).run();
        assert_eq!(refs(&outcome), commits);
    }
}
