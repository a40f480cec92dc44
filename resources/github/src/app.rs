//! Authenticates as a GitHub App: a JWT signed with the App's key is exchanged for an installation token. See
//! "Authenticating as a GitHub App installation" in GitHub's documentation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jetway::web_token::SigningKey;
use jetway::{Result, Secret};
use serde_json::json;

/// How far a JWT's issue time is set back, to allow for clock skew.
const BEFORE: Duration = Duration::from_mins(1);

/// The lifetime of a JWT; GitHub accepts ten minutes at most.
const HOLDS: Duration = Duration::from_mins(9);

/// Creates a JWT that authenticates as the App itself.
pub(crate) fn token(key: &SigningKey, app: &str, now: SystemTime) -> Result<Secret> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({ "iat": seconds(now - BEFORE), "exp": seconds(now + HOLDS), "iss": app.trim() });
    key.token(&[], &claims).context("cannot create a token for the GitHub App")
}
