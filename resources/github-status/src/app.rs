//! Logging in as a GitHub App: a token of our own making, signed with the App's key, is exchanged for one of an
//! installation. See "Authenticating as a GitHub App installation" in GitHub's documentation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jetway::{Result, Secret};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

/// How far back a token's begin is set, since clocks differ.
const BEFORE: Duration = Duration::from_mins(1);

/// How long a token of our own making holds; GitHub takes ten minutes at most.
const HOLDS: Duration = Duration::from_mins(9);

/// An App's private key.
pub(crate) struct Key(RsaKeyPair);

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key")
    }
}

impl Key {
    /// The key in a PEM text, or what is wrong with the text, in words that do not repeat it.
    pub(crate) fn parse(pem: &str) -> Result<Self, String> {
        if pem.contains("ENCRYPTED") {
            return Err("expected a private key without a passphrase, found an encrypted one".to_owned());
        }
        for (label, read) in [
            ("RSA PRIVATE KEY", RsaKeyPair::from_der as fn(&[u8]) -> Result<RsaKeyPair, ring::error::KeyRejected>),
            ("PRIVATE KEY", RsaKeyPair::from_pkcs8),
        ] {
            if let Some(body) = body(pem, label) {
                let der = STANDARD.decode(body).map_err(|_| "is cut or damaged".to_owned())?;
                return read(&der).map(Self).map_err(|_| "is no RSA key of 2048 bits or more".to_owned());
            }
        }
        Err("is not a private key (expected `-----BEGIN RSA PRIVATE KEY-----` to `-----END RSA PRIVATE KEY-----`)"
            .to_owned())
    }

    /// A token by which the App itself logs in.
    pub(crate) fn token(&self, app: &str, now: SystemTime) -> Result<Secret> {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({ "iat": seconds(now - BEFORE), "exp": seconds(now + HOLDS), "iss": app.trim() });
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| anyhow!("the private key does not sign"))
            .context("cannot make a token for the GitHub App")?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// The base64 text between the lines that begin and end a PEM section. Line breaks may have become spaces or `\n` on the
/// way through a pipeline.
fn body(pem: &str, label: &str) -> Option<String> {
    let (_, after) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = after.split_once(&format!("-----END {label}-----"))?;
    Some(body.replace("\\n", "").split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_said_without_its_text() {
        for (text, words) in [
            ("hunter2", "is not a private key"),
            ("-----BEGIN RSA PRIVATE KEY-----\n%%%\n-----END RSA PRIVATE KEY-----", "is cut or damaged"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is no RSA key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "expected a private key without a passphrase"),
        ] {
            let problem = Key::parse(text).unwrap_err();
            assert!(problem.starts_with(words), "{problem}");
        }
    }
}
