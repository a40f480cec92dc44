use super::*;

fn sets(uri: &str) -> Value {
    json!({ "uri": uri, "version_type": "branches" })
}

/// The only version of a check, and its branch names.
#[track_caller]
fn set(outcome: &Outcome) -> (Value, Vec<String>) {
    let versions = outcome.json();
    let versions = versions.as_array().expect("a list").clone();
    assert_eq!(versions.len(), 1, "{versions:?}");
    let text = versions[0]["branches"].as_str().expect("branches");
    let names = if text == "NONE" { Vec::new() } else { serde_json::from_str(text).expect("a JSON array of names") };
    (versions[0].clone(), names)
}

fn three() -> Repository {
    let (repository, commits) = history(&["one"]);
    repository.branch("feature/b", &commits[0]);
    repository.branch("feature/A", &commits[0]);
    repository
}

#[test]
fn are_one_version_sorted_bytewise() {
    let repository = three();
    let (server, url) = serve(&repository);
    let (version, names) = set(&check(&sets(&url), NONE));
    assert_eq!(names, ["feature/A", "feature/b", "main"]);
    assert_eq!(version["branches"], r#"["feature/A","feature/b","main"]"#);
    assert_eq!(server.requests().len(), 2, "the greeting and the list: {:?}", server.requests());
}

#[test]
fn creation_or_deletion_makes_a_new_version() {
    let repository = three();
    let source = sets(&repository.file_url());
    let (first, _) = set(&check(&source, NONE));
    repository.commit_on("feature/b", "moved", &[("x", "1")]);
    assert_eq!(check(&source, first.clone()).json(), json!([first]));
    repository.branch("new", "main");
    let (second, names) = set(&check(&source, first.clone()));
    assert_eq!(names, ["feature/A", "feature/b", "main", "new"]);
    assert_eq!(check(&source, second.clone()).json(), json!([second]));
    repository.delete_branch("new");
    let (third, _) = set(&check(&source, second));
    assert_eq!(third["branches"], first["branches"]);
    // Concourse ignores a version that it has seen before.
    assert_ne!(third, first, "a set that occurs again has a newer timestamp");
}

#[test]
fn are_filtered_by_globs_or_partial_regex() {
    let repository = three();
    repository.branch("release/1", "main");
    let chosen = |more: Value| set(&check(&with(sets(&repository.file_url()), more), NONE)).1;
    assert_eq!(
        chosen(json!({ "branch_filters": ["feature/*", "release/*"] })),
        ["feature/A", "feature/b", "release/1"]
    );
    assert_eq!(chosen(json!({ "branch_regex": "^(feature|release)/[A-Z0-9]" })), ["feature/A", "release/1"]);
    assert_eq!(chosen(json!({ "branch_regex": "ea" })), ["feature/A", "feature/b", "release/1"]);
    assert_eq!(chosen(json!({ "branch_filters": ["main"], "branch_regex": "feature" })), ["main"]);
}

#[test]
fn version_is_none_without_matching_branches() {
    let source = with(sets(&three().file_url()), json!({ "branch_filters": ["no/*"] }));
    let repository = three();
    let source = with(source, json!({ "uri": repository.file_url() }));
    let outcome = check(&source, NONE);
    let (version, names) = set(&outcome);
    assert_eq!((version["branches"].as_str(), names.len()), (Some("NONE"), 0));
    assert!(messages(&outcome).contains("matches `branch_filters: no/*`"), "{}", messages(&outcome));
    assert_eq!(check(&source, version.clone()).json(), json!([version]));
    let (directory, outcome) = get(&source, version, json!({}));
    outcome.succeeded();
    assert_eq!(fs::read_to_string(directory.path().join("branches.json")).expect("read the names"), "[]\n");
}

#[test]
fn get_writes_only_the_file() {
    let repository = three();
    let (server, url) = serve(&repository);
    let (version, names) = set(&check(&sets(&url), NONE));
    repository.branch("later", "main");
    server.reset();
    let (directory, outcome) = get(&sets(&url), version.clone(), json!({ "depth": 1 }));
    assert_eq!(outcome.json()["version"], version);
    let text = fs::read_to_string(directory.path().join("branches.json")).expect("read the names");
    assert_eq!(serde_json::from_str::<Vec<String>>(&text).expect("a JSON array"), names);
    assert_eq!(fs::read_dir(directory.path()).expect("list the destination").count(), 1);
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    let outcome = get(&sets(&url), json!({ "branches": "main" }), json!({})).1;
    outcome.failed();
    assert!(
        messages(&outcome).contains("is neither a JSON array of names nor `NONE`: `main`"),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn warn_of_ignored_keys() {
    let repository = three();
    let source = with(sets(&repository.file_url()), json!({ "branch": "main", "paths": ["x"], "version_depth": 3 }));
    let outcome = check(&source, NONE);
    assert_eq!(set(&outcome).1.len(), 3);
    let warning = "warning: ignored with `version_type: branches`: `branch`, `paths`, `version_depth`\n";
    assert_eq!(messages(&outcome), warning);
}
