//! Tags and branches as versions: which there are, what they cost, and what a get makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Container, Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{history, refs, said, serve, source, with};

/// Three commits with a tag each, the second one annotated, and a tag of another kind on the first.
fn tagged() -> (Repository, Vec<String>) {
    let (repository, commits) = history(&["one", "two", "three"]);
    repository.tag("v1", &commits[0]);
    repository.tag("other", &commits[0]);
    repository.tag("v3", &commits[2]);
    // Written last: it is the newest, though not its commit.
    repository.annotated_tag("v2", &commits[1], "Release 2");
    (repository, commits)
}

fn tags(uri: &str, more: Value) -> Value {
    with(json!({ "uri": uri, "tag_filter": "v*" }), more)
}

fn check(source: &Value, version: Value) -> Outcome {
    check_in(&Container::new(), source, version)
}

fn check_in(container: &Container, source: &Value, version: Value) -> Outcome {
    Verb::check("git").container(container).request(&json!({ "source": source, "version": version })).run()
}

fn version(name: &str, commit: &str) -> Value {
    json!({ "ref": name, "commit": commit })
}

const NONE: Value = Value::Null;

#[test]
fn are_versions_with_their_commits_in_the_order_of_their_making() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    let found = check(&tags(&url, json!({ "version_depth": 9 })), NONE).json();
    let expected = [version("v1", &commits[0]), version("v3", &commits[2]), version("v2", &commits[1])];
    assert_eq!(found, json!(expected));
}

#[test]
fn are_the_newest_ones_at_first_as_many_as_version_depth_says() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    assert_eq!(check(&tags(&url, json!({})), NONE).json(), json!([version("v2", &commits[1])]));
    assert_eq!(refs(&check(&tags(&url, json!({ "version_depth": 2 })), NONE)), ["v3", "v2"]);
}

#[test]
fn begin_with_the_version_that_is_known() {
    let (repository, commits) = tagged();
    let (_server, url) = serve(&repository);
    let source = tags(&url, json!({}));
    assert_eq!(refs(&check(&source, version("v1", &commits[0]))), ["v1", "v3", "v2"]);
    assert_eq!(refs(&check(&source, json!({ "ref": "v3" }))), ["v3", "v2"]);
    assert_eq!(refs(&check(&source, version("v2", &commits[1]))), ["v2"]);
}

#[test]
fn of_the_same_second_are_in_the_order_of_their_names() {
    let (repository, commits) = history(&["one", "two"]);
    for name in ["v10", "v2", "v1"] {
        repository.tag(name, &commits[1]);
    }
    let source = tags(&repository.file_url(), json!({ "version_depth": 9 }));
    assert_eq!(refs(&check(&source, NONE)), ["v1", "v10", "v2"]);
    assert_eq!(refs(&check(&source, version("v10", &commits[1]))), ["v10", "v2"]);
}

#[test]
fn are_chosen_by_a_glob_that_crosses_slashes_or_by_a_whole_regex() {
    let (repository, commits) = history(&["one"]);
    for name in ["release/1.0-a/final", "release/1.0", "v1.0", "xv1.0"] {
        repository.tag(name, &commits[0]);
    }
    let (_server, url) = serve(&repository);
    let chosen = |filter: Value| refs(&check(&with(json!({ "uri": url, "version_depth": 9 }), filter), NONE));
    assert_eq!(chosen(json!({ "tag_filter": "release/*" })), ["release/1.0", "release/1.0-a/final"]);
    assert_eq!(chosen(json!({ "tag_filter": "*1.0" })), ["release/1.0", "v1.0", "xv1.0"]);
    assert_eq!(chosen(json!({ "tag_filter": "[!r]?.?" })), ["v1.0"]);
    assert_eq!(chosen(json!({ "tag_regex": r"v[0-9]+\.[0-9]+" })), ["v1.0"]);
    assert_eq!(chosen(json!({ "tag_regex": "(release/|x).*" })), ["release/1.0", "release/1.0-a/final", "xv1.0"]);
    assert_eq!(chosen(json!({ "tag_filter": "none*" })), Vec::<String>::new());
    assert_eq!(chosen(json!({ "version_type": "tags" })), ["release/1.0", "release/1.0-a/final", "v1.0", "xv1.0"]);
}

#[test]
fn on_the_first_commit_are_versions_like_any() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[0]);
    let source = tags(&repository.file_url(), json!({}));
    assert_eq!(refs(&check(&source, NONE)), ["v1"]);
    repository.tag("v2", &commits[1]);
    assert_eq!(refs(&check(&source, version("v1", &commits[0]))), ["v1", "v2"]);
}

#[test]
fn of_other_things_than_commits_are_passed_over() {
    let (repository, commits) = history(&["one"]);
    repository.tag("v1", &commits[0]);
    let (tree, blob) = (repository.resolve("main^{tree}"), repository.resolve("main:file-0"));
    repository.tag("v-tree", &tree);
    repository.tag("v-blob", &blob);
    repository.annotated_tag("v-tree-too", &tree, "a tree");
    repository.annotated_tag("v-of-v1", "v1", "a tag");
    let twice = repository.annotated_tag("v-twice", "v-of-v1", "a tag of a tag");
    assert_ne!(twice, commits[0]);
    let (_server, url) = serve(&repository);
    let container = Container::new();
    for source in
        [tags(&url, json!({ "version_depth": 9 })), tags(&url, json!({ "version_depth": 9, "branch": "main" }))]
    {
        for _ in 0..2 {
            let found = check_in(&container, &source, NONE);
            assert_eq!(refs(&found), ["v1", "v-of-v1", "v-twice"]);
            assert_eq!(found.json()[2]["commit"], commits[0]);
        }
    }
}

#[test]
fn are_none_where_there_are_none() {
    let (repository, _) = history(&["one"]);
    assert_eq!(refs(&check(&tags(&repository.file_url(), json!({})), NONE)), Vec::<String>::new());
    let empty = Repository::new();
    let (_server, url) = serve(&empty);
    assert_eq!(refs(&check(&tags(&url, json!({})), NONE)), Vec::<String>::new());
    let source = json!({ "uri": url, "version_type": "branches" });
    assert_eq!(refs(&check(&source, NONE)), Vec::<String>::new());
}

mod a_branch {
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
    fn excludes_tags_that_are_not_merged_into_it() {
        let (repository, commits) = two_branches();
        let (_server, url) = serve(&repository);
        let source = tags(&url, json!({ "branch": "main", "version_depth": 9 }));
        assert_eq!(refs(&check(&source, NONE)), ["v1", "v2"]);
        assert_eq!(refs(&check(&source, version("v1", &commits[0]))), ["v1", "v2"]);
        let topic = with(source, json!({ "branch": "topic" }));
        assert_eq!(refs(&check(&topic, NONE)), ["v1", "v3-topic"]);
    }

    #[test]
    fn brings_a_tag_in_when_it_is_merged() {
        let (repository, commits) = two_branches();
        let (_server, url) = serve(&repository);
        let container = Container::new();
        let source = tags(&url, json!({ "branch": "main" }));
        assert_eq!(refs(&check_in(&container, &source, version("v2", &commits[1]))), ["v2"]);
        repository.merge("main", "topic", "merge");
        assert_eq!(refs(&check_in(&container, &source, version("v2", &commits[1]))), ["v2", "v3-topic"]);
    }

    #[test]
    fn that_is_not_there_is_an_error() {
        let (repository, _) = two_branches();
        let outcome = check(&tags(&repository.file_url(), json!({ "branch": "nope" })), NONE);
        outcome.failed();
        assert_eq!(said(&outcome), "error: there is no branch `nope` in `file://[TEMP]/repository.git`\n");
    }
}

mod filters {
    use super::*;

    /// <https://github.com/concourse/git-resource/issues/437>
    #[test]
    fn by_path_message_and_ci_skip_go_with_tags() {
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
    fn by_path_compare_a_merge_with_its_first_parent() {
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
    fn by_path_are_not_misled_by_tags_on_neighbours_that_came_later() {
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
}

mod the_known_version {
    use super::*;

    /// <https://github.com/concourse/git-resource/issues/223>
    #[test]
    fn that_was_moved_comes_again_with_its_new_commit() {
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
            assert_eq!(said(&outcome), format!("tag `latest` was moved to {}\n", commits[0]));
        }
    }

    /// <https://github.com/concourse/git-resource/issues/116>
    #[test]
    fn that_was_deleted_makes_a_check_begin_again_at_the_newest() {
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
                said(&outcome),
                "warning: tag `v3` is gone, or filtered out by now; going on from the newest tag\n"
            );
        }
        assert_eq!(refs(&check(&with(source, json!({ "tag_filter": "none" })), NONE)), Vec::<String>::new());
    }

    #[test]
    fn that_is_a_commit_of_a_put_gives_the_tags_made_since() {
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
    fn that_is_a_tag_is_understood_when_tags_are_not_followed_any_more() {
        let (repository, commits) = tagged();
        let source = source(&repository.file_url());
        assert_eq!(refs(&check(&source, version("v2", &commits[1]))), commits[1..]);
    }
}

mod the_commits_before_tags {
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
    fn are_given_without_a_merged_side() {
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
    fn go_on_where_a_tag_was_taken_back() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.tag("v1", &commits[1]);
        let source = ancestors(&repository.file_url(), json!({ "branch": "main" }));
        let outcome = check(&source, json!({ "ref": commits[2] }));
        assert_eq!(refs(&outcome), Vec::<String>::new());
        assert!(said(&outcome).contains("is before none of the tags any more"), "{}", said(&outcome));
        let gone = check(&source, json!({ "ref": "v0" }));
        assert_eq!(refs(&gone), [commits[1].clone()]);
        assert_eq!(said(&gone), "warning: version `v0` is gone; going on from the newest commit\n");
    }
}

mod branches {
    use super::*;

    fn three() -> (Repository, Vec<String>) {
        let (repository, mut commits) = history(&["one"]);
        repository.branch("feature/a", &commits[0]);
        commits.push(repository.commit_on("feature/a", "a", &[("a", "1")]));
        repository.branch("feature/b", &commits[0]);
        commits.push(repository.commit_on("feature/b", "b", &[("b", "1")]));
        (repository, commits)
    }

    #[test]
    fn are_versions_by_the_dates_of_their_tips() {
        let (repository, mut commits) = three();
        let (_server, url) = serve(&repository);
        let source = json!({ "uri": url, "version_type": "branches", "version_depth": 9 });
        let found = check(&source, NONE).json();
        let expected =
            [version("main", &commits[0]), version("feature/a", &commits[1]), version("feature/b", &commits[2])];
        assert_eq!(found, json!(expected));
        let features = with(source, json!({ "branch_regex": "feature/.*", "version_depth": 1 }));
        let container = Container::new();
        assert_eq!(check_in(&container, &features, NONE).json(), json!([version("feature/b", &commits[2])]));
        commits.push(repository.commit_on("feature/a", "a again", &[("a", "2")]));
        repository.commit("main is not one of them", &[("c", "1")]);
        let found = check_in(&container, &features, version("feature/b", &commits[2])).json();
        assert_eq!(found, json!([version("feature/b", &commits[2]), version("feature/a", &commits[3])]));
        // The branch of the known version has gone on, too.
        let found = check_in(&container, &features, version("feature/a", &commits[1])).json();
        assert_eq!(found, json!([version("feature/a", &commits[3])]));
        let found = check(&features, version("feature/a", &commits[1])).json();
        assert_eq!(found, json!([version("feature/b", &commits[2]), version("feature/a", &commits[3])]));
    }

    /// A branch that is pushed after newer ones were seen, though its tip is older than theirs.
    fn pushed_late() -> (Repository, Vec<String>, Value) {
        let (repository, mut commits) = three();
        repository.branch("late", &commits[0]);
        commits.insert(1, repository.commit_on("late", "late", &[("late", "1")]));
        // It was committed before this one.
        commits.push(repository.commit_on("feature/b", "b again", &[("b", "2")]));
        repository.delete_branch("late");
        let known = version("feature/b", &commits[4]);
        (repository, commits, known)
    }

    #[test]
    fn that_are_pushed_with_older_dates_than_what_is_known_are_new() {
        let (repository, commits, known) = pushed_late();
        let (server, url) = serve(&repository);
        let source = json!({ "uri": url, "version_type": "branches" });
        let container = Container::new();
        assert_eq!(check_in(&container, &source, NONE).json(), json!([known]));
        repository.branch("late", &commits[1]);
        let late = version("late", &commits[1]);
        assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known, late]));
        // That answer was lost, twice: what it told is told again, before what came since.
        assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known, late]));
        repository.branch("later", &commits[0]);
        let later = version("later", &commits[0]);
        assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known, late, later]));
        // Now it is known, and the next one is new whatever its date.
        server.reset();
        assert_eq!(check_in(&container, &source, later.clone()).json(), json!([later]));
        assert_eq!(server.requests().len(), 2, "what is unchanged costs its list: {:?}", server.requests());
    }

    #[test]
    fn of_a_put_do_not_bring_all_others_along() {
        let (repository, mut commits) = three();
        let (_server, url) = serve(&repository);
        let source = json!({ "uri": url, "version_type": "branches" });
        let container = Container::new();
        let known = version("feature/b", &commits[2]);
        assert_eq!(check_in(&container, &source, NONE).json(), json!([known]));
        assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known]));
        commits.push(repository.commit_on("feature/a", "of a put", &[("a", "2")]));
        let put = version("feature/a", &commits[3]);
        assert_eq!(check_in(&container, &source, put.clone()).json(), json!([put]));
    }

    #[test]
    fn are_all_given_before_the_known_one_where_no_earlier_check_tells_which_are_new() {
        let (repository, commits, known) = pushed_late();
        repository.branch("late", &commits[1]);
        let newest = repository.commit("newest", &[("x", "1")]);
        let (_server, url) = serve(&repository);
        let source = json!({ "uri": url, "version_type": "branches" });
        let (a, late, main) =
            (version("feature/a", &commits[2]), version("late", &commits[1]), version("main", &newest));
        let container = Container::new();
        for _ in 0..2 {
            let found = check_in(&container, &source, known.clone()).json();
            assert_eq!(found, json!([a, late, known, main]), "an answer that was lost is given again");
        }
        assert_eq!(check_in(&container, &source, main.clone()).json(), json!([main]));
        // One that was moved comes last, to an older commit too: Concourse goes by what comes last.
        let moved = version("late", &"1".repeat(40));
        let container = Container::new();
        for _ in 0..2 {
            assert_eq!(check_in(&container, &source, moved.clone()).json(), json!([a, known, main, late]));
        }
        // Which were told before one that is gone, nothing says.
        let container = Container::new();
        for _ in 0..2 {
            let outcome = check_in(&container, &source, version("gone", &commits[1]));
            assert_eq!(outcome.json(), json!([a, late, known, main]));
            assert!(said(&outcome).starts_with("warning: branch `gone` is gone"), "{}", said(&outcome));
        }
    }

    #[test]
    fn that_are_deleted_are_no_versions_any_more() {
        let (repository, mut commits) = three();
        let (_server, url) = serve(&repository);
        let source = json!({ "uri": url, "version_type": "branches" });
        let container = Container::new();
        assert_eq!(refs(&check_in(&container, &source, NONE)), ["feature/b"]);
        repository.delete_branch("feature/b");
        for _ in 0..3 {
            let outcome = check_in(&container, &source, version("feature/b", &commits[2]));
            assert_eq!(refs(&outcome), ["feature/a"]);
            assert!(said(&outcome).starts_with("warning: branch `feature/b` is gone"), "{}", said(&outcome));
        }
        // What is pushed then is new, and nothing else.
        commits.push(repository.commit_on("main", "next", &[("x", "1")]));
        let outcome = check_in(&container, &source, version("feature/b", &commits[2]));
        assert_eq!(outcome.json(), json!([version("main", &commits[3])]));
    }

    #[test]
    fn whose_new_tips_are_filtered_out_give_nothing() {
        let (repository, commits) = three();
        let (_server, url) = serve(&repository);
        let source = json!({ "uri": url, "version_type": "branches" });
        let container = Container::new();
        let known = version("feature/b", &commits[2]);
        assert_eq!(check_in(&container, &source, NONE).json(), json!([known]));
        repository.commit_on("feature/b", "not this [ci skip]", &[("b", "2")]);
        assert_eq!(check_in(&container, &source, known.clone()).json(), json!([]));
        let built = repository.commit_on("feature/b", "but this", &[("b", "3")]);
        assert_eq!(check_in(&container, &source, known).json(), json!([version("feature/b", &built)]));
    }

    #[test]
    fn are_checked_out_as_branches() {
        let (repository, commits) = three();
        let (_server, url) = serve(&repository);
        // A tag of that name is something else.
        repository.tag("feature/a", &commits[0]);
        let source = json!({ "uri": url, "version_type": "branches" });
        for version in [version("feature/a", &commits[1]), json!({ "ref": "feature/a" })] {
            for params in [json!({}), json!({ "depth": 1 })] {
                let (directory, outcome) = get(&source, version.clone(), params);
                assert_eq!(outcome.json()["version"], version);
                assert_eq!(file(&directory, "ref"), "feature/a\n");
                assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
                assert_eq!(file(&directory, "branch"), "feature/a\n");
            }
        }
        let outcome = get(&source, version("feature/c", &commits[1]), json!({})).1;
        outcome.failed();
        assert!(said(&outcome).contains("there is no branch `feature/c`"), "{}", said(&outcome));
    }
}

fn get(source: &Value, version: Value, params: Value) -> (tempfile::TempDir, Outcome) {
    let destination = scratch::directory();
    let request = json!({ "source": source, "version": version, "params": params });
    let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
    (destination, outcome)
}

fn file(directory: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join(".git").join(name)).expect("read a file of the get")
}

fn tags_of(directory: &Path) -> Vec<String> {
    jetway_tests::git::run(directory, &["tag", "--list"]).lines().map(str::to_owned).collect()
}

mod a_get {
    use super::*;

    #[test]
    fn checks_the_tag_out_and_brings_all_tags_along() {
        let (repository, commits) = tagged();
        let (_server, url) = serve(&repository);
        for params in [json!({}), json!({ "depth": 1 })] {
            let source = tags(&url, json!({}));
            let (directory, outcome) = get(&source, version("v2", &commits[1]), params.clone());
            assert_eq!(outcome.json()["version"], version("v2", &commits[1]));
            assert_eq!(file(&directory, "ref"), "v2\n");
            assert_eq!(file(&directory, "short_ref"), "v2");
            assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
            assert_eq!(file(&directory, "tags"), "v2\n");
            assert_eq!(file(&directory, "describe_ref"), "v2\n");
            assert_eq!(tags_of(directory.path()), ["other", "v1", "v2", "v3"]);
            assert!(directory.path().join("file-1").is_file() && !directory.path().join("file-2").exists());
            if params["depth"] == 1 {
                let history = jetway_tests::git::run(directory.path(), &["rev-list", "HEAD"]);
                assert_eq!(history, commits[1], "a depth stays a depth");
            }
        }
    }

    #[test]
    fn brings_no_tag_but_the_commit_when_it_is_told_so() {
        let (repository, commits) = tagged();
        let (_server, url) = serve(&repository);
        for (version, params) in [
            (version("v2", &commits[1]), json!({ "fetch_tags": false })),
            (json!({ "ref": "v2" }), json!({ "fetch_tags": false, "depth": 1 })),
        ] {
            let (directory, outcome) = get(&tags(&url, json!({})), version, params);
            outcome.succeeded();
            assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
            assert_eq!(tags_of(directory.path()), Vec::<String>::new());
        }
    }

    #[test]
    fn finds_a_tag_on_no_branch_whatever_the_server_gives_out() {
        let (repository, _) = tagged();
        repository.branch("aside", "main");
        let aside = repository.commit_on("aside", "aside", &[("aside", "1")]);
        repository.annotated_tag("v4", &aside, "Release 4");
        repository.delete_branch("aside");
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        for source in [tags(&url, json!({ "branch": "main" })), source(&url)] {
            for version in [version("v4", &aside), json!({ "ref": "v4" })] {
                for params in [json!({}), json!({ "depth": 1 })] {
                    let destination = scratch::directory();
                    let request = json!({ "source": source, "version": version, "params": params });
                    let verb = Verb::get("git").dir(destination.path()).request(&request);
                    let outcome = verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
                    assert_eq!(outcome.json()["version"], version);
                    assert_eq!(file(&destination, "commit"), format!("{aside}\n"));
                    assert_eq!(file(&destination, "tags"), "v4\n");
                }
            }
        }
    }

    #[test]
    fn of_a_tag_that_was_moved_gives_the_version_and_says_so() {
        let (repository, commits) = tagged();
        let (_server, url) = serve(&repository);
        repository.git(&["tag", "-f", "v1", &commits[2]]);
        for params in [json!({}), json!({ "depth": 1 }), json!({ "fetch_tags": true })] {
            let (directory, outcome) = get(&tags(&url, json!({})), version("v1", &commits[0]), params);
            outcome.succeeded();
            assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
            let message = format!(
                "warning: tag `v1` was moved to {}; this is {}, which it named when the version was found\n",
                commits[2], commits[0]
            );
            assert!(said(&outcome).contains(&message), "{}", said(&outcome));
        }
    }

    #[test]
    fn of_a_tag_that_was_deleted_fails_unless_the_commit_is_there() {
        let (repository, commits) = tagged();
        let (_server, url) = serve(&repository);
        repository.delete_tag("v1");
        let source = with(source(&url), json!({ "fetch_tags": true }));
        let (directory, outcome) = get(&source, version("v1", &commits[0]), json!({}));
        outcome.succeeded();
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
        assert!(said(&outcome).contains("warning: tag `v1` was deleted since"), "{}", said(&outcome));
        let outcome = get(&source, json!({ "ref": "v1" }), json!({})).1;
        outcome.failed();
        assert!(said(&outcome).contains("error: version `v1` is gone: `http://"), "{}", said(&outcome));
        let outcome = get(&source, version("v1", &"1".repeat(40)), json!({})).1;
        outcome.failed();
    }

    #[test]
    fn of_a_name_takes_the_tag_before_the_branch() {
        let (repository, commits) = history(&["one", "two"]);
        repository.branch("x", &commits[1]);
        let source = source(&repository.file_url());
        let (directory, outcome) = get(&source, json!({ "ref": "x" }), json!({}));
        outcome.succeeded();
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[1]));
        repository.tag("x", &commits[0]);
        let (directory, outcome) = get(&source, json!({ "ref": "x" }), json!({}));
        outcome.succeeded();
        assert_eq!(file(&directory, "commit"), format!("{}\n", commits[0]));
    }
}

mod a_server {
    use super::*;

    #[test]
    fn that_knows_no_filters_is_served_all_the_same() {
        let (repository, commits) = tagged();
        repository.allow_filters(false);
        let (_server, url) = serve(&repository);
        assert_eq!(refs(&check(&tags(&url, json!({})), version("v1", &commits[0]))), ["v1", "v3", "v2"]);
    }

    #[test]
    fn that_speaks_the_first_protocol_is_served_too() {
        let (repository, commits) = tagged();
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        for more in [json!({}), json!({ "branch": "main", "paths": ["file-*"] })] {
            let request = json!({ "source": tags(&url, more), "version": version("v1", &commits[0]) });
            let verb = Verb::check("git").request(&request);
            let outcome = verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
            assert_eq!(refs(&outcome), ["v1", "v3", "v2"]);
        }
    }

    #[test]
    fn that_is_a_directory_is_served_too() {
        let (repository, commits) = tagged();
        let path = repository.path().to_str().expect("UTF-8").to_owned();
        for uri in [repository.file_url(), path] {
            for more in [json!({}), json!({ "branch": "main" }), json!({ "paths": ["file-2", "file-1"] })] {
                let found = refs(&check(&tags(&uri, more), version("v1", &commits[0])));
                assert_eq!(found, ["v1", "v3", "v2"]);
            }
        }
    }
}

mod cost {
    use super::*;

    fn five_thousand() -> (Repository, Vec<String>) {
        let (repository, commits) = history(&["one", "two", "three"]);
        let names = (0..5_000).map(|number| format!("{} refs/tags/v{number:04}", commits[number % 3]));
        let lines: String = names.map(|line| line + "\n").collect();
        let head = format!("# pack-refs with: peeled fully-peeled sorted \n{} refs/heads/main\n", commits[2]);
        fs::write(repository.path().join("packed-refs"), head + &lines).expect("write the tags");
        let _ = fs::remove_file(repository.path().join("refs/heads/main"));
        (repository, commits)
    }

    #[test]
    fn of_unchanged_tags_is_their_list_and_no_fetch() {
        let (repository, commits) = five_thousand();
        let (server, url) = serve(&repository);
        for more in [json!({}), json!({ "branch": "main" })] {
            let container = Container::new();
            let source = tags(&url, more);
            let newest = version("v4998", &commits[2]);
            let found = refs(&check_in(&container, &source, NONE));
            assert_eq!(found.len(), 1);
            server.reset();
            let found = check_in(&container, &source, json!({ "ref": found[0] }));
            assert_eq!(refs(&found).len(), 1, "{newest}");
            assert_eq!(server.requests().len(), 2, "the greeting and the list: {:?}", server.requests());
            // A hash, a name, and what holds them together.
            let list = 5_000 * "003d HASH refs/tags/v0000\n".len() as u64 + 5_000 * 36 + 1_024;
            assert!(server.bytes_sent() < list, "{} bytes", server.bytes_sent());
        }
    }

    #[test]
    fn of_a_list_without_http_is_not_that_of_every_ref() {
        let (repository, commits) = history(&["one"]);
        repository.tag("v1", &commits[0]);
        repository.git(&["update-ref", "refs/pull/1/head", &commits[0]]);
        for (source, expected) in [
            (tags(&repository.file_url(), json!({})), vec!["v1".to_owned()]),
            (crate::support::source(&repository.file_url()), commits.clone()),
            (tags(&repository.file_url(), json!({ "branch": "main" })), vec!["v1".to_owned()]),
        ] {
            let trace = scratch::directory();
            let file = trace.path().join("packets");
            let request = json!({ "source": source });
            let verb = Verb::check("git").request(&request);
            let outcome = verb.env("GIT_TRACE_PACKET", file.to_str().expect("UTF-8")).run();
            assert_eq!(refs(&outcome), expected);
            let packets = fs::read_to_string(&file).expect("read what git has sent and received");
            assert!(packets.contains("ls-refs") && !packets.contains("refs/pull/"), "{packets}");
        }
    }

    #[test]
    fn of_a_few_tags_among_many_is_those_few() {
        let (repository, commits) = five_thousand();
        let (server, url) = serve(&repository);
        let source = tags(&url, json!({ "tag_filter": "v123?" }));
        assert_eq!(refs(&check(&source, version("v1230", &commits[0]))).first().map(String::as_str), Some("v1230"));
        assert!(server.bytes_sent() < 4_096, "{} bytes", server.bytes_sent());
    }

    #[test]
    fn of_a_new_tag_is_that_tag_without_files_or_history() {
        let mut messages = vec!["commit"; 60];
        messages.push("newest");
        let (repository, commits) = history(&messages);
        repository.tag("v1", &commits[59]);
        let (server, url) = serve(&repository);
        let container = Container::new();
        let source = tags(&url, json!({}));
        assert_eq!(refs(&check_in(&container, &source, NONE)), ["v1"]);
        assert!(server.bytes_sent() < 4_096, "{} bytes for one tag", server.bytes_sent());
        repository.annotated_tag("v2", &commits[60], "Release 2");
        server.reset();
        assert_eq!(refs(&check_in(&container, &source, version("v1", &commits[59]))), ["v1", "v2"]);
        assert!(server.bytes_sent() < 4_096, "{} bytes for one tag", server.bytes_sent());
    }

    #[test]
    fn of_new_tags_on_a_branch_is_the_commits_since() {
        let (repository, commits) = history(&vec!["commit"; 200]);
        repository.tag("v1", &commits[199]);
        let (server, url) = serve(&repository);
        let container = Container::new();
        let source = tags(&url, json!({ "branch": "main" }));
        assert_eq!(refs(&check_in(&container, &source, NONE)), ["v1"]);
        let newest = repository.commit("newest", &[("x", "1")]);
        repository.annotated_tag("v2", &newest, "Release 2");
        server.reset();
        assert_eq!(refs(&check_in(&container, &source, version("v1", &commits[199]))), ["v1", "v2"]);
        assert!(server.bytes_sent() < 4_096, "{} bytes for one commit", server.bytes_sent());
    }
}

mod a_repository_from_an_earlier_check {
    use super::*;

    fn survives(more: Value, break_it: impl Fn(&Path)) {
        let (repository, commits) = tagged();
        let source = tags(&repository.file_url(), more);
        let container = Container::new();
        assert_eq!(refs(&check_in(&container, &source, NONE)), ["v2"]);
        let caches = fs::read_dir(container.temporary().join("jetway-git-cache")).expect("list the caches");
        caches.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).for_each(|path| break_it(&path));
        repository.annotated_tag("v5", &commits[2], "Release 5");
        assert_eq!(refs(&check_in(&container, &source, version("v1", &commits[0]))), ["v1", "v3", "v2", "v5"]);
    }

    #[test]
    fn is_made_anew_or_completed_when_it_is_damaged() {
        for more in [json!({}), json!({ "branch": "main" })] {
            survives(more.clone(), |cache| fs::remove_dir_all(cache.join("objects")).expect("remove the objects"));
            survives(more.clone(), |cache| fs::remove_file(cache.join("HEAD")).expect("remove HEAD"));
            survives(more.clone(), |cache| fs::write(cache.join("packed-refs"), "nonsense\n").expect("spoil the refs"));
            survives(more, |cache| {
                let packs: Vec<PathBuf> = fs::read_dir(cache.join("objects/pack"))
                    .expect("list the packs")
                    .flatten()
                    .map(|entry| entry.path())
                    .collect();
                for pack in &packs {
                    fs::remove_file(pack).expect("remove a pack");
                }
            });
        }
    }
}

mod bad_input {
    use super::*;

    #[track_caller]
    fn refused(source: Value, problems: &[&str]) {
        let outcome = check(&with(json!({ "uri": "file:///nowhere" }), source), NONE);
        outcome.failed();
        for problem in problems {
            assert!(said(&outcome).contains(problem), "{}", said(&outcome));
        }
        let count = said(&outcome).lines().filter(|line| line.starts_with("    `")).count();
        assert_eq!(count, problems.len(), "{}", said(&outcome));
    }

    #[test]
    fn is_told_by_key() {
        refused(json!({ "tag_filter": "[v" }), &["`source.tag_filter`: has a `[` without its `]`\n"]);
        refused(json!({ "tag_regex": "v(" }), &["`source.tag_regex`: has a `(` without its `)`\n"]);
        refused(
            json!({ "tag_filter": "v*", "tag_regex": "v.*" }),
            &["`source.tag_regex`: cannot be given together with `tag_filter`\n"],
        );
        refused(
            json!({ "tag_behaviour": "match_taged" }),
            &[
                "`source.tag_behaviour`: expected `match_tagged` or `match_tag_ancestors`, found `match_taged`; did you mean",
            ],
        );
        refused(json!({ "version_type": "tag" }), &["`source.version_type`: expected `commits`, `tags` or `branches`"]);
        refused(
            json!({ "version_type": "branches", "branch": "main", "tag_filter": "v*" }),
            &["`source.branch`: is one branch, and", "`source.tag_filter`: is about tags, and"],
        );
        refused(json!({ "branch_regex": "x" }), &["`source.branch_regex`: chooses branches only with"]);
        refused(
            json!({ "version_type": "commits", "tag_filter": "v*" }),
            &["`source.version_type`: is `commits`, but `tag_filter` makes versions of tags; leave"],
        );
    }

    #[test]
    fn is_told_of_a_version_that_names_nothing() {
        let (repository, _) = history(&["one"]);
        for (version, message) in [
            (
                json!({ "ref": "--all" }),
                "error: version `--all` is neither a full commit hash nor the name of a tag or branch\n",
            ),
            (
                json!({ "ref": "a b" }),
                "error: version `a b` is neither a full commit hash nor the name of a tag or branch\n",
            ),
            (json!({ "ref": "v1", "commit": "x" }), "error: the version's commit `x` is not a full commit hash\n"),
        ] {
            let outcome = get(&source(&repository.file_url()), version, json!({})).1;
            outcome.failed();
            assert_eq!(said(&outcome), message);
        }
    }
}
