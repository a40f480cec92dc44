//! Decompresses layers (gzip, zstd or plain) and archives (xz or bzip2 as well). The magic bytes determine the format,
//! whatever the name or the media type says.
//!
//! **Choice of the gzip library.** A layer may have any size, and a verb has 64 MiB of memory: it has to be
//! decompressed in pieces. For 668 MB of gzip (1,531 MB of tar) in 128 KiB pieces zlib-rs took 4.7 to 6.5 s of CPU,
//! zlib-ng, which needs a C compiler, 4.7 to 5.0 s, and `miniz_oxide` 6.4 to 6.8 s. libdeflate took 2.8 s, but it needs
//! the whole layer, compressed and decompressed, in memory.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

/// The size of the read buffer, in bytes.
const BUFFER: usize = 128 * 1024;

/// The largest zstd window that is accepted, as a power of two: 128 MiB, the default limit of the `zstd` program. A
/// window of that size is allocated; levels up to 19, which builders use, need 8 MiB at most.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// The memory limit of xz, in KiB: a dictionary and the decoder's state. `xz -9` uses a dictionary of 64 MiB.
const MAX_XZ_MEMORY_KIB: u32 = 80 * 1024;

/// The compression of a layer or an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Plain,
}

impl Compression {
    /// How many bytes are needed to detect the compression.
    pub(crate) const TELLING: u64 = 10;

    /// Detects the compression from the first bytes, [`TELLING`](Self::TELLING) or fewer.
    pub(crate) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A skippable frame may come first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // A block begins with the digits of pi; an empty stream has only the end marker, the digits of pi's square
            // root.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => Self::Bzip2,
            _ => Self::Plain,
        }
    }
}

/// The decompressed content of a layer.
pub(crate) fn decompressed<'r>(mut layer: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut first = Vec::new();
    layer.by_ref().take(Compression::TELLING).read_to_end(&mut first)?;
    let compression = Compression::of(&first);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(first).chain(layer));
    Ok(match compression {
        Compression::Gzip => Box::new(Streams { current: Some(GzDecoder::over(whole)) }),
        Compression::Zstd => Box::new(Frames::over(whole)?),
        Compression::Xz => Box::new(Streams { current: Some(XzReader::over(whole)) }),
        Compression::Bzip2 => Box::new(Streams { current: Some(BzDecoder::over(whole)) }),
        Compression::Plain => Box::new(whole),
    })
}

/// A decoder that stops at the end of its stream, and returns the reader with the unread rest.
trait Stream: Read {
    type Reader: BufRead;

    fn over(reader: Self::Reader) -> Self;

    fn rest(self) -> Self::Reader;
}

impl<R: BufRead> Stream for GzDecoder<R> {
    type Reader = R;

    fn over(reader: R) -> Self {
        Self::new(reader)
    }

    fn rest(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Stream for BzDecoder<R> {
    type Reader = R;

    fn over(reader: R) -> Self {
        Self::new(reader)
    }

    fn rest(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Stream for XzReader<R> {
    type Reader = R;

    fn over(reader: R) -> Self {
        Self::new_mem_limit(reader, false, MAX_XZ_MEMORY_KIB)
    }

    fn rest(self) -> R {
        self.into_inner()
    }
}

/// Concatenated streams, as parallel compressors write them. Zeros after a stream are padding, see gzip(1): some tools
/// pad their output to whole records.
struct Streams<S> {
    current: Option<S>,
}

impl<S: Stream> Read for Streams<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.current else { return Ok(0) };
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.current.take().map(S::rest) else { return Ok(0) };
            if skip_zeros(&mut rest)? {
                self.current = Some(S::over(rest));
            }
        }
    }
}

/// Concatenated zstd frames, with padding as in [`Streams`]. One decoder reads all of them: there may be thousands.
struct Frames<R> {
    reader: R,
    decoder: Decoder<'static>,
    is_between: bool,
}

impl<R: BufRead> Frames<R> {
    fn over(reader: R) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW_LOG))?;
        Ok(Self { reader, decoder, is_between: false })
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.is_between {
                if !skip_zeros(&mut self.reader)? {
                    return Ok(0);
                }
                self.decoder.reinit()?;
                self.is_between = false;
            }
            let available = self.reader.fill_buf()?;
            let is_end = available.is_empty();
            let (mut input, mut output) = (InBuffer::around(available), OutBuffer::around(buffer));
            let left = self.decoder.run(&mut input, &mut output)?;
            let (consumed, written) = (input.pos(), output.pos());
            self.reader.consume(consumed);
            self.is_between = left == 0;
            if written > 0 {
                return Ok(written);
            }
            if is_end && left > 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last frame is incomplete"));
            }
        }
    }
}

/// Skips zeros, and returns whether anything follows them.
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

    /// The output of `xz -0` for `text`.
    const XZ: &[u8] = b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x0c\x00\x00\x00\x8f\x98\x41\x9c\x01\x00\x03\x74\x65\x78\x74\x00\x55\xcd\xe8\x33\xff\x4a\x0c\x17\x00\x01\x1c\x04\x6f\x2c\x9c\xc1\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a";

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        decompressed(bytes)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn detects_compression_by_the_first_bytes() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"text").unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&b"text"[..], 1).unwrap();
        for bytes in [&gzip[..], &zstd, b"text"] {
            assert_eq!(read(bytes).unwrap(), b"text");
        }
        // Builders that compress in parallel write many members.
        assert_eq!(read(&[gzip.clone(), gzip.clone()].concat()).unwrap(), b"texttext");
        // Some pad their output to whole records.
        assert_eq!(read(&[gzip.clone(), vec![0; 200_000]].concat()).unwrap(), b"text");
        assert_eq!(read(&[gzip.clone(), vec![0; 7], gzip.clone()].concat()).unwrap(), b"texttext");
        assert!(read(&[gzip.clone(), b"no member".to_vec()].concat()).is_err());
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(b"text").unwrap();
        for stream in [zstd.clone(), bzip2.finish().unwrap(), XZ.to_vec()] {
            for zeros in [0, 1, 4, 7, 200_000] {
                let padding = vec![0; zeros];
                assert_eq!(read(&[stream.as_slice(), &padding].concat()).unwrap(), b"text", "{zeros}");
                let two = [stream.as_slice(), &padding, &stream].concat();
                assert_eq!(read(&two).unwrap(), b"texttext", "{zeros}");
                assert!(read(&[stream.as_slice(), &padding, b"no stream"].concat()).is_err(), "{zeros}");
                assert!(read(&[stream.as_slice(), &padding, &stream[..stream.len() - 1]].concat()).is_err(), "{zeros}");
            }
        }
        // A skippable frame (RFC 8878, section 3.1.2) has no content, wherever it is.
        let skippable = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
        for frames in [[skippable.clone(), zstd.clone()], [zstd.clone(), skippable]] {
            assert_eq!(read(&frames.concat()).unwrap(), b"text");
        }
        // Larger than the buffers of all decoders.
        let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let frame = zstd::encode_all(&large[..], 1).unwrap();
        assert_eq!(read(&[frame.clone(), frame].concat()).unwrap(), large.repeat(2));
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
