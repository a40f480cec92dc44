//! The tags of a put.

use std::fs;

use jetway_tests::registry::Registry;
use jetway_tests::registry::image::Image;
use jetway_tests::registry::proxy::{Proxy, Trouble};
use jetway_tests::scratch;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{check, messages, put, source};

/// Inputs with an image and tag files.
fn inputs() -> TempDir {
    let inputs = scratch::directory();
    Image::named("x").write_layout(&inputs.path().join("image"));
    for (name, text) in [("tag", "1.0-rc.7\n"), ("more", "one two\nthree\n"), ("wrong", "a/b")] {
        fs::write(inputs.path().join(name), text).unwrap();
    }
    inputs
}

/// The tags in the metadata of a put; the first is the version's.
#[track_caller]
fn tags(kind: &str, registry: &Registry, keys: Value, more: Value) -> String {
    let mut params = json!({ "image": "image" });
    crate::support::merge(&mut params, more);
    let answer = put(kind, &source(registry, "team/app", keys), &params, inputs().path()).json();
    let metadata = answer["metadata"].as_array().unwrap();
    let tags = metadata.iter().find(|entry| entry["name"] == "tags").unwrap()["value"].as_str().unwrap().to_owned();
    if kind == "registry-image" {
        assert_eq!(answer["version"]["tag"].as_str(), tags.split(' ').next());
    }
    tags
}

#[test]
fn version_pushes_aliases_without_newer_version() {
    let registry = Registry::start();
    let bump = |version: &str, keys: Value| {
        tags("registry-image", &registry, keys, json!({ "version": version, "bump_aliases": true }))
    };
    assert_eq!(bump("v1.2", json!({})), "1.2.0 latest 1 1.2");
    assert_eq!(bump("1.2.0", json!({})), "1.2.0 latest 1 1.2");
    assert_eq!(bump("1.3.0", json!({})), "1.3.0 latest 1 1.3");
    assert_eq!(bump("1.2.1", json!({})), "1.2.1 1.2");
    assert_eq!(bump("2.0.0-rc.1", json!({})), "2.0.0-rc.1");
    assert_eq!(bump("2.0.0", json!({ "tag": "edge" })), "edge 2.0.0 latest 2 2.0");
    assert_eq!(bump("1.4.0", json!({})), "1.4.0 1 1.4");
    assert_eq!(bump("1.0.0", json!({ "variant": "alpine" })), "1.0.0-alpine alpine 1-alpine 1.0-alpine");
    assert_eq!(bump("1.3.9", json!({})), "1.3.9 1.3");
}

#[test]
fn reads_tags_from_files_with_the_prefix_of_each_flavour() {
    let registry = Registry::start();
    let of = |kind: &str, keys: Value, params: Value| tags(kind, &registry, keys, params);
    assert_eq!(of("docker-image", json!({}), json!({})), "latest");
    assert_eq!(of("docker-image", json!({ "tag": 42.10 }), json!({})), "42.1");
    assert_eq!(of("docker-image", json!({}), json!({ "tag": "tag", "tag_prefix": "v" })), "v1.0-rc.7");
    assert_eq!(
        of(
            "docker-image",
            json!({}),
            json!({ "tag_file": "tag", "tag_prefix": "v", "additional_tags": "more", "tag_as_latest": true })
        ),
        "v1.0-rc.7 one two three latest"
    );
    assert_eq!(of("registry-image", json!({}), json!({ "tag_file": "tag" })), "1.0-rc.7");
    assert_eq!(
        of("registry-image", json!({ "tag": "x" }), json!({ "additional_tags": "more", "tag_prefix": "v" })),
        "x vone vtwo vthree"
    );
    assert_eq!(
        of("registry-image", json!({}), json!({ "additional_tags": "more", "tag_as_latest": true })),
        "one two three latest"
    );
}

#[test]
fn rejects_missing_or_invalid_tag() {
    let registry = Registry::start();
    let inputs = inputs();
    let refused = |params: Value| {
        let outcome = put("registry-image", &source(&registry, "team/app", json!({})), &params, inputs.path());
        outcome.failed();
        messages(&outcome)
    };
    let text = refused(json!({ "image": "image" }));
    assert!(text.starts_with("error: the put has no tag to push\nhint: set `tag` in the source, or"), "{text}");
    let text = refused(json!({ "image": "image", "tag_file": "wrong" }));
    assert!(text.contains("`a/b` is not a valid tag"), "{text}");
    let text = refused(json!({ "image": "image", "tag_prefix": "v" }));
    assert!(text.contains("`tag_prefix` requires tags from files"), "{text}");
    let text = refused(json!({ "image": "image", "version": "1.2.3.4" }));
    assert!(text.contains("`params.version`: `1.2.3.4` is not a semantic version"), "{text}");
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn sets_all_tags_to_one_manifest() {
    for kind in ["docker-image", "registry-image"] {
        let registry = Registry::start();
        let of = |keys: Value, params: Value| tags(kind, &registry, keys, params);
        let params = json!({ "tags": ["1.10", "edge"], "tags_file": "more", "tag_prefix": "v", "tag_as_latest": true });
        assert_eq!(of(json!({ "tag": "x" }), params), "1.10 edge vone vtwo vthree latest", "{kind}");
        let request = registry.requests();
        let of = |start: &str| request.iter().filter(|request| request.starts_with(start)).count();
        // One upload for each blob, and one manifest request for each tag.
        assert_eq!(of("POST /v2/team/app/blobs/uploads/"), 1, "{request:#?}");
        assert_eq!(of("PUT /v2/team/app/manifests/sha256:"), 0, "{request:#?}");
        assert_eq!(of("PUT /v2/team/app/manifests/"), 6, "{request:#?}");
        let digest = |tag: &str| {
            let outcome = check("registry-image", &source(&registry, "team/app", json!({ "tag": tag })), None);
            outcome.json()[0]["digest"].clone()
        };
        for tag in ["edge", "vone", "vtwo", "vthree", "latest"] {
            assert_eq!(digest(tag), digest("1.10"), "{tag}");
        }
        // The source's tag is used only if the params name no tag.
        assert_eq!(registry.requests().iter().filter(|request| request.contains("/manifests/x")).count(), 0);
    }
}

#[test]
fn rejects_tags_with_tag_file() {
    let (registry, inputs) = (Registry::start(), inputs());
    let refused = |params: Value| {
        let mut all = json!({ "image": "image" });
        crate::support::merge(&mut all, params);
        let outcome = put("docker-image", &source(&registry, "team/app", json!({})), &all, inputs.path());
        outcome.failed();
        messages(&outcome)
    };
    let beside = "excludes `tag_file`, a file with one tag: set `additional_tags` to a file with more tags";
    let text = refused(json!({ "tags": ["a"], "tag_file": "tag" }));
    assert!(text.contains(&format!("`params.tags`: {beside}")), "{text}");
    let text = refused(json!({ "tags_file": "more", "tag_file": "tag" }));
    assert!(text.contains(&format!("`params.tags_file`: {beside}")), "{text}");
    let text = refused(json!({ "tags": ["a", "b/c"], "tag": "" }));
    assert!(text.contains("`params.tags[1]`: is not a valid tag"), "{text}");
    let text = refused(json!({ "tags_file": "wrong" }));
    assert!(text.contains("`a/b` is not a valid tag"), "{text}");
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn rejected_tag_fails_and_reports_pushed_tags() {
    let registry = Registry::start();
    let proxy = Proxy::start(&registry, Trouble::Refuse("PUT /v2/team/app/manifests/two "));
    let inputs = inputs();
    let params = json!({ "image": "image", "additional_tags": "more" });
    let outcome = put("registry-image", &json!({ "repository": proxy.repository("team/app") }), &params, inputs.path());
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.contains("cannot push `localhost:[PORT]/team/app:two`"), "{text}");
    assert!(
        text.contains(
            "hint: pushing to `localhost:[PORT]/team/app` requires credentials: set `username` and `password`"
        ),
        "{text}"
    );
    assert!(text.contains("hint: pushed: `one`; not pushed: `two`, `three`"), "{text}");
}
