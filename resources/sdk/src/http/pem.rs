//! Certificates and keys in PEM form, as a pipeline's author writes them. Messages never repeat the text.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::error::Result;

/// The certificates of a PEM text, at least one.
pub(super) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err("expected certificates in PEM form (-----BEGIN CERTIFICATE-----), found none".to_owned())
        }
        Ok(certificates) => Ok(certificates),
        // The parser's message repeats the text, which may be a misplaced key.
        Err(_) => Err("expected certificates in PEM form, found text that is cut or damaged".to_owned()),
    }
}

/// The certificates of a PEM text, at least one, which are all valid as authorities.
pub(super) fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = certificates(pem)?;
    let mut store = RootCertStore::empty();
    match certificates.iter().try_for_each(|certificate| store.add(certificate.clone())) {
        Ok(()) => Ok(certificates),
        Err(_) => Err("expected X.509 certificates, found something else in PEM form".to_owned()),
    }
}

/// The private key in a PEM text.
pub(super) fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("expected a private key without a passphrase, found an encrypted one".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "expected a private key in PEM form (PKCS#8, PKCS#1 or SEC1)".to_owned())
}

/// The name in a certificate.
pub(super) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("`{text}` is neither a host name nor an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_unusable_text_without_repeating_it() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for problem in [
            private_key(encrypted).unwrap_err(),
            private_key("hunter2").unwrap_err(),
            certificates("hunter2").unwrap_err(),
            certificates("-----BEGIN CERTIFICATE-----\nhunter2").unwrap_err(),
            authorities("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap_err(),
        ] {
            assert!(problem.starts_with("expected ") && !problem.contains("hunter2"), "{problem}");
        }
    }
}
