use super::*;

#[test]
fn has_the_message_of_the_file_and_is_idempotent() {
    let (repository, _) = history(&["one"]);
    let (inputs, checkout) = inputs(&repository);
    let commit = checkout.commit("two", &[("x", "2")]);
    fs::write(inputs.path().join("version"), "1.0").expect("write the tag file");
    fs::write(inputs.path().join("message"), "The $(touch pwned) release\n\nDetails.\n").expect("write the message");
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
fn needs_its_file_and_tag() {
    let (repository, _) = history(&["one"]);
    let (inputs, _checkout) = inputs(&repository);
    fs::write(inputs.path().join("version"), "1.0").expect("write the tag file");
    let params = json!({ "repository": "app", "tag": "version", "annotate": "nope" });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.failed();
    assert!(
        messages(&outcome).starts_with("error: cannot read the annotation file `nope`\n"),
        "{}",
        messages(&outcome)
    );
    let params = json!({ "repository": "app", "annotate": "nope", "only_tag": true, "push_all_tags": false });
    let outcome = put(&source(&repository.file_url()), inputs.path(), params);
    outcome.failed();
    assert!(
        messages(&outcome).ends_with(
            "`params.annotate`: has no effect without `tag`\n    \
         `params.only_tag`: needs `tag` if `push_all_tags` is `false`: there is nothing else to push\n"
        ),
        "{}",
        messages(&outcome)
    );
}

#[test]
fn keeps_lines_that_begin_with_a_hash_sign() {
    let (repository, _) = history(&["one"]);
    let (inputs, _checkout) = inputs(&repository);
    for (name, text) in [("1.0", "# 1.0\n\n## Fixed\n#13 is gone"), ("2.0", "# Nothing but a heading")] {
        fs::write(inputs.path().join("version"), name).expect("write the tag file");
        fs::write(inputs.path().join("message"), text).expect("write the message");
        let params = json!({ "repository": "app", "tag": "version", "annotate": "message" });
        put(&source(&repository.file_url()), inputs.path(), params).succeeded();
        let message = repository.git(&["tag", "-l", "--format=%(contents)", name]);
        assert_eq!(message.trim(), text);
    }
}
