//! Media types of both families, Docker's and OCI's.

pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The `Accept` header of a manifest request. One line, since some registries read only one `Accept`.
pub(crate) fn accepted() -> String {
    [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX].join(", ")
}

/// Whether registries must not serve a layer of this type: only its vendor distributes it.
pub(crate) fn is_foreign(layer: &str) -> bool {
    layer.contains(".foreign.") || layer.contains(".nondistributable.")
}

/// Whether a layer of this type is encrypted. Everything else is detected from the bytes: some tools omit the media
/// type or write a wrong one.
pub(crate) fn is_encrypted(layer: &str) -> bool {
    layer.contains("+encrypted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_layers_by_type() {
        for layer in [
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ] {
            assert!(is_foreign(layer) && !is_encrypted(layer), "{layer}");
        }
        assert!(is_encrypted("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"));
        for layer in ["", "application/octet-stream", "application/vnd.oci.image.layer.v1.tar"] {
            assert!(!is_foreign(layer) && !is_encrypted(layer), "{layer}");
        }
    }
}
