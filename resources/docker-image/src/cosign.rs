//! Signatures in cosign's format: a separate image beside the signed one, under a tag that is built from the signed
//! digest, with the signatures as annotations of its layers (cosign's `SIGNATURE_SPEC.md`).

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use jetway::http::Bytes;
use jetway::{Advise as _, Result};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::image::manifest::{Content, Descriptor, Manifest};
use crate::image::media_type::{OCI_CONFIG, OCI_MANIFEST};
use crate::reference::Repository;
use crate::registry::uploads::Outgoing;
use crate::registry::{Reference, Registry};
use crate::signing_key::SigningKey;
use crate::source::Source;

/// The media type of the signed payload.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation that holds a signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The creation time that cosign writes, so that the same signatures are the same image.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The source's signing key, if it has one. Decrypting a key file of cosign takes a moment and 64 MiB.
pub(crate) fn signing_key(source: &Source) -> Result<Option<SigningKey>> {
    let Some(cosign) = &source.cosign else { return Ok(None) };
    let key = SigningKey::read(&cosign.key, cosign.password.as_ref());
    key.map(Some).map_err(|problem| anyhow!("`cosign.key` {problem}"))
}

/// Signs an image in the registry. Keeps existing signatures, and does not sign again with the same key.
pub(crate) async fn sign(registry: &Registry<'_>, key: &SigningKey, digest: &Digest) -> Result<()> {
    let name = format!("{}@{digest}", registry.repository());
    let signed = async {
        let payload = payload(registry.repository(), digest).into_bytes();
        let content = Digest::of(&payload);
        let tag = format!("{}-{}.sig", digest.algorithm(), digest.hex());
        let mut layers = match registry.manifest(Reference::Tag(&tag)).await? {
            Some(Manifest { content: Content::Image(image), .. }) => image.layers,
            Some(_) => return Err(anyhow!("tag `{tag}` exists, but is not an image of signatures")),
            None => Vec::new(),
        };
        let is_ours = |layer: &Descriptor| {
            let signature = layer.annotations.get(SIGNATURE);
            layer.digest == content && signature.is_some_and(|signature| key.has_signed(&payload, signature))
        };
        if layers.iter().any(is_ours) {
            return Ok(format!("`{name}` is already signed"));
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
        registry.put_manifest(Reference::Tag(&tag), &manifest).await?;
        Ok(format!("signed `{name}`, as `{tag}`"))
    };
    let told = signed.await.with_context(|| format!("cannot sign `{name}`"));
    registry.context().console().step(told.hint("the image is pushed, but not signed; run the put again to sign it")?);
    Ok(())
}

/// The signed payload ("simple signing" of the containers project).
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

/// The configuration of the signature image.
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
