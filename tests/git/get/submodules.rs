use super::*;

struct Nested {
    repository: Repository,
    commit: String,
    newest_of_library: String,
    _kept: [Repository; 2],
}

/// A repository with the submodules `lib`, which has the submodule `inner`, and `sub/other`.
fn nested() -> Nested {
    let (inner, inner_commits) = history(&["inner"]);
    let library = Repository::new();
    let of_library = format!("[submodule \"inner\"]\n\tpath = inner\n\turl = {}\n", inner.file_url());
    let recorded =
        library.change("library").write(".gitmodules", &of_library).submodule("inner", &inner_commits[0]).commit();
    let newest_of_library = library.commit("newer", &[("newer", "1")]);
    let repository = Repository::new();
    let modules = format!(
        "[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n[submodule \"other\"]\n\tpath = sub/other\n\turl = {}\n",
        library.file_url(),
        inner.file_url()
    );
    let commit = repository
        .change("use them")
        .write(".gitmodules", &modules)
        .submodule("lib", &recorded)
        .submodule("sub/other", &inner_commits[0])
        .commit();
    Nested { repository, commit, newest_of_library, _kept: [inner, library] }
}

/// The existing files of submodules.
fn fetched(nested: &Nested, params: Value) -> Vec<&'static str> {
    let (destination, outcome) = get(&source(&nested.repository.file_url()), Some(&nested.commit), params);
    outcome.succeeded();
    let files = ["lib/.gitmodules", "lib/inner/file-0", "sub/other/file-0", "lib/newer"];
    files.into_iter().filter(|file| destination.path().join(file).exists()).collect()
}

#[test]
fn are_selected_by_all_none_or_paths() {
    let nested = nested();
    let all = vec!["lib/.gitmodules", "lib/inner/file-0", "sub/other/file-0"];
    assert_eq!(fetched(&nested, json!({})), all);
    assert_eq!(fetched(&nested, json!({ "submodules": "all", "depth": 1 })), all);
    assert_eq!(fetched(&nested, json!({ "submodules": [] })), all);
    assert_eq!(fetched(&nested, json!({ "submodules": "none" })), Vec::<&str>::new());
    assert_eq!(fetched(&nested, json!({ "submodules": ["sub"] })), ["sub/other/file-0"]);
    assert_eq!(fetched(&nested, json!({ "submodules": ["lib"] })), ["lib/.gitmodules", "lib/inner/file-0"]);
    assert_eq!(fetched(&nested, json!({ "submodules": ["lib", "b"] })), ["lib/.gitmodules", "lib/inner/file-0"]);
}

#[test]
fn submodule_recursive_false_omits_nested_submodules() {
    let nested = nested();
    for value in [json!(false), json!("false")] {
        let params = json!({ "submodule_recursive": value });
        assert_eq!(fetched(&nested, params), ["lib/.gitmodules", "sub/other/file-0"]);
    }
}

#[test]
fn submodule_remote_checks_out_the_tip_of_the_branch() {
    let nested = nested();
    let params = json!({ "submodule_remote": true, "submodules": ["lib"] });
    let (destination, outcome) = get(&source(&nested.repository.file_url()), Some(&nested.commit), params);
    outcome.succeeded();
    assert_eq!(git_in(&destination.path().join("lib"), &["rev-parse", "HEAD"]), nested.newest_of_library);
}

#[test]
fn sparse_checkout_skips_submodules_with_a_warning() {
    let nested = nested();
    let source = with(source(&nested.repository.file_url()), json!({ "sparse_paths": ["/.gitmodules", "/lib"] }));
    let (_destination, outcome) = get(&source, Some(&nested.commit), json!({}));
    outcome.succeeded();
    assert!(messages(&outcome).contains("warning: skipping missing submodule: sub/other\n"), "{}", messages(&outcome));
}

#[test]
fn list_without_a_match_fails_and_lists_the_submodules() {
    let nested = nested();
    let source_of = |repository: &Repository| source(&repository.file_url());
    let (_destination, outcome) =
        get(&source_of(&nested.repository), Some(&nested.commit), json!({ "submodules": ["b"] }));
    outcome.failed();
    let expected = "error: `submodules` lists `b`, where there is no submodule\n\
                    hint: the submodules of this commit are at `lib`, `sub/other`\n";
    assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
    let (plain, commits) = history(&["one"]);
    let (_destination, outcome) = get(&source_of(&plain), Some(&commits[0]), json!({ "submodules": ["lib"] }));
    outcome.failed();
    assert!(messages(&outcome).contains("hint: this commit has no submodules\n"), "{}", messages(&outcome));
}

#[test]
fn branch_dot_follows_the_branch_of_the_repository() {
    let (library, of_library) = history(&["one", "two"]);
    let newest = library.commit_on("develop", "of develop", &[("d", "1")]);
    let repository = Repository::new();
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n\tbranch = .\n", library.file_url());
    let change = repository.change("use it").on("develop").write(".gitmodules", &modules);
    let commit = change.submodule("lib", &of_library[0]).commit();
    let followed = with(source(&repository.file_url()), json!({ "branch": "develop" }));
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/develop"]);
    for source in [followed, json!({ "uri": repository.file_url() })] {
        for params in [json!({ "submodule_remote": true }), json!({ "submodule_remote": true, "depth": 1 })] {
            let (destination, outcome) = get(&source, Some(&commit), params);
            outcome.succeeded();
            assert_eq!(git_in(&destination.path().join("lib"), &["rev-parse", "HEAD"]), newest);
        }
    }
}

#[test]
fn nested_branch_dot_fails_with_a_hint() {
    let (inner, of_inner) = history(&["inner"]);
    inner.commit_on("develop", "of develop", &[("d", "1")]);
    let library = Repository::new();
    let modules = format!("[submodule \"inner\"]\n\tpath = inner\n\turl = {}\n\tbranch = .\n", inner.file_url());
    let of_library = library.change("use it").write(".gitmodules", &modules).submodule("inner", &of_inner[0]).commit();
    let repository = Repository::new();
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", library.file_url());
    let commit = repository.change("use it").write(".gitmodules", &modules).submodule("lib", &of_library).commit();
    let (_destination, outcome) =
        get(&source(&repository.file_url()), Some(&commit), json!({ "submodule_remote": true }));
    outcome.failed();
    let hint = "hint: a nested submodule has `branch = .`";
    assert!(messages(&outcome).contains(hint), "{}", messages(&outcome));
    let params = json!({ "submodule_remote": true, "submodule_recursive": false });
    get(&source(&repository.file_url()), Some(&commit), params).1.succeeded();
}
