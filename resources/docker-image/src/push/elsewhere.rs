//! Blobs that are not stored in the registry.

use crate::image::manifest::Descriptor;
use crate::image::media_type::is_foreign;

/// Whether a blob is a foreign layer, which clients download from its own URLs.
pub(super) fn is_elsewhere(blob: &Descriptor) -> bool {
    is_foreign(&blob.media_type) && !blob.urls.is_empty()
}
