//! The files with the authorities that the system trusts.

use std::fs;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::ca_bundle;

/// The directories in which distributions keep authorities as single files.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Where to find the system's authorities.
#[derive(Debug, Clone)]
pub(super) struct TrustSources {
    bundles: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    /// Whether `bundles` is the file of `SSL_CERT_FILE`.
    named: bool,
}

impl TrustSources {
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` (several, separated by colons) override the default paths.
    pub(super) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let named = get("SSL_CERT_FILE");
        Self {
            named: named.is_some(),
            bundles: ca_bundle::bundle_paths(named.as_deref()),
            directories: get("SSL_CERT_DIR").map_or_else(
                || DIRECTORIES.map(PathBuf::from).to_vec(),
                |directories| directories.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
            ),
        }
    }

    /// A warning if the file of `SSL_CERT_FILE` cannot be read.
    pub(super) fn problem(&self) -> Option<String> {
        let file = self.bundles.first().filter(|_| self.named)?;
        let error = fs::metadata(file).err()?;
        Some(format!("`SSL_CERT_FILE` names `{}`, which cannot be read: {error}", file.display()))
    }

    /// The authorities of the first bundle that exists.
    pub(super) fn bundle(&self) -> Vec<CertificateDer<'static>> {
        self.bundles.iter().find_map(|path| fs::read(path).ok()).map(|pem| readable(&pem)).unwrap_or_default()
    }

    /// The authorities in single files.
    pub(super) fn singles(&self) -> Vec<CertificateDer<'static>> {
        let files = self.directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
        // Reading a device or a pipe might not end.
        let paths = files.map(|entry| entry.path()).filter(|path| path.is_file());
        paths.filter_map(|path| fs::read(path).ok()).flat_map(|pem| readable(&pem)).collect()
    }
}

/// The certificates of a PEM text. Unreadable ones are skipped: one bad file of the system must not fail every request.
fn readable(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}
