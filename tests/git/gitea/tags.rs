//! Tags, releases and branches of Gitea, as versions and as results of a put.

use super::*;
use jetway_tests::process::wait_until;
use std::time::Duration;

#[test]
fn are_sorted_by_version() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one", "two"]);
    for (name, commit) in [("v1.10.0", 0), ("v1.9.0", 1)] {
        local.tag(name, &commits[commit]);
    }
    local.annotated_tag("v1.2.0", &commits[1], "made last");
    let more = json!({ "version_type": "tags", "tag_sort": "version", "version_depth": 9 });
    let source = with(source(&gitea.repository_of(&local)), more);
    assert_eq!(refs(&check(&source, None)), ["v1.2.0", "v1.9.0", "v1.10.0"]);
}

#[test]
fn release_created_on_the_server_is_a_version() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one"]);
    let made = gitea.repository_of(&local);
    // Gitea updates the state of an empty repository from a queue.
    let known = || (made.api("GET", "", None)["empty"] == json!(false)).then_some(());
    wait_until(Duration::from_secs(30), known).expect("Gitea sees the pushed commit");
    made.api("POST", "/releases", Some(&json!({ "tag_name": "v1", "target_commitish": "main", "name": "First" })));
    let source = with(source(&made), json!({ "tag_filter": "v*" }));
    assert_eq!(check(&source, None).json(), json!([{ "ref": "v1", "commit": commits[0] }]));
}

#[test]
fn annotated_tag_is_checked_out_with_a_depth() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one", "two", "three"]);
    local.annotated_tag("v1", &commits[1], "first");
    let source = with(source(&gitea.repository_of(&local)), json!({ "tag_filter": "v*" }));
    let (destination, outcome) = get(&source, "v1", json!({ "depth": 1 }));
    outcome.succeeded();
    assert_eq!(Checkout::of_get(destination.path()).head(), commits[1]);
}

#[test]
fn clean_tags_deletes_all_tags_of_the_clone() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one"]);
    local.tag("v1", &commits[0]);
    let (destination, outcome) = get(&source(&gitea.repository_of(&local)), &commits[0], json!({ "clean_tags": true }));
    outcome.succeeded();
    assert_eq!(Checkout::of_get(destination.path()).git(&["tag"]), "");
}

#[test]
fn annotated_tag_is_pushed_with_its_message() {
    let Some(gitea) = gitea() else { return };
    let (local, _) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    let commit = checkout.commit("two", &[("two", "2")]);
    fs::write(inputs.path().join("version"), "1.0.0\n").unwrap();
    fs::write(inputs.path().join("message"), "# Changes\n\nmany\n").unwrap();
    let params = json!({ "repository": "app", "tag": "version", "tag_prefix": "v", "annotate": "message" });
    put(&source(&made), inputs.path(), params).succeeded();
    let tag = made.api("GET", "/tags/v1.0.0", None);
    assert_eq!(tag["message"].as_str().map(str::trim), Some("# Changes\n\nmany"));
    assert_eq!(tag["commit"]["sha"], json!(commit));
}

#[test]
fn only_tag_does_not_push_the_branch() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one"]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    let commit = checkout.commit("two", &[("two", "2")]);
    fs::write(inputs.path().join("version"), "v1\n").unwrap();
    let params = json!({ "repository": "app", "tag": "version", "only_tag": true });
    put(&source(&made), inputs.path(), params).succeeded();
    assert_eq!(made.resolve("refs/tags/v1"), Some(commit));
    assert_eq!(made.resolve("refs/heads/main"), Some(commits[0].clone()));
}

#[test]
fn existing_tag_is_not_moved_without_force() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one"]);
    local.tag("v1", &commits[0]);
    let made = gitea.repository_of(&local);
    let (inputs, checkout) = inputs(&made);
    let commit = checkout.commit("two", &[("two", "2")]);
    fs::write(inputs.path().join("version"), "v1\n").unwrap();
    let outcome = put(&source(&made), inputs.path(), json!({ "repository": "app", "tag": "version" }));
    outcome.failed();
    assert!(outcome.stderr.contains("the tag already exists on another commit"), "{}", outcome.stderr);
    assert_eq!(made.resolve("refs/tags/v1"), Some(commits[0].clone()));
    assert_eq!(made.resolve("refs/heads/main"), Some(commits[0].clone()));
    put(&source(&made), inputs.path(), json!({ "repository": "app", "tag": "version", "force": true })).succeeded();
    assert_eq!(made.resolve("refs/tags/v1"), Some(commit));
}

#[test]
fn each_branch_head_is_a_version() {
    let Some(gitea) = gitea() else { return };
    let (local, commits) = history(&["one", "two"]);
    local.branch("feature/a", &commits[0]);
    let made = gitea.repository_of(&local);
    let source = json!({
        "uri": made.url(), "username": USER, "password": PASSWORD,
        "version_type": "branch_heads", "version_depth": 9,
    });
    let mut found = refs(&check(&source, None));
    found.sort();
    assert_eq!(found, ["feature/a", "main"]);
}
