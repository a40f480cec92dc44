//! Certificates made for one run: an authority, and what it vouches for.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// An authority of its own.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM form.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Who has several authorities of one name finds the wrong one.
        parameters.distinguished_name.push(DnType::CommonName, format!("jetway tests {:p}", &raw const parameters));
        let key = KeyPair::generate().expect("make a key");
        let pem = parameters.self_signed(&key).expect("sign an authority").pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// Its own certificate, in PEM form.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server of these names and addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.identity(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate to log in with.
    pub fn client(&self, name: &str) -> Identity {
        self.identity(&[name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn identity(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Identity {
        let key = KeyPair::generate().expect("make a key");
        let mut parameters =
            CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>()).expect("names");
        parameters.extended_key_usages.push(purpose);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("sign a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
