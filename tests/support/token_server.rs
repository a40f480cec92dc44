//! A token server with one user. It signs tokens, so that a real registry accepts them.
//!
//! GET follows "Token Authentication Specification" of the distribution project
//! (<https://distribution.github.io/distribution/spec/auth/token>), POST by "Distribution Registry v2 authentication
//! using `OAuth2`" (<https://distribution.github.io/distribution/spec/auth/oauth>); the token is that of "Token
//! Authentication Implementation" (<https://distribution.github.io/distribution/spec/auth/jwt>), which also has the
//! 401. No specification has the body of a 401: it is that of a registry's errors.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::registry::{PASSWORD, USER};
use crate::stand_in::{RecordedRequest, Response, StandIn};

/// A running token server.
pub struct TokenServer {
    server: StandIn,
    certificate: String,
    shared: Arc<Shared>,
}

struct Shared {
    key: Vec<u8>,
    /// The certificate in DER format.
    certificate: Vec<u8>,
    anonymous: Mutex<bool>,
    /// The lifetime of a token, in seconds.
    life: Mutex<i64>,
}

impl TokenServer {
    /// Its name in the configuration of registries.
    pub const ISSUER: &'static str = "jetway-tests";
    /// The names of registries in tokens.
    pub const SERVICE: &'static str = "registry.test";
    /// The refresh token.
    pub const REFRESH: &'static str = "r3fr3sh-t0k3n-for-tests";

    /// Starts a token server with the only user [`USER`] and [`PASSWORD`].
    pub fn start() -> Self {
        let key = KeyPair::generate().expect("make a key");
        let certificate = CertificateParams::new(["tokens.test".to_owned()]).expect("a name");
        let certificate = certificate.self_signed(&key).expect("sign a certificate");
        let shared = Arc::new(Shared {
            key: key.serialize_der(),
            certificate: certificate.der().to_vec(),
            anonymous: Mutex::new(false),
            life: Mutex::new(300),
        });
        let grants = Arc::clone(&shared);
        let server = StandIn::start(move |request| grants.answer(request));
        Self { server, certificate: certificate.pem(), shared }
    }

    /// Allows anonymous access.
    pub fn let_everybody_in(&self) {
        *self.shared.anonymous.lock().expect("no request panicked") = true;
    }

    /// Issues tokens that expire this many seconds from now (or have expired, if negative).
    pub fn give_tokens_for(&self, seconds: i64) {
        *self.shared.life.lock().expect("no request panicked") = seconds;
    }

    /// The token URL, with a host name, because the host of the registry is one too.
    pub fn realm(&self) -> String {
        format!("{}/token", self.server.url().replace("127.0.0.1", "localhost"))
    }

    /// The certificate of its key, in PEM format.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }
}

impl Shared {
    fn answer(&self, request: &RecordedRequest) -> Response {
        let (scopes, allowed) = if request.method == "POST" {
            let scopes = request.form("scope").unwrap_or_default();
            (scopes, request.form("refresh_token").as_deref() == Some(TokenServer::REFRESH))
        } else {
            let login = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
            let anonymous = *self.anonymous.lock().expect("no request panicked");
            let allowed = match request.header("authorization") {
                Some(given) => given == login,
                None => anonymous,
            };
            (request.query("scope").unwrap_or_default(), allowed)
        };
        if !allowed {
            return Response::json(
                401,
                &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] }),
            );
        }
        let token = self.token(&scopes);
        Response::json(
            200,
            &json!({ "token": token, "access_token": token, "refresh_token": TokenServer::REFRESH, "expires_in": 300 }),
        )
    }

    fn token(&self, scopes: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        let now = i64::try_from(now.as_secs()).expect("a date");
        let life = *self.life.lock().expect("no request panicked");
        let access: Vec<_> = scopes
            .split_whitespace()
            .filter_map(|scope| {
                let (kind, rest) = scope.split_once(':')?;
                let (name, actions) = rest.rsplit_once(':')?;
                Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
            })
            .collect();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&self.certificate)] });
        let claims = json!({
            "iss": TokenServer::ISSUER, "sub": USER, "aud": TokenServer::SERVICE, "access": access,
            "nbf": now - 600, "iat": now, "exp": now + life, "jti": format!("{now}-{scopes}"),
        });
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key).expect("a key");
        let signature = key.sign(&random, signed.as_bytes()).expect("sign a token");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
