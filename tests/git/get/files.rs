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
    Ada Lovelace
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

/// A hosting service commits merges in its own name; whoever is notified by these files is the author.
#[test]
fn name_the_author_as_committer_and_the_committer_in_the_metadata() {
    let repository = Repository::new();
    let by_another = repository.change("merge").author("Ada Lovelace", "lovelace@example.com").write("a", "1").commit();
    let by_the_same = repository.commit("by the same", &[("a", "2")]);
    for (commit, author, email) in
        [(by_another, "Ada Lovelace", "lovelace@example.com"), (by_the_same, "Ada Fixture", "ada@example.com")]
    {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commit), json!({}));
        let date = repository.git(&["log", "-1", "--format=%ci", &commit]);
        assert_eq!(read(&destination, ".git/committer"), email);
        assert_eq!(read(&destination, ".git/committer_name"), author);
        assert_eq!(read(&destination, ".git/committer_date"), format!("{}\n", date.trim()));
        let metadata = outcome.json()["metadata"].clone();
        assert_eq!(metadata[3], json!({ "name": "committer", "value": "Ada Fixture" }));
        assert_eq!(metadata[4], json!({ "name": "committer_date", "value": date.trim(), "type": "time" }));
    }
}

#[test]
fn hold_no_credentials() {
    let (repository, commits) = history(&["one"]);
    let server = jetway_tests::http_git::HttpGit::builder(repository.root()).credentials("bob", "s3cret-pw").start();
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
