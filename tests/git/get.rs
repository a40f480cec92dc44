//! get: the content of the destination and the requests for it.

mod branches;
mod depth;
mod destination;
mod files;
mod submodules;
mod tags;

use std::fs;
use std::path::Path;

use jetway_tests::repository::Repository;
use jetway_tests::verb::{Container, Outcome, Runner, Verb};
use jetway_tests::{assert_verb, git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check_in, history, messages, refs, request, serve, source, with};

fn get(source: &Value, version: Option<&str>, params: Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, version, &params)).run();
    (destination, outcome)
}

fn read(destination: &TempDir, file: &str) -> String {
    let path = destination.path().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn git_in(directory: &Path, arguments: &[&str]) -> String {
    git::run(directory, arguments).trim().to_owned()
}

#[test]
fn checks_out_the_version_with_a_detached_head() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), json!({}));
    assert_eq!(outcome.json()["version"], json!({ "ref": commits[1] }));
    assert!(destination.path().join("file-1").exists() && !destination.path().join("file-2").exists());
    assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
    assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
    assert_eq!(git_in(destination.path(), &["status", "--porcelain"]), "");
}

#[test]
fn local_branch_is_at_the_tip_of_the_server() {
    let (repository, commits) = history(&["one", "two", "three"]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[0]), params);
        outcome.succeeded();
        for name in ["main", "origin/main"] {
            assert_eq!(git_in(destination.path(), &["rev-parse", name]), commits[2], "{name}");
        }
        assert_eq!(git_in(destination.path(), &["config", "branch.main.merge"]), "refs/heads/main");
    }
}

#[test]
fn head_stays_on_the_branch_without_a_version() {
    let (repository, commits) = history(&["one", "two"]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), None, params);
        assert_eq!(outcome.json()["version"], json!({ "ref": commits[1] }));
        assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
        assert_eq!(git_in(destination.path(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn fetches_the_default_branch_without_branch() {
    let (repository, commits) = history(&["one", "two"]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&json!({ "uri": repository.file_url() }), Some(&commits[0]), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[0]);
        assert_eq!(git_in(destination.path(), &["rev-parse", "origin/main"]), commits[1]);
    }
}

#[test]
fn fetches_the_branch_of_the_version() {
    let (repository, commits) = history(&["one"]);
    repository.branch("release", &commits[0]);
    let released = repository.commit_on("release", "released", &[("r", "1")]);
    let destination = scratch::directory();
    let request = json!({
        "source": source(&repository.file_url()),
        "version": { "ref": released, "branch": "release" },
    });
    let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
    assert_eq!(outcome.json()["version"], json!({ "ref": released, "branch": "release" }));
    assert_eq!(read(&destination, ".git/branch"), "release\n");
}

mod version_not_on_the_branch {
    use super::*;

    #[test]
    fn is_fetched_by_hash() {
        let (repository, commits) = history(&["one", "two"]);
        repository.move_branch("main", &commits[0]);
        repository.commit("two, better", &[("x", "1")]);
        for params in [json!({}), json!({ "depth": 1 })] {
            let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
        }
    }

    #[test]
    fn fails_if_the_server_lacks_it() {
        let (repository, commits) = history(&["one", "two"]);
        repository.move_branch("main", &commits[0]);
        repository.forget_unreachable();
        for params in [json!({}), json!({ "depth": 1 })] {
            let (_destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
            outcome.failed();
            let expected = "error: version `ID` is gone: it is not in branch `main` of `file://[TEMP]/repository.git`\n\
                            hint: the branch was moved since the version was found; run a newer version\n";
            assert_eq!(messages(&outcome).replace(&commits[1], "ID"), expected);
        }
    }
}

#[test]
fn fetches_submodules() {
    let (library, library_commits) = history(&["library"]);
    let repository = Repository::new();
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", library.file_url());
    let commit =
        repository.change("use it").write(".gitmodules", &modules).submodule("lib", &library_commits[0]).commit();
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commit), params);
        outcome.succeeded();
        assert_eq!(read(&destination, "lib/file-0"), "library");
    }
}

#[test]
fn metadata_contains_the_web_page_of_the_commit() {
    let (repository, commits) = history(&["one"]);
    let rewrite = format!("'url.{}.insteadOf'='https://github.example/team/app.git'", repository.file_url());
    let destination = scratch::directory();
    let outcome = Verb::get("git")
        .dir(destination.path())
        .request(&request(&source("https://bob:pw-in-uri@github.example/team/app.git"), Some(&commits[0]), &json!({})))
        .env("GIT_CONFIG_PARAMETERS", &rewrite)
        .run();
    let metadata = outcome.json()["metadata"].clone();
    let url = format!("https://github.example/team/app/commit/{}", commits[0]);
    assert!(metadata.as_array().expect("a list").contains(&json!({ "name": "url", "value": url })), "{metadata}");
}

#[test]
fn fetches_notes_and_configures_the_clone_as_git_does() {
    let (repository, commits) = history(&["one"]);
    repository.git(&["notes", "add", "-m", "noted", &commits[0]]);
    let branch = "+refs/heads/main:refs/remotes/origin/main";
    for (params, expected) in [
        (json!({}), branch),
        (json!({ "depth": 1 }), branch),
        (json!({ "fetch_tags": true }), branch),
        (json!({ "all_branches": true }), "+refs/heads/*:refs/remotes/origin/*"),
    ] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[0]), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["notes", "show", "HEAD"]), "noted");
        let fetched = git_in(destination.path(), &["config", "--get-all", "remote.origin.fetch"]);
        assert_eq!(fetched, expected);
    }
}

#[test]
fn fetches_notes_separately_only_if_the_server_lists_some() {
    let (repository, commits) = history(&["one"]);
    let (server, url) = serve(&repository);
    let older = json!([{ "name": "protocol.version", "value": "0" }]);
    let sources = [source(&url), with(source(&url), json!({ "git_config": older }))];
    let requests_of_gets = || {
        sources.each_ref().map(|source| {
            server.reset();
            get(source, Some(&commits[0]), json!({})).1.succeeded();
            server.requests().len()
        })
    };
    // Protocol version 2 lists the refs in a separate request.
    assert_eq!(requests_of_gets(), [3, 2]);
    repository.git(&["notes", "add", "-m", "noted", &commits[0]]);
    let [with_notes, with_notes_by_older] = requests_of_gets();
    assert!(with_notes > 3 && with_notes_by_older > 2, "{with_notes}, {with_notes_by_older}");
}

/// As in the established resource: users pin abbreviated hashes.
#[test]
fn resolves_an_abbreviated_hash() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let source = source(&repository.file_url());
    let short = &commits[1][..8];
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source, Some(short), params);
        assert_eq!(outcome.json()["version"], json!({ "ref": short }));
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
    }
    let (_destination, outcome) = get(&source, Some("1234567"), json!({}));
    outcome.failed();
    let expected = "error: version `1234567` is gone: it is not in branch `main` of `";
    assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
    // A shorter one may be ambiguous.
    let (_destination, outcome) = get(&source, Some("12345"), json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains("error: version `12345` is gone"), "{}", messages(&outcome));
}

#[test]
fn checks_out_only_sparse_paths() {
    let repository = Repository::new();
    let commit = repository.commit("all", &[("a/x", "1"), ("a/deep/y", "1"), ("b/z", "1"), ("README.md", "1")]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let source =
            with(source(&repository.file_url()), json!({ "sparse_paths": ["/a", "!/a/deep", "*.md", "/nope"] }));
        let (destination, outcome) = get(&source, Some(&commit), params);
        outcome.succeeded();
        let there = |file: &str| destination.path().join(file).exists();
        assert!(there("a/x") && there("README.md") && !there("a/deep/y") && !there("b/z"));
        assert_eq!(git_in(destination.path(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn search_remote_refs_finds_a_commit_not_served_by_hash() {
    let (repository, commits) = history(&["one"]);
    repository.branch("other", &commits[0]);
    let elsewhere = repository.commit_on("other", "elsewhere", &[("o", "1")]);
    repository.allow_any_commit(false);
    let (_server, url) = serve(&repository);
    for (searches, depth) in [(true, 0), (true, 1), (false, 0)] {
        let source = with(source(&url), json!({ "search_remote_refs": searches }));
        let destination = scratch::directory();
        let outcome = Verb::get("git")
            .dir(destination.path())
            .request(&request(&source, Some(&elsewhere), &json!({ "depth": depth })))
            .env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'")
            .run();
        if searches {
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), elsewhere);
        } else {
            // git itself finds the hash at the tip of a ref.
            assert!(outcome.code == Some(0) || messages(&outcome).contains("is gone"), "{}", messages(&outcome));
        }
    }
}

#[test]
fn format_params_apply_to_refs_and_times() {
    let (repository, commits) = history(&["one", "two"]);
    repository.annotated_tag("v1", &commits[0], "first");
    let params = json!({
        "short_ref_format": "build-%s",
        "timestamp_format": "format:%Y-%m-%dT%H:%M",
        "describe_ref_options": "--tags --long",
    });
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
    outcome.succeeded();
    let short = commits[1].get(..7).expect("a hash");
    assert_eq!(read(&destination, ".git/short_ref"), format!("build-{short}"));
    assert_eq!(read(&destination, ".git/commit_timestamp"), "2023-11-14T22:14\n");
    assert_eq!(read(&destination, ".git/describe_ref"), format!("v1-1-g{short}\n"));
    let params = json!({ "describe_ref_options": "--exact-match --nonsense" });
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
    outcome.succeeded();
    assert_eq!(read(&destination, ".git/describe_ref"), "\n");
}

#[test]
fn fetches_an_old_version_if_the_server_head_is_detached() {
    let (repository, commits) = history(&["one", "two", "three", "four"]);
    repository.move_branch("main", &commits[0]);
    fs::write(repository.path().join("HEAD"), format!("{}\n", commits[3])).expect("detach HEAD");
    repository.allow_any_commit(false);
    let destination = scratch::directory();
    let source = json!({ "uri": repository.file_url() });
    let request = request(&source, Some(&commits[2]), &json!({ "depth": 1 }));
    let verb = Verb::get("git").dir(destination.path()).request(&request);
    let outcome = verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
    outcome.succeeded();
    assert_eq!(git::run(destination.path(), &["rev-parse", "HEAD"]), commits[2]);
    assert!(messages(&outcome).contains("searching `HEAD`"), "{}", messages(&outcome));
}
