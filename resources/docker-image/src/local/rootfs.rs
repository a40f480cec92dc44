//! Turns a file system in a tar archive into an image with one layer, as `docker import` does.

use jetway::http::Bytes;
use jetway::{Context, Result, anyhow};
use serde_json::json;

use crate::background;
use crate::digest::Hasher;
use crate::image::platform::RequestedPlatform;
use crate::layer::decompress::{Compression, decompressed};
use crate::layer::tar::{BLOCK, is_header};
use crate::local::store::{Part, digest_of, unpacked};
use crate::local::{Image, Layer, Layered};
use crate::source::Source;

/// The shortest archive: two empty records.
const MIN_ARCHIVE_BYTES: u64 = 1024;

/// The image with the file system in `part`, for a platform.
///
/// The configuration has no creation time, so that the same file system gives the same image.
pub(crate) async fn read(context: &Context, source: &Source, part: Part, wanted: &RequestedPlatform) -> Result<Image> {
    let (part, compression) = match part.compression()? {
        known @ (Compression::Gzip | Compression::Plain) => (part, known),
        // Not every engine supports a layer with this compression.
        _ => (Part::of_file(&unpacked(context, source, part).await?)?, Compression::Plain),
    };
    let hash = background::run(context, {
        let part = part.clone();
        move |stop| {
            let mut reader = decompressed(part.open()?)?;
            let mut first = [0; BLOCK];
            reader.read_exact(&mut first)?;
            if !is_header(&first) {
                return Err(anyhow!("it is not a tar archive"));
            }
            let mut whole = std::io::Read::chain(&first[..], reader);
            digest_of(&mut whole, Hasher::sha256(), stop)
        }
    });
    let (diff_id, size) = hash.await?;
    if size < MIN_ARCHIVE_BYTES {
        return Err(anyhow!("it is not a tar archive"));
    }
    let mut config = json!({
        "architecture": wanted.architecture(),
        "os": wanted.os(),
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
        "history": [{ "comment": "imported" }],
    });
    if let (Some(variant), Some(config)) = (wanted.variant(), config.as_object_mut()) {
        config.insert("variant".to_owned(), variant.into());
    }
    let layers = vec![Layer { diff_id, part, compression, source: None }];
    Ok(Image::Layered(Layered { config: Bytes::from(config.to_string()), layers }))
}
