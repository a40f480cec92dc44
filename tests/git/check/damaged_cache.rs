//! A cache that an aborted check or a full disk damaged.

use std::fs;

use jetway_tests::verb::Container;

use crate::support::{check_in, history, refs, source};

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
