//! The cryptography of TLS: aws-lc-rs, extended by signatures of RSA-PSS keys and the key exchange on P-521.
//!
//! A key may be bound to RSA-PSS by its own type (`id-RSASSA-PSS`, RFC 4055, section 3.1; `rsa_pss_pss_*` in RFC 8446,
//! section 4.2.3). `OpenSSL` and `GnuTLS` accept such certificates, webpki has no algorithm for them.

use std::sync::{Arc, LazyLock};

use ::aws_lc_rs::agreement::{
    ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey as PeerKey, agree_ephemeral,
};
use ::aws_lc_rs::rand::SystemRandom;
use ::aws_lc_rs::signature::{
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SharedSecret, SupportedKxGroup, WebPkiSupportedAlgorithms,
    aws_lc_rs,
};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};

/// The provider of all TLS connections.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = aws_lc_rs::default_provider();
        provider.signature_verification_algorithms = with_pss_keys(provider.signature_verification_algorithms);
        provider.kx_groups.push(&P521);
        Arc::new(provider)
    });
    Arc::clone(&PROVIDER)
}

/// Adds the algorithms of RSA-PSS keys. rustls requires static lists, so they are leaked; this runs once.
fn with_pss_keys(known: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    let mut all = known.all.to_vec();
    let mut mapping = known.mapping.to_vec();
    for (scheme, algorithms) in PSS_KEYS {
        all.extend_from_slice(algorithms);
        mapping.push((*scheme, *algorithms));
    }
    WebPkiSupportedAlgorithms { all: all.leak(), mapping: mapping.leak() }
}

/// The algorithms of RSA-PSS keys by TLS signature scheme: for a key without parameters, and for a key that is bound to the hash.
static PSS_KEYS: &[(SignatureScheme, &[&dyn SignatureVerificationAlgorithm])] = &[
    (SignatureScheme::Unknown(0x0809), &[&SHA256.of_any_hash(), &SHA256.of_this_hash()]),
    (SignatureScheme::Unknown(0x080a), &[&SHA384.of_any_hash(), &SHA384.of_this_hash()]),
    (SignatureScheme::Unknown(0x080b), &[&SHA512.of_any_hash(), &SHA512.of_this_hash()]),
];

/// The type of a key without parameters: the object identifier 1.2.840.113549.1.1.10 and nothing after it.
const PSS_KEY: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a]);

const SHA256: Pss = Pss { signature: alg_id::RSA_PSS_SHA256, parameters: &RSA_PSS_2048_8192_SHA256 };
const SHA384: Pss = Pss { signature: alg_id::RSA_PSS_SHA384, parameters: &RSA_PSS_2048_8192_SHA384 };
const SHA512: Pss = Pss { signature: alg_id::RSA_PSS_SHA512, parameters: &RSA_PSS_2048_8192_SHA512 };

/// RSA-PSS with one hash, and a salt of the hash's length.
struct Pss {
    signature: AlgorithmIdentifier,
    parameters: &'static RsaParameters,
}

impl Pss {
    const fn of_any_hash(&self) -> PssKey {
        PssKey { key: PSS_KEY, signature: self.signature, parameters: self.parameters }
    }

    /// A key's parameters have the same encoding as a signature's.
    const fn of_this_hash(&self) -> PssKey {
        PssKey { key: self.signature, signature: self.signature, parameters: self.parameters }
    }
}

/// Verifies signatures of an RSA-PSS key.
#[derive(Debug)]
struct PssKey {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    parameters: &'static RsaParameters,
}

impl SignatureVerificationAlgorithm for PssKey {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.parameters, public_key).verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// The key exchange on P-521, in last place. A TLS 1.2 server uses a certificate with a P-521 key only if the client offers this
/// group (RFC 8422, section 5.1.1).
#[derive(Debug)]
struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new()).map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(P521Exchange { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// A P-521 key exchange after its public key was sent.
struct P521Exchange {
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for P521Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = PeerKey::new(&ECDH_P521, peer);
        let misbehaved = Error::from(PeerMisbehaved::InvalidKeyShare);
        agree_ephemeral(self.private, peer, misbehaved, |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}
