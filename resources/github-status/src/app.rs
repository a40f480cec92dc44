//! Logging in as a GitHub App: a token of our own making, signed with the App's key, is exchanged for one of an
//! installation. See "Authenticating as a GitHub App installation" in GitHub's documentation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jetway::web_token::SigningKey;
use jetway::{Result, Secret};
use serde_json::json;

/// How far back a token's begin is set, since clocks differ.
const BEFORE: Duration = Duration::from_mins(1);

/// How long a token of our own making holds; GitHub takes ten minutes at most.
const HOLDS: Duration = Duration::from_mins(9);

/// A token by which the App itself logs in.
pub(crate) fn token(key: &SigningKey, app: &str, now: SystemTime) -> Result<Secret> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({ "iat": seconds(now - BEFORE), "exp": seconds(now + HOLDS), "iss": app.trim() });
    key.token(&[], &claims).context("cannot make a token for the GitHub App")
}
