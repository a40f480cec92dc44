//! Images on disk, as a put reads them: archives of `docker save`, OCI layouts, tar archives of a file system.
//!
//! Whoever wrote them, nothing is taken on trust: names lead nowhere else, sizes and digests are compared before anything
//! is sent.

pub(crate) mod archive;
pub(crate) mod layout;
pub(crate) mod rootfs;
pub(crate) mod store;

use jetway::http::Bytes;

use crate::digest::Digest;
use crate::image::manifest::{Descriptor, Manifest};
use crate::layer::decompress::Compression;
use store::Part;

/// An image that can be sent.
#[derive(Debug)]
pub(crate) enum Image {
    /// One that has its manifest.
    Whole(Whole),
    /// One whose manifest is to be made, since its layers are to be compressed.
    Layered(Layered),
}

/// Manifests with everything that they name.
#[derive(Debug)]
pub(crate) struct Whole {
    /// What an index names stands before it. The last one is what tags point to.
    pub(crate) manifests: Vec<Manifest>,
    /// Each once.
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
    /// How the archive itself describes the layer (`LayerSources`).
    pub(crate) source: Option<Descriptor>,
}

/// A blob of a whole image.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) descriptor: Descriptor,
    /// `None` when it is not on disk. The registry must have it then.
    pub(crate) part: Option<Part>,
}
