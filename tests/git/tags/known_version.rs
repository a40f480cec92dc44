use super::*;

/// <https://github.com/concourse/git-resource/issues/223>
#[test]
fn moved_tag_is_returned_with_its_new_commit() {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("latest", &commits[0]);
    repository.tag("v2", &commits[1]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    let source = with(json!({ "uri": url }), json!({ "version_type": "tags" }));
    assert_eq!(refs(&check_in(&container, &source, version("v2", &commits[1]))), ["v2"]);
    repository.git(&["tag", "-f", "latest", &commits[2]]);
    let found = check_in(&container, &source, version("v2", &commits[1])).json();
    assert_eq!(found, json!([version("v2", &commits[1]), version("latest", &commits[2])]));
    repository.tag("v3", &commits[2]);
    repository.git(&["tag", "-f", "latest", &commits[0]]);
    for container in [container, Container::new()] {
        let outcome = check_in(&container, &source, version("latest", &commits[2]));
        assert_eq!(outcome.json(), json!([version("v3", &commits[2]), version("latest", &commits[0])]));
        assert_eq!(messages(&outcome), format!("tag `latest` was moved to {}\n", commits[0]));
    }
}

/// <https://github.com/concourse/git-resource/issues/116>
#[test]
fn deleted_tag_restarts_at_the_newest() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    let container = Container::new();
    let source = tags(&url, json!({}));
    assert_eq!(refs(&check_in(&container, &source, version("v3", &commits[2]))), ["v3", "v2"]);
    repository.delete_tag("v3");
    for container in [container, Container::new()] {
        let outcome = check_in(&container, &source, version("v3", &commits[2]));
        assert_eq!(refs(&outcome), ["v2"]);
        assert_eq!(
            messages(&outcome),
            "warning: tag `v3` was deleted or no longer matches the filters; continuing from the newest tag\n"
        );
    }
    assert_eq!(refs(&check(&with(source, json!({ "tag_filter": "none" })), NONE)), Vec::<String>::new());
}

#[test]
fn commit_of_a_put_returns_newer_tags() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    for more in [json!({}), json!({ "branch": "main" })] {
        let source = tags(&url, more);
        assert_eq!(refs(&check(&source, json!({ "ref": commits[1] }))), ["v3", "v2"]);
        let gone = "1".repeat(40);
        assert_eq!(refs(&check(&source, json!({ "ref": gone }))), ["v2"]);
    }
}

#[test]
fn tag_is_accepted_after_tag_filter_was_removed() {
    let (repository, commits) = tagged();
    let source = source(&repository.file_url());
    assert_eq!(refs(&check(&source, version("v2", &commits[1]))), commits[1..]);
}
