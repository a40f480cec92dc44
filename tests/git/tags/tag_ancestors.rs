use super::*;

fn ancestors(uri: &str, more: Value) -> Value {
    with(tags(uri, json!({ "tag_behaviour": "match_tag_ancestors" })), more)
}

#[test]
fn are_versions_up_to_the_newest_tag() {
    let (repository, commits) = history(&["one", "two [ci skip]", "three", "four", "five"]);
    repository.tag("v1", &commits[0]);
    repository.tag("v2", &commits[3]);
    let (_server, url) = serve(&repository);
    for more in [json!({}), json!({ "branch": "main" })] {
        let source = ancestors(&url, more);
        let container = Container::new();
        assert_eq!(refs(&check_in(&container, &source, NONE)), [commits[3].clone()]);
        let all = with(source.clone(), json!({ "version_depth": 9 }));
        let expected = [&commits[0], &commits[2], &commits[3]].map(Clone::clone);
        assert_eq!(refs(&check_in(&container, &all, NONE)), expected);
        assert_eq!(refs(&check_in(&container, &source, json!({ "ref": commits[0] }))), expected);
        assert_eq!(refs(&check_in(&container, &source, json!({ "ref": commits[3] }))), [commits[3].clone()]);
        let paths = with(all, json!({ "paths": ["file-2", "file-4"] }));
        assert_eq!(refs(&check_in(&container, &paths, NONE)), [commits[2].clone()]);
    }
    repository.tag("v3", &commits[4]);
    assert_eq!(refs(&check(&ancestors(&url, json!({})), json!({ "ref": commits[3] }))), commits[3..]);
}

#[test]
fn omit_merged_commits() {
    let repository = Repository::new();
    let base = repository.commit("base", &[("a", "1")]);
    repository.branch("topic", &base);
    repository.commit_on("topic", "side", &[("b", "1")]);
    let ours = repository.commit("ours", &[("a", "2")]);
    let merge = repository.merge("main", "topic", "merge");
    repository.commit("after it", &[("a", "3")]);
    repository.tag("v1", &merge);
    let source = ancestors(&repository.file_url(), json!({ "branch": "main", "version_depth": 9 }));
    assert_eq!(refs(&check(&source, NONE)), [base, ours, merge]);
}

#[test]
fn continue_after_a_tag_was_deleted() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("v1", &commits[1]);
    let source = ancestors(&repository.file_url(), json!({ "branch": "main" }));
    let outcome = check(&source, json!({ "ref": commits[2] }));
    assert_eq!(refs(&outcome), Vec::<String>::new());
    assert!(messages(&outcome).contains("is no longer an ancestor of a matching tag"), "{}", messages(&outcome));
    let gone = check(&source, json!({ "ref": "v0" }));
    assert_eq!(refs(&gone), [commits[1].clone()]);
    assert_eq!(messages(&gone), "warning: version `v0` is gone; continuing from the newest commit\n");
}
