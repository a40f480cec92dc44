//! Logins: which credentials are sent to which server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::registry::hand_made::HandMade;
use jetway_tests::registry::image::{Compression, Image};
use jetway_tests::registry::tar::Tar;
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::token_server::TokenServer;
use serde_json::{Value, json};

use crate::support::{check, get, merge, messages, put, read, source};

/// A registry with an image that skopeo has pushed as [`USER`].
fn filled(manner: &Manner<'_>) -> Registry {
    let registry = Registry::with(manner);
    let layout = jetway_tests::scratch::directory();
    Image::named("x").write_layout(layout.path());
    let credentials = format!("{USER}:{PASSWORD}");
    let mut arguments = vec!["--dest-creds", &credentials];
    if !manner.htpasswd && manner.tokens.is_none() {
        arguments.clear();
    }
    registry.copy(&format!("oci:{}:x", layout.path().display()), "team/app:latest", &arguments);
    registry
}

fn login() -> Value {
    json!({ "tag": "latest", "username": USER, "password": PASSWORD })
}

#[test]
fn sends_credentials_when_challenged() {
    let registry = filled(&Manner { htpasswd: true, ..Manner::default() });
    let before = registry.requests().len();
    let outcome = check("registry-image", &source(&registry, "team/app", login()), None);
    assert_eq!(outcome.json().as_array().map(Vec::len), Some(1));
    assert_eq!(
        registry.requests().split_off(before),
        ["HEAD /v2/team/app/manifests/latest 401", "HEAD /v2/team/app/manifests/latest 200"]
    );
}

#[test]
fn reports_missing_or_wrong_credentials() {
    let registry = filled(&Manner { htpasswd: true, ..Manner::default() });
    let none = check("registry-image", &source(&registry, "team/app", json!({ "tag": "latest" })), None);
    none.failed();
    assert_eq!(
        messages(&none),
        "error: cannot read `localhost:[PORT]/team/app:latest`\n  \
         caused by: `HEAD http://localhost:[PORT]/v2/team/app/manifests/latest` answered 401 Unauthorized\n\
         hint: `localhost:[PORT]` requires credentials: set `username` and `password`\n"
    );
    let mut wrong = login();
    wrong["password"] = json!("n0t-the-password");
    let outcome = check("registry-image", &source(&registry, "team/app", wrong), None);
    outcome.failed();
    assert!(
        messages(&outcome).ends_with("hint: `localhost:[PORT]` rejected the credentials\n"),
        "{}",
        messages(&outcome)
    );
    assert!(!outcome.stderr.contains("n0t-the-password"));
}

#[test]
fn requests_token_once() {
    let tokens = TokenServer::start();
    let registry = filled(&Manner { tokens: Some(&tokens), ..Manner::default() });
    let (before, tokens_before) = (registry.requests().len(), tokens.server().recorded_requests().len());
    let outcome = check("registry-image", &source(&registry, "team/app", login()), None);
    outcome.succeeded();
    assert_eq!(
        registry.requests().split_off(before),
        ["HEAD /v2/team/app/manifests/latest 401", "HEAD /v2/team/app/manifests/latest 200"]
    );
    let requests = tokens.server().recorded_requests().split_off(tokens_before);
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].query("scope").as_deref(), Some("repository:team/app:pull"));
    assert_eq!(requests[0].query("service").as_deref(), Some(TokenServer::SERVICE));
}

#[test]
fn requests_anonymous_token_without_credentials() {
    let tokens = TokenServer::start();
    let registry = filled(&Manner { tokens: Some(&tokens), ..Manner::default() });
    let public = source(&registry, "team/app", json!({ "tag": "latest" }));
    let refused = check("registry-image", &public, None);
    refused.failed();
    assert!(
        messages(&refused).contains("cannot get a token for `localhost:[PORT]/team/app`"),
        "{}",
        messages(&refused)
    );
    tokens.let_everybody_in();
    check("registry-image", &public, None).succeeded();
}

#[test]
fn uses_docker_config_for_several_registries() {
    let registry = filled(&Manner { htpasswd: true, ..Manner::default() });
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let config =
        json!({ "auths": { registry.host(): { "auth": auth }, "other.example": { "auth": STANDARD.encode("a:b") } } });
    for config in [config.clone(), json!(config.to_string())] {
        let keys = json!({ "tag": "latest", "docker_config": config });
        check("registry-image", &source(&registry, "team/app", keys), None).succeeded();
    }
}

/// Google's registries accept a whole key file as the password.
#[test]
fn google_key_is_sent_as_password() {
    let key = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"k3y\"\n}\n";
    let expected = format!("Basic {}", STANDARD.encode(format!("_json_key:{key}")));
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    registry.twist(move |request| {
        let is_in = request.header("authorization") == Some(expected.as_str());
        (!is_in).then(|| Response::text(401, "").with("WWW-Authenticate", "Basic realm=\"GCR\""))
    });
    let mut source = json!({ "repository": registry.repository(), "tag": "latest", "username": "_json_key" });
    source["password"] = json!(key);
    let outcome = check("registry-image", &source, None);
    assert_eq!(outcome.json(), json!([{ "tag": "latest", "digest": image.manifest.digest }]));
    assert!(!outcome.stderr.contains("k3y"));
}

#[test]
fn warns_about_username_without_password_and_ignores_it() {
    let registry = filled(&Manner::default());
    for (keys, says) in [
        (
            json!({ "username": "u" }),
            "warning: `username` has no effect without `password`: the registry is accessed anonymously",
        ),
        (json!({ "password": "p4ssw0rd" }), "warning: `password` has no effect without `username`"),
    ] {
        let mut keys = keys;
        keys["tag"] = json!("latest");
        let outcome = check("registry-image", &source(&registry, "team/app", keys), None);
        assert_eq!(outcome.json().as_array().map(Vec::len), Some(1));
        assert!(messages(&outcome).contains(says), "{}", messages(&outcome));
    }
    // Empty values are intended: vars of a pipeline for a registry without a login.
    let keys = json!({ "tag": "latest", "username": "", "password": "" });
    assert_eq!(messages(&check("registry-image", &source(&registry, "team/app", keys), None)), "");
}

#[test]
fn warns_about_too_many_concurrent_transfers_and_uses_the_maximum() {
    let registry = filled(&Manner::default());
    let keys = json!({ "tag": "latest", "max_concurrent_downloads": 100, "max_concurrent_uploads": 32 });
    let outcome = check("docker-image", &source(&registry, "team/app", keys), None);
    outcome.succeeded();
    assert_eq!(messages(&outcome), "warning: `max_concurrent_downloads` is 100; the limit is 32\n");
}

/// A registry with one image that accepts only the token of its own `/token`, with these challenges.
fn with_challenges(image: &Image, challenges: &'static [&'static str], login: Option<&'static str>) -> HandMade {
    let registry = HandMade::start(image);
    let own = registry.server().url();
    registry.twist(move |request| {
        if request.path() == "/token" {
            let is_known = login.is_none_or(|login| request.header("authorization") == Some(login));
            return Some(if is_known {
                Response::json(200, &json!({ "token": "t0k3n" }))
            } else {
                Response::text(401, "")
            });
        }
        let refusal = challenges.iter().fold(Response::text(401, ""), |answer, challenge| {
            answer.with("WWW-Authenticate", &challenge.replace("OWN", &own))
        });
        (request.header("authorization") != Some("Bearer t0k3n")).then_some(refusal)
    });
    registry
}

/// RFC 9110, section 11.6.1: a header may contain several challenges, and there may be several headers. A realm may be
/// a relative URL (project-zot/zot#4033).
#[test]
fn prefers_a_token_among_several_challenges_and_resolves_a_relative_realm() {
    let image = Image::named("x");
    let login = format!("Basic {}", STANDARD.encode("u:p4ssw0rd")).leak();
    for challenges in [
        &["Basic realm=\"x\", Bearer realm=\"OWN/token\",service=\"s\""][..],
        &["Basic realm=\"x\"", "Bearer realm=\"OWN/token\",service=\"s\""],
        &["Bearer realm=\"/token\",service=\"s\"", "Basic realm=\"x\""],
        &["Negotiate", "Bearer realm=\"/token\""],
    ] {
        for known in [None, Some(&*login)] {
            let registry = with_challenges(&image, challenges, known);
            let mut source = json!({ "repository": registry.repository(), "tag": "latest" });
            if known.is_some() {
                merge(&mut source, json!({ "username": "u", "password": "p4ssw0rd" }));
            }
            check("registry-image", &source, None).succeeded();
        }
    }
}

#[test]
fn falls_back_to_basic_auth_without_token_server() {
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    registry.twist(|request| match (request.path(), request.header("authorization")) {
        ("/token", _) => Some(Response::text(404, "")),
        (_, Some(header)) if header.starts_with("Basic") => None,
        _ => Some(Response::text(401, "").with("WWW-Authenticate", "Bearer realm=\"/token\", Basic realm=\"x\"")),
    });
    let source =
        json!({ "repository": registry.repository(), "tag": "latest", "username": "u", "password": "p4ssw0rd" });
    check("registry-image", &source, None).succeeded();
}

/// Some registries and proxies send a 401 without a challenge, or send the challenge only at `/v2/`.
#[test]
fn requests_v2_after_401_without_challenge() {
    let image = Image::named("x");
    for root in ["", "Basic realm=\"x\"", "Bearer realm=\"/token\""] {
        let registry = HandMade::start(&image);
        registry.twist(move |request| match (request.path(), request.header("authorization")) {
            ("/token", Some(_)) => Some(Response::json(200, &json!({ "token": "t0k3n" }))),
            ("/token", None) => Some(Response::text(401, "")),
            (_, Some(_)) => None,
            ("/v2/", None) if !root.is_empty() => Some(Response::text(401, "").with("WWW-Authenticate", root)),
            _ => Some(Response::text(401, "who are you?")),
        });
        let mut source = json!({ "repository": registry.repository(), "tag": "latest" });
        let anonymous = check("registry-image", &source, None);
        anonymous.failed();
        assert!(!messages(&anonymous).contains("these credentials"), "{}", messages(&anonymous));
        merge(&mut source, json!({ "username": "u", "password": "p4ssw0rd" }));
        check("registry-image", &source, None).succeeded();
    }
}

#[test]
fn error_does_not_mention_unsent_credentials() {
    let image = Image::named("x");
    let registry = HandMade::start(&image);
    registry.twist(|request| (request.path() != "/v2/").then(|| Response::text(403, "denied")));
    let source = json!({ "repository": registry.repository(), "tag": "latest" });
    let outcome = check("registry-image", &source, None);
    outcome.failed();
    assert!(messages(&outcome).contains("hint: anonymous users cannot read `"), "{}", messages(&outcome));
    assert!(!messages(&outcome).contains("the credentials have no access to"), "{}", messages(&outcome));
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let outcome = put("registry-image", &source, &json!({ "image": "layout" }), inputs.path());
    outcome.failed();
    assert!(!messages(&outcome).contains("the credentials require"), "{}", messages(&outcome));
}

/// Some registries send no challenge, and answer 404 for private repositories.
#[test]
fn sends_credentials_after_404_without_challenge() {
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::None);
    for (root, status) in [(401, 404), (401, 403), (200, 404), (200, 403)] {
        let registry = HandMade::start(&image);
        registry.twist(move |request| {
            if request.header("authorization").is_some() {
                return None;
            }
            Some(match (request.path(), root) {
                ("/v2/", 401) => Response::text(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
                ("/v2/", _) => Response::json(200, &json!({})),
                _ => Response::text(status, "nothing here"),
            })
        });
        let login =
            json!({ "repository": registry.repository(), "tag": "latest", "username": "u", "password": "p4ssw0rd" });
        let version = json!({ "tag": "latest", "digest": image.manifest.digest });
        assert_eq!(check("registry-image", &login, None).json(), json!([version]));
        let offered = |registry: &HandMade| {
            registry.server().recorded_requests().iter().filter(|request| request.path() == "/v2/").count()
        };
        assert_eq!(offered(&registry), 1, "{root} {status}");
        let target = scratch::directory();
        get("registry-image", &login, &version, json!({}), target.path()).succeeded();
        assert_eq!(offered(&registry), 2, "once for each step");
        // Without credentials, the status stays the same.
        let anonymous = json!({ "repository": registry.repository(), "tag": "latest" });
        let outcome = check("registry-image", &anonymous, None);
        assert_eq!(outcome.code == Some(0), status == 404, "{}", outcome.stderr);
        assert_eq!(offered(&registry), 2);
    }
}

/// With a rejected login, a public registry answers as without a login.
#[test]
fn falls_back_to_anonymous_when_unrequested_login_is_rejected() {
    let tokens = TokenServer::start();
    let image = Image::named("x");
    for asks_for_tokens in [true, false] {
        let registry = HandMade::start(&image);
        let challenge = format!("Bearer realm=\"{}\",service=\"{}\"", tokens.realm(), TokenServer::SERVICE);
        registry.twist(move |request| match (request.path(), asks_for_tokens) {
            ("/v2/", true) => Some(Response::text(401, "").with("WWW-Authenticate", &challenge)),
            ("/v2/", false) => Some(Response::json(200, &json!({}))),
            _ => request
                .header("authorization")
                .map(|_| Response::text(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
        });
        let source = |tag: &str| {
            let login = json!({ "tag": tag, "username": "u", "password": "n0t-the-password" });
            let mut source = json!({ "repository": registry.repository() });
            merge(&mut source, login);
            source
        };
        let outcome = check("registry-image", &source("gone"), None);
        assert_eq!(outcome.json(), json!([]), "{asks_for_tokens}");
        let text = messages(&outcome);
        let warning = "warning: `127.0.0.1:[PORT]` rejected the credentials, which it did not request";
        assert_eq!(text.matches(warning).count(), 1, "{text}");
        assert!(text.contains("answered 401 Unauthorized"), "{text}");
        assert!(!outcome.stderr.contains("n0t-the-password"), "{}", outcome.stderr);
        let found = check("registry-image", &source("latest"), None);
        assert_eq!(found.json(), json!([{ "tag": "latest", "digest": image.manifest.digest }]));
        assert_eq!(messages(&found), "");
    }
}

/// The check already has a response, so it does not retry for a registry with errors.
#[test]
fn does_not_retry_v2_request_without_challenge() {
    let busy = || Response::text(503, "busy");
    let image = Image::named("x");
    for root_is_busy in [true, false] {
        let (registry, tokens) = (HandMade::start(&image), StandIn::start(move |_| busy()));
        let realm = format!("{}/token", tokens.url().replace("127.0.0.1", "localhost"));
        registry.twist(move |request| match (request.path(), root_is_busy) {
            ("/v2/", true) => Some(busy()),
            ("/v2/", false) => {
                let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
                Some(Response::text(401, "").with("WWW-Authenticate", &challenge))
            }
            _ => None,
        });
        let source =
            json!({ "repository": registry.repository(), "tag": "gone", "username": "u", "password": "p4ssw0rd" });
        assert_eq!(check("registry-image", &source, None).json(), json!([]));
        let request = |server: &StandIn, path: &str| {
            server.recorded_requests().iter().filter(|request| request.path() == path).count()
        };
        assert_eq!(request(registry.server(), "/v2/"), 1);
        assert_eq!(request(&tokens, "/token"), usize::from(!root_is_busy));
    }
}

#[test]
fn exchanges_identity_token_for_access_token() {
    let tokens = TokenServer::start();
    let registry = filled(&Manner { tokens: Some(&tokens), ..Manner::default() });
    let config = json!({ "auths": { registry.host(): { "identitytoken": TokenServer::REFRESH } } });
    let outcome = check(
        "registry-image",
        &source(&registry, "team/app", json!({ "tag": "latest", "docker_config": config })),
        None,
    );
    outcome.succeeded();
    let requests = tokens.server().recorded_requests();
    let last = requests.last().expect("a request");
    assert_eq!((last.method.as_str(), last.form("grant_type").as_deref()), ("POST", Some("refresh_token")));
}

#[test]
fn ca_certs_apply_to_all_registries_or_one() {
    let registry = filled(&Manner { tls: true, ..Manner::default() });
    let with = |key: &str, value: Value| {
        let mut keys = json!({ "tag": "latest" });
        keys[key] = value;
        check("registry-image", &source(&registry, "team/app", keys), None)
    };
    let untrusted = with("tag", json!("latest"));
    untrusted.failed();
    assert!(messages(&untrusted).contains("not signed by a trusted authority"), "{}", messages(&untrusted));
    with("ca_certs", json!([registry.authority()])).succeeded();
    with("ca_certs", json!([{ "domain": registry.host(), "cert": registry.authority() }])).succeeded();
    with("ca_certs", json!([{ "domain": "other.example", "cert": registry.authority() }])).failed();
    // `insecure: true` allows plain HTTP, but does not disable the verification of certificates; a list does both.
    with("insecure", json!(true)).failed();
    with("insecure", json!([registry.host()])).succeeded();
    with("insecure_registries", json!(["other.example", registry.host()])).succeeded();
}

#[test]
fn client_certificate_is_sent_only_to_its_registry() {
    let registry = Registry::with(&Manner { tls: true, client_certificates: true, ..Manner::default() });
    let identity = registry.client_certificate();
    let with = |domain: &str| {
        json!({
            "tag": "latest",
            "ca_certs": [{ "domain": registry.host(), "cert": registry.authority() }],
            "client_certs": [{ "domain": domain, "cert": identity.certificate, "key": identity.key }],
        })
    };
    let image = Image::of_archives(&json!({}), &[Tar::new().file("a", 0o644, b"x").finish()], Compression::Gzip);
    let inputs = scratch::directory();
    image.write_layout(&inputs.path().join("layout"));
    let own = source(&registry, "team/app", with(&registry.host()));
    let put = put("registry-image", &own, &json!({ "image": "layout" }), inputs.path());
    let version = put.json()["version"].clone();
    assert_eq!(check("registry-image", &own, None).json(), json!([version]));
    let target = scratch::directory();
    get("registry-image", &own, &version, json!({}), target.path()).succeeded();
    assert_eq!(read(target.path(), "rootfs/a"), "x");
    for domain in ["other.example", "localhost", &format!("localhost:{}", registry.port() ^ 1)] {
        let outcome = check("registry-image", &source(&registry, "team/app", with(domain)), None);
        outcome.failed();
        // The client may or may not read the TLS alert before the end of the connection; in both cases it must not try
        // plain HTTP.
        assert!(
            messages(&outcome).contains("cannot read `localhost:[PORT]/team/app:latest`"),
            "{}",
            messages(&outcome)
        );
        assert!(!outcome.stderr.contains("http://"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("PRIVATE KEY"), "{}", outcome.stderr);
    }
    // A registry without this key in `client_certs`, which would accept any certificate.
    let other = Registry::with(&Manner { tls: true, client_certificates: true, ..Manner::default() });
    let mut keys = with(&registry.host());
    keys["ca_certs"] = json!([other.authority()]);
    check("registry-image", &source(&other, "team/app", keys), None).failed();
}
