//! The credentials of requests.

use std::time::SystemTime;

use anyhow::Context as _;
use jetway::http::{HttpRequest, Method};
use jetway::web_token::SigningKey;
use jetway::{Result, Secret, anyhow};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::access::Access;
use crate::app::sign_jwt;
use crate::error_response::explained;
use crate::server::Server;
use crate::store::Login;

/// A cached token is used only if it is valid for at least this time, in seconds.
const MIN_LIFETIME: i64 = 5 * 60;

/// A token for the repository, and whether it was cached.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    /// Whether it comes from the cache of an earlier check. It may have been revoked since then.
    pub(crate) is_cached: bool,
}

/// The App's id and key, if the resource authenticates as an App.
pub(crate) fn app(access: &Access) -> Option<(&str, &Secret)> {
    let id = access.app_id.as_deref().map(str::trim).filter(|id| !id.is_empty())?;
    Some((id, access.private_key.as_ref()?))
}

/// Returns the token for requests.
pub(crate) async fn token(server: &Server<'_>) -> Result<Token> {
    let access = server.access();
    let Some((id, private_key)) = app(access) else {
        let given = access.access_token.as_ref().map(|token| token.expose().trim()).unwrap_or_default();
        return Ok(Token { secret: Secret::new(given), is_cached: false });
    };
    let installation = access.installation_id.as_deref().unwrap_or_default();
    let login = Login { private_key, names: [&access.api, id, installation, &access.repository] };
    let now = Timestamp::now().as_second();
    if let Some((secret, _)) = server.kept_token(&login).filter(|(_, expiry)| *expiry > now + MIN_LIFETIME) {
        return Ok(Token { secret, is_cached: true });
    }
    let (secret, expiry) = installation_token(server, id, private_key)
        .await
        .with_context(|| format!("cannot log in as the GitHub App `{id}`"))?;
    server.keep_token(&login, &secret, expiry);
    Ok(Token { secret, is_cached: false })
}

/// Authenticates a request as the App itself, not as an installation.
pub(crate) fn as_app(request: HttpRequest, id: &str, private_key: &Secret) -> Result<HttpRequest> {
    let key = SigningKey::parse(private_key.expose()).map_err(|problem| anyhow!("`private_key` {problem}"))?;
    Ok(request.bearer(&sign_jwt(&key, id, SystemTime::now())?))
}

/// Requests an installation token for this repository only. Also returns its expiry, in seconds since 1970.
async fn installation_token(server: &Server<'_>, id: &str, private_key: &Secret) -> Result<(Secret, i64)> {
    #[derive(Deserialize)]
    struct Installation {
        id: u64,
    }
    #[derive(Deserialize)]
    struct AccessToken {
        token: Secret,
        expires_at: String,
    }
    let access = server.access();
    let installation = if let Some(installation) = access.installation_id.as_deref() {
        installation.to_owned()
    } else {
        let request = server.request(&Method::GET, &server.of_repository("installation"));
        let response = as_app(request, id, private_key)?.send().await;
        let found: Installation = explained(response, access.hints)
            .with_context(|| format!("cannot find the installation of the App for `{}`", access.repository))?
            .json()
            .await?;
        found.id.to_string()
    };
    let request = server
        .request(&Method::POST, &format!("/app/installations/{installation}/access_tokens"))
        .json(&json!({ "repositories": [access.repository_name()] }))
        // A retry may create a surplus token, which is harmless because it expires.
        .repeatable();
    let response = as_app(request, id, private_key)?.send().await;
    let created: AccessToken = explained(response, access.hints)?.json().await?;
    server.console().redactor().add(created.token.expose());
    let expiry: Timestamp = created.expires_at.parse().context("cannot parse the expiry time of the token")?;
    Ok((created.token, expiry.as_second()))
}
