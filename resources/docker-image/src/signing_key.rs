//! Private keys for signing images: PKCS#8 in PEM form, or an encrypted key file of cosign.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use jetway::{Result, Secret, anyhow};
use scrypt::Params;
use serde::Deserialize;
use zeroize::Zeroizing;

/// The PEM labels of key files of `cosign generate-key-pair`; the second is the label of its first releases.
const ENCRYPTED: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// The maximum memory for deriving a key, in bytes. cosign's key files need 64 MiB (N = 65536, r = 8).
const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// The maximum number of passes over that memory; cosign's key files need one.
const MAX_PASSES: u32 = 4;

/// A key for ECDSA on the curve P-256.
pub(crate) struct SigningKey(EcdsaKeyPair);

/// An encrypted key file of cosign (`github.com/secure-systems-lab/go-securesystemslib/encrypted`): the key is
/// encrypted with `NaCl`'s secretbox, with a key that scrypt derives from the password.
#[derive(Deserialize)]
struct EncryptedKey {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

/// The key derivation function.
#[derive(Deserialize)]
struct Derivation {
    name: String,
    params: Cost,
    salt: String,
}

/// The parameters of scrypt (RFC 7914).
#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl SigningKey {
    /// Validates a key as far as possible without its password. The messages do not repeat its text.
    pub(crate) fn examine(pem: &Secret) -> Result<(), &'static str> {
        match EncryptedKey::parse(pem.expose()) {
            Some(encrypted) => encrypted.and_then(|encrypted| encrypted.cost()).map(|_| ()),
            None => Self::parse(pem.expose()).map(|_| ()),
        }
    }

    /// Reads a key, with the password if it is encrypted; without a password, the empty one is tried, as in cosign.
    pub(crate) fn read(pem: &Secret, password: Option<&Secret>) -> Result<Self> {
        let wrong = |problem: &str| anyhow!(problem.to_owned());
        let Some(encrypted) = EncryptedKey::parse(pem.expose()) else {
            return Self::parse(pem.expose()).map_err(wrong);
        };
        let encrypted = encrypted.map_err(wrong)?;
        let words = password.map(Secret::expose).unwrap_or_default();
        let Some(der) = encrypted.decrypt(words.as_bytes()).map_err(wrong)? else {
            return Err(wrong(match password {
                Some(_) => "cannot be decrypted: `cosign.password` is wrong",
                None => "is encrypted; set its password in `cosign.password`",
            }));
        };
        Self::of_der(&der).map_err(wrong)
    }

    fn parse(pem: &str) -> Result<Self, &'static str> {
        if pem.contains("ENCRYPTED") {
            return Err(
                "is encrypted in a format other than cosign's; decrypt it, or create a key with `cosign generate-key-pair`",
            );
        }
        let body = body(pem, "PRIVATE KEY");
        let body = body.ok_or("expected a private key in PEM format (PKCS#8, -----BEGIN PRIVATE KEY-----)")?;
        Self::of_der(&STANDARD.decode(body).map_err(|_| DAMAGED)?)
    }

    fn of_der(der: &[u8]) -> Result<Self, &'static str> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der);
        key.map(Self).map_err(|_| "is not an ECDSA key on the curve P-256")
    }

    /// Signs a payload, and returns the signature in base64, as annotations contain it.
    pub(crate) fn sign(&self, payload: &[u8]) -> Result<String> {
        let signature = self.0.sign(&SystemRandom::new(), payload).map_err(|_| anyhow!("cannot sign with the key"))?;
        Ok(STANDARD.encode(signature))
    }

    /// Whether a signature was made with this key.
    pub(crate) fn has_signed(&self, payload: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0.public_key().as_ref());
        public.verify(payload, &signature).is_ok()
    }
}

const DAMAGED: &str = "is truncated or damaged";

impl EncryptedKey {
    /// Parses the key file in a PEM text; `None` if it is not one of cosign's.
    fn parse(pem: &str) -> Option<Result<Self, &'static str>> {
        let body = ENCRYPTED.iter().find_map(|label| body(pem, label))?;
        let json = STANDARD.decode(body).ok();
        Some(json.and_then(|json| serde_json::from_slice(&json).ok()).ok_or(DAMAGED))
    }

    /// The scrypt parameters, with limits.
    fn cost(&self) -> Result<Params, &'static str> {
        if self.kdf.name != "scrypt" || self.cipher.name != "nacl/secretbox" {
            return Err("is encrypted with parameters that cosign does not use");
        }
        let Cost { n, r, p } = self.kdf.params;
        let memory = n.checked_mul(128).and_then(|memory| memory.checked_mul(r.into()));
        if !n.is_power_of_two() || p > MAX_PASSES || memory.is_none_or(|memory| memory > MAX_MEMORY) {
            return Err("requires more than 256 MiB or more than 4 passes to decrypt");
        }
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| DAMAGED)?;
        Params::new(log_n, r, p, 32).map_err(|_| DAMAGED)
    }

    /// Decrypts the key; `None` if the password is wrong.
    fn decrypt(&self, password: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, &'static str> {
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| DAMAGED);
        let (salt, nonce) = (decoded(&self.kdf.salt)?, decoded(&self.cipher.nonce)?);
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| DAMAGED)?;
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(password, &salt, &self.cost()?, key.as_mut()).map_err(|_| DAMAGED)?;
        let cipher = XSalsa20Poly1305::new((&*key).into());
        Ok(cipher.decrypt(&nonce.into(), decoded(&self.ciphertext)?.as_slice()).ok().map(Zeroizing::new))
    }
}

/// The base64 text of a PEM section. A pipeline may have turned line breaks into spaces or `\n`.
fn body(pem: &str, label: &str) -> Option<String> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once("-----END")?;
    Some(body.replace("\\n", "").split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(label: &str, content: &serde_json::Value) -> Secret {
        let body = STANDARD.encode(content.to_string());
        Secret::new(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
    }

    fn encrypted(n: u64, r: u32, p: u32) -> serde_json::Value {
        json!({
            "kdf": { "name": "scrypt", "params": { "N": n, "r": r, "p": p }, "salt": "c2FsdA==" },
            "cipher": { "name": "nacl/secretbox", "nonce": STANDARD.encode([0; 24]) },
            "ciphertext": STANDARD.encode([0; 64]),
        })
    }

    #[test]
    fn reports_invalid_key_without_its_text() {
        for (text, words) in [
            ("hunter2", "expected a private key in PEM form"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "is encrypted in a format other than cosign's"),
            ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nczNjcjN0\n-----END", "is truncated or damaged"),
            ("-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----", "is truncated or damaged"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is not an ECDSA key"),
        ] {
            let problem = SigningKey::examine(&Secret::new(text)).unwrap_err();
            assert!(problem.starts_with(words), "{problem}");
        }
    }

    #[test]
    fn limits_the_cost_of_a_key_file() {
        let [label, old] = ENCRYPTED;
        assert!(SigningKey::examine(&file(label, &encrypted(65_536, 8, 1))).is_ok());
        assert!(SigningKey::examine(&file(old, &encrypted(32_768, 8, 1))).is_ok());
        for (n, r, p) in
            [(1 << 40, 8, 1), (u64::MAX, 8, 1), (65_537, 8, 1), (65_536, 8, 5), (65_536, u32::MAX, 1), (0, 8, 1)]
        {
            assert!(SigningKey::examine(&file(label, &encrypted(n, r, p))).is_err(), "{n} {r} {p}");
        }
        let mut other = encrypted(65_536, 8, 1);
        other["cipher"]["name"] = json!("rot13");
        assert!(SigningKey::examine(&file(label, &other)).is_err());
    }

    #[test]
    fn requires_password_of_an_encrypted_key() {
        let key = file(ENCRYPTED[0], &encrypted(16, 1, 1));
        let problem = |password: Option<&str>| {
            SigningKey::read(&key, password.map(Secret::new).as_ref()).err().unwrap().to_string()
        };
        assert_eq!(problem(None), "is encrypted; set its password in `cosign.password`");
        assert_eq!(problem(Some("wrong")), "cannot be decrypted: `cosign.password` is wrong");
    }
}
