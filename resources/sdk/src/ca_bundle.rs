//! Where the system keeps the authorities that it trusts.

use std::env;
use std::path::PathBuf;

/// Where distributions keep their bundle of authorities.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's bundle of authorities, in PEM form; `None` when there is none. `SSL_CERT_FILE` stands in for the usual
/// places.
pub fn system_ca_bundle() -> Option<Vec<u8>> {
    let named = env::var("SSL_CERT_FILE").ok();
    places(named.as_deref()).iter().find_map(|path| std::fs::read(path).ok())
}

/// The places to look at, in order; `named` is what `SSL_CERT_FILE` says.
pub(crate) fn places(named: Option<&str>) -> Vec<PathBuf> {
    match named.filter(|file| !file.is_empty()) {
        Some(file) => vec![PathBuf::from(file)],
        None => BUNDLES.map(PathBuf::from).to_vec(),
    }
}
