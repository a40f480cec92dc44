//! Layers are gzip, zstd or plain, and archives may be xz or bzip2 as well: the first bytes say which, whatever the name or the media
//! type says.
//!
//! **Which inflater.** A layer is as large as its maker likes, and a verb has 64 MiB: it has to be decompressed piece by piece. Of
//! 668 MB of gzip (1,531 MB of tar) in 128 KiB pieces zlib-rs made 4.7 to 6.5 s of CPU, zlib-ng, which needs a C compiler, 4.7 to
//! 5.0 s, and `miniz_oxide` 6.4 to 6.8 s. libdeflate took 2.8 s, but it wants all of a layer, and of what that holds, in memory.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

/// How much of a layer is read at once, in bytes.
const BUFFER: usize = 128 * 1024;

/// The largest window of zstd that is taken, as a power of two: 128 MiB, which is as much as the `zstd` program takes unasked.
/// It is the memory that a layer is decompressed in; levels up to 19, which builders use, ask for 8 MiB at most.
const LARGEST_WINDOW: u32 = 27;

/// The largest dictionary of xz that is taken, in KiB, and what goes with it: `xz -9` makes one of 64 MiB.
const LARGEST_DICTIONARY: u32 = 80 * 1024;

/// How a layer or an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Plain,
}

impl Compression {
    /// How many bytes it takes to tell.
    pub(crate) const TELLING: u64 = 10;

    /// By the first bytes, [`TELLING`](Self::TELLING) or fewer.
    pub(crate) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A skippable frame may stand first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // The digits of pi begin its first block; those of the square root of pi end it, when there is none.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => Self::Bzip2,
            _ => Self::Plain,
        }
    }
}

/// What a layer holds.
pub(crate) fn decompressed<'r>(mut layer: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut first = Vec::new();
    layer.by_ref().take(Compression::TELLING).read_to_end(&mut first)?;
    let compression = Compression::of(&first);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(first).chain(layer));
    Ok(match compression {
        Compression::Gzip => Box::new(Members { current: Some(GzDecoder::new(whole)) }),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(whole)?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            Box::new(decoder)
        }
        Compression::Xz => Box::new(XzReader::new_mem_limit(whole, true, LARGEST_DICTIONARY)),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(whole)),
        Compression::Plain => Box::new(whole),
    })
}

/// The members of a gzip stream, one after the other. Zeros after the last one are padding, as gzip(1) has it.
struct Members<R> {
    current: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.current else { return Ok(0) };
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.current.take().map(GzDecoder::into_inner) else { return Ok(0) };
            if skip_zeros(&mut rest)? {
                self.current = Some(GzDecoder::new(rest));
            }
        }
    }
}

/// Passes over zeros, and says whether anything follows them.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(false);
        }
        let zeros = available.iter().take_while(|byte| **byte == 0).count();
        let is_more = zeros < available.len();
        reader.consume(zeros);
        if is_more {
            return Ok(true);
        }
    }
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
        // Some pad what they write to whole records.
        assert_eq!(read(&[gzip.clone(), vec![0; 200_000]].concat()).unwrap(), b"text");
        assert_eq!(read(&[gzip.clone(), vec![0; 7], gzip.clone()].concat()).unwrap(), b"texttext");
        assert!(read(&[gzip.clone(), b"no member".to_vec()].concat()).is_err());
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
