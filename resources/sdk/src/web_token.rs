//! JSON Web Tokens (RFC 7519), signed with an RSA key (RS256). GitHub and Google exchange them for access tokens.

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::error::Result;
use crate::secret::Secret;

/// An RSA key that signs tokens.
pub struct SigningKey(RsaKeyPair);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Parses the key in a PEM text. The error does not repeat the text.
    pub fn parse(pem: &str) -> Result<Self, String> {
        if pem.contains("ENCRYPTED") {
            return Err("expected a private key without a passphrase, found an encrypted one".to_owned());
        }
        for (label, read) in [
            ("RSA PRIVATE KEY", RsaKeyPair::from_der as fn(&[u8]) -> Result<RsaKeyPair, aws_lc_rs::error::KeyRejected>),
            ("PRIVATE KEY", RsaKeyPair::from_pkcs8),
        ] {
            if let Some(body) = body(pem, label) {
                let der = STANDARD.decode(body).map_err(|_| "is cut or damaged".to_owned())?;
                return read(&der).map(Self).map_err(|_| "is not an RSA key of 2048 bits or more".to_owned());
            }
        }
        Err("is not a private key (expected `-----BEGIN RSA PRIVATE KEY-----` to `-----END RSA PRIVATE KEY-----`)"
            .to_owned())
    }

    /// Creates a token with these claims. `header` adds fields to its header, such as the key's id (`kid`).
    pub fn token(&self, header: &[(&str, &str)], claims: &Value) -> Result<Secret> {
        let mut whole = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(whole) = whole.as_object_mut() {
            whole.extend(header.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&whole), encode(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| anyhow!("the private key cannot sign"))
            .context("cannot create a token")?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// The base64 text of a PEM section. A pipeline may have changed the line breaks to spaces or to `\n`.
fn body(pem: &str, label: &str) -> Option<String> {
    let (_, after) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = after.split_once(&format!("-----END {label}-----"))?;
    Some(body.replace("\\n", "").split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_an_invalid_key_without_its_text() {
        for (text, words) in [
            ("hunter2", "is not a private key"),
            ("-----BEGIN RSA PRIVATE KEY-----\n%%%\n-----END RSA PRIVATE KEY-----", "is cut or damaged"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is not an RSA key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "expected a private key without a passphrase"),
        ] {
            let problem = SigningKey::parse(text).unwrap_err();
            assert!(problem.starts_with(words), "{problem}");
        }
    }
}
