//! Repositories in unusual states, and puts of large packs, notes and git-lfs files.

use super::*;

#[test]
fn renamed_repository_works_by_its_old_name() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one", "two"]);
    let made = gitea.repository_of(&local);
    let name = format!("renamed-{}", std::process::id());
    made.api("PATCH", "", Some(&json!({ "name": name, "private": true })));
    assert_eq!(refs(&check(&source(&made), Some(&commits[0]))), commits);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&made), &commits[1], params);
        outcome.succeeded();
        assert_eq!(read(&destination, "file-1"), "two");
    }
    let (inputs, checkout) = inputs(&made);
    let commit = checkout.commit("three", &[("three", "3")]);
    put(&source(&made), inputs.path(), json!({ "repository": "app", "rebase": true })).succeeded();
    assert_eq!(refs(&check(&source(&made), Some(&commits[1]))), [commits[1].clone(), commit]);
}

#[test]
fn first_branch_is_pushed_to_an_empty_repository() {
    let Some(gitea) = gitea() else { return };
    let made = gitea.repository();
    let (inputs, checkout) = inputs(&made);
    let commit = checkout.commit("first", &[("first", "1")]);
    put(&source(&made), inputs.path(), json!({ "repository": "app" })).succeeded();
    assert_eq!(made.resolve("refs/heads/main"), Some(commit.clone()));
    assert_eq!(refs(&check(&source(&made), None)), [commit]);
}

#[test]
fn private_submodule_of_another_owner_is_fetched_with_the_same_login() {
    let Some(gitea) = gitea() else { return };
    let owner = format!("library-{}", std::process::id());
    gitea.api("POST", "/orgs", Some(&json!({ "username": owner })));
    let repository = json!({ "name": "library", "private": true, "default_branch": "main" });
    gitea.api("POST", &format!("/orgs/{owner}/repos"), Some(&repository));
    let url = format!("{}/{owner}/library.git", gitea.url());
    let (library, library_commits) = history(&["library"]);
    library.git(&["push", "-q", &url.replacen("http://", &format!("http://{USER}:{PASSWORD}@"), 1), "main"]);
    let local = Repository::new();
    let modules = format!("[submodule \"library\"]\n\tpath = library\n\turl = {url}\n");
    let change = local.change("with a library").write(".gitmodules", modules);
    let commit = change.submodule("library", &library_commits[0]).commit();
    let made = gitea.repository_of(&local);
    made.api("PATCH", "", Some(&json!({ "private": true })));
    let (destination, outcome) = get(&source(&made), &commit, json!({}));
    outcome.succeeded();
    assert_eq!(read(&destination, "library/file-0"), "library");
}

#[test]
fn large_push_succeeds() {
    let Some(gitea) = gitea() else { return };
    let (local, _) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    // Text that does not compress: git sends it in chunks, since it is larger than `http.postBuffer` (1 MiB).
    let mut state = 1_u64;
    let mut line = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:x}", state >> 8)
    };
    let text: String = (0..500_000).map(|_| line()).collect();
    let commit = checkout.commit("large", &[("large", &text)]);
    put(&source(&made), inputs.path(), json!({ "repository": "app" })).succeeded();
    let (destination, outcome) = get(&source(&made), &commit, json!({ "depth": 1 }));
    outcome.succeeded();
    assert!(read(&destination, "large") == text, "the file differs");
}

#[test]
fn concurrent_puts_with_rebase_both_succeed() {
    let Some(gitea) = gitea() else { return };
    let (local, _) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let prepared: Vec<_> = ["a", "b"]
        .iter()
        .map(|name| {
            let (inputs, checkout) = inputs(&made);
            checkout.commit(name, &[(name, "1")]);
            inputs
        })
        .collect();
    std::thread::scope(|scope| {
        for inputs in &prepared {
            let made = &made;
            scope.spawn(move || {
                put(&source(made), inputs.path(), json!({ "repository": "app", "rebase": true })).succeeded();
            });
        }
    });
    let tip = made.resolve("refs/heads/main").expect("a branch");
    let (destination, outcome) = get(&source(&made), &tip, json!({}));
    outcome.succeeded();
    let checkout = Checkout::of_get(destination.path());
    let mut messages: Vec<String> = checkout.git(&["log", "--format=%s"]).lines().map(str::to_owned).collect();
    messages.sort();
    assert_eq!(messages, ["a", "b", "one"]);
    assert_eq!(checkout.git(&["rev-list", "--merges", "--count", "HEAD"]), "0");
}

#[test]
fn shallow_get_is_rebased_onto_other_pushes() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one", "two", "three"]);
    let made = gitea.repository_of(&local);
    let inputs = scratch::directory();
    let app = inputs.path().join("app");
    fs::create_dir(&app).unwrap();
    let source = source(&made);
    let request = request(&source, Some(&commits[1]), &json!({ "depth": 1 }));
    Verb::get("git").dir(&app).request(&request).run().succeeded();
    Checkout::of_get(&app).commit("ours", &[("ours", "1")]);
    put(&source, inputs.path(), json!({ "repository": "app", "rebase": true })).succeeded();
    local.git(&["fetch", "-q", &made.url_with_login(), "main"]);
    assert_eq!(local.git(&["log", "--format=%s", "FETCH_HEAD"]), "ours\nthree\ntwo\none");
}

#[test]
fn notes_are_pushed_with_the_commit() {
    let Some(gitea) = gitea() else { return };
    let (local, _) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    let commit = checkout.commit("two", &[("two", "2")]);
    fs::write(inputs.path().join("note"), "built by Concourse\n").unwrap();
    put(&source(&made), inputs.path(), json!({ "repository": "app", "notes": "note" })).succeeded();
    let note = made.api("GET", &format!("/git/notes/{commit}"), None);
    assert_eq!(note["message"].as_str().map(str::trim), Some("built by Concourse"));
}

#[test]
fn only_sparse_paths_are_checked_out() {
    let Some(gitea) = gitea() else { return };
    let local = Repository::new();
    let commit = local.commit("one", &[("docs/a.md", "docs"), ("src/a.rs", "code")]);
    let source = with(source(&gitea.repository_of(&local)), json!({ "sparse_paths": ["/src"] }));
    let (destination, outcome) = get(&source, &commit, json!({}));
    outcome.succeeded();
    assert_eq!(read(&destination, "src/a.rs"), "code");
    assert!(!destination.path().join("docs").exists());
}

#[test]
fn put_uploads_lfs_files() {
    let Some(gitea) = gitea() else { return };
    if !require(Layer::Program("git-lfs")) {
        return;
    }
    let made = gitea.repository();
    let (inputs, checkout) = inputs(&made);
    checkout.git(&["lfs", "install", "--local"]);
    let attributes = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    let commit = checkout.commit("large", &[attributes, ("one.bin", "one, large\n")]);
    put(&source(&made), inputs.path(), json!({ "repository": "app" })).succeeded();
    let (destination, outcome) = get(&source(&made), &commit, json!({}));
    outcome.succeeded();
    assert_eq!(read(&destination, "one.bin"), "one, large\n");
}
