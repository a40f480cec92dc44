//! A CA and certificates that it signs, created for one test run.

use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA512,
    SignatureAlgorithm, date_time_ymd,
};

use crate::scratch;

/// A key type with its signature hash, for a CA and its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The usual key type of CAs.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// ECDSA on P-521 with SHA-512, which private CAs use and not every library supports.
    P521,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 bits with SHA-512.
    Rsa,
}

impl Kind {
    /// All key types.
    pub const ALL: [Self; 5] = [Self::P256, Self::P384, Self::P521, Self::Ed25519, Self::Rsa];

    fn key(self) -> KeyPair {
        let algorithm: &SignatureAlgorithm = match self {
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
            Self::P384 => &PKCS_ECDSA_P384_SHA384,
            Self::P521 => &PKCS_ECDSA_P521_SHA512,
            Self::Ed25519 => &PKCS_ED25519,
            Self::Rsa => &PKCS_RSA_SHA512,
        };
        KeyPair::generate_for(algorithm).expect("make a key")
    }
}

/// A private CA.
pub struct Authority {
    pem: String,
    kind: Kind,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM format.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// Creates a CA with a P-256 key.
    pub fn new() -> Self {
        Self::of(Kind::P256)
    }

    /// Creates a CA with this key type, for servers with the same key type.
    pub fn of(kind: Kind) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With several CAs of the same name, a client may find the wrong one.
        parameters.distinguished_name.push(DnType::CommonName, format!("jetway tests {:p}", &raw const parameters));
        let key = kind.key();
        let pem = parameters.self_signed(&key).expect("sign an authority").pem();
        Self { pem, kind, issuer: Issuer::new(parameters, key) }
    }

    /// The certificate of the CA, in PEM format.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Creates a certificate for a server with these names and addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.identity(names, ExtendedKeyUsagePurpose::ServerAuth, false)
    }

    /// Creates a server certificate that expired in 2020.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        self.identity(names, ExtendedKeyUsagePurpose::ServerAuth, true)
    }

    /// Creates a TLS client certificate.
    pub fn client(&self, name: &str) -> Identity {
        self.identity(&[name], ExtendedKeyUsagePurpose::ClientAuth, false)
    }

    fn identity(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose, has_expired: bool) -> Identity {
        let key = self.kind.key();
        let mut parameters =
            CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>()).expect("names");
        if has_expired {
            parameters.not_before = date_time_ymd(2019, 1, 1);
            parameters.not_after = date_time_ymd(2020, 1, 1);
        }
        parameters.extended_key_usages.push(purpose);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("sign a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// The certificate of a CA that signs with RSA-PSS, in PEM format, and a server certificate with an RSA key that it
/// signed. OpenSSL creates them, because rcgen does not support RSA-PSS.
pub fn signed_by_rsa_pss(name: &str) -> (String, Identity) {
    let directory = scratch::directory();
    let openssl = |arguments: &[&str]| {
        let output =
            Command::new("openssl").current_dir(directory.path()).args(arguments).output().expect("run openssl");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("read what openssl made");
    // RFC 8446, section 4.2.3: the salt is as long as the hash.
    let pss = ["-sha512", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    let rsa = ["-newkey", "rsa:2048", "-nodes", "-days", "9"];
    let authority = ["req", "-x509", "-subj", "/CN=jetway tests", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&[&authority, rsa.as_slice(), pss.as_slice()].concat());
    let names = format!("subjectAltName=DNS:{name}");
    let server = ["req", "-x509", "-subj", "/CN=server", "-keyout", "key.pem", "-out", "server.pem"];
    let by_authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", &names, "-addext", "basicConstraints=CA:FALSE"];
    openssl(&[&server, rsa.as_slice(), by_authority.as_slice(), pss.as_slice()].concat());
    (read("ca.pem"), Identity { certificate: read("server.pem"), key: read("key.pem") })
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
