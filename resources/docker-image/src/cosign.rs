//! Signatures as cosign makes and verifies them: an image of its own beside the one that is signed, under a tag that is made of
//! that one's digest, with the signatures as annotations of its layers (cosign's `SIGNATURE_SPEC.md`).

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::http::Bytes;
use jetway::{Advise as _, Result, Secret};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::image::manifest::{Content, Descriptor, Manifest};
use crate::image::media_type::{OCI_CONFIG, OCI_MANIFEST};
use crate::reference::Repository;
use crate::registry::uploads::Outgoing;
use crate::registry::{Asked, Registry};
use crate::source::Source;

/// The media type of what is signed.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation that holds a signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// When all of this was made, as cosign has it: the same signatures are the same image.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A key that signs.
pub(crate) struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    /// The key that a source has, if it has one.
    pub(crate) fn of(source: &Source) -> Result<Option<Self>> {
        let key = source.cosign.as_ref().map(|cosign| Self::parse(&cosign.key)).transpose();
        key.map_err(|problem| anyhow!("`cosign.key`: {problem}"))
    }

    /// The key in a PEM text, or what is wrong with the text, in words that do not repeat it.
    pub(crate) fn parse(pem: &Secret) -> Result<Self, &'static str> {
        let pem = pem.expose();
        if pem.contains("ENCRYPTED") {
            return Err("expected a private key without a passphrase, found an encrypted one");
        }
        let body = pem.split_once("-----BEGIN PRIVATE KEY-----").and_then(|(_, rest)| rest.split_once("-----END"));
        let (body, _) = body.ok_or("expected a private key in PEM form (PKCS#8, -----BEGIN PRIVATE KEY-----)")?;
        // Line breaks may have become spaces or `\n` on the way through a pipeline.
        let body: String = body.replace("\\n", "").split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| "is cut or damaged")?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der);
        key.map(Self).map_err(|_| "is no key for ECDSA on the curve P-256")
    }

    /// A signature, in the form that annotations have it.
    fn sign(&self, payload: &[u8]) -> Result<String> {
        let signature = self.0.sign(&SystemRandom::new(), payload).map_err(|_| anyhow!("the key does not sign"))?;
        Ok(STANDARD.encode(signature))
    }

    /// Whether a signature is this key's.
    fn has_signed(&self, payload: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0.public_key().as_ref());
        public.verify(payload, &signature).is_ok()
    }
}

/// Signs an image that is in the registry. Signatures that are there already stay; one of the same key is not made again.
pub(crate) async fn sign(registry: &Registry<'_>, key: &SigningKey, digest: &Digest) -> Result<()> {
    let name = format!("{}@{digest}", registry.repository());
    let signed = async {
        let payload = payload(registry.repository(), digest).into_bytes();
        let content = Digest::of(&payload);
        let tag = format!("{}-{}.sig", digest.algorithm(), digest.hex());
        let mut layers = match registry.manifest(Asked::Tag(&tag)).await? {
            Some(Manifest { content: Content::Image(image), .. }) => image.layers,
            Some(_) => return Err(anyhow!("`{tag}` is there, and no image of signatures")),
            None => Vec::new(),
        };
        let is_ours = |layer: &Descriptor| {
            let signature = layer.annotations.get(SIGNATURE);
            layer.digest == content && signature.is_some_and(|signature| key.has_signed(&payload, signature))
        };
        if layers.iter().any(is_ours) {
            return Ok(format!("`{name}` is signed already"));
        }
        layers.push(Descriptor {
            annotations: BTreeMap::from([(SIGNATURE.to_owned(), key.sign(&payload)?)]),
            ..Descriptor::new(PAYLOAD, content, payload.len() as u64)
        });
        let config = config(&layers).to_string().into_bytes();
        let manifest = manifest(&config, &layers)?;
        for blob in [payload, config] {
            let digest = Digest::of(&blob);
            if !registry.has_blob(&digest, blob.len() as u64).await? {
                registry.upload(&digest, Outgoing::Bytes(&Bytes::from(blob)), None).await?;
            }
        }
        registry.put_manifest(Asked::Tag(&tag), &manifest).await?;
        Ok(format!("signed `{name}`, as `{tag}`"))
    };
    let told = signed.await.with_context(|| format!("cannot sign `{name}`"));
    registry.context().console().step(told.hint("the image is pushed; the same put once more signs it")?);
    Ok(())
}

/// What is signed ("simple signing" of the containers project).
fn payload(repository: &Repository, digest: &Digest) -> String {
    json!({
        "critical": {
            "identity": { "docker-reference": repository.full_name() },
            "image": { "docker-manifest-digest": digest.to_string() },
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
}

/// The configuration of an image that is no image.
fn config(layers: &[Descriptor]) -> Value {
    let history = vec![json!({ "created": NEVER }); layers.len()];
    let digests: Vec<String> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    json!({
        "architecture": "", "config": {}, "created": NEVER, "history": history, "os": "",
        "rootfs": { "type": "layers", "diff_ids": digests },
    })
}

fn manifest(config: &[u8], layers: &[Descriptor]) -> Result<Manifest> {
    let config = json!({ "mediaType": OCI_CONFIG, "size": config.len(), "digest": Digest::of(config).to_string() });
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
    Manifest::parse(manifest.to_string().into_bytes(), OCI_MANIFEST).map_err(|problem| anyhow!(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_said_without_its_text() {
        for (text, words) in [
            ("hunter2", "expected a private key in PEM form"),
            ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", "expected a private key without a passphrase"),
            ("-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----", "is cut or damaged"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is no key for ECDSA"),
        ] {
            let problem = SigningKey::parse(&Secret::new(text)).err().unwrap();
            assert!(problem.starts_with(words), "{problem}");
        }
    }
}
