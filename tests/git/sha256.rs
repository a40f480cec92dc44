//! Repositories with SHA-256 hashes work in all verbs.

use jetway_tests::checkout::Checkout;
use jetway_tests::repository::Repository;
use jetway_tests::verb::Verb;
use jetway_tests::{git, scratch};
use serde_json::json;

use crate::support::{check, check_in, messages, refs, request, serve, source, with};
use jetway_tests::verb::Container;

fn history() -> (Repository, Vec<String>) {
    let repository = Repository::with_object_format("sha256");
    let commits = ["one", "two", "three [ci skip]", "four"]
        .iter()
        .enumerate()
        .map(|(index, message)| repository.commit(message, &[(&format!("file-{index}"), message)]))
        .collect();
    (repository, commits)
}

#[test]
fn check_follows_a_branch() {
    let (repository, commits) = history();
    assert_eq!(commits[0].len(), 64);
    let (_server, url) = serve(&repository);
    let expected = [&commits[0], &commits[1], &commits[3]].map(Clone::clone);
    let container = Container::new();
    for _ in 0..2 {
        assert_eq!(refs(&check_in(&container, &source(&url), None)), commits[3..]);
        assert_eq!(refs(&check_in(&container, &source(&url), Some(&commits[0]))), expected);
        assert_eq!(refs(&check_in(&container, &source(&url), Some(&commits[0][..9]))), expected);
    }
    let by_path = with(source(&url), json!({ "paths": ["file-0", "file-3"], "version_depth": 9 }));
    assert_eq!(refs(&check(&by_path, None)), [commits[0].clone(), commits[3].clone()]);
    let outcome = check(&source(&url), Some(&"1".repeat(40)));
    assert_eq!(refs(&outcome), commits[3..]);
    assert!(messages(&outcome).contains("a hash in another object format"), "{}", messages(&outcome));
}

#[test]
fn check_follows_tags() {
    let (repository, commits) = history();
    repository.tag("v1", &commits[0]);
    repository.annotated_tag("v2", &commits[1], "second");
    let source = json!({ "uri": repository.file_url(), "tag_filter": "v*", "version_depth": 9 });
    let expected = json!([{ "ref": "v1", "commit": commits[0] }, { "ref": "v2", "commit": commits[1] }]);
    for more in [json!({}), json!({ "branch": "main" }), json!({ "paths": ["file-*"] })] {
        assert_eq!(check(&with(source.clone(), more), None).json(), expected);
    }
}

#[test]
fn get_checks_out_a_version_with_submodules() {
    let (library, of_library) = history();
    let repository = Repository::with_object_format("sha256");
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", library.file_url());
    let change = repository.change("use it").write(".gitmodules", &modules);
    let commit = change.submodule("lib", &of_library[1]).commit();
    repository.tag("v1", &commit);
    for (version, params) in [
        (Some(commit.as_str()), json!({})),
        (Some(&commit), json!({ "depth": 1 })),
        (None, json!({ "depth": 1 })),
        (Some("v1"), json!({})),
    ] {
        let destination = scratch::directory();
        let request = request(&source(&repository.file_url()), version, &params);
        let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
        assert_eq!(outcome.json()["version"]["ref"], version.unwrap_or(&commit));
        assert_eq!(git::run(destination.path(), &["rev-parse", "HEAD"]).trim(), commit);
        assert!(destination.path().join("lib/file-1").exists());
    }
}

#[test]
fn put_rebases_tags_and_adds_notes() {
    let (repository, commits) = history();
    let inputs = scratch::directory();
    Checkout::clone(&repository.file_url(), inputs.path(), "work").commit("ours", &[("x", "1")]);
    let theirs = repository.commit("theirs", &[("y", "1")]);
    for (file, content) in [("tag", "v1\n"), ("message", "first\n")] {
        std::fs::write(inputs.path().join(file), content).expect("write an input");
    }
    let params =
        json!({ "repository": "work", "rebase": true, "tag": "tag", "annotate": "message", "notes": "message" });
    let request = request(&source(&repository.file_url()), None, &params);
    let outcome = Verb::put("git").dir(inputs.path()).request(&request).run();
    let pushed = outcome.json()["version"]["ref"].as_str().expect("a ref").to_owned();
    assert_eq!(repository.tip("main"), pushed);
    assert_eq!(repository.resolve("main^"), theirs);
    assert_eq!(repository.resolve("v1^{commit}"), pushed);
    assert_eq!(repository.git(&["notes", "show", &pushed]), "first");
    assert_eq!(repository.history("main").len(), commits.len() + 2);
}
