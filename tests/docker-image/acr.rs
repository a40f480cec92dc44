//! Azure's registries (ACR): stand-ins for the identity service of a machine and for the token exchange.
//!
//! The identity service implements "How to use managed identities to acquire an access token"
//! (<https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>). The
//! registry implements "Azure Container Registry integration with Azure Active Directory"
//! (<https://azure.github.io/acr/AAD-OAuth.html>) and its reference
//! (<https://learn.microsoft.com/en-us/rest/api/containerregistry/access-tokens/get-from-login>).

use jetway_tests::registry::image::Image;
use jetway_tests::scratch;
use jetway_tests::stand_in::{RecordedRequest, Response, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{merge, messages};

/// The access token of the machine's identity.
const ACCESS: &str = "acc3ss-t0ken-of-the-identity";
/// The refresh token that the registry returns for the access token.
const REFRESH: &str = "r3fresh-t0ken-of-the-registry";
/// The token that the registry's token server returns for the refresh token.
const TOKEN: &str = "t0ken-f0r-one-repository";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
const TENANT: &str = "99999999-8888-7777-6666-555555555555";

/// The identity service of a machine.
fn machine() -> StandIn {
    StandIn::start(|request| {
        if request.header("metadata") != Some("true") || request.path() != "/metadata/identity/oauth2/token" {
            return Response::json(400, &json!({ "error": "invalid_request" }));
        }
        if request.query("client_id").is_some_and(|client| client != CLIENT) {
            let body = json!({ "error": "invalid_request", "error_description": "Identity not found" });
            return Response::json(400, &body);
        }
        // Azure's service returns numbers as text.
        Response::json(200, &json!({ "access_token": ACCESS, "expires_in": "86399", "token_type": "Bearer" }))
    })
}

/// An Azure registry with one image. It requires a token, which its token server returns only for the refresh token.
fn registry(image: Image, tenant: Option<&'static str>) -> StandIn {
    StandIn::start(move |request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        match request.path() {
            "/oauth2/exchange" => {
                let field = |name: &str| request.form(name).unwrap_or_default();
                assert_eq!((field("grant_type").as_str(), field("service")), ("access_token", host));
                if field("access_token") != ACCESS || field("tenant") != tenant.unwrap_or("common") {
                    return Response::json(401, &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "no" }] }));
                }
                Response::json(200, &json!({ "refresh_token": REFRESH }))
            }
            "/oauth2/token" => {
                let login = STANDARD.encode(format!("00000000-0000-0000-0000-000000000000:{REFRESH}"));
                if request.header("authorization") != Some(&format!("Basic {login}")) {
                    return Response::text(401, "");
                }
                Response::json(200, &json!({ "access_token": TOKEN }))
            }
            path if path.starts_with("/v2/") => {
                if request.header("authorization") == Some(&format!("Bearer {TOKEN}")) {
                    return jetway_tests::registry::hand_made::answer(&image, request);
                }
                let tenant = tenant.map(|tenant| format!(",tenant=\"{tenant}\"")).unwrap_or_default();
                let challenge = format!("Bearer realm=\"http://{host}/oauth2/token\",service=\"{host}\"{tenant}");
                Response::text(401, "").with("WWW-Authenticate", &challenge)
            }
            _ => Response::text(404, ""),
        }
    })
}

fn check(registry: &StandIn, machine: &StandIn, more: Value) -> Outcome {
    let host = registry.url().replace("http://", "");
    let mut source = json!({ "repository": format!("{host}/team/app"), "tag": "latest", "azure_acr": true });
    merge(&mut source, more);
    let request = json!({ "source": source });
    Verb::check("registry-image").request(&request).env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &machine.url()).run()
}

fn paths(requests: &[RecordedRequest]) -> Vec<String> {
    requests.iter().map(|request| format!("{} {}", request.method, request.path())).collect()
}

#[test]
fn managed_identity_gets_registry_password() {
    let image = Image::named("x");
    let (machine, registry) = (machine(), registry(image.clone(), Some(TENANT)));
    let outcome = check(&registry, &machine, json!({}));
    assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": image.manifest.digest }]));
    assert_eq!(machine.recorded_requests().len(), 1);
    assert_eq!(machine.recorded_requests()[0].query("resource").as_deref(), Some("https://management.azure.com"));
    assert_eq!(machine.recorded_requests()[0].query("client_id"), None);
    assert_eq!(
        paths(&registry.recorded_requests()),
        [
            "GET /v2/",
            "POST /oauth2/exchange",
            "HEAD /v2/team/app/manifests/latest",
            "GET /oauth2/token",
            "HEAD /v2/team/app/manifests/latest"
        ]
    );
    for secret in [ACCESS, REFRESH, TOKEN] {
        assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
    }
}

#[test]
fn uses_client_id_tenant_and_environment() {
    let (machine, named) = (machine(), registry(Image::named("x"), Some(TENANT)));
    let keys = json!({ "azure_client_id": CLIENT, "azure_tenant_id": TENANT, "azure_environment": "AzureChina" });
    check(&named, &machine, keys).succeeded();
    assert_eq!(machine.recorded_requests()[0].query("client_id").as_deref(), Some(CLIENT));
    assert_eq!(
        machine.recorded_requests()[0].query("resource").as_deref(),
        Some("https://management.chinacloudapi.cn")
    );
    assert_eq!(paths(&named.recorded_requests())[0], "POST /oauth2/exchange", "the tenant is not looked for");
    // An unknown cloud is a warning. If the registry does not report its tenant, any tenant is used.
    let silent = registry(Image::named("x"), None);
    let outcome = check(&silent, &machine, json!({ "azure_environment": "AzureMoon" }));
    outcome.succeeded();
    assert!(
        messages(&outcome).starts_with("warning: `azure_environment`: unknown value `AzureMoon`"),
        "{}",
        messages(&outcome)
    );
    assert_eq!(machine.recorded_requests()[1].query("resource").as_deref(), Some("https://management.azure.com"));
}

#[test]
fn reports_failures_with_hints() {
    let (machine, good) = (machine(), registry(Image::named("x"), Some(TENANT)));
    let outcome = check(&good, &machine, json!({ "azure_client_id": "unknown" }));
    outcome.failed();
    for text in
        ["cannot get Azure credentials for `127.0.0.1:", "Identity not found", "hint: the machine requires a managed"]
    {
        assert!(messages(&outcome).contains(text), "{}", messages(&outcome));
    }
    assert_eq!(good.recorded_requests(), [], "no registry is asked without a token");
    let outcome = check(&good, &machine, json!({ "azure_tenant_id": "other" }));
    outcome.failed();
    assert!(messages(&outcome).contains("the registry rejected the token of the identity"), "{}", messages(&outcome));
    let empty = StandIn::start(|_| Response::json(200, &json!({ "refresh_token": "" })));
    let outcome = check(&empty, &machine, json!({}));
    outcome.failed();
    assert!(
        messages(&outcome).contains("the registry's response to the token of the identity is empty"),
        "{}",
        messages(&outcome)
    );
    let html = StandIn::start(|_| Response::text(200, format!("<html>{ACCESS}</html>")));
    let outcome = check(&html, &machine, json!({}));
    outcome.failed();
    assert!(messages(&outcome).contains("not JSON with a token"), "{}", messages(&outcome));
    assert!(!outcome.stderr.contains(ACCESS));
}

#[test]
fn workload_identity_gets_registry_password() {
    let house = scratch::directory();
    let file = house.path().join("token");
    std::fs::write(&file, "t0ken-of-the-cluster\n").unwrap();
    let authority = StandIn::start(|request| {
        let field = |name: &str| request.form(name).unwrap_or_default();
        assert_eq!(request.path(), format!("/{TENANT}/oauth2/v2.0/token"));
        assert_eq!(field("client_assertion"), "t0ken-of-the-cluster");
        assert_eq!((field("client_id").as_str(), field("grant_type").as_str()), (CLIENT, "client_credentials"));
        assert_eq!(field("scope"), "https://management.azure.com/.default");
        Response::json(200, &json!({ "access_token": ACCESS }))
    });
    let registry = registry(Image::named("x"), Some(TENANT));
    let host = registry.url().replace("http://", "");
    let source = json!({ "repository": format!("{host}/team/app"), "tag": "latest", "azure_acr": "true" });
    let verb = Verb::check("registry-image")
        .request(&json!({ "source": source }))
        .env("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap())
        .env("AZURE_AUTHORITY_HOST", &authority.url())
        .env("AZURE_CLIENT_ID", CLIENT);
    let outcome = verb.clone().run();
    outcome.failed();
    assert!(
        messages(&outcome).contains("the environment variable `AZURE_TENANT_ID` is not set"),
        "{}",
        messages(&outcome)
    );
    verb.env("AZURE_TENANT_ID", TENANT).run().succeeded();
    assert_eq!(authority.recorded_requests().len(), 1);
}

#[test]
fn azure_token_is_sent_only_to_the_registry_of_the_source() {
    let machine = machine();
    for (keys, says) in [
        (json!({ "repository": "team/app" }), "requires the name of an Azure registry"),
        (json!({ "aws_region": "eu-west-1" }), "a registry belongs to either Azure or AWS"),
    ] {
        let mut source = json!({ "repository": "team.azurecr.io/app", "tag": "latest", "azure_acr": true });
        merge(&mut source, keys);
        let request = json!({ "source": source });
        let verb = Verb::check("registry-image").request(&request);
        let outcome = verb.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &machine.url()).run();
        outcome.failed();
        assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
    }
    assert_eq!(machine.recorded_requests(), []);
}

#[test]
fn metadata_request_bypasses_the_proxy() {
    // The identity service has a link-local address, which a proxy would resolve to its own machine.
    let proxy = StandIn::start(|_| Response::json(200, &json!({ "access_token": ACCESS })));
    let registry = registry(Image::named("x"), Some(TENANT));
    let host = registry.url().replace("http://", "");
    let source = json!({ "repository": format!("{host}/team/app"), "tag": "latest", "azure_acr": true });
    let check = Verb::check("registry-image").request(&json!({ "source": source }));
    check.env("HTTP_PROXY", &proxy.url()).run();
    assert_eq!(proxy.recorded_requests(), []);
}
