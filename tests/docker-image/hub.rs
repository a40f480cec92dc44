//! A stand-in for Docker Hub: a registry with a certificate for its name, behind a proxy. Fallbacks to the origin reach
//! it; requests to private addresses fail.

use std::fs;
use std::path::Path;

use jetway_tests::registry::detour::Detour;
use jetway_tests::registry::hand_made::{HandMade, answer};
use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::tar::Tar;
use jetway_tests::registry::{Manner, Registry};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{merge, messages, read};

/// The host of Docker Hub's API.
const NAME: &str = "registry-1.docker.io";

/// A stand-in of Docker Hub, with an image as `library/app:1`.
struct Hub {
    registry: Registry,
    detour: Detour,
}

impl Hub {
    fn with(image: &Image) -> Self {
        let registry = Registry::with(&Manner { tls: true, name: Some(NAME), ..Manner::default() });
        let layout = scratch::directory();
        image.write_layout(layout.path());
        registry.copy(&format!("oci:{}:x", layout.path().display()), "library/app:1", &[]);
        let detour = Detour::to(registry.port());
        Self { registry, detour }
    }

    /// Runs a verb for `app` through the proxy.
    fn asked_by(&self, verb: Verb, more: Value, rest: Value) -> Outcome {
        let mut source = json!({ "repository": "app", "tag": "1", "ca_certs": [self.registry.authority()] });
        merge(&mut source, more);
        let mut request = json!({ "source": source });
        merge(&mut request, rest);
        verb.request(&request).env("HTTPS_PROXY", &self.detour.url()).run()
    }
}

fn image() -> Image {
    Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, &vec![7; 100_000]).finish()], Compression::Gzip)
}

fn get(hub: &Hub, image: &Image, mirror: &Value, target: &Path) -> Outcome {
    let version = json!({ "tag": "1", "digest": image.manifest.digest });
    let verb = Verb::get("registry-image").dir(target);
    hub.asked_by(verb, json!({ "registry_mirror": mirror, "read_timeout": 2 }), json!({ "version": version }))
}

#[test]
fn fetches_from_mirror_under_the_original_name() {
    let image = image();
    let (hub, mirror) = (Hub::with(&image), Registry::start());
    image.push(mirror.client(), "library/app", "1");
    let target = scratch::directory();
    let outcome = get(&hub, &image, &json!(mirror.host()), target.path());
    outcome.succeeded();
    assert_eq!(hub.detour.recorded_requests(), Vec::<String>::new());
    assert_eq!(read(target.path(), "repository"), "app");
    assert_eq!(outcome.json()["metadata"][0], json!({ "name": "repository", "value": "app" }));
}

#[test]
fn falls_back_to_origin_when_mirror_fails() {
    let image = image();
    let hub = Hub::with(&image);
    let layer = image.layers[0].digest.clone();
    // Four mirrors: without the image, with errors, without a layer, with another layer.
    let empty = Registry::start();
    let mut mirrors = vec![json!(empty.host()), json!("127.0.0.1:9")];
    let spoilt: Vec<HandMade> = [
        Response::text(503, "no"),
        Response::text(404, ""),
        Response::bytes(200, "x", vec![0; image.layers[0].bytes.len()]),
    ]
    .into_iter()
    .map(|bad| {
        let registry = HandMade::start(&image);
        let (layer, image) = (layer.clone(), image.clone());
        registry.twist(move |request| {
            let mut request = request.clone();
            request.target = request.target.replace("/library/app/", "/team/app/");
            Some(if request.path().ends_with(&layer) { bad.clone() } else { answer(&image, &request) })
        });
        registry
    })
    .collect();
    mirrors.extend(spoilt.iter().map(|registry| json!(registry.repository().split('/').next())));
    for mirror in mirrors {
        let target = scratch::directory();
        let outcome = get(&hub, &image, &mirror, target.path());
        outcome.succeeded();
        assert_eq!(fs::read(target.path().join("rootfs/a")).unwrap().len(), 100_000);
        let left: Vec<_> = fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
        assert_eq!(read(target.path(), "repository"), "app");
        assert!(outcome.stderr.contains("the mirror failed, falling back to the origin:"), "{}", outcome.stderr);
    }
    assert!(
        hub.detour.recorded_requests().iter().all(|host| *host == format!("{NAME}:443")),
        "{:?}",
        hub.detour.recorded_requests()
    );
}

#[test]
fn put_does_not_write_to_mirror() {
    let (image, mirror) = (image(), Registry::start());
    let hub = Hub::with(&Image::named("other"));
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let verb = Verb::put("registry-image").dir(inputs.path());
    let params = json!({ "params": { "image": "layout", "version": "1.2.3", "bump_aliases": true } });
    hub.asked_by(verb, json!({ "registry_mirror": mirror.host() }), params).succeeded();
    assert_eq!(mirror.requests(), Vec::<String>::new());
    assert!(hub.registry.requests().contains(&"PUT /v2/library/app/manifests/1.2.3 201".to_owned()));
}

/// A stand-in for Docker Hub that answers every request with `answers`.
fn hub_that(answers: impl Fn(&str) -> Response + Send + Sync + 'static) -> (StandIn, Detour) {
    let server = StandIn::start_tls_for(NAME, move |request| answers(&request.method));
    let detour = Detour::to(server.port());
    (server, detour)
}

#[test]
fn rejects_private_addresses_from_public_registry() {
    let image = image();
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let nearby = StandIn::start(|_| Response::text(201, ""));
    for (location, says) in [
        (nearby.url().replace("http:", "https:"), "refusing to upload to the private address"),
        ("https://10.1.2.3/upload".to_owned(), "refusing to upload to the private address"),
        ("https://[::ffff:169.254.169.254]/upload".to_owned(), "refusing to upload to the private address"),
        (nearby.url(), "upload URL is unencrypted"),
    ] {
        let (server, detour) = hub_that(move |method| match method {
            "POST" => Response::text(202, "").with("Location", &location),
            _ => Response::text(404, ""),
        });
        let source = json!({ "repository": "app", "tag": "1", "ca_certs": [server.authority()] });
        let request = json!({ "source": source, "params": { "image": "layout" } });
        let put = Verb::put("registry-image").dir(inputs.path()).request(&request);
        let outcome = put.env("HTTPS_PROXY", &detour.url()).run();
        outcome.failed();
        assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
        assert_eq!(nearby.recorded_requests(), []);
    }
}

#[test]
fn rejects_private_token_server_address() {
    let nearby = StandIn::start(|_| Response::json(200, &json!({ "token": "x" })));
    for (realm, says) in [
        ("https://10.1.2.3/token".to_owned(), "it has a private address"),
        ("https://169.254.169.254/token".to_owned(), "it has a private address"),
        (nearby.url(), "the credentials would be sent unencrypted"),
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        let (server, detour) = hub_that(move |_| Response::text(401, "").with("WWW-Authenticate", &challenge));
        let source = json!({ "repository": "app", "tag": "1", "ca_certs": [server.authority()] });
        let check = Verb::check("registry-image").request(&json!({ "source": source }));
        let outcome = check.env("HTTPS_PROXY", &detour.url()).run();
        outcome.failed();
        assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
        assert_eq!(nearby.recorded_requests(), []);
    }
}
