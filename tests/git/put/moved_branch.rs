use super::*;

#[test]
fn fails_without_rebase() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("ours", &[("ours", "1")]);
    let theirs = repository.commit("theirs", &[("theirs", "1")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), app());
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot push to `file://[TEMP]/repository.git`\n  \
         caused by: `refs/heads/main`: [rejected] (fetch first)\n\
         hint: the branch has commits that HEAD lacks; `rebase: true` rebases onto them\n"
    );
    assert_eq!(repository.tip("main"), theirs);
}

#[test]
fn rebase_returns_the_new_commit_as_version() {
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
fn rebases_from_a_shallow_get() {
    let (repository, commits) = history(&["one", "two", "three"]);
    let (_server, url) = serve(&repository);
    repository.configure("http.receivepack", "true");
    let (inputs, checkout) = inputs_with_get(&request(&source(&url), Some(&commits[2]), &json!({ "depth": 1 })));
    checkout.commit("ours", &[("ours", "1")]);
    let theirs = repository.commit("theirs", &[("theirs", "1")]);
    put(&source(&url), inputs.path(), rebase()).succeeded();
    assert_eq!(repository.resolve("main~1"), theirs);
    assert_eq!(repository.resolve("main~4"), commits[0]);
}

#[test]
fn rebases_and_merges_from_a_shallow_get_of_an_older_version() {
    for how in ["rebase", "merge"] {
        let (repository, commits) = history(&["one", "two", "three", "four"]);
        let (_server, url) = serve(&repository);
        repository.configure("http.receivepack", "true");
        let (inputs, checkout) = inputs_with_get(&request(&source(&url), Some(&commits[1]), &json!({ "depth": 1 })));
        checkout.commit("ours", &[("ours", "1")]);
        let outcome = put(&source(&url), inputs.path(), json!({ "repository": "app", how: true }));
        outcome.succeeded();
        assert!(!messages(&outcome).contains("another push updated"), "{}", messages(&outcome));
        assert!(repository.history("main").contains(&commits[3]));
        assert_eq!(repository.file("main", "ours"), "1");
        assert_eq!(checkout.git(&["for-each-ref", "refs/jetway"]), "");
    }
}

#[test]
fn tip_is_the_version_if_the_put_has_no_new_commit() {
    for how in ["rebase", "merge"] {
        for depth in [0, 1] {
            let (repository, commits) = history(&["one", "two"]);
            let request = request(&source(&repository.file_url()), Some(&commits[1]), &json!({ "depth": depth }));
            let (inputs, _) = inputs_with_get(&request);
            let theirs = repository.commit("theirs", &[("theirs", "1")]);
            let params = json!({ "repository": "app", how: true });
            let outcome = put(&source(&repository.file_url()), inputs.path(), params);
            assert_eq!(outcome.json()["version"], json!({ "ref": theirs }), "{how} {depth}");
            assert_eq!(repository.tip("main"), theirs, "{how} {depth}");
        }
    }
}

/// A file was committed with CRLF before `.gitattributes` declared it text. git reports it as modified once it reads it
/// again.
#[test]
fn fails_if_line_endings_make_a_file_modified() {
    let repository = Repository::new();
    repository.commit("one", &[("win.txt", "a\r\nb\r\n")]);
    let version = repository.commit("attributes", &[(".gitattributes", "* text=auto\n*.txt text\n")]);
    let (inputs, checkout) = inputs_with_get(&request(&source(&repository.file_url()), Some(&version), &json!({})));
    // A new timestamp makes git read the file again.
    let file = fs::File::options().append(true).open(inputs.path().join("app/win.txt")).expect("open the file");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("change its time");
    fs::write(inputs.path().join("app/ours"), "1").expect("write a file");
    checkout.git(&["add", "ours"]);
    checkout.git(&["commit", "-q", "-m", "ours"]);
    repository.commit("theirs", &[("theirs", "1")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
    outcome.failed();
    assert!(messages(&outcome).ends_with("hint: uncommitted changes in: win.txt\n"), "{}", messages(&outcome));
}

#[test]
fn fails_without_a_common_commit() {
    let (repository, _) = history(&["one"]);
    let (other, _) = history(&["unrelated"]);
    let inputs = scratch::directory();
    Checkout::clone(&other.file_url(), inputs.path(), "app");
    let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
    outcome.failed();
    let expected = "error: HEAD and `main` of `file://[TEMP]/repository.git` have no commit in common\n";
    assert_eq!(messages(&outcome), expected);
}

#[test]
fn concurrent_puts_with_tags_lose_no_commit_or_tag() {
    const RACERS: usize = 6;
    let (repository, _) = history(&["one"]);
    let racers = inputs_of_concurrent_puts(&repository, RACERS);
    for (racer, inputs) in racers.iter().enumerate() {
        fs::write(inputs.path().join("version"), format!("v{racer}")).expect("write the tag file");
    }
    let params = json!({ "repository": "app", "rebase": true, "tag": "version" });
    put_concurrently(&repository, &racers, &params);
    assert_eq!(repository.history("main").len(), 1 + RACERS);
    assert_eq!(repository.git(&["tag"]).lines().count(), RACERS);
}

#[test]
fn rebase_keeps_merges() {
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
fn conflict_fails_and_restores_the_repository() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let ours = checkout.commit("ours", &[("same file", "ours")]);
    repository.commit("theirs", &[("same file", "theirs")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), rebase());
    outcome.failed();
    let messages = messages(&outcome).replace(&ours, "ID");
    assert!(
        messages.starts_with("error: cannot rebase `ID` onto `main`\n  caused by: `git rebase` ended"),
        "{messages}"
    );
    assert!(messages.ends_with("hint: conflicts in: same file\n"), "{messages}");
    assert_eq!(checkout.head(), ours);
    assert_eq!(checkout.git(&["status", "--porcelain"]), "");
}

#[test]
fn concurrent_puts_lose_no_commit() {
    const RACERS: usize = 5;
    let (repository, _) = history(&["one"]);
    let racers = inputs_of_concurrent_puts(&repository, RACERS);
    put_concurrently(&repository, &racers, &rebase());
    assert_eq!(repository.history("main").len(), 1 + RACERS);
}
