//! get: what is in the destination afterwards, and what was fetched for it.

use std::fs;
use std::path::Path;

use jetway_tests::repository::Repository;
use jetway_tests::verb::{Outcome, Runner, Verb};
use jetway_tests::{assert_verb, git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{history, request, said, serve, source, with};

fn get(source: &Value, version: Option<&str>, params: Value) -> (TempDir, Outcome) {
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(source, version, &params)).run();
    (destination, outcome)
}

fn read(destination: &TempDir, file: &str) -> String {
    let path = destination.path().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn git_in(directory: &Path, arguments: &[&str]) -> String {
    git::run(directory, arguments).trim().to_owned()
}

#[test]
fn makes_the_tree_of_the_version_with_a_detached_head() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), json!({}));
    assert_eq!(outcome.json()["version"], json!({ "ref": commits[1] }));
    assert!(destination.path().join("file-1").exists() && !destination.path().join("file-2").exists());
    assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
    assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
    assert_eq!(git_in(destination.path(), &["status", "--porcelain"]), "");
}

#[test]
fn leaves_the_branch_where_the_server_has_it() {
    let (repository, commits) = history(&["one", "two", "three"]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[0]), params);
        outcome.succeeded();
        for name in ["main", "origin/main"] {
            assert_eq!(git_in(destination.path(), &["rev-parse", name]), commits[2], "{name}");
        }
        assert_eq!(git_in(destination.path(), &["config", "branch.main.merge"]), "refs/heads/main");
    }
}

#[test]
fn stays_on_the_branch_when_there_is_no_version() {
    let (repository, commits) = history(&["one", "two"]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), None, params);
        assert_eq!(outcome.json()["version"], json!({ "ref": commits[1] }));
        assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
        assert_eq!(git_in(destination.path(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn takes_the_default_branch_when_none_is_named() {
    let (repository, commits) = history(&["one", "two"]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&json!({ "uri": repository.file_url() }), Some(&commits[0]), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[0]);
        assert_eq!(git_in(destination.path(), &["rev-parse", "origin/main"]), commits[1]);
    }
}

#[test]
fn looks_in_the_branch_that_the_version_names() {
    let (repository, commits) = history(&["one"]);
    repository.branch("release", &commits[0]);
    let released = repository.commit_on("release", "released", &[("r", "1")]);
    let destination = scratch::directory();
    let request = json!({
        "source": source(&repository.file_url()),
        "version": { "ref": released, "branch": "release" },
    });
    let outcome = Verb::get("git").dir(destination.path()).request(&request).run();
    assert_eq!(outcome.json()["version"], json!({ "ref": released, "branch": "release" }));
    assert_eq!(read(&destination, ".git/branch"), "release\n");
}

mod depth {
    use super::*;

    #[test]
    fn is_how_many_generations_arrive() {
        let (repository, commits) = history(&["one", "two", "three", "four"]);
        for params in [json!({ "depth": 2 }), json!({ "git.depth": 2 }), json!({ "depth": "2" })] {
            let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[3]), params);
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-list", "HEAD"]), format!("{}\n{}", commits[3], commits[2]));
        }
    }

    #[test]
    fn zero_is_all_of_it() {
        let (repository, commits) = history(&["one", "two", "three"]);
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[2]), json!({ "depth": 0 }));
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "3");
    }

    #[test]
    fn of_the_default_branch_costs_no_list_of_all_refs() {
        let (repository, commits) = history(&["one", "two"]);
        let refs = (0..2_000).map(|number| format!("{} refs/heads/topic-{number:05}\n", commits[0]));
        let header = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        fs::write(repository.path().join("packed-refs"), header + &refs.collect::<String>())
            .expect("write the branches");
        let (server, url) = serve(&repository);
        let (destination, outcome) = get(&json!({ "uri": url }), None, json!({ "depth": 1 }));
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
        assert!(server.bytes_sent() < 8_192, "{} bytes", server.bytes_sent());
    }

    #[test]
    fn of_a_repository_whose_head_is_on_no_branch_is_that_commit() {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.git(&["update-ref", "--no-deref", "HEAD", &commits[1]]);
        let (_server, url) = serve(&repository);
        for uri in [url, repository.file_url()] {
            for (version, expected) in [(None, 1), (Some(commits[0].as_str()), 0)] {
                let (destination, outcome) = get(&json!({ "uri": uri }), version, json!({ "depth": 1 }));
                assert_eq!(outcome.json()["version"]["ref"], json!(commits[expected]));
                assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[expected]);
                assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "1");
            }
        }
    }

    #[test]
    fn stays_a_depth_for_a_version_far_back_and_costs_one_round_trip() {
        let (repository, commits) = history(&["commit"; 60]);
        let (server, url) = serve(&repository);
        let (destination, outcome) = get(&source(&url), Some(&commits[3]), json!({ "depth": 1 }));
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[3]);
        assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "1");
        assert!(server.requests().len() <= 3, "greeting, refs, pack: {:?}", server.requests());
    }

    #[test]
    fn grows_where_a_server_gives_out_no_commit_by_hash() {
        let (repository, commits) = history(&["commit"; 12]);
        repository.allow_any_commit(false);
        let (_server, url) = serve(&repository);
        let destination = scratch::directory();
        let outcome = Verb::get("git")
            .dir(destination.path())
            .request(&request(&source(&url), Some(&commits[3]), &json!({ "depth": 1 })))
            .env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'")
            .run();
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[3]);
        assert_eq!(
            said(&outcome),
            format!(
                "the server does not give out commits by their hash; looking in `main`\n\
                 looking for {0} further back (git fetch --deepen=100)\n\
                 checked out {0} commit\n",
                commits[3]
            )
        );
    }
}

mod a_version_that_the_branch_has_lost {
    use super::*;

    #[test]
    fn is_fetched_by_its_hash_while_the_server_has_it() {
        let (repository, commits) = history(&["one", "two"]);
        repository.move_branch("main", &commits[0]);
        repository.commit("two, better", &[("x", "1")]);
        for params in [json!({}), json!({ "depth": 1 })] {
            let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
        }
    }

    #[test]
    fn is_a_clear_error_when_it_is_gone() {
        let (repository, commits) = history(&["one", "two"]);
        repository.move_branch("main", &commits[0]);
        repository.forget_unreachable();
        for params in [json!({}), json!({ "depth": 1 })] {
            let (_destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
            outcome.failed();
            let expected = "error: version `ID` is gone: it is not in branch `main` of `file://[TEMP]/repository.git`\n\
                            hint: the branch was moved since the version was found; run a newer version\n";
            assert_eq!(said(&outcome).replace(&commits[1], "ID"), expected);
        }
    }
}

mod files {
    use super::*;

    #[test]
    #[allow(clippy::too_many_lines, reason = "what a get writes is shown whole")]
    fn tell_all_about_the_commit() {
        let repository = Repository::new();
        repository.commit("first", &[("a", "1")]);
        let commit = repository
            .change("Subject of the change\n\nBody, with ünïcode.\n")
            .author("Ada Lovelace", "ada@example.com")
            .write("b", "2")
            .write_executable("run", "#!/bin/sh\n")
            .commit();
        repository.tag("v1.0", &commit);
        repository.annotated_tag("release", &commit, "The release");
        repository.branch("same", &commit);
        let (_destination, outcome) = get(&source(&repository.file_url()), Some(&commit), json!({}));
        let view = outcome.view().tree();
        let names = [
            "ref",
            "short_ref",
            "commit",
            "author",
            "author_date",
            "branch",
            "tags",
            "url",
            "committer",
            "committer_name",
            "committer_date",
            "commit_message",
            "commit_timestamp",
            "describe_ref",
            "metadata.json",
        ];
        let view = names.iter().fold(view, |view, name| view.file(&format!(".git/{name}")));
        assert_verb!(view, @r#"
        exit code: 0
        ----- stdout -----
        {
          "version": {
            "ref": "2706a47a46eee7f854fbc32b8934b7172fce7d38"
          },
          "metadata": [
            {
              "name": "commit",
              "value": "2706a47a46eee7f854fbc32b8934b7172fce7d38"
            },
            {
              "name": "author",
              "value": "Ada Lovelace"
            },
            {
              "name": "author_date",
              "value": "2023-11-14 22:14:20 +0000",
              "type": "time"
            },
            {
              "name": "committer",
              "value": "Ada Fixture"
            },
            {
              "name": "committer_date",
              "value": "2023-11-14 22:14:20 +0000",
              "type": "time"
            },
            {
              "name": "branch",
              "value": "main"
            },
            {
              "name": "tags",
              "value": "release,v1.0"
            },
            {
              "name": "message",
              "value": "Subject of the change\n\nBody, with ünïcode.\n",
              "type": "message"
            }
          ]
        }
        ----- stderr -----
        checked out 2706a47a46eee7f854fbc32b8934b7172fce7d38 Subject of the change
        ----- tree -----
        .git/
        a
        b
        run (executable)
        ----- .git/ref -----
        2706a47a46eee7f854fbc32b8934b7172fce7d38
        ----- .git/short_ref -----
        2706a47
        ----- .git/commit -----
        2706a47a46eee7f854fbc32b8934b7172fce7d38
        ----- .git/author -----
        Ada Lovelace
        ----- .git/author_date -----
        2023-11-14 22:14:20 +0000
        ----- .git/branch -----
        main
        ----- .git/tags -----
        release,v1.0
        ----- .git/url -----
        ----- .git/committer -----
        ada@example.com
        ----- .git/committer_name -----
        Ada Fixture
        ----- .git/committer_date -----
        2023-11-14 22:14:20 +0000
        ----- .git/commit_message -----
        Subject of the change

        Body, with ünïcode.
        ----- .git/commit_timestamp -----
        2023-11-14 22:14:20 +0000
        ----- .git/describe_ref -----
        release
        ----- .git/metadata.json -----
        [
          {
            "name": "commit",
            "value": "2706a47a46eee7f854fbc32b8934b7172fce7d38"
          },
          {
            "name": "author",
            "value": "Ada Lovelace"
          },
          {
            "name": "author_date",
            "value": "2023-11-14 22:14:20 +0000",
            "type": "time"
          },
          {
            "name": "committer",
            "value": "Ada Fixture"
          },
          {
            "name": "committer_date",
            "value": "2023-11-14 22:14:20 +0000",
            "type": "time"
          },
          {
            "name": "branch",
            "value": "main"
          },
          {
            "name": "tags",
            "value": "release,v1.0"
          },
          {
            "name": "message",
            "value": "Subject of the change\n\nBody, with ünïcode.\n",
            "type": "message"
          }
        ]
        "#);
    }

    #[test]
    fn name_the_committer_when_there_is_another() {
        let repository = Repository::new();
        let commit = repository.commit("by the same", &[("a", "1")]);
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commit), json!({}));
        assert!(!outcome.json()["metadata"].to_string().contains("committer"));
        assert_eq!(read(&destination, ".git/committer_date"), "");
    }

    #[test]
    fn hold_no_credentials() {
        let (repository, commits) = history(&["one"]);
        let server =
            jetway_tests::http_git::HttpGit::builder(repository.root()).credentials("bob", "s3cret-pw").start();
        let url = server.url_with_credentials(repository.name(), "bob", "s3cret-pw");
        for params in [json!({}), json!({ "depth": 1 })] {
            let (destination, outcome) = get(&source(&url), Some(&commits[0]), params);
            outcome.succeeded();
            let everything = git_in(destination.path(), &["config", "--list", "--show-origin"]);
            assert!(!everything.contains("s3cret-pw") && !everything.contains("bob"), "{everything}");
            let found = git::run(destination.path(), &["grep", "--no-index", "-r", "-c", "-F", "one", "--", "."]);
            assert!(!found.is_empty());
            assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
            assert!(!outcome.stderr.contains("s3cret-pw"));
            assert!(!String::from_utf8_lossy(&outcome.stdout).contains("s3cret-pw"));
        }
    }
}

#[test]
fn fetches_submodules() {
    let (library, library_commits) = history(&["library"]);
    let repository = Repository::new();
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", library.file_url());
    let commit =
        repository.change("use it").write(".gitmodules", &modules).submodule("lib", &library_commits[0]).commit();
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commit), params);
        outcome.succeeded();
        assert_eq!(read(&destination, "lib/file-0"), "library");
    }
}

mod the_destination {
    use super::*;

    #[test]
    fn must_be_empty() {
        let (repository, commits) = history(&["one"]);
        let destination = scratch::directory();
        fs::write(destination.path().join("mine"), "precious").expect("write a file");
        let outcome = Verb::get("git")
            .dir(destination.path())
            .request(&request(&source(&repository.file_url()), Some(&commits[0]), &json!({})))
            .run();
        outcome.failed();
        assert_eq!(said(&outcome), "error: the destination `[DIR]` is not empty\n");
        assert_eq!(read(&destination, "mine"), "precious");
    }

    #[test]
    fn must_be_a_place_that_can_be_written_to() {
        if Runner::chosen() == Runner::Image {
            // The engine makes the directory that it mounts, or fails to, before the verb starts.
            return;
        }
        let (repository, commits) = history(&["one"]);
        let directory = scratch::directory();
        let file = directory.path().join("file");
        fs::write(&file, "precious").expect("write a file");
        let request = request(&source(&repository.file_url()), Some(&commits[0]), &json!({}));
        let outcome = Verb::get("git").dir(file.join("below")).request(&request).run();
        outcome.failed();
        assert_eq!(
            said(&outcome),
            "error: cannot make the destination `[DIR]`\n  caused by: Not a directory (os error 20)\n"
        );
        let outcome = Verb::get("git").dir(&file).request(&request).run();
        outcome.failed();
        assert_eq!(said(&outcome), "error: the destination `[DIR]` is not a directory\n");
        assert_eq!(read(&directory, "file"), "precious");
    }

    #[test]
    fn is_all_that_is_written_to() {
        let (repository, commits) = history(&["one"]);
        let (_destination, outcome) = get(&source(&repository.file_url()), Some(&commits[0]), json!({}));
        outcome.succeeded();
        assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn shows_where_a_person_can_look_at_the_commit() {
    let (repository, commits) = history(&["one"]);
    let rewrite = format!("'url.{}.insteadOf'='https://github.example/team/app.git'", repository.file_url());
    let destination = scratch::directory();
    let outcome = Verb::get("git")
        .dir(destination.path())
        .request(&request(&source("https://bob:pw-in-uri@github.example/team/app.git"), Some(&commits[0]), &json!({})))
        .env("GIT_CONFIG_PARAMETERS", &rewrite)
        .run();
    let metadata = outcome.json()["metadata"].clone();
    let url = format!("https://github.example/team/app/commit/{}", commits[0]);
    assert!(metadata.as_array().expect("a list").contains(&json!({ "name": "url", "value": url })), "{metadata}");
}

mod tags {
    use super::*;

    /// A tag in the history, and one beside it.
    fn tagged() -> (Repository, String) {
        let (repository, commits) = history(&["one", "two", "three"]);
        repository.tag("in-history", &commits[1]);
        repository.branch("side", &commits[0]);
        let side = repository.commit_on("side", "beside", &[("s", "1")]);
        repository.annotated_tag("beside", &side, "not on main");
        (repository, commits[2].clone())
    }

    fn tags(params: Value, more_source: Value) -> String {
        let (repository, newest) = tagged();
        let source = with(source(&repository.file_url()), more_source);
        let (destination, outcome) = get(&source, Some(&newest), params);
        outcome.succeeded();
        git_in(destination.path(), &["tag"]).replace('\n', " ")
    }

    #[test]
    fn are_those_of_the_history_by_default() {
        assert_eq!(tags(json!({}), json!({})), "in-history");
        assert_eq!(tags(json!({ "depth": 1 }), json!({})), "");
        assert_eq!(tags(json!({ "depth": 2 }), json!({})), "in-history");
    }

    #[test]
    fn are_all_or_none_when_that_is_asked_for_and_params_win() {
        for params in [json!({}), json!({ "depth": 1 })] {
            let with_tags = |value: bool| with(params.clone(), json!({ "fetch_tags": value }));
            assert_eq!(tags(with_tags(true), json!({})), "beside in-history");
            assert_eq!(tags(with_tags(false), json!({})), "");
            assert_eq!(tags(params.clone(), json!({ "fetch_tags": true })), "beside in-history");
            assert_eq!(tags(with_tags(false), json!({ "fetch_tags": true })), "");
        }
    }

    #[test]
    fn do_not_come_with_what_is_fetched_later_either_when_none_are_wanted() {
        let (repository, newest) = tagged();
        repository.branch("topic", &newest);
        let topic = repository.commit_on("topic", "topic", &[("t", "1")]);
        repository.tag("of-topic", &topic);
        for params in [json!({}), json!({ "depth": 1 })] {
            let params = with(params, json!({ "fetch_tags": false, "fetch": ["topic"] }));
            let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), params);
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "topic"]), topic);
            git_in(destination.path(), &["fetch", "-q", "origin"]);
            assert_eq!(git_in(destination.path(), &["tag"]), "");
        }
    }

    #[test]
    fn do_not_void_the_depth() {
        let (repository, newest) = tagged();
        let params = json!({ "depth": 1, "fetch_tags": true });
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "1");
    }

    #[test]
    fn are_deleted_by_clean_tags_after_they_were_told() {
        let (repository, newest) = tagged();
        repository.tag("here", &newest);
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&newest), json!({ "clean_tags": true }));
        assert!(outcome.json()["metadata"].to_string().contains("here"));
        assert_eq!(read(&destination, ".git/tags"), "here\n");
        assert_eq!(git_in(destination.path(), &["tag"]), "");
    }
}

#[test]
fn brings_notes_along_and_leaves_the_clone_s_configuration_as_git_does() {
    let (repository, commits) = history(&["one"]);
    repository.git(&["notes", "add", "-m", "noted", &commits[0]]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[0]), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["notes", "show", "HEAD"]), "noted");
        let fetched = git_in(destination.path(), &["config", "--get-all", "remote.origin.fetch"]);
        assert_eq!(fetched, "+refs/heads/main:refs/remotes/origin/main");
    }
}

/// As the established resource has it: people type the first letters of a hash.
#[test]
fn of_a_shortened_hash_is_of_that_commit() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let source = source(&repository.file_url());
    let short = &commits[1][..8];
    for params in [json!({}), json!({ "depth": 1 })] {
        let (destination, outcome) = get(&source, Some(short), params);
        assert_eq!(outcome.json()["version"], json!({ "ref": short }));
        assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
    }
    let (_destination, outcome) = get(&source, Some("1234567"), json!({}));
    outcome.failed();
    let expected = "error: version `1234567` is gone: it is not in branch `main` of `";
    assert!(said(&outcome).contains(expected), "{}", said(&outcome));
    // What is too short may be many a commit.
    let (_destination, outcome) = get(&source, Some("12345"), json!({}));
    outcome.failed();
    assert!(said(&outcome).contains("error: version `12345` is gone"), "{}", said(&outcome));
}

mod branches {
    use super::*;

    #[test]
    fn come_all_with_all_branches() {
        let (repository, commits) = history(&["one", "two"]);
        repository.branch("side", &commits[0]);
        for (params, expected) in [
            (json!({}), "origin/main"),
            (json!({ "depth": 1 }), "origin/main"),
            (json!({ "all_branches": true }), "origin/main origin/side"),
            (json!({ "all_branches": "true", "depth": 1 }), "origin/main origin/side"),
        ] {
            let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
            outcome.succeeded();
            let refs =
                git_in(destination.path(), &["for-each-ref", "--format=%(refname)", "refs/remotes/origin/[ms]*"]);
            assert_eq!(refs.replace("refs/remotes/", "").replace('\n', " "), expected);
        }
    }

    #[test]
    fn named_by_fetch_come_as_local_ones() {
        let (repository, commits) = history(&["one", "two"]);
        repository.branch("side", &commits[0]);
        for params in [json!({ "fetch": ["side", "main"] }), json!({ "fetch": ["side"], "depth": 1 })] {
            let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "side"]), commits[0]);
            assert_eq!(git_in(destination.path(), &["rev-parse", "main"]), commits[1]);
        }
        let (_destination, outcome) =
            get(&source(&repository.file_url()), Some(&commits[1]), json!({ "fetch": ["side", "nope"] }));
        outcome.failed();
        assert!(said(&outcome).contains("there is no branch `nope`"), "{}", said(&outcome));
        for params in [json!({}), json!({ "depth": 1 }), json!({ "depth": 1, "all_branches": true })] {
            let source = with(source(&repository.file_url()), json!({ "branch": "nope" }));
            let (_destination, outcome) = get(&source, None, params);
            outcome.failed();
            assert!(said(&outcome).contains("there is no branch `nope`"), "{}", said(&outcome));
        }
    }
}

mod submodules {
    use super::*;

    struct Nested {
        repository: Repository,
        commit: String,
        newest_of_library: String,
        _kept: [Repository; 2],
    }

    /// A repository with the submodules `lib` (which has one of its own, `inner`) and `sub/other`.
    fn nested() -> Nested {
        let (inner, inner_commits) = history(&["inner"]);
        let library = Repository::new();
        let of_library = format!("[submodule \"inner\"]\n\tpath = inner\n\turl = {}\n", inner.file_url());
        let recorded =
            library.change("library").write(".gitmodules", &of_library).submodule("inner", &inner_commits[0]).commit();
        let newest_of_library = library.commit("newer", &[("newer", "1")]);
        let repository = Repository::new();
        let modules = format!(
            "[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n[submodule \"other\"]\n\tpath = sub/other\n\turl = {}\n",
            library.file_url(),
            inner.file_url()
        );
        let commit = repository
            .change("use them")
            .write(".gitmodules", &modules)
            .submodule("lib", &recorded)
            .submodule("sub/other", &inner_commits[0])
            .commit();
        Nested { repository, commit, newest_of_library, _kept: [inner, library] }
    }

    /// The files of submodules that are there.
    fn fetched(nested: &Nested, params: Value) -> Vec<&'static str> {
        let (destination, outcome) = get(&source(&nested.repository.file_url()), Some(&nested.commit), params);
        outcome.succeeded();
        let files = ["lib/.gitmodules", "lib/inner/file-0", "sub/other/file-0", "lib/newer"];
        files.into_iter().filter(|file| destination.path().join(file).exists()).collect()
    }

    #[test]
    fn are_all_none_or_those_that_are_named() {
        let nested = nested();
        let all = vec!["lib/.gitmodules", "lib/inner/file-0", "sub/other/file-0"];
        assert_eq!(fetched(&nested, json!({})), all);
        assert_eq!(fetched(&nested, json!({ "submodules": "all", "depth": 1 })), all);
        assert_eq!(fetched(&nested, json!({ "submodules": [] })), all);
        assert_eq!(fetched(&nested, json!({ "submodules": "none" })), Vec::<&str>::new());
        assert_eq!(fetched(&nested, json!({ "submodules": ["sub"] })), ["sub/other/file-0"]);
        assert_eq!(fetched(&nested, json!({ "submodules": ["lib"] })), ["lib/.gitmodules", "lib/inner/file-0"]);
        assert_eq!(fetched(&nested, json!({ "submodules": ["b"] })), Vec::<&str>::new());
    }

    #[test]
    fn of_submodules_stay_away_without_recursion_a_plain_false_included() {
        let nested = nested();
        for value in [json!(false), json!("false")] {
            let params = json!({ "submodule_recursive": value });
            assert_eq!(fetched(&nested, params), ["lib/.gitmodules", "sub/other/file-0"]);
        }
    }

    #[test]
    fn are_at_their_branch_s_tip_with_submodule_remote() {
        let nested = nested();
        let params = json!({ "submodule_remote": true, "submodules": ["lib"] });
        let (destination, outcome) = get(&source(&nested.repository.file_url()), Some(&nested.commit), params);
        outcome.succeeded();
        assert_eq!(git_in(&destination.path().join("lib"), &["rev-parse", "HEAD"]), nested.newest_of_library);
    }

    #[test]
    fn that_a_sparse_checkout_leaves_out_are_skipped_with_a_warning() {
        let nested = nested();
        let source = with(source(&nested.repository.file_url()), json!({ "sparse_paths": ["/.gitmodules", "/lib"] }));
        let (_destination, outcome) = get(&source, Some(&nested.commit), json!({}));
        outcome.succeeded();
        assert!(said(&outcome).contains("warning: skipping missing submodule: sub/other\n"), "{}", said(&outcome));
    }
}

#[test]
fn sparse_paths_are_all_that_is_checked_out() {
    let repository = Repository::new();
    let commit = repository.commit("all", &[("a/x", "1"), ("a/deep/y", "1"), ("b/z", "1"), ("README.md", "1")]);
    for params in [json!({}), json!({ "depth": 1 })] {
        let source =
            with(source(&repository.file_url()), json!({ "sparse_paths": ["/a", "!/a/deep", "*.md", "/nope"] }));
        let (destination, outcome) = get(&source, Some(&commit), params);
        outcome.succeeded();
        let there = |file: &str| destination.path().join(file).exists();
        assert!(there("a/x") && there("README.md") && !there("a/deep/y") && !there("b/z"));
        assert_eq!(git_in(destination.path(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn search_remote_refs_finds_what_a_server_gives_out_by_name_only() {
    let (repository, commits) = history(&["one"]);
    repository.branch("other", &commits[0]);
    let elsewhere = repository.commit_on("other", "elsewhere", &[("o", "1")]);
    repository.allow_any_commit(false);
    let (_server, url) = serve(&repository);
    for (searches, depth) in [(true, 0), (true, 1), (false, 0)] {
        let source = with(source(&url), json!({ "search_remote_refs": searches }));
        let destination = scratch::directory();
        let outcome = Verb::get("git")
            .dir(destination.path())
            .request(&request(&source, Some(&elsewhere), &json!({ "depth": depth })))
            .env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'")
            .run();
        if searches {
            outcome.succeeded();
            assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), elsewhere);
        } else {
            // git itself asks for a hash that a ref's tip has.
            assert!(outcome.code == Some(0) || said(&outcome).contains("is gone"), "{}", said(&outcome));
        }
    }
}

#[test]
fn formats_decide_how_refs_and_times_are_written() {
    let (repository, commits) = history(&["one", "two"]);
    repository.annotated_tag("v1", &commits[0], "first");
    let params = json!({
        "short_ref_format": "build-%s",
        "timestamp_format": "format:%Y-%m-%dT%H:%M",
        "describe_ref_options": "--tags --long",
    });
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
    outcome.succeeded();
    let short = commits[1].get(..7).expect("a hash");
    assert_eq!(read(&destination, ".git/short_ref"), format!("build-{short}"));
    assert_eq!(read(&destination, ".git/commit_timestamp"), "2023-11-14T22:14\n");
    assert_eq!(read(&destination, ".git/describe_ref"), format!("v1-1-g{short}\n"));
    let params = json!({ "describe_ref_options": "--exact-match --nonsense" });
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[1]), params);
    outcome.succeeded();
    assert_eq!(read(&destination, ".git/describe_ref"), "\n");
}

#[test]
fn of_an_old_version_follows_a_head_that_is_on_no_branch() {
    let (repository, commits) = history(&["one", "two", "three", "four"]);
    repository.move_branch("main", &commits[0]);
    fs::write(repository.path().join("HEAD"), format!("{}\n", commits[3])).expect("detach HEAD");
    repository.allow_any_commit(false);
    let destination = scratch::directory();
    let source = json!({ "uri": repository.file_url() });
    let request = request(&source, Some(&commits[2]), &json!({ "depth": 1 }));
    let verb = Verb::get("git").dir(destination.path()).request(&request);
    let outcome = verb.env("GIT_CONFIG_PARAMETERS", "'protocol.version'='0'").run();
    outcome.succeeded();
    assert_eq!(git::run(destination.path(), &["rev-parse", "HEAD"]), commits[2]);
    assert!(said(&outcome).contains("looking in `HEAD`"), "{}", said(&outcome));
}
