//! put: what the server has afterwards.

use std::path::Path;
use std::{fs, thread};

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::HttpGit;
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::verb::{Outcome, Runner, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{history, request, said, serve, source};

fn put(source: &Value, inputs: &Path, params: Value) -> Outcome {
    Verb::put("git").dir(inputs).request(&request(source, None, &params)).run()
}

/// Inputs with a clone of the repository in `app`.
fn inputs(repository: &Repository) -> (TempDir, Checkout) {
    let inputs = scratch::directory();
    let checkout = Checkout::clone(&repository.file_url(), inputs.path(), "app");
    (inputs, checkout)
}

fn app() -> Value {
    json!({ "repository": "app" })
}

fn rebase() -> Value {
    json!({ "repository": "app", "rebase": true })
}

#[test]
fn pushes_head_to_the_branch_and_tells_the_version() {
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
fn can_be_repeated() {
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
fn pushes_from_a_detached_head_and_makes_a_branch_that_is_not_there() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["checkout", "-q", "--detach"]);
    let commit = checkout.commit("two", &[("x", "2")]);
    for params in [
        json!({ "repository": "app", "branch": "new" }),
        json!({ "repository": "app", "branch": "newer", "rebase": true }),
    ] {
        let branch = params["branch"].as_str().expect("a branch").to_owned();
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert_eq!(outcome.json()["version"], json!({ "ref": commit, "branch": branch }));
        assert_eq!(repository.tip(&branch), commit);
    }
}

#[test]
fn pushes_nothing_but_what_was_asked_for() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["tag", "private"]);
    checkout.git(&["branch", "private-branch"]);
    checkout.commit("two", &[("x", "2")]);
    put(&source(&repository.file_url()), inputs.path(), app()).succeeded();
    assert_eq!(repository.git(&["tag"]), "");
    assert_eq!(repository.git(&["branch", "--format=%(refname:short)"]).trim(), "main");
    assert_eq!(checkout.git(&["remote"]).trim(), "origin");
}

mod a_branch_that_has_moved {
    use super::*;

    #[test]
    fn is_a_clear_error_without_rebase() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.commit("ours", &[("ours", "1")]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), app());
        outcome.failed();
        assert_eq!(
            said(&outcome),
            "error: cannot push to `file://[TEMP]/repository.git`\n  \
             caused by: `refs/heads/main`: [rejected] (fetch first)\n\
             hint: the branch has commits that this one does not have; `rebase: true` puts it on top of them\n"
        );
        assert_eq!(repository.tip("main"), theirs);
    }

    #[test]
    fn is_rebased_onto_and_the_new_commit_is_the_version() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let before = checkout.commit("ours", &[("ours", "1")]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
        let tip = repository.tip("main");
        assert_eq!(outcome.json()["version"], json!({ "ref": tip }));
        assert_ne!(tip, before);
        assert_eq!(repository.resolve("main~1"), theirs);
        assert_eq!(repository.file("main", "ours"), "1");
    }

    #[test]
    fn is_rebased_onto_from_a_shallow_get() {
        let (repository, commits) = history(&["one", "two", "three"]);
        let (_server, url) = serve(&repository);
        repository.configure("http.receivepack", "true");
        let inputs = scratch::directory();
        let app_directory = inputs.path().join("app");
        fs::create_dir(&app_directory).expect("make the destination");
        Verb::get("git")
            .dir(&app_directory)
            .request(&request(&source(&url), Some(&commits[2]), &json!({ "depth": 1 })))
            .run()
            .succeeded();
        let git = |arguments: &[&str]| jetway_tests::git::run(&app_directory, arguments);
        fs::write(app_directory.join("ours"), "1").expect("change a file");
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "ours"]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        put(&source(&url), inputs.path(), rebase()).succeeded();
        assert_eq!(repository.resolve("main~1"), theirs);
        assert_eq!(repository.resolve("main~4"), commits[0]);
    }

    #[test]
    fn is_built_on_from_a_shallow_get_of_an_older_version() {
        for how in ["rebase", "merge"] {
            let (repository, commits) = history(&["one", "two", "three", "four"]);
            let (_server, url) = serve(&repository);
            repository.configure("http.receivepack", "true");
            let inputs = scratch::directory();
            let app_directory = inputs.path().join("app");
            fs::create_dir(&app_directory).expect("make the destination");
            let get = request(&source(&url), Some(&commits[1]), &json!({ "depth": 1 }));
            Verb::get("git").dir(&app_directory).request(&get).run().succeeded();
            fs::write(app_directory.join("ours"), "1").expect("change a file");
            jetway_tests::git::run(&app_directory, &["add", "."]);
            jetway_tests::git::run(&app_directory, &["commit", "-q", "-m", "ours"]);
            let outcome = put(&source(&url), inputs.path(), json!({ "repository": "app", how: true }));
            outcome.succeeded();
            assert!(!said(&outcome).contains("has moved meanwhile"), "{}", said(&outcome));
            assert!(repository.history("main").contains(&commits[3]));
            assert_eq!(repository.file("main", "ours"), "1");
            assert_eq!(jetway_tests::git::run(&app_directory, &["for-each-ref", "refs/jetway"]), "");
        }
    }

    #[test]
    fn with_nothing_in_common_is_a_clear_error() {
        let (repository, _) = history(&["one"]);
        let (other, _) = history(&["unrelated"]);
        let inputs = scratch::directory();
        Checkout::clone(&other.file_url(), inputs.path(), "app");
        let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
        outcome.failed();
        let expected = "error: HEAD and `main` of `file://[TEMP]/repository.git` have no commit in common\n";
        assert_eq!(said(&outcome), expected);
    }

    #[test]
    fn loses_no_commit_and_no_tag_of_puts_that_race_with_tags() {
        const RACERS: usize = 6;
        let (repository, _) = history(&["one"]);
        let url = repository.file_url();
        let racers: Vec<TempDir> = (0..RACERS)
            .map(|racer| {
                let (inputs, checkout) = inputs(&repository);
                checkout.commit("racing", &[(&format!("racer-{racer}"), "1")]);
                fs::write(inputs.path().join("version"), format!("v{racer}")).expect("write the tag file");
                inputs
            })
            .collect();
        let params = json!({ "repository": "app", "rebase": true, "tag": "version" });
        thread::scope(|scope| {
            for inputs in &racers {
                scope.spawn(|| put(&source(&url), inputs.path(), params.clone()).succeeded().json());
            }
        });
        assert_eq!(repository.history("main").len(), 1 + RACERS);
        assert_eq!(repository.git(&["tag"]).lines().count(), RACERS);
    }

    #[test]
    fn keeps_merges_when_it_is_rebased_onto() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.git(&["checkout", "-q", "-b", "topic"]);
        checkout.commit("side", &[("side", "1")]);
        checkout.git(&["checkout", "-q", "main"]);
        checkout.git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
        repository.commit("theirs", &[("theirs", "1")]);
        put(&source(&repository.file_url()), inputs.path(), rebase()).succeeded();
        assert_eq!(repository.git(&["rev-list", "--merges", "--count", "main"]).trim(), "1");
    }

    #[test]
    fn is_a_clear_error_when_the_changes_conflict_and_the_repository_is_as_before() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let ours = checkout.commit("ours", &[("same file", "ours")]);
        repository.commit("theirs", &[("same file", "theirs")]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
        outcome.failed();
        let said = said(&outcome).replace(&ours, "ID");
        assert!(said.starts_with("error: cannot rebase `ID` onto `main`\n  caused by: `git rebase` ended"), "{said}");
        assert!(said.ends_with("hint: conflicts in: same file\n"), "{said}");
        assert_eq!(checkout.head(), ours);
        assert_eq!(checkout.git(&["status", "--porcelain"]), "");
    }

    #[test]
    fn loses_no_commit_of_puts_that_race() {
        const RACERS: usize = 5;
        let (repository, _) = history(&["one"]);
        let url = repository.file_url();
        // All of them have seen the same branch before the first one pushes.
        let racers: Vec<TempDir> = (0..RACERS)
            .map(|racer| {
                let (inputs, checkout) = inputs(&repository);
                checkout.commit("racing", &[(&format!("racer-{racer}"), "1")]);
                inputs
            })
            .collect();
        thread::scope(|scope| {
            for inputs in &racers {
                scope.spawn(|| put(&source(&url), inputs.path(), rebase()).succeeded().json());
            }
        });
        assert_eq!(repository.history("main").len(), 1 + RACERS);
    }
}

mod tag {
    use super::*;

    #[test]
    fn is_pushed_with_the_branch_and_has_the_prefix() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let commit = checkout.commit("two", &[("x", "2")]);
        fs::write(inputs.path().join("version"), "1.2.3\n\n").expect("write the tag file");
        let params = json!({ "repository": "app", "tag": "version", "tag_prefix": "v" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert!(outcome.json()["metadata"].to_string().contains(r#"{"name":"tags","value":"v1.2.3"}"#));
        assert_eq!(repository.resolve("refs/tags/v1.2.3"), commit);
    }

    #[test]
    fn names_the_rebased_commit() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.commit("ours", &[("ours", "1")]);
        repository.commit("theirs", &[("theirs", "1")]);
        fs::write(inputs.path().join("version"), "1").expect("write the tag file");
        let params = json!({ "repository": "app", "rebase": true, "tag": "version" });
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
        assert_eq!(repository.resolve("refs/tags/1"), repository.tip("main"));
    }

    #[test]
    fn on_another_commit_fails_at_once_and_moves_nothing() {
        for params in
            [json!({ "repository": "app", "tag": "t" }), json!({ "repository": "app", "tag": "t", "rebase": true })]
        {
            let (repository, commits) = history(&["one"]);
            let (inputs, checkout) = inputs(&repository);
            repository.tag("taken", &commits[0]);
            checkout.commit("two", &[("x", "2")]);
            fs::write(inputs.path().join("t"), "taken").expect("write the tag file");
            let outcome = put(&source(&repository.file_url()), inputs.path(), params);
            outcome.failed();
            assert_eq!(
                said(&outcome),
                "error: cannot push to `file://[TEMP]/repository.git`\n  \
                 caused by: `refs/heads/main`: [rejected] (atomic push failed)\n    \
                 `refs/tags/taken`: [rejected] (already exists)\n\
                 hint: the tag is there already, on another commit\n"
            );
            assert_eq!(repository.tip("main"), commits[0]);
        }
    }
}

#[test]
fn shows_what_a_server_s_hook_says() {
    use std::os::unix::fs::PermissionsExt as _;
    let (repository, commits) = history(&["one"]);
    let hook = repository.path().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("make the folder of hooks");
    fs::write(&hook, "#!/bin/sh\necho 'commits need a ticket' >&2\nexit 1\n").expect("write a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("make it executable");
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("two", &[("x", "2")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), app());
    outcome.failed();
    let said = said(&outcome);
    assert!(said.contains("remote: commits need a ticket"), "{said}");
    assert!(said.contains("`refs/heads/main`: [remote rejected] (pre-receive hook declined)"), "{said}");
    assert_eq!(repository.tip("main"), commits[0]);
}

#[test]
fn takes_a_repository_that_belongs_to_another_user_in_the_image() {
    // Outside of the image the machine's own configuration of git decides that.
    if Runner::chosen() != Runner::Image || !rustix::process::getuid().is_root() {
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
fn is_rebased_by_whoever_the_image_or_the_machine_names() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    put(&source(&repository.file_url()), inputs.path(), rebase()).succeeded();
    let committer = repository.git(&["log", "-1", "--format=%cn <%ce>", "main"]);
    assert_eq!(committer.trim(), "git <git@localhost>");
}

mod merge {
    use super::*;

    fn merge() -> Value {
        json!({ "repository": "app", "merge": true })
    }

    #[test]
    fn joins_what_others_have_pushed_and_the_merge_is_the_version() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let ours = checkout.commit("ours", &[("ours", "1")]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), merge());
        assert_eq!(outcome.json()["version"], json!({ "ref": repository.tip("main") }));
        assert_eq!(repository.resolve("main^1"), ours);
        assert_eq!(repository.resolve("main^2"), theirs);
    }

    #[test]
    fn says_what_was_merged_from_where_without_credentials() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.commit("ours", &[("ours", "1")]);
        repository.commit("theirs", &[("theirs", "1")]);
        let server = HttpGit::builder(repository.root()).credentials("bob", "s3cret-pw").start();
        let url = server.url_with_credentials(repository.name(), "bob", "s3cret-pw");
        put(&source(&url), inputs.path(), merge()).succeeded();
        let subject = repository.git(&["log", "-1", "--format=%B", "main"]);
        let address = server.url("repository");
        assert_eq!(subject.trim(), format!("Merge branch 'main' of {address}"));
    }

    #[test]
    fn answers_with_what_was_merged_when_that_is_asked_for() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let ours = checkout.commit("ours", &[("ours", "1")]);
        repository.commit("theirs", &[("theirs", "1")]);
        let params = json!({ "repository": "app", "merge": true, "returning": "unmerged" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        assert_eq!(outcome.json()["version"], json!({ "ref": ours }));
        assert_eq!(outcome.json()["metadata"][0]["value"], json!(repository.tip("main")));
    }

    #[test]
    fn of_conflicting_changes_is_a_clear_error_and_the_repository_is_as_before() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let ours = checkout.commit("ours", &[("same", "ours")]);
        let theirs = repository.commit("theirs", &[("same", "theirs")]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), merge());
        outcome.failed();
        let said = said(&outcome).replace(&ours, "ID");
        assert!(said.starts_with("error: cannot merge `main` into `ID`\n"), "{said}");
        assert!(said.ends_with("hint: conflicts in: same\n"), "{said}");
        assert_eq!((checkout.head(), repository.tip("main")), (ours, theirs));
        assert_eq!(checkout.git(&["status", "--porcelain"]), "");
    }

    #[test]
    fn loses_no_commit_of_puts_that_race_and_makes_one_merge_for_each() {
        const RACERS: usize = 4;
        let (repository, _) = history(&["one"]);
        let url = repository.file_url();
        // All of them have seen the same branch before the first one pushes.
        let racers: Vec<TempDir> = (0..RACERS)
            .map(|racer| {
                let (inputs, checkout) = inputs(&repository);
                checkout.commit("racing", &[(&format!("racer-{racer}"), "1")]);
                inputs
            })
            .collect();
        thread::scope(|scope| {
            for inputs in &racers {
                scope.spawn(|| put(&source(&url), inputs.path(), merge()).succeeded().json());
            }
        });
        let merges = repository.git(&["rev-list", "--merges", "--count", "main"]);
        assert_eq!(merges.trim(), (RACERS - 1).to_string());
        assert_eq!(repository.history("main").len(), 1 + RACERS + RACERS - 1);
    }

    #[test]
    fn and_rebase_exclude_each_other() {
        let inputs = scratch::directory();
        let params = json!({ "repository": "app", "merge": true, "rebase": true, "returning": "unmergd" });
        let outcome = put(&source("file:///x"), inputs.path(), params);
        outcome.failed();
        assert!(
            said(&outcome).ends_with(
                "`params.returning`: expected `merged` or `unmerged`, found `unmergd`; did you mean `unmerged`?\n"
            ),
            "{}",
            said(&outcome)
        );
        let params = json!({ "repository": "app", "merge": true, "rebase": true });
        let outcome = put(&source("file:///x"), inputs.path(), params);
        assert!(said(&outcome).ends_with("`params.merge`: either merge or rebase can be set, but not both\n"));
    }
}

mod rebase_strategy {
    use super::*;

    #[test]
    fn and_its_options_decide_what_becomes_of_a_conflict() {
        for option in [json!("theirs"), json!(["theirs"]), json!("theirs no-renames")] {
            let (repository, _) = history(&["one"]);
            let (inputs, checkout) = inputs(&repository);
            checkout.commit("ours", &[("same", "ours")]);
            repository.commit("theirs", &[("same", "theirs")]);
            let params = json!({
                "repository": "app", "rebase": true, "rebase_strategy": "ort", "rebase_strategy_option": option,
            });
            put(&source(&repository.file_url()), inputs.path(), params).succeeded();
            assert_eq!(repository.file("main", "same"), "ours", "a rebase's `theirs` is what is rebased");
        }
    }

    #[test]
    fn cannot_smuggle_an_option_in() {
        let inputs = scratch::directory();
        let params = json!({ "repository": "app", "rebase": true, "rebase_strategy": "--exec=touch pwned" });
        let outcome = put(&source("file:///x"), inputs.path(), params);
        outcome.failed();
        assert!(said(&outcome).ends_with("`params.rebase_strategy_option`: must not begin with `-`\n"));
    }
}

mod force {
    use super::*;

    #[test]
    fn overwrites_what_others_have_pushed() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let ours = checkout.commit("ours", &[("ours", "1")]);
        repository.commit("theirs", &[("theirs", "1")]);
        put(&source(&repository.file_url()), inputs.path(), json!({ "repository": "app", "force": true })).succeeded();
        assert_eq!(repository.tip("main"), ours);
    }

    #[test]
    fn with_a_lease_overwrites_only_what_the_get_has_seen() {
        let (repository, commits) = history(&["one", "two"]);
        let (inputs, checkout) = inputs(&repository);
        checkout.git(&["reset", "-q", "--hard", &commits[0]]);
        let ours = checkout.commit("two, better", &[("ours", "1")]);
        let params = json!({ "repository": "app", "force": "lease" });
        put(&source(&repository.file_url()), inputs.path(), params.clone()).succeeded();
        assert_eq!(repository.tip("main"), ours);

        let (repository, commits) = history(&["one", "two"]);
        let (inputs, checkout) = super::inputs(&repository);
        checkout.git(&["reset", "-q", "--hard", &commits[0]]);
        checkout.commit("two, better", &[("ours", "1")]);
        let theirs = repository.commit("theirs", &[("theirs", "1")]);
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        assert_eq!(
            said(&outcome),
            "error: cannot push to `file://[TEMP]/repository.git`\n  \
             caused by: `refs/heads/main`: [rejected] (stale info)\n\
             hint: the branch has moved since the get, and `force: lease` overwrites nothing that is new\n"
        );
        assert_eq!(repository.tip("main"), theirs);
    }

    #[test]
    fn with_a_lease_goes_with_what_others_have_pushed_being_built_on() {
        for mode in ["rebase", "merge"] {
            let (repository, _) = history(&["one"]);
            let (inputs, checkout) = inputs(&repository);
            checkout.commit("ours", &[("ours", "1")]);
            let theirs = repository.commit("theirs", &[("theirs", "1")]);
            let params = json!({ "repository": "app", "force": "lease", mode: true });
            let outcome = put(&source(&repository.file_url()), inputs.path(), params.clone());
            outcome.succeeded();
            assert!(!said(&outcome).contains("trying again"), "{}", said(&outcome));
            assert!(repository.history("main").contains(&theirs));
            assert_eq!(repository.file("main", "ours"), "1");
            // A branch that is not there yet.
            let params = crate::support::with(params, json!({ "branch": "new" }));
            let outcome = put(&source(&repository.file_url()), inputs.path(), params);
            assert_eq!(outcome.json()["version"]["ref"], repository.tip("new"));
        }
    }

    #[test]
    fn with_a_lease_loses_no_commit_of_puts_that_race() {
        const RACERS: usize = 3;
        for mode in ["rebase", "merge"] {
            let (repository, _) = history(&["one"]);
            let url = repository.file_url();
            let racers: Vec<TempDir> = (0..RACERS)
                .map(|racer| {
                    let (inputs, checkout) = inputs(&repository);
                    checkout.commit("racing", &[(&format!("racer-{racer}"), "1")]);
                    inputs
                })
                .collect();
            let params = json!({ "repository": "app", "force": "lease", mode: true });
            thread::scope(|scope| {
                for inputs in &racers {
                    scope.spawn(|| put(&source(&url), inputs.path(), params.clone()).succeeded().json());
                }
            });
            for racer in 0..RACERS {
                assert_eq!(repository.file("main", &format!("racer-{racer}")), "1");
            }
        }
    }

    #[test]
    fn with_a_lease_is_about_branches() {
        let (repository, _) = history(&["one"]);
        let (inputs, _checkout) = inputs(&repository);
        let params = json!({ "repository": "app", "force": "lease", "refs_prefix": "refs/for" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        assert!(said(&outcome).contains("`params.force`: cannot be `lease` with another"), "{}", said(&outcome));
    }
}

mod an_annotated_tag {
    use super::*;

    #[test]
    fn has_the_message_of_its_file_and_can_be_pushed_again() {
        let (repository, _) = history(&["one"]);
        let (inputs, checkout) = inputs(&repository);
        let commit = checkout.commit("two", &[("x", "2")]);
        fs::write(inputs.path().join("version"), "1.0").expect("write the tag file");
        fs::write(inputs.path().join("message"), "The $(touch pwned) release\n\nDetails.\n")
            .expect("write the message");
        let params = json!({ "repository": "app", "tag": "version", "annotate": "message" });
        put(&source(&repository.file_url()), inputs.path(), params.clone()).succeeded();
        let object = repository.resolve("refs/tags/1.0");
        assert_eq!(repository.resolve("refs/tags/1.0^{commit}"), commit);
        let message = repository.git(&["tag", "-l", "--format=%(contents)", "1.0"]);
        assert_eq!(message.trim(), "The $(touch pwned) release\n\nDetails.");
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
        assert_eq!(repository.resolve("refs/tags/1.0"), object);
    }

    #[test]
    fn needs_its_file_and_a_tag() {
        let (repository, _) = history(&["one"]);
        let (inputs, _checkout) = inputs(&repository);
        fs::write(inputs.path().join("version"), "1.0").expect("write the tag file");
        let params = json!({ "repository": "app", "tag": "version", "annotate": "nope" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        assert!(said(&outcome).starts_with("error: cannot read the annotation file `nope`\n"), "{}", said(&outcome));
        let params = json!({ "repository": "app", "annotate": "nope", "only_tag": true });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        assert!(
            said(&outcome).ends_with(
                "`params.annotate`: has no effect without `tag`\n    \
             `params.only_tag`: needs a `tag`, or `push_all_tags: true`\n"
            ),
            "{}",
            said(&outcome)
        );
    }
}

#[test]
fn only_tag_leaves_the_branch_alone_and_needs_none() {
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

#[test]
fn push_all_tags_is_the_established_resource_s_habit() {
    let (repository, commits) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["tag", "old"]);
    checkout.commit("two", &[("x", "2")]);
    let params = json!({ "repository": "app", "push_all_tags": true });
    put(&source(&repository.file_url()), inputs.path(), params).succeeded();
    assert_eq!(repository.resolve("refs/tags/old"), commits[0]);
}

mod notes {
    use super::*;

    #[test]
    fn are_put_on_the_pushed_commit_beside_those_of_others_and_can_be_repeated() {
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
        assert_eq!(said(&outcome), format!("error: commit `{commit}` has another note already\n"));
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
    fn are_joined_with_those_of_the_server() {
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
    fn that_contradict_those_of_the_server_are_an_error_before_the_push() {
        let (repository, inputs, checkout, commits) = noted(0);
        checkout.commit("four", &[("x", "1")]);
        let params = json!({ "repository": "app", "notes": "note" });
        let outcome = put(&source(&repository.file_url()), inputs.path(), params);
        outcome.failed();
        let said = said(&outcome);
        assert!(said.contains("error: cannot merge the notes of the repository with those of the server\n"), "{said}");
        assert_eq!(repository.tip("main"), commits[2]);
        assert_eq!(checkout.git(&["notes", "show", &commits[0]]).trim(), "ours");
        assert_eq!(repository.git(&["notes", "show", &commits[0]]).trim(), "theirs");
    }
}

#[test]
fn tags_on_the_pushed_commits_that_stay_are_told() {
    let (repository, commits) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.git(&["tag", "old", &commits[0]]);
    checkout.commit("two", &[("x", "2")]);
    checkout.git(&["tag", "v2"]);
    fs::write(inputs.path().join("tag"), "v3").expect("write the tag file");
    let params = json!({ "repository": "app", "tag": "tag" });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.succeeded();
    let warning = "warning: not pushed, though they are on commits that were: the tags `v2`; \
                   `push_all_tags: true` pushes all tags\n";
    assert!(said(&outcome).contains(warning), "{}", said(&outcome));
    assert_eq!(repository.git(&["tag"]), "v3");
    let params = json!({ "repository": "app", "push_all_tags": true });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.succeeded();
    assert!(!said(&outcome).contains("warning"), "{}", said(&outcome));
}

#[test]
fn tags_that_a_get_has_brought_are_not_told_as_left_behind() {
    let (repository, commits) = history(&["one", "two"]);
    repository.tag("v1", &commits[0]);
    let inputs = scratch::directory();
    let destination = inputs.path().join("app");
    let of_tags = json!({ "uri": repository.file_url(), "version_type": "tags" });
    let request =
        json!({ "source": of_tags, "version": { "ref": "v1", "commit": commits[0] }, "params": { "depth": 1 } });
    Verb::get("git").dir(&destination).request(&request).run().succeeded();
    let checkout = Checkout::of_get(&destination);
    checkout.commit("a hotfix", &[("x", "2")]);
    let source = json!({ "uri": repository.file_url(), "branch": "hotfix" });
    let params = json!({ "repository": "app" });
    let outcome = put(&source, inputs.path(), params.clone());
    outcome.succeeded();
    assert!(!said(&outcome).contains("warning"), "{}", said(&outcome));
    // Of many, the first ones are named.
    for number in 10..24 {
        checkout.git(&["tag", &format!("v{number}")]);
    }
    let outcome = put(&source, inputs.path(), params);
    outcome.succeeded();
    assert!(
        said(&outcome).contains("the tags `v10`, ") && said(&outcome).contains("`v19` and 4 more;"),
        "{}",
        said(&outcome)
    );
    // Where no commit is pushed, none of its tags is missed.
    fs::write(inputs.path().join("tag"), "v3").expect("write the tag file");
    let outcome = put(&source, inputs.path(), json!({ "repository": "app", "only_tag": true, "tag": "tag" }));
    outcome.succeeded();
    assert!(!said(&outcome).contains("warning"), "{}", said(&outcome));
}

#[test]
fn push_options_reach_the_server_s_hooks_as_they_are() {
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
fn refs_prefix_says_where_the_branch_s_name_stands() {
    let (repository, commits) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    let params = json!({ "repository": "app", "refs_prefix": "refs/for/" });
    put(&source(&repository.file_url()), inputs.path(), params).succeeded();
    assert_eq!(repository.resolve("refs/for/main"), commit);
    assert_eq!(repository.tip("main"), commits[0]);
    let outcome = put(&source("file:///x"), inputs.path(), json!({ "repository": "app", "refs_prefix": "heads" }));
    assert!(said(&outcome).contains("`params.refs_prefix`: must be the beginning of a ref's name"));
}
