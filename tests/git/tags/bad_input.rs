use super::*;

#[track_caller]
fn refused(source: Value, problems: &[&str]) {
    let outcome = check(&with(json!({ "uri": "file:///nowhere" }), source), NONE);
    outcome.failed();
    for problem in problems {
        assert!(messages(&outcome).contains(problem), "{}", messages(&outcome));
    }
    let count = messages(&outcome).lines().filter(|line| line.starts_with("    `")).count();
    assert_eq!(count, problems.len(), "{}", messages(&outcome));
}

#[test]
fn errors_name_the_key() {
    refused(json!({ "tag_filter": "[v" }), &["`source.tag_filter`: has a `[` without its `]`\n"]);
    refused(json!({ "tag_regex": "v(" }), &["`source.tag_regex`: has a `(` without its `)`\n"]);
    refused(
        json!({ "tag_filter": "v*", "tag_regex": "v.*" }),
        &["`source.tag_regex`: cannot be given together with `tag_filter`\n"],
    );
    refused(
        json!({ "tag_behaviour": "match_taged" }),
        &[
            "`source.tag_behaviour`: expected `match_tagged` or `match_tag_ancestors`, found `match_taged`; did you mean",
        ],
    );
    refused(
        json!({ "version_type": "tag" }),
        &["`source.version_type`: expected `commits`, `tags`, `branches` or `branch_heads`"],
    );
    refused(
        json!({ "version_type": "branch_heads", "branch": "main", "tag_filter": "v*" }),
        &["`source.branch`: cannot be used with", "`source.tag_filter`: filters tags, and"],
    );
    refused(
        json!({ "branch_regex": "x", "branch_filters": ["x"], "tag_filters": ["v*"], "tag_sort": "version" }),
        &[
            "`source.tag_filters`: has an effect only with `version_type: tags`\n",
            "`source.tag_sort`: has an effect only with `version_type: tags`\n",
            "`source.branch_filters`: has an effect only with `version_type: branches` or `branch_heads`\n",
            "`source.branch_regex`: has an effect only with",
        ],
    );
    refused(
        json!({ "version_type": "tags", "tag_filters": ["v*", "[v"], "tag_sort": "date" }),
        &["`source.tag_sort`: expected `creatordate` or `version`, found `date`"],
    );
    refused(json!({ "version_type": "tags", "tag_filters": ["v*", "[v"] }), &["`source.tag_filters[1]`: has a `[`"]);
    refused(
        json!({ "version_type": "branches", "branch_filters": ["[v"], "branch_regex": "(" }),
        &["`source.branch_filters[0]`: has a `[`", "`source.branch_regex`: has a `(`"],
    );
    refused(
        json!({ "credential_hosts": ["git.example.com", "a/b"] }),
        &["`source.credential_hosts[1]`: must be a host, such as"],
    );
}

#[test]
fn version_without_a_ref_fails() {
    let (repository, _) = history(&["one"]);
    for (version, message) in [
        (
            json!({ "ref": "--all" }),
            "error: version `--all` is neither a full commit hash nor the name of a tag or branch\n",
        ),
        (
            json!({ "ref": "a b" }),
            "error: version `a b` is neither a full commit hash nor the name of a tag or branch\n",
        ),
        (json!({ "ref": "v1", "commit": "x" }), "error: the version's commit `x` is not a full commit hash\n"),
    ] {
        let outcome = get(&source(&repository.file_url()), version, json!({})).1;
        outcome.failed();
        assert_eq!(messages(&outcome), message);
    }
}
