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
fn existing_on_another_commit_fails_without_retries() {
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
            messages(&outcome),
            "error: cannot push to `file://[TEMP]/repository.git`\n  \
             caused by: `refs/heads/main`: [rejected] (atomic push failed)\n    \
             `refs/tags/taken`: [rejected] (already exists)\n\
             hint: the tag already exists on another commit; `force: true` overwrites it\n"
        );
        assert_eq!(repository.tip("main"), commits[0]);
    }
}

#[test]
fn refuses_invisible_characters_in_its_name() {
    let (repository, _) = history(&["one"]);
    let (inputs, _checkout) = inputs(&repository);
    let put_with = |text: &str, prefix: &str| {
        fs::write(inputs.path().join("t"), text).expect("write the tag file");
        let params = json!({ "repository": "app", "tag": "t", "tag_prefix": prefix });
        put(&source(&repository.file_url()), inputs.path(), params)
    };
    for text in ["\u{feff}1.0\r\n", "1.0\r\n", "1.0\n\n"] {
        put_with(text, "v").succeeded();
        assert_eq!(repository.git(&["tag"]).trim(), "v1.0", "{text:?}");
    }
    for prefix in ["", "v"] {
        for (text, expected) in [
            ("", "error: the tag file `t` is empty\n"),
            ("\u{feff}\n \n", "error: the tag file `t` is empty\n"),
            ("1\u{200b}0", "error: the tag name in the file `t` has an invisible character (U+200B)\n"),
            ("1\u{a0}0", "error: the tag name in the file `t` has an invisible character (U+00A0)\n"),
        ] {
            let outcome = put_with(text, prefix);
            outcome.failed();
            assert_eq!(messages(&outcome), expected);
        }
        for (text, shown) in
            [("1.0\nsecond\n", "1.0\\nsecond"), (" 1.0\n", " 1.0"), ("1.0 \n", "1.0 "), ("\n1.0\n", "\\n1.0")]
        {
            let outcome = put_with(text, prefix);
            outcome.failed();
            let expected = format!("{shown}` from the file `t` is not a valid tag name\n");
            assert!(messages(&outcome).ends_with(&expected), "{}", messages(&outcome));
        }
    }
}
