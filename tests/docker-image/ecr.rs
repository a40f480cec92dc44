//! Amazon's registries: credentials from a stand-in of ECR that verifies signatures, for a real registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::aws::Key;
use jetway_tests::registry::image::Image;
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Answer, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// ECR's API: it gives the credentials of a registry to whom signs with the key.
fn ecr(registry: &Registry) -> StandIn {
    let host = registry.host();
    StandIn::start(move |asked| {
        if let Err(problem) = Key::new("AKIDEXAMPLE", SECRET).has_signed(asked, "eu-west-1", "ecr") {
            return Answer::json(400, &json!({ "__type": "InvalidSignatureException", "message": problem }));
        }
        let target = asked.header("x-amz-target");
        assert_eq!(target, Some("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"));
        let token = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let data =
            json!([{ "authorizationToken": token, "expiresAt": 1.7e9, "proxyEndpoint": format!("https://{host}") }]);
        Answer::json(200, &json!({ "authorizationData": data }))
    })
}

fn check(ecr: &StandIn, key: &str) -> Outcome {
    let source = json!({
        "repository": "team/app", "tag": "latest", "aws_region": "eu-west-1",
        "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": key,
    });
    Verb::check("registry-image").request(&json!({ "source": source })).env("AWS_ENDPOINT_URL_ECR", &ecr.url()).run()
}

fn filled() -> (Registry, String) {
    let registry = Registry::with(&Manner { htpasswd: true, ..Manner::default() });
    let layout = scratch::directory();
    let image = Image::named("x");
    image.write_layout(layout.path());
    let credentials = format!("{USER}:{PASSWORD}");
    let arguments = ["--dest-creds", credentials.as_str()];
    registry.copy(&format!("oci:{}:x", layout.path().display()), "team/app:latest", &arguments);
    (registry, image.manifest.digest)
}

#[test]
fn a_key_gets_the_password_of_the_registry_and_its_name() {
    let (registry, digest) = filled();
    let ecr = ecr(&registry);
    let outcome = check(&ecr, SECRET);
    assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": digest }]));
    assert_eq!(ecr.asked().len(), 1);
    let target = scratch::directory();
    let version = json!({ "tag": "latest", "digest": digest });
    let source = json!({
        "repository": "team/app", "aws_region": "eu-west-1",
        "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET,
    });
    let request = json!({ "source": source, "version": version, "params": { "skip_download": true } });
    let get = Verb::get("registry-image").request(&request).dir(target.path()).env("AWS_ENDPOINT_URL_ECR", &ecr.url());
    let metadata: Value = get.run().json()["metadata"].clone();
    assert_eq!(metadata[0]["value"], json!(registry.repository("team/app")));
}

#[test]
fn a_key_that_is_wrong_says_so_and_stays_secret() {
    let (registry, _) = filled();
    let wrong = "wr0ngXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let outcome = check(&ecr(&registry), wrong);
    outcome.failed();
    assert!(outcome.stderr.contains("cannot get credentials of ECR in `eu-west-1`"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("InvalidSignatureException"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(wrong));
}
