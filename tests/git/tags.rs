//! Tags and branches as versions: checks, their costs, and gets.

mod bad_input;
mod branch;
mod branch_heads;
mod branches;
mod cost;
mod filters;
mod get;
mod known_version;
mod tag_ancestors;
mod tag_versions;

use std::fs;
use std::path::{Path, PathBuf};

use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{history, messages, refs, serve, source, with};

/// A repository with three commits. Each has a tag `v*`, the second an annotated one; the first also has the tag
/// `other`.
fn tagged() -> (Repository, Vec<String>) {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("v1", &commits[0]);
    repository.tag("other", &commits[0]);
    repository.tag("v3", &commits[2]);
    // This tag is the newest, although its commit is not.
    repository.annotated_tag("v2", &commits[1], "Release 2");
    (repository, commits)
}

fn tags(uri: &str, more: Value) -> Value {
    with(json!({ "uri": uri, "tag_filter": "v*" }), more)
}

fn check(source: &Value, version: Value) -> Outcome {
    check_in(&Container::new(), source, version)
}

fn check_in(container: &Container, source: &Value, version: Value) -> Outcome {
    Verb::check("git").container(container).request(&json!({ "source": source, "version": version })).run()
}

fn version(name: &str, commit: &str) -> Value {
    json!({ "ref": name, "commit": commit })
}

const NONE: Value = Value::Null;

#[test]
fn are_versions_with_commits_in_creation_order() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    let found = check(&tags(&url, json!({ "version_depth": 9 })), NONE).json();
    let expected = [version("v1", &commits[0]), version("v3", &commits[2]), version("v2", &commits[1])];
    assert_eq!(found, json!(expected));
}

#[test]
fn first_check_returns_version_depth_newest_tags() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    assert_eq!(check(&tags(&url, json!({})), NONE).json(), json!([version("v2", &commits[1])]));
    assert_eq!(refs(&check(&tags(&url, json!({ "version_depth": 2 })), NONE)), ["v3", "v2"]);
}

#[test]
fn known_version_comes_first() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    let source = tags(&url, json!({}));
    assert_eq!(refs(&check(&source, version("v1", &commits[0]))), ["v1", "v3", "v2"]);
    assert_eq!(refs(&check(&source, json!({ "ref": "v3" }))), ["v3", "v2"]);
    assert_eq!(refs(&check(&source, version("v2", &commits[1]))), ["v2"]);
}

#[test]
fn same_date_is_ordered_by_name() {
    let (repository, commits) = history(&["one", "two"]);
    for name in ["v10", "v2", "v1"] {
        repository.tag(name, &commits[1]);
    }
    let source = tags(&repository.file_url(), json!({ "version_depth": 9 }));
    assert_eq!(refs(&check(&source, NONE)), ["v1", "v10", "v2"]);
    assert_eq!(refs(&check(&source, version("v10", &commits[1]))), ["v10", "v2"]);
}

#[test]
fn are_filtered_by_glob_or_whole_regex() {
    let (repository, commits) = history(&["one"]);
    for name in ["release/1.0-a/final", "release/1.0", "v1.0", "xv1.0"] {
        repository.tag(name, &commits[0]);
    }
    let (_server, url) = serve(&repository);
    let chosen = |filter: Value| refs(&check(&with(json!({ "uri": url, "version_depth": 9 }), filter), NONE));
    assert_eq!(chosen(json!({ "tag_filter": "release/*" })), ["release/1.0", "release/1.0-a/final"]);
    assert_eq!(chosen(json!({ "tag_filter": "*1.0" })), ["release/1.0", "v1.0", "xv1.0"]);
    assert_eq!(chosen(json!({ "tag_filter": "[!r]?.?" })), ["v1.0"]);
    assert_eq!(chosen(json!({ "tag_regex": r"v[0-9]+\.[0-9]+" })), ["v1.0"]);
    assert_eq!(chosen(json!({ "tag_regex": "(release/|x).*" })), ["release/1.0", "release/1.0-a/final", "xv1.0"]);
    assert_eq!(chosen(json!({ "tag_filter": "none*" })), Vec::<String>::new());
    assert_eq!(chosen(json!({ "version_type": "commits", "tag_filter": "v*" })), ["v1.0"]);
    assert_eq!(chosen(json!({ "version_type": "tags" })), ["release/1.0", "release/1.0-a/final", "v1.0", "xv1.0"]);
}

#[test]
fn root_commit_can_have_a_tag_version() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[0]);
    let source = tags(&repository.file_url(), json!({}));
    assert_eq!(refs(&check(&source, NONE)), ["v1"]);
    repository.tag("v2", &commits[1]);
    assert_eq!(refs(&check(&source, version("v1", &commits[0]))), ["v1", "v2"]);
}

#[test]
fn tags_of_blobs_and_trees_are_skipped() {
    let (repository, commits) = history(&["one"]);
    repository.tag("v1", &commits[0]);
    let (tree, blob) = (repository.resolve("main^{tree}"), repository.resolve("main:file-0"));
    repository.tag("v-tree", &tree);
    repository.tag("v-blob", &blob);
    repository.annotated_tag("v-tree-too", &tree, "a tree");
    repository.annotated_tag("v-of-v1", "v1", "a tag");
    let twice = repository.annotated_tag("v-twice", "v-of-v1", "a tag of a tag");
    assert_ne!(twice, commits[0]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    for source in
        [tags(&url, json!({ "version_depth": 9 })), tags(&url, json!({ "version_depth": 9, "branch": "main" }))]
    {
        for _ in 0..2 {
            let found = check_in(&container, &source, NONE);
            assert_eq!(refs(&found), ["v1", "v-of-v1", "v-twice"]);
            assert_eq!(found.json()[2]["commit"], commits[0]);
        }
    }
}

#[test]
fn repository_without_tags_returns_nothing() {
    let (repository, _) = history(&["one"]);
    assert_eq!(refs(&check(&tags(&repository.file_url(), json!({})), NONE)), Vec::<String>::new());
    let empty = Repository::new();
    let (_server, url) = serve(&empty);
    assert_eq!(refs(&check(&tags(&url, json!({})), NONE)), Vec::<String>::new());
    let source = json!({ "uri": url, "version_type": "branch_heads" });
    assert_eq!(refs(&check(&source, NONE)), Vec::<String>::new());
}

fn get(source: &Value, version: Value, params: Value) -> (tempfile::TempDir, Outcome) {
    let destination = scratch::directory();
    let request = json!({ "source": source, "version": version, "params": params });
    let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
    (destination, outcome)
}

fn file(directory: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join(".git").join(name)).expect("read a file of the get")
}

fn tags_of(directory: &Path) -> Vec<String> {
    jetway_tests::git::run(directory, &["tag", "--list"]).lines().map(str::to_owned).collect()
}

mod limited_server {
    use super::*;

    #[test]
    fn without_filter_support_works() {
        let (repository, commits) = tagged();
        repository.allow_filters(false);
        let (_server, url) = serve(&repository);
        assert_eq!(refs(&check(&tags(&url, json!({})), version("v1", &commits[0]))), ["v1", "v3", "v2"]);
    }

    #[test]
    fn with_protocol_version_0_works() {
        let (repository, commits) = tagged();
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        for more in [json!({}), json!({ "branch": "main", "paths": ["file-*"] })] {
            let request = json!({ "source": tags(&url, more), "version": version("v1", &commits[0]) });
            let verb = Verb::check("git").request(&request);
            let outcome = verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
            assert_eq!(refs(&outcome), ["v1", "v3", "v2"]);
        }
    }

    #[test]
    fn as_a_local_directory_works() {
        let (repository, commits) = tagged();
        let path = repository.path().to_str().expect("UTF-8").to_owned();
        for uri in [repository.file_url(), path] {
            for more in [json!({}), json!({ "branch": "main" }), json!({ "paths": ["file-2", "file-1"] })] {
                let found = refs(&check(&tags(&uri, more), version("v1", &commits[0])));
                assert_eq!(found, ["v1", "v3", "v2"]);
            }
        }
    }
}

mod damaged_cache {
    use super::*;

    fn assert_check_succeeds_after(more: Value, break_it: impl Fn(&Path)) {
        let (repository, commits) = tagged();
        let source = tags(&repository.file_url(), more);
        let container = Container::new();
        assert_eq!(refs(&check_in(&container, &source, NONE)), ["v2"]);
        let caches = fs::read_dir(container.temporary().join("jetway-git-cache")).expect("list the caches");
        caches.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).for_each(|path| break_it(&path));
        repository.annotated_tag("v5", &commits[2], "Release 5");
        assert_eq!(refs(&check_in(&container, &source, version("v1", &commits[0]))), ["v1", "v3", "v2", "v5"]);
    }

    #[test]
    fn is_recreated_or_completed() {
        for more in [json!({}), json!({ "branch": "main" })] {
            assert_check_succeeds_after(more.clone(), |cache| {
                fs::remove_dir_all(cache.join("objects")).expect("remove the objects");
            });
            assert_check_succeeds_after(more.clone(), |cache| {
                fs::remove_file(cache.join("HEAD")).expect("remove HEAD");
            });
            let unfinished = "[core]\n\tbare = true\n";
            assert_check_succeeds_after(more.clone(), |cache| {
                fs::write(cache.join("config"), unfinished).expect("spoil the configuration");
            });
            assert_check_succeeds_after(more.clone(), |cache| {
                fs::write(cache.join("packed-refs"), "nonsense\n").expect("spoil the refs");
            });
            assert_check_succeeds_after(more, |cache| {
                let packs: Vec<PathBuf> = fs::read_dir(cache.join("objects/pack"))
                    .expect("list the packs")
                    .flatten()
                    .map(|entry| entry.path())
                    .collect();
                for pack in &packs {
                    fs::remove_file(pack).expect("remove a pack");
                }
            });
        }
    }
}
