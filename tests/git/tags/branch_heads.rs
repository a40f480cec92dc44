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
fn are_versions_ordered_by_the_dates_of_their_tips() {
    let (repository, mut commits) = three();
    let (_server, url) = serve(&repository);
    let source = json!({ "uri": url, "version_type": "branch_heads", "version_depth": 9 });
    let found = check(&source, NONE).json();
    let expected = [version("main", &commits[0]), version("feature/a", &commits[1]), version("feature/b", &commits[2])];
    assert_eq!(found, json!(expected));
    let features = with(source, json!({ "branch_regex": "feature/.*", "version_depth": 1 }));
    let container = Container::new();
    assert_eq!(check_in(&container, &features, NONE).json(), json!([version("feature/b", &commits[2])]));
    commits.push(repository.commit_on("feature/a", "a again", &[("a", "2")]));
    repository.commit("main is not one of them", &[("c", "1")]);
    let found = check_in(&container, &features, version("feature/b", &commits[2])).json();
    assert_eq!(found, json!([version("feature/b", &commits[2]), version("feature/a", &commits[3])]));
    // The branch of the known version has moved, too.
    let found = check_in(&container, &features, version("feature/a", &commits[1])).json();
    assert_eq!(found, json!([version("feature/a", &commits[3])]));
    let found = check(&features, version("feature/a", &commits[1])).json();
    assert_eq!(found, json!([version("feature/b", &commits[2]), version("feature/a", &commits[3])]));
}

/// A branch that is pushed after others were seen, although its tip is older than theirs.
fn push_with_an_older_date() -> (Repository, Vec<String>, Value) {
    let (repository, mut commits) = three();
    repository.branch("late", &commits[0]);
    commits.insert(1, repository.commit_on("late", "late", &[("late", "1")]));
    // Its tip is older than this commit.
    commits.push(repository.commit_on("feature/b", "b again", &[("b", "2")]));
    repository.delete_branch("late");
    let known = version("feature/b", &commits[4]);
    (repository, commits, known)
}

#[test]
fn pushes_with_older_dates_are_new_versions() {
    let (repository, commits, known) = push_with_an_older_date();
    let (server, url) = serve(&repository);
    let source = json!({ "uri": url, "version_type": "branch_heads" });
    let container = Container::new();
    assert_eq!(check_in(&container, &source, NONE).json(), json!([known]));
    repository.branch("late", &commits[1]);
    let late = version("late", &commits[1]);
    assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known, late]));
    // The response was lost twice: its versions are returned again, before newer ones.
    assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known, late]));
    repository.branch("later", &commits[0]);
    let later = version("later", &commits[0]);
    assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known, late, later]));
    // The branch is known now. The next one is new, whatever its date.
    server.reset();
    assert_eq!(check_in(&container, &source, later.clone()).json(), json!([later]));
    assert_eq!(server.requests().len(), 2, "an unchanged result costs one list: {:?}", server.requests());
}

#[test]
fn put_does_not_return_all_other_branches() {
    let (repository, mut commits) = three();
    let (_server, url) = serve(&repository);
    let source = json!({ "uri": url, "version_type": "branch_heads" });
    let container = Container::new();
    let known = version("feature/b", &commits[2]);
    assert_eq!(check_in(&container, &source, NONE).json(), json!([known]));
    assert_eq!(check_in(&container, &source, known.clone()).json(), json!([known]));
    commits.push(repository.commit_on("feature/a", "of a put", &[("a", "2")]));
    let put = version("feature/a", &commits[3]);
    assert_eq!(check_in(&container, &source, put.clone()).json(), json!([put]));
}

#[test]
fn new_container_returns_all_branches() {
    let (repository, commits, known) = push_with_an_older_date();
    repository.branch("late", &commits[1]);
    let newest = repository.commit("newest", &[("x", "1")]);
    let (_server, url) = serve(&repository);
    let source = json!({ "uri": url, "version_type": "branch_heads" });
    let (a, late, main) = (version("feature/a", &commits[2]), version("late", &commits[1]), version("main", &newest));
    let container = Container::new();
    for _ in 0..2 {
        let found = check_in(&container, &source, known.clone()).json();
        assert_eq!(found, json!([a, late, known, main]), "a lost response is repeated");
    }
    assert_eq!(check_in(&container, &source, main.clone()).json(), json!([main]));
    // A known branch that was moved comes last, even if its commit is older: Concourse uses the last version.
    let moved = version("late", &"1".repeat(40));
    let container = Container::new();
    for _ in 0..2 {
        assert_eq!(check_in(&container, &source, moved.clone()).json(), json!([a, known, main, late]));
    }
    // If the known branch is gone, nothing tells which versions were returned before it.
    let container = Container::new();
    for _ in 0..2 {
        let outcome = check_in(&container, &source, version("gone", &commits[1]));
        assert_eq!(outcome.json(), json!([a, late, known, main]));
        assert!(messages(&outcome).starts_with("warning: branch `gone` was deleted"), "{}", messages(&outcome));
    }
}

#[test]
fn deleted_branches_are_not_versions() {
    let (repository, mut commits) = three();
    let (_server, url) = serve(&repository);
    let source = json!({ "uri": url, "version_type": "branch_heads" });
    let container = Container::new();
    assert_eq!(refs(&check_in(&container, &source, NONE)), ["feature/b"]);
    repository.delete_branch("feature/b");
    for _ in 0..3 {
        let outcome = check_in(&container, &source, version("feature/b", &commits[2]));
        assert_eq!(refs(&outcome), ["feature/a"]);
        assert!(messages(&outcome).starts_with("warning: branch `feature/b` was deleted"), "{}", messages(&outcome));
    }
    // Only later pushes are new.
    commits.push(repository.commit_on("main", "next", &[("x", "1")]));
    let outcome = check_in(&container, &source, version("feature/b", &commits[2]));
    assert_eq!(outcome.json(), json!([version("main", &commits[3])]));
}

#[test]
fn filtered_tips_return_nothing() {
    let (repository, commits) = three();
    let (_server, url) = serve(&repository);
    let source = json!({ "uri": url, "version_type": "branch_heads" });
    let container = Container::new();
    let known = version("feature/b", &commits[2]);
    assert_eq!(check_in(&container, &source, NONE).json(), json!([known]));
    repository.commit_on("feature/b", "not this [ci skip]", &[("b", "2")]);
    assert_eq!(check_in(&container, &source, known.clone()).json(), json!([]));
    let built = repository.commit_on("feature/b", "but this", &[("b", "3")]);
    assert_eq!(check_in(&container, &source, known).json(), json!([version("feature/b", &built)]));
}

#[test]
fn get_checks_out_the_branch() {
    let (repository, commits) = three();
    let (_server, url) = serve(&repository);
    // A tag of the same name is not used.
    repository.tag("feature/a", &commits[0]);
    let source = json!({ "uri": url, "version_type": "branch_heads" });
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
    assert!(messages(&outcome).contains("there is no branch `feature/c`"), "{}", messages(&outcome));
}
