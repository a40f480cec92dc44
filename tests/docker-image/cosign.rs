//! Signatures of pushed images, in the format of cosign. OpenSSL creates the keys and verifies the signatures.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::engine::{self, Images};
use jetway_tests::layer::{self, Layer};
use jetway_tests::registry::image::Image;
use jetway_tests::registry::{self, Registry};
use jetway_tests::scratch;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::build;
use crate::support::{check, messages, put, source};

/// A key `NAME.pem` with the public key `NAME.pub` in a directory.
fn key(directory: &Path, name: &str) -> String {
    let file = |ending: &str| directory.join(format!("{name}.{ending}"));
    let (private, public) = (file("pem"), file("pub"));
    let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    registry::run(Command::new("openssl").args(curve).arg(&private));
    registry::run(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&private).arg("-out").arg(&public));
    fs::read_to_string(private).unwrap()
}

/// The signature image of an image: a directory with its manifest and its blobs.
fn signatures(registry: &Registry, path: &str, digest: &str) -> (TempDir, Value) {
    let directory = scratch::directory();
    let image = format!("docker://{}:{}.sig", registry.repository(path), digest.replace(':', "-"));
    let to = format!("dir:{}", directory.path().display());
    let copy = ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", &image, &to];
    registry::run(Command::new("skopeo").args(copy));
    let manifest = fs::read(directory.path().join("manifest.json")).unwrap();
    (directory, serde_json::from_slice(&manifest).unwrap())
}

/// Whether one of an image's signatures was made by this key, for this image.
fn is_signed(registry: &Registry, path: &str, digest: &str, public: &Path) -> bool {
    let (directory, manifest) = signatures(registry, path, digest);
    let file = |name: &str| directory.path().join(name);
    manifest["layers"].as_array().unwrap().iter().any(|layer| {
        assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
        let payload = file(layer["digest"].as_str().unwrap().trim_start_matches("sha256:"));
        let messages: Value = serde_json::from_slice(&fs::read(&payload).unwrap()).unwrap();
        assert_eq!(
            messages["critical"],
            json!({
                "identity": { "docker-reference": registry.repository(path) },
                "image": { "docker-manifest-digest": digest },
                "type": "cosign container image signature",
            })
        );
        let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
        fs::write(file("signature"), STANDARD.decode(signature).unwrap()).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-verify"]).arg(public).arg("-signature").arg(file("signature")).arg(payload);
        openssl.output().unwrap().status.success()
    })
}

fn has_programs() -> bool {
    ["openssl", "skopeo"].into_iter().all(|program| layer::require(Layer::Program(program)))
}

#[test]
fn signs_pushed_image_once_for_each_key() {
    if !has_programs() {
        return;
    }
    let (registry, keys, inputs) = (Registry::start(), scratch::directory(), scratch::directory());
    let (first, second) = (key(keys.path(), "first"), key(keys.path(), "second"));
    Image::named("x").write_layout(&inputs.path().join("image"));
    let put = |key: &str| {
        let source = source(&registry, "team/app", json!({ "tag": "1", "cosign": { "key": key } }));
        let outcome = put("registry-image", &source, &json!({ "image": "image" }), inputs.path());
        let digest = outcome.json()["version"]["digest"].as_str().unwrap().to_owned();
        let longest = key.split_whitespace().max_by_key(|word| word.len()).unwrap();
        assert!(!outcome.stderr.contains(longest), "{}", outcome.stderr);
        (digest, messages(&outcome))
    };
    let (digest, text) = put(&first);
    assert!(text.contains("signed `localhost:[PORT]/team/app@"), "{text}");
    let public = |name: &str| keys.path().join(format!("{name}.pub"));
    assert!(is_signed(&registry, "team/app", &digest, &public("first")));
    assert!(!is_signed(&registry, "team/app", &digest, &public("second")));

    let before = signatures(&registry, "team/app", &digest).1;
    let (_, text) = put(&first);
    assert!(text.contains("is already signed"), "{text}");
    assert_eq!(signatures(&registry, "team/app", &digest).1, before);

    // As a single line, as some pipelines pass it.
    put(&second.replace('\n', " "));
    assert_eq!(signatures(&registry, "team/app", &digest).1["layers"].as_array().unwrap().len(), 2);
    for name in ["first", "second"] {
        assert!(is_signed(&registry, "team/app", &digest, &public(name)), "{name}");
    }
    // Signature tags are not versions of the image.
    let versions = check("registry-image", &source(&registry, "team/app", json!({})), None);
    assert_eq!(versions.json(), json!([{ "tag": "1", "digest": digest }]));
}

#[test]
fn signs_built_image() {
    if !engine::require() || !has_programs() {
        return;
    }
    let (registry, keys) = (Registry::start(), scratch::directory());
    let _images = Images::of(&registry.repository("built"));
    let source = source(&registry, "built", json!({ "cosign": { "key": key(keys.path(), "key") } }));
    let inputs = build::inputs(&[("app/Dockerfile", "FROM scratch\nCOPY a /\n"), ("app/a", "a")]);
    let outcome = build::put(&source, &json!({ "build": "app" }), inputs.path());
    let digest = outcome.json()["version"]["digest"].as_str().unwrap().to_owned();
    assert!(is_signed(&registry, "built", &digest, &keys.path().join("key.pub")));
}

#[test]
fn rejects_invalid_key_before_pushing() {
    if !has_programs() {
        return;
    }
    let (registry, directory) = (Registry::start(), scratch::directory());
    let of_rsa = directory.path().join("rsa.pem");
    registry::run(Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-out"]).arg(&of_rsa));
    let rsa = fs::read_to_string(of_rsa).unwrap();
    for (key, problem) in [
        (rsa.as_str(), "`source.cosign.key`: is not an ECDSA key on the curve P-256"),
        (
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nczNjcjN0\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
            "`source.cosign.key`: is truncated or damaged",
        ),
        ("s3cr3t-and-no-key", "`source.cosign.key`: expected a private key in PEM form"),
    ] {
        let source = source(&registry, "app", json!({ "tag": "1", "cosign": { "key": key } }));
        let outcome = put("registry-image", &source, &json!({ "image": "image" }), directory.path());
        outcome.failed();
        assert!(messages(&outcome).contains(problem), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("s3cr3t-and-no-key"), "{}", outcome.stderr);
    }
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn fails_when_registry_rejects_the_signature() {
    if !has_programs() {
        return;
    }
    let (registry, inputs) = (Registry::start(), scratch::directory());
    let image = Image::named("x");
    image.write_layout(&inputs.path().join("image"));
    let refused = registry::proxy::Trouble::Refuse("PUT /v2/app/manifests/sha256-");
    let proxy = registry::proxy::Proxy::start(&registry, refused);
    let key = key(inputs.path(), "key");
    let source = json!({ "repository": proxy.repository("app"), "tag": "1", "cosign": { "key": key } });
    let outcome = put("registry-image", &source, &json!({ "image": "image" }), inputs.path());
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.contains("error: cannot sign `localhost:[PORT]/app@"), "{text}");
    assert!(text.contains("hint: the image is pushed, but not signed; run the put again to sign it"), "{text}");
}
