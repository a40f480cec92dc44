//! Amazon's registries (ECR): credentials from a stand-in that verifies signatures, for a real registry.
//!
//! ECR implements <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html> in the
//! protocol `AWS JSON 1.1` (<https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>), and STS implements
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html> and
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::aws::Key;
use jetway_tests::registry::image::Image;
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::merge;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

const WEB_TOKEN: &str = "t0ken-of-the-worker";

/// ECR's API: it returns the credentials of a registry for requests that are signed with the key.
fn ecr(registry: &Registry) -> StandIn {
    ecr_for(Key::new("AKIDEXAMPLE", SECRET), registry)
}

/// The same for another key, which STS returns for a role.
fn ecr_for(key: Key, registry: &Registry) -> StandIn {
    let host = registry.host();
    StandIn::start(move |request| {
        if request.form("Action").is_some() {
            return assume(request, &key);
        }
        if let Err(problem) = key.has_signed(request, "eu-west-1", "ecr") {
            return amazon_json(400, &json!({ "__type": "InvalidSignatureException", "message": problem }));
        }
        let target = request.header("x-amz-target");
        assert_eq!(target, Some("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"));
        let token = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let data =
            json!([{ "authorizationToken": token, "expiresAt": 1.7e9, "proxyEndpoint": format!("https://{host}") }]);
        amazon_json(200, &json!({ "authorizationData": data }))
    })
}

pub(crate) fn amazon_json(status: u16, body: &Value) -> Response {
    Response::bytes(status, "application/x-amz-json-1.1", body.to_string())
}

/// STS: it returns the session key of a role for signed requests, or for the web identity token of a worker.
fn assume(request: &RecordedRequest, session: &Key) -> Response {
    let may = match request.form("Action").as_deref() {
        Some("AssumeRole") => Key::new("AKIDEXAMPLE", SECRET).has_signed(request, "eu-west-1", "sts"),
        Some("AssumeRoleWithWebIdentity") if request.form("WebIdentityToken").as_deref() == Some(WEB_TOKEN) => Ok(()),
        _ => Err("no such token".to_owned()),
    };
    if may.is_err() || request.form("RoleArn").as_deref() != Some(ROLE) {
        return Response::bytes(
            403,
            "text/xml",
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
        );
    }
    let (id, secret, token) = (&session.id, &session.secret, session.session.as_deref().unwrap_or_default());
    Response::bytes(
        200,
        "text/xml",
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{id}</AccessKeyId>\
             <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

#[test]
fn assumes_role_with_access_key_or_worker_credentials() {
    let (registry, digest) = filled();
    let session =
        || Key { session: Some("t0ken-of-the-session".to_owned()), ..Key::new("ASIAEXAMPLE", "s3cret-of-the-session") };
    let ecr = ecr_for(session(), &registry);
    let house = scratch::directory();
    let file = house.path().join("token");
    std::fs::write(&file, format!("{WEB_TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    let base = json!({ "repository": "team/app", "tag": "latest", "aws_region": "eu-west-1" });
    let keys = json!({ "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET });
    let with = |more: [Value; 2]| {
        let mut source = base.clone();
        for more in more {
            merge(&mut source, more);
        }
        source
    };
    let worker = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", file.as_str())];
    for (source, environment) in [
        (with([keys.clone(), json!({ "aws_role_arn": ROLE })]), &[][..]),
        (with([keys.clone(), json!({ "aws_role_arns": [ROLE] })]), &[]),
        (base.clone(), &worker),
    ] {
        let mut check = Verb::check("registry-image").request(&json!({ "source": source }));
        for (name, value) in [("AWS_ENDPOINT_URL_ECR", ecr.url()), ("AWS_ENDPOINT_URL_STS", ecr.url())] {
            check = check.env(name, &value);
        }
        let outcome = environment.iter().fold(check, |check, (name, value)| check.env(name, value)).run();
        assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": digest }]));
    }
    // The error names a role that the key may not assume.
    let source = with([keys, json!({ "aws_role_arn": format!("{ROLE}-other") })]);
    let check = Verb::check("registry-image").request(&json!({ "source": source }));
    let outcome = check.env("AWS_ENDPOINT_URL_ECR", &ecr.url()).env("AWS_ENDPOINT_URL_STS", &ecr.url()).run();
    outcome.failed();
    assert!(outcome.stderr.contains(&format!("{ROLE}-other")), "{}", outcome.stderr);
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
fn access_key_gets_registry_and_password() {
    let (registry, digest) = filled();
    let ecr = ecr(&registry);
    let outcome = check(&ecr, SECRET);
    assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": digest }]));
    assert_eq!(ecr.recorded_requests().len(), 1);
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
fn wrong_access_key_is_reported_and_redacted() {
    let (registry, _) = filled();
    let wrong = "wr0ngXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let outcome = check(&ecr(&registry), wrong);
    outcome.failed();
    assert!(outcome.stderr.contains("cannot get credentials for ECR in `eu-west-1`"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("InvalidSignatureException"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(wrong));
}
