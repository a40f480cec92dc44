//! check of one tag.

use jetway_tests::registry::Registry;
use jetway_tests::registry::image::Image;
use serde_json::{Value, json};

use crate::support::{check, messages, source};

const NOWHERE: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn filled() -> (Registry, String, String) {
    let registry = Registry::start();
    let old = Image::named("old").push(registry.client(), "team/app", "latest");
    let new = Image::named("new").push(registry.client(), "team/app", "latest");
    (registry, old, new)
}

fn requests(registry: &Registry, since: usize) -> Vec<String> {
    registry.requests().split_off(since)
}

#[test]
fn check_of_one_tag_sends_one_head() {
    let (registry, _, new) = filled();
    let before = registry.requests().len();
    let outcome = check("registry-image", &source(&registry, "team/app", json!({ "tag": "latest" })), None);
    assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": new }]));
    assert_eq!(requests(&registry, before), ["HEAD /v2/team/app/manifests/latest 200"]);
}

#[test]
fn docker_image_follows_latest_with_digests_as_versions() {
    let (registry, _, new) = filled();
    let outcome = check("docker-image", &source(&registry, "team/app", json!({})), None);
    assert_eq!(outcome.json(), json!([{ "digest": new }]));
}

#[test]
fn returns_known_version_first_while_its_image_exists() {
    let (registry, old, new) = filled();
    let with_tag = source(&registry, "team/app", json!({ "tag": "latest" }));
    let known = |digest: &str| json!({ "tag": "other", "digest": digest });
    let both = json!([{ "tag": "latest", "digest": old }, { "tag": "latest", "digest": new }]);
    assert_eq!(check("registry-image", &with_tag, Some(&known(&old))).json(), both);
    let one = json!([{ "tag": "latest", "digest": new }]);
    for digest in [new.as_str(), NOWHERE, "sha256:../../x", ""] {
        assert_eq!(check("registry-image", &with_tag, Some(&known(digest))).json(), one, "{digest}");
    }
    let known = json!({ "digest": old });
    assert_eq!(check("docker-image", &with_tag, Some(&known)).json(), json!([{ "digest": old }, { "digest": new }]));
}

#[test]
fn deleted_tag_is_not_an_error() {
    let (registry, old, _) = filled();
    let gone = source(&registry, "team/app", json!({ "tag": "gone" }));
    let known = json!({ "tag": "gone", "digest": old });
    assert_eq!(check("registry-image", &gone, None).json(), json!([]));
    assert_eq!(check("registry-image", &gone, Some(&known)).json(), json!([]));
    assert_eq!(check("docker-image", &gone, None).json(), json!([]));
    assert_eq!(check("docker-image", &gone, Some(&known)).json(), json!([{ "digest": old }]));
    let outcome = check("registry-image", &source(&registry, "no/such", json!({ "tag": "x" })), None);
    assert_eq!(outcome.json(), json!([]));
    assert_eq!(messages(&outcome), "`localhost:[PORT]/no/such` has no tag `x`\n");
}

#[test]
fn digest_is_that_of_the_index() {
    let registry = Registry::start();
    let client = registry.client();
    let image = Image::named("amd64");
    image.push(client, "team/app", "amd64");
    let mut entry = image.manifest.descriptor();
    entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    for media_type in
        ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]
    {
        let mut entry = entry.clone();
        if media_type.contains("docker") {
            // A Docker manifest list refers to Docker manifests, so that this registry can fall back to amd64.
            entry["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json");
        }
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [entry] }).to_string();
        let digest = client.put_manifest("team/app", "multi", media_type, index.as_bytes());
        for kind in ["registry-image", "docker-image"] {
            let versions = check(kind, &source(&registry, "team/app", json!({ "tag": "multi" })), None).json();
            assert_eq!(versions[0]["digest"], Value::from(digest.clone()), "{kind} {media_type}");
        }
    }
}

#[test]
fn number_is_used_as_tag_as_written() {
    let registry = Registry::start();
    let digest = Image::named("x").push(registry.client(), "app", "42.10");
    let request = format!(r#"{{"source":{{"repository":"{}","tag":42.10}}}}"#, registry.repository("app"));
    let outcome = jetway_tests::verb::Verb::check("registry-image").stdin(request).run();
    assert_eq!(outcome.json(), json!([{ "tag": "42.10", "digest": digest }]));
}

/// Generated pipelines pin the images of their resource types this way.
#[test]
fn digest_as_tag_pins_the_image() {
    let registry = Registry::start();
    let image = Image::named("x");
    let digest = image.push(registry.client(), "team/app", "1.0");
    let source = source(&registry, "team/app", json!({ "tag": digest }));
    let version = json!({ "tag": digest, "digest": digest });
    assert_eq!(check("registry-image", &source, None).json(), json!([version]));
    assert_eq!(check("registry-image", &source, Some(&version)).json(), json!([version]));
    assert_eq!(check("docker-image", &source, None).json(), json!([{ "digest": digest }]));
    let target = jetway_tests::scratch::directory();
    crate::support::get("registry-image", &source, &version, json!({}), target.path()).succeeded();
    let target = jetway_tests::scratch::directory();
    crate::support::get("registry-image", &source, &version, json!({ "format": "oci" }), target.path()).succeeded();
    let gone = format!("sha256:{}", "0".repeat(64));
    let source = json!({ "repository": registry.repository("team/app"), "tag": gone });
    assert_eq!(check("registry-image", &source, None).json(), json!([]));
    let inputs = jetway_tests::scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let outcome = crate::support::put("registry-image", &source, &json!({ "image": "layout" }), inputs.path());
    outcome.failed();
    assert!(outcome.stderr.contains("is a digest; an image can be pushed only under a tag"), "{}", outcome.stderr);
}
