//! put: the refs on the server afterwards.

mod annotated_tag;
mod force;
mod merge;
mod moved_branch;
mod own_tags;
mod tag;

use std::path::Path;
use std::{fs, thread};

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::HttpGit;
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{history, messages, request, serve, source};

fn put(source: &Value, inputs: &Path, params: Value) -> Outcome {
    Verb::put("git").dir(inputs).request(&request(source, None, &params)).run()
}

/// Inputs with a clone of the repository in `app`.
fn inputs(repository: &Repository) -> (TempDir, Checkout) {
    let inputs = scratch::directory();
    let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "app");
    (inputs, checkout)
}

/// Inputs with a get of the repository in `app`.
fn inputs_with_get(request: &Value) -> (TempDir, Checkout) {
    let inputs = scratch::directory();
    let destination = inputs.path().join("app");
    fs::create_dir(&destination).expect("make the destination");
    Verb::get("git").dir(&destination).request(request).run().succeeded();
    (inputs, Checkout::of_get(&destination))
}

/// Inputs of concurrent puts, each with its own commit on top of the same tip of the branch.
fn inputs_of_concurrent_puts(repository: &Repository, count: usize) -> Vec<TempDir> {
    let racer = |number: usize| {
        let (inputs, checkout) = inputs(repository);
        checkout.commit("racing", &[(&format!("racer-{number}"), "1")]);
        inputs
    };
    (0..count).map(racer).collect()
}

/// Runs all puts at once. Each must succeed.
fn put_concurrently(repository: &Repository, racers: &[TempDir], params: &Value) {
    let source = source(&repository.file_url());
    thread::scope(|scope| {
        for inputs in racers {
            scope.spawn(|| put(&source, inputs.path(), params.clone()).succeeded().json());
        }
    });
}

fn app() -> Value {
    json!({ "repository": "app" })
}

fn rebase() -> Value {
    json!({ "repository": "app", "rebase": true })
}

#[test]
fn pushes_head_and_returns_it_as_version() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), app());
    assert_eq!(outcome.json()["version"], json!({ "ref": commit }));
    assert_eq!(repository.tip("main"), commit);
    assert_eq!(outcome.json()["metadata"][0], json!({ "name": "commit", "value": commit }));
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn is_idempotent() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    fs::write(inputs.path().join("tag"), "v1\n").expect("write the tag file");
    for _ in 0..2 {
        let params = json!({ "repository": "app", "tag": "tag" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert_eq!(outcome.json()["version"], json!({ "ref": commit }));
    }
    assert_eq!(repository.resolve("refs/tags/v1"), commit);
}

#[test]
fn pushes_a_detached_head_to_a_new_branch() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["checkout", "-q", "--detach"]);
    let commit = checkout.commit("two", &[("x", "2")]);
    for params in [
        json!({ "repository": "app", "branch": "new" }),
        json!({ "repository": "app", "branch": "newer", "rebase": true }),
        json!({ "repository": "app", "branch": "newest", "merge": true }),
    ] {
        let branch = params["branch"].as_str().expect("a branch").to_owned();
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert_eq!(outcome.json()["version"], json!({ "ref": commit, "branch": branch }));
        assert_eq!(repository.tip(&branch), commit);
    }
    for how in ["rebase", "merge"] {
        let branch = format!("promoted/{how}");
        let source = crate::support::with(source(&repository.file_url()), json!({ "branch": branch }));
        let outcome = put(&source, inputs.path(), json!({ "repository": "app", how: true }));
        assert_eq!(outcome.json()["version"], json!({ "ref": commit }));
        assert_eq!(repository.tip(&branch), commit);
    }
}

#[test]
fn pushes_no_other_branch_and_leaves_no_remote() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["branch", "private-branch"]);
    checkout.commit("two", &[("x", "2")]);
    put(&source(&repository.file_url()), inputs.path(), app()).succeeded();
    assert_eq!(repository.git(&["branch", "--format=%(refname:short)"]).trim(), "main");
    assert_eq!(checkout.git(&["remote"]).trim(), "origin");
}

#[test]
fn reports_a_new_branch() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("two", &[("x", "2")]);
    for (params, kind) in [
        (json!({ "repository": "app", "branch": "matser", "rebase": true }), "warning: "),
        (json!({ "repository": "app", "branch": "topic" }), ""),
    ] {
        let branch = params["branch"].as_str().expect("a branch").to_owned();
        let outcome = put(&source(&repository.file_url()), inputs.path(), params.clone());
        let metadata = outcome.json()["metadata"].to_string();
        assert!(metadata.contains(&format!(r#"{{"name":"new_branch","value":"{branch}"}}"#)), "{metadata}");
        let message = format!("\n{kind}created branch `{branch}`, which did not exist on the server\n");
        assert!(messages(&outcome).contains(&message), "{}", messages(&outcome));
        // The second time, the branch exists.
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert!(!outcome.json()["metadata"].to_string().contains("new_branch"));
        assert!(messages(&outcome).contains("nothing to push: the server has"), "{}", messages(&outcome));
    }
}

#[test]
fn accepts_a_directory_inside_a_work_tree_but_not_beside_one() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("docs/en/x", "2")]);
    repository.commit("others", &[("y", "1")]);
    let params = json!({ "repository": "app/docs/en", "rebase": true });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    assert_ne!(outcome.json()["version"]["ref"], commit, "it was rebased");
    assert_eq!(repository.tip("main"), checkout.head());
    // A repository outside the inputs is not used.
    jetway_tests::git::run(inputs.path(), &["init", "-q"]);
    fs::create_dir(inputs.path().join("none")).expect("make a directory");
    let outcome = put(&source(&repository.file_url()), inputs.path(), json!({ "repository": "none" }));
    outcome.failed();
    assert!(messages(&outcome).starts_with("error: `none` is not a git repository\n"), "{}", messages(&outcome));
}

#[test]
fn accepts_all_spellings_of_the_path_and_symlinks() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    fs::create_dir(inputs.path().join("out")).expect("make a directory");
    std::os::unix::fs::symlink("../app", inputs.path().join("out/app")).expect("link the repository");
    for path in ["out/app", "app/", "./app", "app/.", "out/../app"] {
        let commit = checkout.commit(path, &[("x", path)]);
        put(&source(&repository.file_url()), inputs.path(), json!({ "repository": path })).succeeded();
        assert_eq!(repository.tip("main"), commit, "{path}");
    }
}

/// Tasks often clone an input into an output. Then `origin` of the clone is a directory that the put lacks.
#[test]
fn pushes_from_a_clone_of_a_get() {
    for depth in [0, 1] {
        for (how, changes) in
            ["force", "rebase", "merge", "push_all_tags"].iter().flat_map(|how| [(how, true), (how, false)])
        {
            let (repository, commits) = history(&["one", "two", "three"]);
            let request = request(&source(&repository.file_url()), Some(&commits[2]), &json!({ "depth": depth }));
            let (inputs, _) = inputs_with_get(&request);
            let input = inputs.path().join("app");
            let clone = Checkout::clone(input.to_str().expect("UTF-8"), inputs.path(), "updated");
            let commit = if changes { clone.commit("four", &[("x", "4")]) } else { clone.head() };
            fs::rename(&input, inputs.path().join("gone")).expect("move the input away");
            let params = json!({ "repository": "updated", (*how): true });
            put(&source(&repository.file_url()), inputs.path(), params).succeeded();
            assert_eq!(repository.tip("main"), commit, "depth {depth}, {how}, {changes}");
        }
    }
}

#[test]
fn pushes_from_a_sparse_checkout_and_a_linked_work_tree() {
    for kind in ["sparse index", "work tree", "relative work tree"] {
        let repository = Repository::new();
        repository.commit("one", &[("a/x", "1"), ("b/x", "1")]);
        let inputs = scratch::directory();
        let clone = Checkout::clone(&repository.file_url(), inputs.path(), "clone");
        let directory = if kind == "sparse index" {
            clone.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "a"]);
            "clone"
        } else {
            clone.git(&["worktree", "add", "-q", "../linked", "-b", "work"]);
            "linked"
        };
        if kind == "relative work tree" {
            // The format of `worktree.useRelativePaths` since git 2.48.
            fs::write(inputs.path().join("linked/.git"), "gitdir: ../clone/.git/worktrees/linked\n").expect("write");
            fs::write(inputs.path().join("clone/.git/worktrees/linked/gitdir"), "../../../../linked/.git\n")
                .expect("write");
        }
        let checkout = Checkout::of_get(&inputs.path().join(directory));
        checkout.commit("ours", &[("a/ours", "1")]);
        repository.commit("theirs", &[("b/theirs", "1")]);
        let params = json!({ "repository": directory, "rebase": true });
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
        assert_eq!(repository.tip("main"), checkout.head(), "{kind}");
        assert_eq!(repository.git(&["ls-tree", "-r", "--name-only", "main"]), "a/ours\na/x\nb/theirs\nb/x", "{kind}");
    }
}

#[test]
fn pushes_from_a_repository_with_extensions() {
    for extension in ["partialClone", "preciousObjects", "worktreeConfig"] {
        let (repository, _) = history(&["one", "two"]);
        let inputs = scratch::directory();
        let url = repository.file_url();
        jetway_tests::git::run(inputs.path(), &["clone", "-q", "--filter=blob:none", &url, "app"]);
        let checkout = Checkout::of_get(&inputs.path().join("app"));
        checkout.git(&["config", "core.repositoryFormatVersion", "1"]);
        let value = if extension == "partialClone" { "origin" } else { "true" };
        checkout.git(&["config", &format!("extensions.{extension}"), value]);
        checkout.commit("three", &[("x", "3")]);
        repository.commit("others", &[("y", "1")]);
        put(&source(&url), inputs.path(), rebase()).succeeded();
        assert_eq!(repository.tip("main"), checkout.head(), "{extension}");
    }
}

#[test]
fn prints_the_output_of_server_hooks() {
    use std::os::unix::fs::PermissionsExt as _;
    let (repository, commits) = history(&["one"]);
    let hook = repository.path().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("make the folder of hooks");
    // The hook prints an error about its own credentials, which must not cause a hint about those of the source.
    let words = "commits need a ticket; renew your certificate and your password";
    let script = format!("#!/bin/sh\necho '{words}' >&2\necho x >>tries\nexit 1\n");
    fs::write(&hook, script).expect("write a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("make it executable");
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("two", &[("x", "2")]);
    for (pushes, more) in [json!({}), json!({ "rebase": true }), json!({ "merge": true }), json!({ "force": true })]
        .into_iter()
        .enumerate()
    {
        let params = crate::support::with(app(), more);
        let outcome = put(&source(&repository.file_url()), inputs.path(), params.clone());
        outcome.failed();
        let messages = messages(&outcome);
        assert!(messages.contains(&format!("remote: {words}")), "{messages}");
        assert!(messages.contains("`refs/heads/main`: [remote rejected] (pre-receive hook declined)"), "{messages}");
        assert!(!messages.contains("hint: check") && !messages.contains("ca_certs"), "{messages}");
        let tries = fs::read_to_string(repository.path().join("tries")).expect("read the tries");
        assert_eq!(tries.lines().count(), pushes + 1, "{params}: a hook that declines is asked once");
    }
    assert_eq!(repository.tip("main"), commits[0]);
}

#[test]
fn accepts_a_repository_of_another_user() {
    if !require(Layer::Root) {
        return;
    }
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    let status = std::process::Command::new("chown").args(["-R", "1234:1234"]).arg(inputs.path()).status();
    assert!(status.expect("start chown").success());
    put(&source(&repository.file_url()), inputs.path(), app()).succeeded();
    assert_eq!(repository.tip("main"), commit);
}

#[test]
fn rebase_uses_the_configured_identity() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    put(&source(&repository.file_url()), inputs.path(), rebase()).succeeded();
    let committer = repository.git(&["log", "-1", "--format=%cn <%ce>", "main"]);
    assert_eq!(committer.trim(), "git <git@localhost>");
}

mod rebase_strategy {
    use super::*;

    #[test]
    fn resolves_conflicts_by_its_options() {
        for option in [json!("theirs"), json!(["theirs"]), json!("theirs no-renames")] {
            let (repository, _) = history(&["one"]);
            let (inputs, checkout) = inputs(&repository);
            checkout.commit("ours", &[("same", "ours")]);
            repository.commit("theirs", &[("same", "theirs")]);
            let params = json!({
                "repository": "app", "rebase": true, "rebase_strategy": "ort", "rebase_strategy_option": option,
            });
            put(&source(&repository.file_url()), inputs.path(), params).succeeded();
            assert_eq!(repository.file("main", "same"), "ours", "in a rebase, `theirs` are the rebased commits");
        }
    }

    #[test]
    fn refuses_values_that_look_like_options() {
        let inputs = scratch::directory();
        let params = json!({ "repository": "app", "rebase": true, "rebase_strategy": "--exec=touch pwned" });
        let outcome = put(&source("file:///x"), inputs.path(), params);
        outcome.failed();
        assert!(messages(&outcome).ends_with("`params.rebase_strategy_option`: must not begin with `-`\n"));
    }
}

#[test]
fn only_tag_pushes_no_branch_and_needs_none() {
    let (repository, commits) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    fs::write(inputs.path().join("version"), "1.0").expect("write the tag file");
    let params = json!({ "repository": "app", "tag": "version", "only_tag": true });
    let outcome = put(&json!({ "uri": repository.file_url() }), inputs.path(), params);
    assert_eq!(outcome.json()["version"], json!({ "ref": commit }));
    assert_eq!(repository.tip("main"), commits[0]);
    assert_eq!(repository.resolve("refs/tags/1.0"), commit);
}

mod notes {
    use super::*;

    #[test]
    fn are_added_to_the_pushed_commit_and_keep_existing_notes() {
        let (repository, commits) = history(&["one"]);
        repository.git(&["notes", "add", "-m", "theirs", &commits[0]]);
        let (inputs, checkout) = inputs(&repository);
        let commit = checkout.commit("two", &[("x", "2")]);
        fs::write(inputs.path().join("note"), "built well\n").expect("write the note");
        let params = json!({ "repository": "app", "notes": "note" });
        for _ in 0..2 {
            put(&source(&repository.file_url()), inputs.path(), params.clone()).succeeded();
        }
        assert_eq!(repository.git(&["notes", "show", &commit]).trim(), "built well");
        assert_eq!(repository.git(&["notes", "show", &commits[0]]).trim(), "theirs");
        fs::write(inputs.path().join("note"), "built badly\n").expect("write the note");
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        assert_eq!(messages(&outcome), format!("error: commit `{commit}` already has a different note\n"));
    }

    #[test]
    fn keep_lines_that_begin_with_a_hash_sign() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let commit = checkout.commit("two\n\n# a heading\ntext", &[("x", "2")]);
        fs::write(inputs.path().join("note"), "# Built\n\n#12 is fixed\n").expect("write the note");
        let params = json!({ "repository": "app", "notes": "note" });
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
        assert_eq!(repository.git(&["notes", "show", &commit]).trim(), "# Built\n\n#12 is fixed");
    }
}

mod notes_of_the_repository {
    use super::*;

    fn noted(theirs_on: usize) -> (Repository, TempDir, Checkout, Vec<String>) {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.git(&["notes", "add", "-m", "theirs", &commits[theirs_on]]);
        let (inputs, checkout) = inputs(&repository);
        checkout.git(&["notes", "add", "-m", "ours", &commits[0]]);
        fs::write(inputs.path().join("note"), "built well\n").expect("write the note");
        (repository, inputs, checkout, commits)
    }

    #[test]
    fn are_merged_with_notes_of_the_server() {
        let (repository, inputs, checkout, commits) = noted(1);
        let params = json!({ "repository": "app", "notes": "note" });
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
        for (commit, note) in [(&commits[0], "ours"), (&commits[1], "theirs")] {
            assert_eq!(checkout.git(&["notes", "show", commit]).trim(), note);
        }
        assert_eq!(repository.git(&["notes", "list"]), checkout.git(&["notes", "list"]));
        assert_eq!(checkout.git(&["for-each-ref", "refs/jetway"]), "");
    }

    #[test]
    fn conflicting_with_the_server_fail_before_the_push() {
        let (repository, inputs, checkout, commits) = noted(0);
        checkout.commit("four", &[("x", "1")]);
        let params = json!({ "repository": "app", "notes": "note" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        let messages = messages(&outcome);
        assert!(
            messages.contains("error: cannot merge the notes of the repository with those of the server\n"),
            "{messages}"
        );
        assert_eq!(repository.tip("main"), commits[2]);
        assert_eq!(checkout.git(&["notes", "show", &commits[0]]).trim(), "ours");
        assert_eq!(repository.git(&["notes", "show", &commits[0]]).trim(), "theirs");
    }
}

#[test]
fn push_options_are_passed_to_server_hooks_unchanged() {
    use std::os::unix::fs::PermissionsExt as _;
    let (repository, _) = history(&["one"]);
    repository.configure("receive.advertisePushOptions", "true");
    let hook = repository.path().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("make the folder of hooks");
    let script = "#!/bin/sh\necho \"$GIT_PUSH_OPTION_COUNT: $GIT_PUSH_OPTION_0 | $GIT_PUSH_OPTION_1\" > options\n";
    fs::write(&hook, script).expect("write a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("make it executable");
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("two", &[("x", "2")]);
    let params = json!({ "repository": "app", "push_options": ["ci.skip", "merge_request.title=a b $HOME"] });
    put(&source(&repository.file_url()), inputs.path(), params).succeeded();
    let seen = fs::read_to_string(repository.path().join("options")).expect("read what the hook saw");
    assert_eq!(seen, "2: ci.skip | merge_request.title=a b $HOME\n");
}

#[test]
fn refs_prefix_sets_the_ref_of_the_branch() {
    let (repository, commits) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    let params = json!({ "repository": "app", "refs_prefix": "refs/for/" });
    put(&source(&repository.file_url()), inputs.path(), params).succeeded();
    assert_eq!(repository.resolve("refs/for/main"), commit);
    assert_eq!(repository.tip("main"), commits[0]);
    let outcome = put(&source("file:///x"), inputs.path(), json!({ "repository": "app", "refs_prefix": "heads" }));
    assert!(messages(&outcome).contains("`params.refs_prefix`: must be the prefix of a ref name"));
}
