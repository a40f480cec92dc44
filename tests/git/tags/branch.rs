use super::*;

fn two_branches() -> (Repository, Vec<String>) {
    let (repository, mut commits) = history(&["one", "two"]);
    repository.branch("topic", &commits[0]);
    commits.push(repository.commit_on("topic", "aside", &[("x", "1")]));
    repository.tag("v1", &commits[0]);
    repository.tag("v2", &commits[1]);
    repository.tag("v3-topic", &commits[2]);
    (repository, commits)
}

/// <https://github.com/concourse/git-resource/issues/260>
#[test]
fn excludes_tags_not_merged_into_it() {
    let (repository, commits) = two_branches();
    let (_server, url) = serve(&repository);
    let source = tags(&url, json!({ "branch": "main", "version_depth": 9 }));
    assert_eq!(refs(&check(&source, NONE)), ["v1", "v2"]);
    assert_eq!(refs(&check(&source, version("v1", &commits[0]))), ["v1", "v2"]);
    let topic = with(source, json!({ "branch": "topic" }));
    assert_eq!(refs(&check(&topic, NONE)), ["v1", "v3-topic"]);
}

#[test]
fn includes_a_tag_once_it_is_merged() {
    let (repository, commits) = two_branches();
    let (_server, url) = serve(&repository);
    let container = Container::new();
    let source = tags(&url, json!({ "branch": "main" }));
    assert_eq!(refs(&check_in(&container, &source, version("v2", &commits[1]))), ["v2"]);
    repository.merge("main", "topic", "merge");
    assert_eq!(refs(&check_in(&container, &source, version("v2", &commits[1]))), ["v2", "v3-topic"]);
}

#[test]
fn fails_if_it_is_missing() {
    let (repository, _) = two_branches();
    let outcome = check(&tags(&repository.file_url(), json!({ "branch": "nope" })), NONE);
    outcome.failed();
    assert_eq!(messages(&outcome), "error: there is no branch `nope` in `file://[TEMP]/repository.git`\n");
}
