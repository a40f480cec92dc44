//! What a layer holds: decompressed, held against what the image's configuration says of it, and no more than may be.

use std::io::{self, Read};

use super::decompress::decompressed;
use crate::digest::{Digest, Hasher};

/// What any image may hold, in bytes, however little was downloaded: a file of zeros packs to next to nothing.
const ALWAYS: u64 = 1024 * 1024 * 1024;

/// How many times what was downloaded it may hold besides. Images pack to a third or a tenth; gzip at most to a thousandth,
/// zstd to less still.
const TIMES: u64 = 100;

/// How much the layers of one image may hold together. Nothing declares that: a manifest has the sizes of what is downloaded.
/// Without a bound, a download of a few megabytes could fill the disk that a worker's other steps share.
#[derive(Debug)]
pub(crate) struct Allowance {
    most: u64,
    left: u64,
}

impl Allowance {
    /// The allowance for layers of which so many bytes are downloaded.
    pub(crate) fn of(downloaded: u64) -> Self {
        let most = downloaded.saturating_mul(TIMES).saturating_add(ALWAYS);
        Self { most, left: most }
    }

    fn take(&mut self, bytes: usize) -> io::Result<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::other(format!(
                    "it is decompressed to more than the {} bytes that are taken: 1 GiB, and {TIMES} times what is downloaded",
                    self.most
                )));
            }
        }
        Ok(())
    }
}

/// The content of a layer. Read to its end, it is what the configuration says that it is.
pub(crate) struct Content<'c> {
    reader: Box<dyn Read + 'c>,
    allowance: &'c mut Allowance,
    expected: Option<(Hasher, Digest)>,
}

impl<'c> Content<'c> {
    /// The content of a layer as it was downloaded; `expected` is the digest that it has when it is decompressed.
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
        self.allowance.take(read)?;
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
                    "decompressed, it has the digest {found}, and the image's configuration says {expected}"
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
        let mut allowance = Allowance { most, left: most };
        let mut read = Vec::new();
        Content::new(layer, expected, &mut allowance)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn what_is_not_what_the_configuration_says_is_a_failure_in_the_end() {
        let layer = zstd::encode_all(&b"text"[..], 1).unwrap();
        assert_eq!(read(&layer, Some(Digest::of(b"text")), 4).unwrap(), b"text");
        assert_eq!(read(&layer, None, 4).unwrap(), b"text");
        let problem = read(&layer, Some(Digest::of(b"other")), 4).unwrap_err().to_string();
        assert!(problem.contains("and the image's configuration says sha256:"), "{problem}");
    }

    #[test]
    fn no_more_comes_than_is_allowed_for_all_layers_together() {
        let layer = zstd::encode_all(&[0; 10_000][..], 1).unwrap();
        assert!(layer.len() < 100, "it is a bomb, if a small one");
        assert!(read(&layer, None, 9_999).unwrap_err().to_string().contains("more than the 9999 bytes"));
        let mut allowance = Allowance { most: 15_000, left: 15_000 };
        let mut read = |layer: &[u8]| {
            let mut read = Vec::new();
            Content::new(layer, None, &mut allowance)?.read_to_end(&mut read)
        };
        assert_eq!(read(&layer).unwrap(), 10_000);
        assert!(read(&layer).is_err());
        assert_eq!(Allowance::of(u64::MAX).left, u64::MAX);
    }
}
