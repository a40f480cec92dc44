use super::*;

/// <https://github.com/concourse/git-resource/issues/437>
#[test]
fn path_message_and_ci_skip_filters_apply_to_tags() {
    let repository = Repository::new();
    let commits = [("feat: a", "a/x"), ("feat: b", "b/x"), ("fix: a", "a/y"), ("feat: a [ci skip]", "a/z")]
        .map(|(message, path)| repository.commit(message, &[(path, message)]));
    for (index, commit) in commits.iter().enumerate() {
        repository.tag(&format!("v{index}"), commit);
    }
    let (_server, url) = serve(&repository);
    for branch in [json!({}), json!({ "branch": "main" })] {
        let source = with(tags(&url, json!({ "version_depth": 9 })), branch);
        let chosen = |filter: Value| refs(&check(&with(source.clone(), filter), NONE));
        assert_eq!(chosen(json!({})), ["v0", "v1", "v2"]);
        assert_eq!(chosen(json!({ "disable_ci_skip": true })), ["v0", "v1", "v2", "v3"]);
        assert_eq!(chosen(json!({ "paths": ["a"] })), ["v0", "v2"]);
        assert_eq!(chosen(json!({ "paths": ["*/x"] })), ["v0", "v1"]);
        assert_eq!(chosen(json!({ "ignore_paths": ["a/x", "a/y"] })), ["v1"]);
        assert_eq!(chosen(json!({ "commit_filter": { "include": ["^feat"] } })), ["v0", "v1"]);
        let all = json!({ "paths": ["a"], "commit_filter": { "exclude": ["^fix"] }, "disable_ci_skip": true });
        assert_eq!(chosen(all.clone()), ["v0", "v3"]);
        let newest = with(source.clone(), with(all.clone(), json!({ "version_depth": 1 })));
        assert_eq!(refs(&check(&newest, NONE)), ["v3"]);
        assert_eq!(refs(&check(&with(source.clone(), all), version("v1", &commits[1]))), ["v1", "v3"]);
    }
}

#[test]
fn paths_compare_a_merge_with_its_first_parent() {
    let repository = Repository::new();
    let base = repository.commit("base", &[("a/x", "1")]);
    repository.branch("topic", &base);
    repository.commit_on("topic", "side", &[("a/y", "1")]);
    repository.commit("ours", &[("b/x", "1")]);
    let merge = repository.merge("main", "topic", "merge");
    repository.tag("v1", &merge);
    let found = |path: &str| {
        let source = tags(&repository.file_url(), json!({ "paths": [path] }));
        refs(&check(&source, NONE))
    };
    assert_eq!(found("a"), ["v1"]);
    assert_eq!(found("b"), Vec::<String>::new());
}

#[test]
fn paths_ignore_later_tags_on_neighbouring_commits() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("v2", &commits[1]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    let source = tags(&url, json!({ "paths": ["file-0"], "version_depth": 9 }));
    assert_eq!(refs(&check_in(&container, &source, NONE)), Vec::<String>::new());
    repository.tag("v3", &commits[2]);
    assert_eq!(refs(&check_in(&container, &source, NONE)), Vec::<String>::new());
    let other = with(source, json!({ "paths": ["file-1"] }));
    assert_eq!(refs(&check_in(&container, &other, NONE)), ["v2"]);
}
