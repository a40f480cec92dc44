//! Writes the CA certificates that git trusts.

use std::path::PathBuf;

use jetway::{Context, Result, system_ca_bundle};

/// The private file with all CA certificates.
const AUTHORITIES: &str = "ca-certificates.pem";

/// Writes the system's CA certificates and `ca_certs` into one file, since git accepts only one; `None` if `ca_certs`
/// is empty.
pub(crate) fn install(context: &Context, ca_certs: &[String]) -> Result<Option<PathBuf>> {
    if ca_certs.is_empty() {
        return Ok(None);
    }
    let mut all = system_ca_bundle().unwrap_or_default();
    for pem in ca_certs {
        all.push(b'\n');
        all.extend_from_slice(pem.trim().as_bytes());
    }
    all.push(b'\n');
    context.private_directory().write(AUTHORITIES, &all).map(Some)
}
