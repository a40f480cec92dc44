//! A stand-in for Concourse's API, with the login protocols of its releases.
//!
//! - The logins are those of `fly login`: a password grant of OAuth 2 (RFC 6749, 4.3), which Concourse's dex handles. Errors have
//!   the format of RFC 6749 (5.2), with dex's descriptions (`invalid_client`: mitodl/ol-infrastructure pull request 5036 and
//!   dexidp/dex issue 3199).
//! - The API responds with `not authorized` without a login (build-canaries/nevergreen issue 183, concourse/concourse issue 664).
//! - A build has `id`, `name`, `status` and `job_name`, as in the output of `fly builds --json`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::stand_in::{RecordedRequest, Response, StandIn};

/// The local user and the password.
pub const USER: (&str, &str) = ("ci-bot", "l0calpassw0rd");

/// The access token that it issues.
pub const ACCESS_TOKEN: &str = "acc3sst0k3nacc3sst0k3n";
/// The ID token that it issues.
pub const ID_TOKEN: &str = "1dt0k3n1dt0k3n1dt0k3n";

/// The login protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Before 4.0: Basic, per team.
    Team,
    /// Before 6.1: OAuth at `/sky/token`.
    Sky,
    /// Before 6.5: OAuth at `/sky/issuer/token`; the API accepts the ID token.
    IssuerId,
    /// OAuth at `/sky/issuer/token`.
    Issuer,
}

/// An installation. Builds are those of job `build` in pipeline `delivery` of team `main`, unless said otherwise.
pub struct Concourse {
    server: StandIn,
    builds: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Concourse {
    /// Starts a Concourse with public pipelines.
    pub fn public() -> Self {
        Self::start("8.2.5", Era::Issuer, false)
    }

    /// Starts a Concourse that requires a login.
    pub fn private(version: &'static str, era: Era) -> Self {
        Self::start(version, era, true)
    }

    fn start(version: &'static str, era: Era, is_private: bool) -> Self {
        let builds = Arc::<Mutex<BTreeMap<String, String>>>::default();
        let kept = Arc::clone(&builds);
        let server = StandIn::start(move |request| {
            login(request, version, era)
                .unwrap_or_else(|| build(request, era, is_private, &kept.lock().expect("no panic")))
        });
        Self { server, builds }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Sets the status of a build of the default job.
    pub fn ended(&self, name: &str, status: &str) {
        self.ended_at("main", "delivery", "build", name, "", status);
    }

    /// Sets the status of any build. `vars` is the pipeline's instance vars as JSON, or empty.
    pub fn ended_at(&self, team: &str, pipeline: &str, job: &str, name: &str, vars: &str, status: &str) {
        let key = [team, pipeline, job, name, vars].join("\n");
        self.builds.lock().expect("no panic").insert(key, status.to_owned());
    }

    /// The server, for its log and its faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }
}

/// The response to a login request; `None` for any other request.
fn login(request: &RecordedRequest, version: &str, era: Era) -> Option<Response> {
    let refused = || {
        Response::json(401, &json!({ "error": "access_denied", "error_description": "Invalid username or password" }))
    };
    let basic = |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let authorization = request.header("authorization").unwrap_or_default();
    match (request.method.as_str(), request.path(), era) {
        ("GET", "/api/v1/info", _) => {
            Some(Response::json(200, &json!({ "version": version, "worker_version": "2.4" })))
        }
        ("GET", "/api/v1/teams/main/auth/token", Era::Team) => {
            let is_known = authorization == basic(USER.0, USER.1);
            let token = || Response::json(200, &json!({ "type": "Bearer", "value": ACCESS_TOKEN }));
            Some(if is_known { token() } else { refused() })
        }
        ("POST", "/sky/token", Era::Sky) | ("POST", "/sky/issuer/token", Era::IssuerId | Era::Issuer) => {
            let field = |name: &str| request.form(name).unwrap_or_default();
            // The client id and secret of `fly` are public.
            if authorization != basic("fly", "Zmx5") || field("grant_type") != "password" {
                return Some(Response::json(
                    401,
                    &json!({ "error": "invalid_client", "error_description": "Invalid client credentials." }),
                ));
            }
            let scopes = field("scope");
            let asks = |scope: &str| scopes.split(' ').any(|request| request == scope);
            if !["openid", "profile", "email", "federated:id", "groups"].iter().all(|scope| asks(scope)) {
                return Some(Response::json(400, &json!({ "error": "invalid_scope" })));
            }
            // Users who log in with OIDC, LDAP or GitHub have no password here.
            if (field("username").as_str(), field("password").as_str()) != USER {
                return Some(refused());
            }
            let body = json!({
                "access_token": ACCESS_TOKEN, "token_type": "bearer", "expires_in": 86_399, "id_token": ID_TOKEN,
            });
            Some(Response::json(200, &body))
        }
        _ => None,
    }
}

fn build(request: &RecordedRequest, era: Era, is_private: bool, builds: &BTreeMap<String, String>) -> Response {
    let token = if era == Era::IssuerId { ID_TOKEN } else { ACCESS_TOKEN };
    if is_private && request.header("authorization") != Some(&format!("Bearer {token}")) {
        return Response::text(401, "not authorized");
    }
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ["api", "v1", "teams", team, "pipelines", pipeline, "jobs", job, "builds", name] = parts.as_slice() else {
        return Response::text(404, "");
    };
    let vars = request.query("vars").unwrap_or_default();
    match builds.get(&[*team, *pipeline, *job, *name, vars.as_str()].join("\n")) {
        Some(status) => Response::json(200, &json!({ "id": 1, "name": name, "status": status, "job_name": job })),
        None => Response::text(404, ""),
    }
}
