//! Reads images from disk for a put: archives of `docker save`, OCI layouts, tar archives of a file system.
//!
//! The input is untrusted: names cannot leave the directory or archive, and sizes and digests are verified before
//! anything is pushed.

pub(crate) mod archive;
pub(crate) mod layout;
pub(crate) mod rootfs;
pub(crate) mod store;

use jetway::http::Bytes;

use crate::digest::Digest;
use crate::image::manifest::{Descriptor, Manifest};
use crate::layer::decompress::Compression;
use store::Part;

/// An image that can be pushed.
#[derive(Debug)]
pub(crate) enum Image {
    /// An image with its manifest.
    Whole(Whole),
    /// An image whose manifest is built here, since its layers must be compressed.
    Layered(Layered),
}

/// Manifests with everything that they refer to.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Children come before their index. The last one is the root.
    pub(crate) manifests: Vec<Manifest>,
    /// Without duplicates.
    pub(crate) blobs: Vec<Blob>,
}

/// Layers and a configuration.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) config: Bytes,
    /// From the bottom to the top.
    pub(crate) layers: Vec<Layer>,
}

/// A layer.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The digest of its tar archive.
    pub(crate) diff_id: Digest,
    pub(crate) part: Part,
    pub(crate) compression: Compression,
    /// The archive's own descriptor of the layer (`LayerSources`).
    pub(crate) source: Option<Descriptor>,
}

/// A blob of an image with manifest.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) descriptor: Descriptor,
    /// `None` if the image is not on disk. Then the registry must have it.
    pub(crate) part: Option<Part>,
}
