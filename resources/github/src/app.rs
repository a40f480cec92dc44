//! Authenticates as a GitHub App: a JWT signed with the App's key is exchanged for an installation token. See
//! "Authenticating as a GitHub App installation" in GitHub's documentation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jetway::web_token::SigningKey;
use jetway::{Result, Secret};
use serde_json::json;

/// How far the issue time of a JWT is set back, because clocks differ.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// The lifetime of a JWT; GitHub accepts ten minutes at most.
const JWT_LIFETIME: Duration = Duration::from_mins(9);

/// Creates a JWT that authenticates as the App itself.
pub(crate) fn sign_jwt(key: &SigningKey, app: &str, now: SystemTime) -> Result<Secret> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({ "iat": seconds(now - CLOCK_SKEW), "exp": seconds(now + JWT_LIFETIME), "iss": app.trim() });
    key.token(&[], &claims).context("cannot create a token for the GitHub App")
}
