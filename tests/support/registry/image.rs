//! Images built by hand, byte by byte.

use std::io::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::client::Client;

/// The media type of an image manifest (OCI).
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index (OCI).
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an image manifest (Docker).
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media type of an uncompressed layer (OCI).
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Bytes with their digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// `sha256:...`.
    pub digest: String,
    /// The media type.
    pub media_type: String,
}

impl Blob {
    /// Creates a blob with a media type.
    pub fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: sha256(&bytes), bytes, media_type: media_type.to_owned() }
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// The compression of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Uncompressed.
    None,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

impl Compression {
    /// Creates a layer from an archive.
    pub fn layer(self, archive: &[u8]) -> Blob {
        match self {
            Self::None => Blob::new(LAYER, archive),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(archive).expect("compress a layer");
                Blob::new(&format!("{LAYER}+gzip"), encoder.finish().expect("compress a layer"))
            }
            Self::Zstd => Blob::new(&format!("{LAYER}+zstd"), zstd::encode_all(archive, 3).expect("compress a layer")),
        }
    }
}

/// An image: its manifest, and the blobs that it refers to.
#[derive(Debug, Clone)]
pub struct Image {
    /// The manifest.
    pub manifest: Blob,
    /// Its configuration.
    pub config: Blob,
    /// Its layers, from the bottom to the top.
    pub layers: Vec<Blob>,
}

impl Image {
    /// Builds an image from layers and a configuration.
    pub fn new(config: &Value, layers: Vec<Blob>) -> Self {
        let config = Blob::new("application/vnd.oci.image.config.v1+json", config.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        });
        Self { manifest: Blob::new(MANIFEST, manifest.to_string()), config, layers }
    }

    /// Builds an image from archives for this machine's platform, with the user and environment of its containers.
    pub fn of_archives(execution: &Value, archives: &[Vec<u8>], compression: Compression) -> Self {
        let layers = archives.iter().map(|archive| compression.layer(archive)).collect();
        let diff_ids: Vec<String> = archives.iter().map(|archive| sha256(archive)).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z", "config": execution,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": archives.iter().map(|_| json!({ "created_by": "test" })).collect::<Vec<_>>(),
        });
        Self::new(&config, layers)
    }

    /// Builds an image without layers whose digest depends on the name.
    pub fn named(name: &str) -> Self {
        Self::new(
            &json!({ "architecture": "amd64", "os": "linux", "config": { "Labels": { "name": name } } }),
            Vec::new(),
        )
    }

    /// Pushes it under a tag, and returns its digest.
    pub fn push(&self, client: Client, path: &str, tag: &str) -> String {
        client.put_blob(path, &self.config);
        for layer in &self.layers {
            client.put_blob(path, layer);
        }
        client.put_manifest(path, tag, &self.manifest.media_type, &self.manifest.bytes)
    }
}

/// The digest of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    let hex: Vec<String> = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

impl Image {
    /// Writes it as an OCI layout, with the tag `x`.
    pub fn write_layout(&self, directory: &std::path::Path) {
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).expect("create a layout");
        let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).expect("write a layout");
        for blob in self.layers.iter().chain([&self.config, &self.manifest]) {
            write(&format!("blobs/{}", blob.digest.replace(':', "/")), &blob.bytes);
        }
        let mut entry = self.manifest.descriptor();
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "x" });
        write("index.json", json!({ "schemaVersion": 2, "manifests": [entry] }).to_string().as_bytes());
        write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    }
}
