//! Submodules of a shallow get: the recorded commit is fetched, with the depth if the server supports it.

use std::path::Path;

use jetway_tests::http_git::HttpGit;
use jetway_tests::repository::Repository;
use jetway_tests::verb::{Outcome, Verb};
use jetway_tests::{git, scratch};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{history, messages, request, source};

/// A repository with the submodule at `url`, recorded at `commit`.
fn using(library_url: &str, commit: &str) -> (Repository, String) {
    let repository = Repository::new();
    let modules = format!("[submodule \"lib/rary\"]\n\tpath = lib/rary\n\turl = {library_url}\n");
    let change = repository.change("use it").write(".gitmodules", &modules);
    let user = change.submodule("lib/rary", commit).commit();
    (repository, user)
}

fn get(repository: &Repository, commit: &str, protocol: u8) -> (TempDir, Outcome) {
    get_at(repository, commit, 1, protocol)
}

fn get_at(repository: &Repository, commit: &str, depth: u8, protocol: u8) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git")
        .dir(destination.path())
        .request(&request(&source(&repository.file_url()), Some(commit), &json!({ "depth": depth })))
        .env("GIT_CONFIG_PARAMETERS", &format!("'protocol.version'='{protocol}'"))
        .run();
    (destination, outcome)
}

fn generations(directory: &Path) -> String {
    git::run(directory, &["rev-list", "--count", "HEAD"])
}

#[test]
fn have_the_depth_of_the_get_for_any_commit() {
    let (library, commits) = history(&["commit"; 12]);
    let server = HttpGit::serve(library.root());
    let (repository, commit) = using(&server.url(library.name()), &commits[3]);
    let (destination, outcome) = get(&repository, &commit, 2);
    outcome.succeeded();
    let at = destination.path().join("lib/rary");
    assert_eq!(git::run(&at, &["rev-parse", "HEAD"]), commits[3]);
    assert_eq!(generations(&at), "1");
}

#[test]
fn are_deepened_if_commits_are_not_served_by_hash() {
    let (library, commits) = history(&["commit"; 12]);
    library.branch("side", &commits[0]);
    let aside = library.commit_on("side", "aside", &[("s", "1")]);
    let beyond = library.commit_on("side", "beyond", &[("t", "1")]);
    library.allow_any_commit(false);
    let server = HttpGit::serve(library.root());
    for wanted in [&commits[3], &aside, &beyond] {
        let (repository, commit) = using(&server.url(library.name()), wanted);
        let (destination, outcome) = get(&repository, &commit, 0);
        outcome.succeeded();
        assert_eq!(&git::run(&destination.path().join("lib/rary"), &["rev-parse", "HEAD"]), wanted);
        let looked = messages(&outcome)
            .contains("deepening the history of submodules to find a missing commit (git fetch --deepen=100)\n");
        // git itself finds the hash at the tip of a ref.
        assert_eq!(looked, wanted != &beyond, "{}", messages(&outcome));
    }
}

#[test]
fn nested_submodules_are_deepened_too() {
    let (inner, inner_commits) = history(&["commit"; 5]);
    inner.allow_any_commit(false);
    let server = HttpGit::serve(inner.root());
    let (library, library_commit) = using(&server.url(inner.name()), &inner_commits[1]);
    let (repository, commit) = using(&library.file_url(), &library_commit);
    let (destination, outcome) = get(&repository, &commit, 0);
    outcome.succeeded();
    let at = destination.path().join("lib/rary/lib/rary");
    assert_eq!(git::run(&at, &["rev-parse", "HEAD"]), inner_commits[1]);
}

#[test]
fn relative_url_uses_the_login_of_the_source() {
    let (library, commits) = history(&["one", "two"]);
    // The address ends with `app` and the repository's folder. Each `..` leaves one of them.
    let (repository, commit) = using(&format!("../../library/{}", library.name()), &commits[0]);
    let root = scratch::directory();
    for (name, directory) in [("app", repository.root()), ("library", library.root())] {
        std::os::unix::fs::symlink(directory, root.path().join(name)).expect("serve both from one place");
    }
    let server = HttpGit::builder(root.path()).credentials("bob", "s3cret-pw").start();
    let url = server.url_with_credentials(&format!("app/{}", repository.name()), "bob", "s3cret-pw");
    for params in [json!({}), json!({ "depth": 1 })] {
        let destination = scratch::directory();
        let request = request(&source(&url), Some(&commit), &params);
        let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
        outcome.succeeded();
        assert_eq!(git::run(&destination.path().join("lib/rary"), &["rev-parse", "HEAD"]), commits[0]);
        let configuration = git::run(&destination.path().join("lib/rary"), &["config", "--list"]);
        assert!(!configuration.contains("s3cret-pw"), "{configuration}");
    }
}

#[test]
fn missing_url_is_skipped_with_a_warning() {
    let (library, commits) = history(&["one", "two"]);
    let (repository, _) = using(&library.file_url(), &commits[0]);
    // Adding a nested repository with `git add` records it like this.
    let commit = repository.change("add a repository").submodule("vendored", &commits[1]).commit();
    for params in [json!({}), json!({ "depth": 1 })] {
        let destination = scratch::directory();
        let request = request(&source(&repository.file_url()), Some(&commit), &params);
        let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
        outcome.succeeded();
        assert_eq!(git::run(&destination.path().join("lib/rary"), &["rev-parse", "HEAD"]), commits[0]);
        let warning =
            "warning: skipping `vendored`: it is recorded as a submodule, but has no `url` in `.gitmodules`\n";
        assert!(messages(&outcome).contains(warning), "{}", messages(&outcome));
    }
}

#[test]
fn missing_commit_fails_the_get() {
    let (library, commits) = history(&["one", "two"]);
    library.move_branch("main", &commits[0]);
    library.forget_unreachable();
    let server = HttpGit::serve(library.root());
    for (depth, protocol) in [(1, 0), (1, 2), (0, 2)] {
        let (repository, commit) = using(&server.url(library.name()), &commits[1]);
        let (_destination, outcome) = get_at(&repository, &commit, depth, protocol);
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains("error: cannot fetch the submodules\n"), "{messages}");
        assert!(messages.contains(&commits[1]) && messages.contains("lib/rary"), "{messages}");
    }
}

/// The commit of a change under review is on no branch, but a ref of the server points to it.
#[test]
fn commit_at_another_ref_is_fetched() {
    for any_commit in [true, false] {
        let (library, _) = history(&["one"]);
        let commit = library.commit_on("request", "of a request", &[("r", "1")]);
        library.git(&["update-ref", "refs/pull/7/head", &commit]);
        library.delete_branch("request");
        library.allow_any_commit(any_commit);
        let server = HttpGit::serve(library.root());
        for (depth, protocol) in [(0, 0), (1, 0), (0, 2), (1, 2)] {
            let (repository, user) = using(&server.url(library.name()), &commit);
            let (destination, outcome) = get_at(&repository, &user, depth, protocol);
            outcome.succeeded();
            let head = git::run(&destination.path().join("lib/rary"), &["rev-parse", "HEAD"]);
            assert_eq!(head, commit, "depth {depth}, protocol {protocol}");
        }
    }
}

/// Entries of `.gitmodules` often remain when a submodule is removed or replaced by a directory.
#[test]
fn entries_without_a_submodule_are_ignored() {
    let (library, commits) = history(&["one"]);
    let repository = Repository::new();
    let entry = |path: &str, url: &str| format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    let modules = [
        entry("lib", &library.file_url()),
        entry("gone", "file:///nowhere"),
        entry("vendored", "file:///nowhere"),
        "[submodule \"no path\"]\n\turl = file:///nowhere\n".to_owned(),
    ];
    let change = repository.change("use it").write(".gitmodules", modules.concat()).write("vendored/file", "1");
    let commit = change.submodule("lib", &commits[0]).commit();
    for depth in [0, 1] {
        let (destination, outcome) = get_at(&repository, &commit, depth, 2);
        outcome.succeeded();
        for file in ["lib/file-0", "vendored/file"] {
            assert!(destination.path().join(file).is_file(), "{file}");
        }
        assert!(!destination.path().join("gone").exists());
    }
}

#[test]
fn submodule_remote_makes_the_description_dirty() {
    let (library, commits) = history(&["commit"; 2]);
    let (repository, commit) = using(&library.file_url(), &commits[0]);
    for (remote, ending) in [(false, ""), (true, "-dirty")] {
        let destination = scratch::directory();
        let params = json!({ "submodule_remote": remote });
        let request = request(&source(&repository.file_url()), Some(&commit), &params);
        Verb::get("git").dir(destination.path()).request(&request).run().succeeded();
        let described = std::fs::read_to_string(destination.path().join(".git/describe_ref")).unwrap();
        assert_eq!(described, format!("{}{ending}\n", &commit[..7]));
    }
}
