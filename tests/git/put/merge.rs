use super::*;

fn merge() -> Value {
    json!({ "repository": "app", "merge": true })
}

#[test]
fn merges_other_pushes_and_returns_the_merge_commit() {
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
fn message_names_branch_and_address_without_credentials() {
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
fn returning_unmerged_returns_the_commit_before_the_merge() {
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
fn conflict_fails_and_restores_the_repository() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let ours = checkout.commit("ours", &[("same", "ours")]);
    let theirs = repository.commit("theirs", &[("same", "theirs")]);
    let outcome = put(&source(&repository.file_url()), inputs.path(), merge());
    outcome.failed();
    let messages = messages(&outcome).replace(&ours, "ID");
    assert!(messages.starts_with("error: cannot merge `main` into `ID`\n"), "{messages}");
    assert!(messages.ends_with("hint: conflicts in: same\n"), "{messages}");
    assert_eq!((checkout.head(), repository.tip("main")), (ours, theirs));
    assert_eq!(checkout.git(&["status", "--porcelain"]), "");
}

#[test]
fn concurrent_puts_lose_no_commit_and_create_one_merge_each() {
    const RACERS: usize = 4;
    let (repository, _) = history(&["one"]);
    let racers = inputs_of_concurrent_puts(&repository, RACERS);
    put_concurrently(&repository, &racers, &merge());
    let merges = repository.git(&["rev-list", "--merges", "--count", "main"]);
    assert_eq!(merges.trim(), (RACERS - 1).to_string());
    assert_eq!(repository.history("main").len(), 1 + RACERS + RACERS - 1);
}

#[test]
fn refuses_rebase_at_the_same_time() {
    let inputs = scratch::directory();
    let params = json!({ "repository": "app", "merge": true, "rebase": true, "returning": "unmergd" });
    let outcome = put(&source("file:///x"), inputs.path(), params);
    outcome.failed();
    assert!(
        messages(&outcome).ends_with(
            "`params.returning`: expected `merged` or `unmerged`, found `unmergd`; did you mean `unmerged`?\n"
        ),
        "{}",
        messages(&outcome)
    );
    let params = json!({ "repository": "app", "merge": true, "rebase": true });
    let outcome = put(&source("file:///x"), inputs.path(), params);
    assert!(messages(&outcome).ends_with("`params.merge`: cannot be set together with `rebase`\n"));
}

#[test]
fn discards_uncommitted_changes_with_a_warning() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    checkout.commit("ours", &[("ours", "1")]);
    repository.commit("theirs", &[("theirs", "1")]);
    fs::write(inputs.path().join("app/ours"), "changed").expect("change a file");
    fs::write(inputs.path().join("app/new"), "untracked").expect("write a file");
    let outcome = put(&source(&repository.file_url()), inputs.path(), merge());
    outcome.succeeded();
    assert!(messages(&outcome).contains("warning: discarding uncommitted changes"), "{}", messages(&outcome));
    assert_eq!(repository.file("main", "ours"), "1");
    assert!(inputs.path().join("app/new").exists());
}
