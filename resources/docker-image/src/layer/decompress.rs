//! Layers are gzip, zstd or plain: their first bytes say which, whatever the media type says.
//!
//! **Which inflater.** A layer is as large as its maker likes, and a verb has 64 MiB: it has to be decompressed piece by piece. Of
//! 668 MB of gzip (1,531 MB of tar) in 128 KiB pieces zlib-rs made 4.7 to 6.5 s of CPU, zlib-ng, which needs a C compiler, 4.7 to
//! 5.0 s, and `miniz_oxide` 6.4 to 6.8 s. libdeflate took 2.8 s, but it wants all of a layer, and of what that holds, in memory.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// How much of a layer is read at once, in bytes.
const BUFFER: usize = 128 * 1024;

/// The largest window of zstd that is taken, as a power of two: 128 MiB, which is as much as the `zstd` program takes unasked.
/// It is the memory that a layer is decompressed in; levels up to 19, which builders use, ask for 8 MiB at most.
const LARGEST_WINDOW: u32 = 27;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Plain,
}

impl Compression {
    /// By the first four bytes, or fewer.
    pub(crate) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A skippable frame may stand first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// What a layer holds.
pub(crate) fn decompressed<'r>(mut layer: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut first = Vec::with_capacity(4);
    layer.by_ref().take(4).read_to_end(&mut first)?;
    let compression = Compression::of(&first);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(first).chain(layer));
    Ok(match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(whole)?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            Box::new(decoder)
        }
        Compression::Plain => Box::new(whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        decompressed(bytes)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn the_first_bytes_tell_the_compression() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"text").unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&b"text"[..], 1).unwrap();
        for bytes in [&gzip[..], &zstd, b"text"] {
            assert_eq!(read(bytes).unwrap(), b"text");
        }
        // Builders that work in parallel write many members, one after the other.
        assert_eq!(read(&[gzip.clone(), gzip.clone()].concat()).unwrap(), b"texttext");
        for (log, is_taken) in [(25, true), (27, true), (28, false)] {
            let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
            zstd.window_log(log).unwrap();
            zstd.write_all(b"text").unwrap();
            assert_eq!(read(&zstd.finish().unwrap()).is_ok(), is_taken, "{log}");
        }
        assert!(read(&gzip[..10]).is_err() && read(&zstd[..8]).is_err());
        assert_eq!(read(b"").unwrap(), b"");
    }
}
