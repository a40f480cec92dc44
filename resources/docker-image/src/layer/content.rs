//! A layer's content: decompressed, verified against the configuration's `diff_id`, and limited in size.

use std::io::{self, Read};

use crate::digest::{Digest, Hasher};
use crate::layer::decompress::decompressed;
use crate::layer::holes::{HOLE, is_zeros};

/// The part of the limit that does not depend on the download's size, in bytes.
const ALWAYS: u64 = 1024 * 1024 * 1024;

/// The limit per downloaded byte. Images compress to a third or a tenth.
const TIMES: u64 = 100;

/// The limit of zero bytes, which become holes in files: they take no disk space, but processing them takes time.
const ZEROS: u64 = 256 * 1024 * 1024 * 1024;

/// The limit for the unpacked size of an image's layers together. No manifest declares that size; it has only the
/// compressed sizes. Without a limit, a download of a few megabytes could fill the disk that the worker's other steps
/// share.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    most: u64,
    left: u64,
    zeros_left: u64,
}

impl Allowance {
    /// The limit for layers with so many downloaded bytes.
    pub(crate) fn of(downloaded: u64) -> Self {
        Self::up_to(downloaded.saturating_mul(TIMES).saturating_add(ALWAYS))
    }

    /// A limit of so many bytes.
    pub(crate) fn up_to(most: u64) -> Self {
        Self { most, left: most, zeros_left: ZEROS }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let zeros: usize = bytes.chunks_exact(HOLE).filter(|block| is_zeros(block)).map(<[u8]>::len).sum();
        let (left, zeros_left) =
            (self.left.checked_sub((bytes.len() - zeros) as u64), self.zeros_left.checked_sub(zeros as u64));
        match (left, zeros_left) {
            (Some(left), Some(zeros_left)) => {
                (self.left, self.zeros_left) = (left, zeros_left);
                Ok(())
            }
            (None, _) => Err(io::Error::other(format!(
                "its decompressed size exceeds the limit of {} bytes; to allow more, set `max_unpacked_size` in the source",
                self.most
            ))),
            (_, None) => Err(io::Error::other(format!("its decompressed content has more than {ZEROS} zeros"))),
        }
    }
}

/// A reader of a layer's content. At the end the content is verified.
pub(crate) struct Content<'c> {
    reader: Box<dyn Read + 'c>,
    allowance: &'c mut Allowance,
    expected: Option<(Hasher, Digest)>,
}

impl<'c> Content<'c> {
    /// Reads a layer as it was downloaded; `expected` is the digest of its decompressed content.
    pub(crate) fn new(
        layer: impl Read + 'c,
        expected: Option<Digest>,
        allowance: &'c mut Allowance,
    ) -> io::Result<Self> {
        let expected = expected.map(|digest| (digest.hasher(), digest));
        Ok(Self { reader: decompressed(layer)?, allowance, expected })
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.allowance.take(buffer.get(..read).unwrap_or_default())?;
        if read > 0 {
            if let Some((hasher, _)) = &mut self.expected {
                hasher.update(buffer.get(..read).unwrap_or_default());
            }
        } else if !buffer.is_empty()
            && let Some((hasher, expected)) = self.expected.take()
        {
            let found = hasher.finish();
            if found != expected {
                return Err(io::Error::other(format!(
                    "its decompressed content has the digest {found}; the image's configuration requires {expected}"
                )));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(layer: &[u8], expected: Option<Digest>, most: u64) -> io::Result<Vec<u8>> {
        let mut allowance = Allowance::up_to(most);
        let mut read = Vec::new();
        Content::new(layer, expected, &mut allowance)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn rejects_content_that_does_not_match_the_config() {
        let layer = zstd::encode_all(&b"text"[..], 1).unwrap();
        assert_eq!(read(&layer, Some(Digest::of(b"text")), 4).unwrap(), b"text");
        assert_eq!(read(&layer, None, 4).unwrap(), b"text");
        let problem = read(&layer, Some(Digest::of(b"other")), 4).unwrap_err().to_string();
        assert!(problem.contains("the image's configuration requires sha256:"), "{problem}");
    }

    #[test]
    fn limits_the_size_of_all_layers_together() {
        let layer = zstd::encode_all(&[1; 10_000][..], 1).unwrap();
        assert!(layer.len() < 100, "it is a bomb, if a small one");
        assert!(read(&layer, None, 9_999).unwrap_err().to_string().contains("the limit of 9999 bytes"));
        let mut allowance = Allowance::up_to(15_000);
        let mut read = |layer: &[u8]| {
            let mut read = Vec::new();
            Content::new(layer, None, &mut allowance)?.read_to_end(&mut read)
        };
        assert_eq!(read(&layer).unwrap(), 10_000);
        assert!(read(&layer).is_err());
        assert_eq!(Allowance::of(u64::MAX).left, u64::MAX);
    }

    #[test]
    fn holes_do_not_count() {
        let mut content = vec![0; 100 * HOLE];
        content[50 * HOLE] = 1;
        let layer = zstd::encode_all(&content[..], 1).unwrap();
        assert_eq!(read(&layer, None, 10 * HOLE as u64).unwrap(), content);
        assert!(read(&layer, None, 10).is_err());
    }
}
