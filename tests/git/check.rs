//! check: which commits are versions, and what it costs to know.

use std::fs;
use std::time::{Duration, SystemTime};

use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Verb};
use serde_json::json;

use crate::support::{check, check_in, history, refs, said, serve, source, with};

#[test]
fn gives_the_newest_commit_when_there_is_no_version() {
    let (repository, commits) = history(&["one", "two", "three"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), None)), [commits[2].clone()]);
}

#[test]
fn follows_the_default_branch_when_none_is_named() {
    let (repository, commits) = history(&["one", "two"]);
    let source = json!({ "uri": repository.file_url() });
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
    assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
}

#[test]
fn follows_the_default_branch_when_it_is_another_one() {
    let (repository, mut commits) = history(&["one"]);
    let source = json!({ "uri": repository.file_url() });
    let container = Container::new();
    assert_eq!(refs(&check_in(&container, &source, None)), commits);
    // Renamed.
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
    // Another branch.
    repository.branch("develop", "trunk");
    commits.push(repository.commit_on("develop", "three", &[("x", "3")]));
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/develop"]);
    assert_eq!(refs(&check_in(&container, &source, Some(&commits[1]))), commits[1..]);
}

#[test]
fn is_not_misled_by_a_branch_whose_name_ends_alike() {
    let (repository, commits) = history(&["one", "two"]);
    repository.branch("a/main", &commits[0]);
    let source = with(source(&repository.file_url()), json!({ "disable_ci_skip": true }));
    assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
}

#[test]
fn gives_as_many_as_version_depth_asks_for_oldest_first() {
    let (repository, commits) = history(&["one", "two [ci skip]", "three", "four"]);
    let source = with(source(&repository.file_url()), json!({ "version_depth": 3 }));
    let expected = [&commits[0], &commits[2], &commits[3]].map(Clone::clone);
    assert_eq!(refs(&check(&source, None)), expected);
    let everything = with(source, json!({ "version_depth": "99" }));
    assert_eq!(refs(&check(&everything, None)), expected);
}

#[test]
fn gives_the_version_and_all_newer_ones_oldest_first() {
    let (repository, commits) = history(&["one", "two", "three", "four"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), commits[1..]);
}

#[test]
fn gives_the_version_alone_when_nothing_is_new() {
    let (repository, commits) = history(&["one", "two"]);
    assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), [commits[1].clone()]);
}

#[test]
fn takes_a_shortened_hash_for_the_commit() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    for _ in 0..2 {
        let outcome = check_in(&container, &source(&url), Some(&commits[1][..7]));
        assert_eq!(refs(&outcome), commits[1..]);
    }
    let outcome = check(&source(&url), Some("1234567"));
    assert_eq!(refs(&outcome), commits[2..]);
    let warning = "warning: version `1234567` is no commit of the branch; continuing from the newest commit\n";
    assert!(said(&outcome).ends_with(warning), "{}", said(&outcome));
}

#[test]
fn gives_nothing_for_an_empty_repository() {
    let repository = Repository::new();
    let outcome = check(&json!({ "uri": repository.file_url() }), None);
    assert_eq!(refs(&outcome), Vec::<String>::new());
    assert_eq!(said(&outcome), "warning: `file://[TEMP]/repository.git` has no commits yet\n");
}

mod ci_skip {
    use super::*;

    #[test]
    fn is_obeyed_in_subject_and_body_but_not_in_other_spellings() {
        let messages =
            ["base", "x [ci skip]", "y\n\nbody [skip ci] here", "z [CI SKIP]", "w [skip-ci]", "v [ci\tskip]"];
        let (repository, commits) = history(&messages);
        let expected = [&commits[0], &commits[3], &commits[4]].map(Clone::clone);
        assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[0]))), expected);
    }

    #[test]
    fn is_switched_off_by_disable_ci_skip() {
        let (repository, commits) = history(&["base", "x [ci skip]"]);
        let source = with(source(&repository.file_url()), json!({ "disable_ci_skip": true }));
        assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
    }

    #[test]
    fn makes_a_first_check_look_further_back() {
        let mut messages = vec!["good"];
        messages.extend(["[ci skip]"; 30]);
        let (repository, commits) = history(&messages);
        assert_eq!(refs(&check(&source(&repository.file_url()), None)), [commits[0].clone()]);
    }

    #[test]
    fn leaves_nothing_when_every_commit_asks_for_it() {
        let (repository, _) = history(&["[ci skip]", "[skip ci]"]);
        assert_eq!(refs(&check(&source(&repository.file_url()), None)), Vec::<String>::new());
    }

    #[test]
    fn does_not_hide_the_version_that_was_given() {
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

    fn chosen(filter: serde_json::Value) -> Vec<usize> {
        let (repository, commits) = monorepo();
        let source = with(source(&repository.file_url()), filter);
        let found = refs(&check(&with(source.clone(), json!({ "version_depth": 99 })), None));
        // The same from a version on: the version, and what the filter lets through after it.
        let since = refs(&check(&source, Some(&commits[0])));
        let newer = found.iter().filter(|commit| **commit != commits[0]);
        assert_eq!(since, [&commits[0]].into_iter().chain(newer).cloned().collect::<Vec<_>>());
        found.iter().map(|found| commits.iter().position(|commit| commit == found).expect("a commit")).collect()
    }

    #[test]
    fn choose_commits_that_change_what_they_match() {
        assert_eq!(chosen(json!({ "paths": ["a"] })), [0, 2, 3]);
        assert_eq!(chosen(json!({ "paths": ["a", "b"] })), [0, 1, 2, 3]);
        assert_eq!(chosen(json!({ "paths": ["nothing"] })), Vec::<usize>::new());
    }

    #[test]
    fn cross_directories_with_a_star_and_take_magic() {
        assert_eq!(chosen(json!({ "paths": ["*.txt"] })), [0, 1, 2]);
        assert_eq!(chosen(json!({ "paths": [":(glob)a/*.txt"] })), [0]);
        assert_eq!(chosen(json!({ "paths": [":(icase)A/readme.md"] })), [3]);
    }

    #[test]
    fn are_the_counterpart_of_ignore_paths() {
        assert_eq!(chosen(json!({ "ignore_paths": ["*.md"] })), [0, 1, 2, 4]);
        assert_eq!(chosen(json!({ "paths": ["a"], "ignore_paths": ["*.md", "a/deep"] })), [0]);
        assert_eq!(chosen(json!({ "paths": ["."], "ignore_paths": [":(icase)A/README.MD"] })), [0, 1, 2, 4]);
    }

    #[test]
    fn pass_over_empty_commits() {
        let (repository, mut commits) = history(&["one", "two"]);
        repository.empty_commit("build again");
        for filter in [json!({ "ignore_paths": ["docs"] }), json!({ "paths": ["."], "ignore_paths": ["docs"] })] {
            let source = with(source(&repository.file_url()), filter);
            assert_eq!(refs(&check(&source, None)), commits[1..]);
            assert_eq!(refs(&check(&source, Some(&commits[0]))), commits);
        }
        // Without a filter they are versions like others.
        commits.push(repository.tip("main"));
        assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[0]))), commits);
    }

    #[test]
    fn may_have_blanks_quotes_and_semicolons_and_reach_no_shell() {
        let repository = Repository::new();
        let odd = "a b/$(touch pwned);'\"x";
        let wanted = repository.commit("odd", &[(odd, "1")]);
        repository.commit("other", &[("other", "1")]);
        let source = with(source(&repository.file_url()), json!({ "paths": [odd] }));
        assert_eq!(refs(&check(&source, None)), [wanted]);
    }

    #[test]
    fn count_a_merge_by_what_it_brings_to_the_branch() {
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
    fn are_looked_for_beyond_the_first_window_without_its_edge_counting() {
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
    fn only_commits_of_the_branch_itself_are_versions() {
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
    fn a_version_from_the_side_is_still_there_when_it_was_merged() {
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

mod a_moved_branch {
    use super::*;

    #[test]
    fn gives_the_rewritten_commits_while_the_old_version_can_be_had() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.move_branch("main", &commits[0]);
        let rewritten = repository.commit("two, better", &[("x", "1")]);
        let source = source(&repository.file_url());
        let outcome = check(&source, Some(&commits[2]));
        assert_eq!(refs(&outcome), [rewritten]);
        let version = &commits[2];
        let message = format!(
            "looking for version `{version}` further back (git fetch --depth=50)\n\
             warning: version `{version}` is no longer on the branch; continuing from the last common commit\n"
        );
        assert_eq!(said(&outcome), message);
    }

    #[test]
    fn begins_again_at_the_newest_commit_when_the_old_version_is_gone() {
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
        assert_eq!(said(&outcome), message);
    }

    #[test]
    fn is_seen_the_same_by_a_check_that_has_fetched_before() {
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
    fn is_not_confused_by_a_history_that_has_nothing_in_common() {
        let (repository, commits) = history(&["one", "two"]);
        let other = Repository::new();
        other.commit("unrelated", &[("y", "1")]);
        let newest = other.commit("unrelated, too", &[("y", "2")]);
        repository.git(&["fetch", "-q", &other.file_url(), "+main:main"]);
        assert_eq!(refs(&check(&source(&repository.file_url()), Some(&commits[1]))), [newest]);
    }

    #[test]
    fn takes_a_version_that_is_no_commit_for_gone() {
        let (repository, commits) = history(&["one", "two"]);
        let outcome = check(&source(&repository.file_url()), Some("v1.0"));
        assert_eq!(refs(&outcome), [commits[1].clone()]);
        assert_eq!(said(&outcome), "warning: version `v1.0` is not a commit hash; continuing from the newest commit\n");
    }
}

mod cost {
    use super::*;

    #[test]
    fn of_an_unchanged_tip_is_one_look_at_one_ref_of_ten_thousand() {
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
    fn of_a_first_check_does_not_grow_with_the_history() {
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
    fn of_new_commits_is_those_commits_without_their_files() {
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
    fn of_a_version_far_back_is_not_the_whole_history_before_it() {
        let mut messages = vec!["commit"; 120];
        messages.push("newest");
        let (repository, commits) = history(&messages);
        let (server, url) = serve(&repository);
        let found = refs(&check(&source(&url), Some(&commits[118])));
        assert_eq!(found, commits[118..]);
        assert!(server.bytes_sent() < 6144, "{} bytes for three commits", server.bytes_sent());
    }

    #[test]
    fn of_a_merged_branch_that_began_far_back_is_that_branch() {
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
                // A commit takes about 200 bytes; where the version is given out by no hash, 51 of them are in the window.
                let most = if first_protocol { 16_000 } else { 6_144 };
                assert!(server.bytes_sent() < most, "{} bytes: {}", server.bytes_sent(), said(&outcome));
                assert!(!said(&outcome).contains("--unshallow"), "{}", said(&outcome));
            }
        }
    }

    #[test]
    fn of_merges_of_commits_that_are_older_than_the_version_is_one_fetch() {
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
        // The tip is asked for, then fetched; a new container has to fetch the version, too.
        for (container, requests) in [(container, 4), (Container::new(), 6)] {
            server.reset();
            let outcome = check_in(&container, &source(&url), Some(&known));
            assert_eq!(refs(&outcome), commits[100..]);
            assert_eq!(said(&outcome), "", "no step is needed after the first");
            assert_eq!(server.requests().len(), requests, "{:?}", server.requests());
            // A commit takes about 300 bytes, and some fifty of them are in the window.
            assert!(server.bytes_sent() < 20_000, "{} bytes", server.bytes_sent());
        }
    }

    #[test]
    fn of_a_version_that_is_given_out_by_no_hash_is_a_window_and_each_step_is_told() {
        let (repository, commits) = history(&vec!["commit"; 90]);
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        let step =
            |version: &str, how: &str| format!("looking for version `{version}` further back (git fetch {how})\n");
        for (version, steps) in [(60, ["--depth=50"].as_slice()), (20, ["--depth=50", "--depth=400"].as_slice())] {
            let known = &commits[version];
            let request = json!({ "source": source(&url), "version": { "ref": known } });
            let outcome =
                Verb::check("git").request(&request).env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
            assert_eq!(refs(&outcome), commits[version..]);
            assert_eq!(said(&outcome), steps.iter().map(|how| step(known, how)).collect::<String>());
        }
    }

    #[test]
    fn of_a_version_from_the_side_is_a_window() {
        let (repository, mut commits) = history(&vec!["commit"; 150]);
        repository.branch("topic", &commits[147]);
        let side = repository.commit_on("topic", "on the side", &[("s", "1")]);
        commits.push(repository.merge("main", "topic", "merge"));
        let (server, url) = serve(&repository);
        let outcome = check(&source(&url), Some(&side));
        let expected: Vec<String> = [&[side], &commits[148..]].concat();
        assert_eq!(refs(&outcome), expected);
        assert!(server.bytes_sent() < 18_000, "{} bytes", server.bytes_sent());
        assert!(!said(&outcome).contains("--depth=400"), "{}", said(&outcome));
    }

    #[test]
    fn of_a_commit_that_is_passed_over_is_paid_once() {
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

mod a_server {
    use super::*;

    #[test]
    fn that_knows_no_filters_is_served_all_the_same() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.allow_filters(false);
        let (_server, url) = serve(&repository);
        let source = with(source(&url), json!({ "paths": ["file-1"] }));
        assert_eq!(refs(&check(&source, None)), [commits[1].clone()]);
        assert_eq!(refs(&check(&source, Some(&commits[0]))), commits[..2]);
    }

    #[test]
    fn that_speaks_the_first_protocol_and_gives_out_no_commit_by_hash_is_served_too() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        let request = json!({ "source": source(&url), "version": { "ref": commits[0] } });
        let outcome = Verb::check("git").request(&request).env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
        assert_eq!(refs(&outcome), commits);
    }
}

mod a_repository_from_an_earlier_check {
    use super::*;

    fn used(source: &serde_json::Value, version: &str) -> Container {
        let container = Container::new();
        check_in(&container, source, Some(version)).succeeded();
        assert!(container.temporary().join("jetway-git-cache").is_dir());
        container
    }

    fn damage(container: &Container, break_it: impl Fn(&std::path::Path)) {
        let caches = fs::read_dir(container.temporary().join("jetway-git-cache")).expect("list the caches");
        caches.flatten().filter(|entry| entry.path().is_dir()).for_each(|entry| break_it(&entry.path()));
    }

    fn survives(break_it: impl Fn(&std::path::Path)) {
        let (repository, mut commits) = history(&["one", "two", "three"]);
        let source = source(&repository.file_url());
        let container = used(&source, &commits[0]);
        damage(&container, break_it);
        commits.push(repository.commit("four", &[("x", "1")]));
        assert_eq!(refs(&check_in(&container, &source, Some(&commits[0]))), commits);
    }

    #[test]
    fn is_made_anew_when_its_head_is_gone() {
        survives(|cache| fs::remove_file(cache.join("HEAD")).expect("remove HEAD"));
    }

    #[test]
    fn is_made_anew_when_its_objects_are_gone() {
        survives(|cache| fs::remove_dir_all(cache.join("objects")).expect("remove the objects"));
    }

    #[test]
    fn is_made_anew_when_its_tip_points_nowhere() {
        survives(|cache| {
            fs::write(cache.join("refs/jetway/tip"), format!("{}\n", "1".repeat(40))).expect("spoil the tip");
        });
    }

    /// A check was killed when it had made a repository, and not yet said where that one's commits come from.
    #[test]
    fn is_made_anew_when_it_knows_no_server() {
        for config in ["", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"] {
            survives(|cache| fs::write(cache.join("config"), config).expect("spoil the configuration"));
        }
    }

    #[test]
    fn is_used_though_a_killed_check_left_its_locks() {
        survives(|cache| {
            for name in ["shallow.lock", "config.lock", "refs/jetway/tip.lock", "refs/jetway/known.lock"] {
                fs::write(cache.join(name), "").expect("leave a lock");
            }
        });
    }

    #[test]
    fn is_made_anew_when_its_list_of_shallow_commits_is_nonsense() {
        survives(|cache| fs::write(cache.join("shallow"), "nonsense\n").expect("spoil the list"));
    }

    #[test]
    fn is_not_mixed_up_with_another_repository_s() {
        let (first, first_commits) = history(&["one", "two"]);
        let (second, second_commits) = history(&["other one", "other two"]);
        let container = used(&source(&first.file_url()), &first_commits[0]);
        let found = refs(&check_in(&container, &source(&second.file_url()), Some(&second_commits[0])));
        assert_eq!(found, second_commits);
    }
}

#[test]
fn reads_a_commit_whose_author_line_is_malformed() {
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
fn takes_empty_text_and_null_for_not_set() {
    let (repository, commits) = history(&["one"]);
    let source =
        json!({ "uri": repository.file_url(), "branch": "", "private_key": "", "username": "", "password": "" });
    for version in [json!({ "ref": null }), json!({ "ref": "" }), json!({}), json!(null)] {
        let outcome = Verb::check("git").request(&json!({ "source": source, "version": version })).run();
        assert_eq!(refs(&outcome), commits);
    }
}
