//! Mirrors of Docker Hub. (Docker Hub itself is unreachable here, so requests to the origin fail.)

use jetway_tests::registry::image::Image;
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::Verb;
use serde_json::{Value, json};

use crate::support::{check, merge, messages};

/// A check of an image on Docker Hub with a mirror. A proxy that rejects every connection makes Docker Hub unreachable.
fn through(mirror: Value, more: Value) -> jetway_tests::verb::Outcome {
    let mut source = json!({ "repository": "debian", "tag": "12", "registry_mirror": mirror, "username": "hub", "password": "hub-s3cret" });
    merge(&mut source, more);
    let request = json!({ "source": source });
    Verb::check("registry-image").request(&request).env("HTTPS_PROXY", "http://127.0.0.1:9").run()
}

#[test]
fn accepts_all_forms_of_registry_mirror() {
    let registry = Registry::start();
    let digest = Image::named("x").push(registry.client(), "library/debian", "12");
    let host = registry.host();
    for mirror in [json!({ "host": host }), json!(host), json!(format!("http://{host}/")), json!([{ "host": host }])] {
        assert_eq!(through(mirror, json!({})).json(), json!([{ "tag": "12", "digest": digest }]));
    }
}

#[test]
fn mirror_gets_only_its_own_credentials() {
    let registry = Registry::with(&Manner { htpasswd: true, ..Manner::default() });
    let mirror = json!({ "host": registry.host(), "username": USER, "password": PASSWORD });
    let outcome = through(mirror, json!({}));
    // The mirror does not have the image and the origin is unreachable, but the mirror has accepted the login.
    outcome.failed();
    assert!(registry.requests().contains(&"HEAD /v2/library/debian/manifests/12 404".to_owned()), "{}", outcome.stderr);
    let before = registry.requests().len();
    let outcome = through(json!(registry.host()), json!({}));
    outcome.failed();
    assert!(
        messages(&outcome).starts_with("warning: the mirror failed, falling back to the origin:"),
        "{}",
        messages(&outcome)
    );
    let statuses: Vec<String> = registry.requests().split_off(before);
    assert_eq!(statuses, ["HEAD /v2/library/debian/manifests/12 401"], "it was asked without credentials, once");
}

#[test]
fn tries_several_mirrors_in_order() {
    let (empty, full) = (Registry::start(), Registry::start());
    let digest = Image::named("x").push(full.client(), "hub/library/debian", "12");
    let mirrors = json!([empty.host(), format!("{}/hub", full.host())]);
    assert_eq!(through(mirrors, json!({})).json(), json!([{ "tag": "12", "digest": digest }]));
    assert_eq!(empty.requests(), ["HEAD /v2/library/debian/manifests/12 404"]);
}

#[test]
fn uses_plain_http_mirror() {
    let image = Image::named("x");
    let (digest, media_type, bytes) = (image.manifest.digest, image.manifest.media_type, image.manifest.bytes);
    let own = digest.clone();
    // A proxy to a mirror with a public name, so that only the `http://` in its URL allows plain HTTP.
    let proxy = StandIn::start(move |request| {
        if request.target != "http://mirror.example:5000/v2/library/debian/manifests/12" {
            return Response::text(404, "");
        }
        Response::bytes(200, &media_type, bytes.clone()).with("Docker-Content-Digest", &own)
    });
    let source = json!({ "repository": "debian", "tag": "12", "registry_mirror": "http://mirror.example:5000" });
    let check = Verb::check("registry-image").request(&json!({ "source": source }));
    let outcome = check.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HTTP_PROXY", &proxy.url()).run();
    assert_eq!(outcome.json(), json!([{ "tag": "12", "digest": digest }]));
    assert_eq!(proxy.recorded_requests().len(), 1);
}

#[test]
fn mirror_is_not_used_for_other_registries() {
    let (mirror, origin) = (Registry::start(), Registry::start());
    Image::named("x").push(origin.client(), "app", "12");
    let source = json!({ "repository": origin.repository("app"), "tag": "12", "registry_mirror": mirror.host() });
    check("docker-image", &source, None).succeeded();
    assert_eq!(mirror.requests(), Vec::<String>::new());
}
