use super::*;

#[test]
fn limits_the_history() {
    let (repository, commits) = history(&["one", "two", "three", "four"]);
    for params in [json!({ "depth": 2 }), json!({ "git.depth": 2 }), json!({ "depth": "2" })] {
        let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[3]), params);
        outcome.succeeded();
        assert_eq!(git_in(destination.path(), &["rev-list", "HEAD"]), format!("{}\n{}", commits[3], commits[2]));
    }
}

#[test]
fn zero_fetches_the_whole_history() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (destination, outcome) = get(&source(&repository.file_url()), Some(&commits[2]), json!({ "depth": 0 }));
    outcome.succeeded();
    assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "3");
}

#[test]
fn default_branch_is_found_without_listing_all_refs() {
    let (repository, commits) = history(&["one", "two"]);
    let refs = (0..2_000).map(|number| format!("{} refs/heads/topic-{number:05}\n", commits[0]));
    let header = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    fs::write(repository.path().join("packed-refs"), header + &refs.collect::<String>()).expect("write the branches");
    let (server, url) = serve(&repository);
    let (destination, outcome) = get(&json!({ "uri": url }), None, json!({ "depth": 1 }));
    outcome.succeeded();
    assert_eq!(git_in(destination.path(), &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
    assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[1]);
    assert!(server.bytes_sent() < 8_192, "{} bytes", server.bytes_sent());
}

#[test]
fn detached_head_of_the_server_is_checked_out() {
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
fn old_version_costs_one_round_trip() {
    let (repository, commits) = history(&["commit"; 60]);
    let (server, url) = serve(&repository);
    let (destination, outcome) = get(&source(&url), Some(&commits[3]), json!({ "depth": 1 }));
    outcome.succeeded();
    assert_eq!(git_in(destination.path(), &["rev-parse", "HEAD"]), commits[3]);
    assert_eq!(git_in(destination.path(), &["rev-list", "--count", "HEAD"]), "1");
    assert!(server.requests().len() <= 3, "greeting, refs, pack: {:?}", server.requests());
}

#[test]
fn history_is_deepened_if_commits_are_not_served_by_hash() {
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
        messages(&outcome),
        format!(
            "the server does not serve commits by hash; searching `main`\n\
             deepening the history to find {0} (git fetch --deepen=100)\n\
             checked out {0} commit\n",
            commits[3]
        )
    );
}
