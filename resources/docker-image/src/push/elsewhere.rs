//! Blobs that are not in the registry.

use crate::image::manifest::Descriptor;
use crate::image::media_type::is_foreign;

/// Whether a blob is one that registries do not store: whoever needs it downloads it from its own address.
pub(super) fn is_elsewhere(blob: &Descriptor) -> bool {
    is_foreign(&blob.media_type) && !blob.urls.is_empty()
}
