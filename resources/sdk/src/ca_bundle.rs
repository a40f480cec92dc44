//! The system's bundle of trusted authorities.

use std::env;
use std::path::PathBuf;

/// The bundles of common distributions.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Reads the system's bundle of authorities, in PEM form; `None` if there is none. `SSL_CERT_FILE` overrides the default paths.
pub fn system_ca_bundle() -> Option<Vec<u8>> {
    let named = env::var("SSL_CERT_FILE").ok();
    bundle_paths(named.as_deref()).iter().find_map(|path| std::fs::read(path).ok())
}

/// The paths to try, in order. `named` is the value of `SSL_CERT_FILE`.
pub(crate) fn bundle_paths(named: Option<&str>) -> Vec<PathBuf> {
    match named.filter(|file| !file.is_empty()) {
        Some(file) => vec![PathBuf::from(file)],
        None => BUNDLES.map(PathBuf::from).to_vec(),
    }
}
