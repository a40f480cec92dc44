use super::*;

#[test]
#[allow(clippy::too_many_lines, reason = "what a get writes is shown whole")]
fn contain_the_metadata_of_the_commit() {
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

/// A hosting service commits merges in its own name, but notifications must reach the author.
#[test]
fn contain_the_author_as_committer() {
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
fn contain_no_credentials() {
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

/// Old commits may have another encoding than UTF-8, but Concourse stores only UTF-8.
#[test]
fn are_utf_8_for_any_commit_encoding() {
    let (repository, commits) = history(&["one"]);
    let tree = repository.resolve("main^{tree}");
    let write = |parent: &str, message: &[u8]| {
        let mut text = format!("tree {tree}\nparent {parent}\nauthor J").into_bytes();
        text.extend(b"\xfcrgen <x@y> 1600000000 +0000\ncommitter \x93C\x94 <x@y> 1600000001 +0000\n\n");
        text.extend(message);
        let file = repository.root().join("commit");
        fs::write(&file, text).expect("write a commit");
        let file = file.to_str().expect("UTF-8");
        repository.git(&["hash-object", "-t", "commit", "-w", "--literally", file]).trim().to_owned()
    };
    let mut all = commits.clone();
    let long = [&[b'x'; 10_239][..], "\u{e9}".as_bytes(), &[b'y'; 200]].concat();
    for message in [
        &b"dash \x96, cut \xe2\x80, whole \xf0\x9f\x98\x80, surrogate \xed\xa0\x80\n"[..],
        &long,
        b"nul \0 inside, \x1b[31mescape\x07\n",
    ] {
        all.push(write(all.last().expect("a parent"), message));
    }
    repository.move_branch("main", all.last().expect("a commit"));
    let filtered = with(source(&repository.file_url()), json!({ "commit_filter": { "exclude": ["never"] } }));
    assert_eq!(refs(&check_in(&Container::new(), &filtered, Some(&all[0]))), all);
    for commit in &all[1..] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(commit), json!({}));
        let file: Value = serde_json::from_str(&read(&destination, ".git/metadata.json")).expect("JSON in UTF-8");
        assert!(std::str::from_utf8(&outcome.stdout).is_ok());
        for metadata in [&outcome.json()["metadata"], &file] {
            let message = metadata.as_array().expect("a list").iter().find(|entry| entry["name"] == "message");
            let length = message.and_then(|message| message["value"].as_str()).expect("a message").len();
            assert!((1..=10_243).contains(&length), "{length} bytes");
        }
    }
}

/// Tasks may run as other users. A get creates files with git's modes, which the umask of the worker restricts.
#[test]
fn have_modes_by_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    if Runner::chosen() == Runner::Image {
        // In the image, the umask is that of the engine.
        return;
    }
    let (library, library_commits) = history(&["library"]);
    let repository = Repository::new();
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {}\n", library.file_url());
    let change = repository.change("all").write(".gitmodules", modules).write("d/f", "1");
    let commit = change.write_executable("run", "#!/bin/sh\n").submodule("lib", &library_commits[0]).commit();
    let scripts = scratch::directory();
    for (umask, file, executable) in [("022", 0o644, 0o755), ("000", 0o666, 0o777)] {
        let script = scripts.path().join(format!("with-{umask}"));
        let binary = jetway_tests::binaries::resource("git");
        let text = format!("#!/bin/sh\numask {umask}\nexec {} in \"$@\"\n", binary.display());
        fs::write(&script, text).expect("write a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("make it executable");
        for depth in [0, 1] {
            let directory = scratch::directory();
            let destination = directory.path().join("app");
            fs::create_dir(&destination).expect("create the destination");
            let request = request(&source(&repository.file_url()), Some(&commit), &json!({ "depth": depth }));
            Verb::get("git").binary(&script).dir(&destination).request(&request).run().succeeded();
            let mode = |path: &str| {
                let metadata = fs::metadata(destination.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
                metadata.permissions().mode() & 0o777
            };
            assert_eq!((mode("d/f"), mode("lib/file-0"), mode(".git/ref")), (file, file, file), "umask {umask}");
            assert_eq!((mode("run"), mode("d"), mode(".git")), (executable, executable, executable), "umask {umask}");
            let closed = std::process::Command::new("find")
                .arg(&destination)
                .args([
                    "(", "-type", "f", "!", "-perm", "-0444", ")", "-o", "(", "-type", "d", "!", "-perm", "-0555", ")",
                ])
                .output()
                .expect("start find");
            assert_eq!(String::from_utf8_lossy(&closed.stdout), "", "others cannot read these files");
        }
    }
}
