//! Reads tar archives: the formats of image builders (ustar, GNU's and POSIX's extensions), and invalid ones.
//!
//! It is a reader of our own, since the `tar` crate (0.4.46) rejects an extended record with a line break in its value,
//! as some capabilities have, does not support POSIX's sparse files, and reads extended headers of any size into memory.

mod extension;
mod header;
mod invalid;
mod sparse;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use self::extension::{Extension, decimal};
pub(crate) use self::header::BLOCK;
use self::header::{Header, until_zero};
use self::invalid::broken;
use self::sparse::{MAX_PIECES, Pieces, check_pieces, pairs};

/// The largest extended header (long names, attributes) that is accepted, in bytes.
pub(crate) const MAX_EXTENSION_BYTES: u64 = 1024 * 1024;

/// An entry of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The unchanged name.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// The target of a link.
    pub(crate) target: Vec<u8>,
    /// The permissions, with the set-user-id, set-group-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The size of the file, in bytes. For a sparse file the archive holds less.
    pub(crate) size: u64,
    /// Seconds since 1970, and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// The major and minor number of a device.
    pub(crate) device: (u32, u32),
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The offset and length of each piece of a sparse file.
    pub(crate) pieces: Option<Pieces>,
}

/// The type of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
    /// A type that this reader does not support: its letter.
    Other(u8),
}

impl Kind {
    /// The letter of this type in a header.
    pub(super) fn letter(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::HardLink => b'1',
            Self::SymbolicLink => b'2',
            Self::CharacterDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
            Self::Other(letter) => letter,
        }
    }
}

/// Whether a block is the header of an entry, or the block of zeros at an archive's end.
pub(crate) fn is_header(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0) || Header(block).check().is_ok()
}

/// A reader of an archive.
pub(crate) struct Archive<R> {
    input: R,
    /// The rest of the current entry's content, without padding.
    content: u64,
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, content: 0, padding: 0 }
    }

    /// The next entry; the rest of the current one is skipped. `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extension = Extension::default();
        // The limit for all extended headers of this entry together.
        let mut left = MAX_EXTENSION_BYTES;
        loop {
            self.skip()?;
            let mut header = [0; BLOCK];
            if !self.read_header(&mut header)? {
                return Ok(None);
            }
            let header = Header(&header);
            header.check()?;
            let size = header.size()?;
            self.content = size;
            self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
            match header.letter() {
                b'L' => extension.path = named(without_end(self.extension(&mut left)?)),
                b'K' => extension.target = named(without_end(self.extension(&mut left)?)),
                // Solaris uses its own letter for the same records.
                b'x' | b'X' => extension.read(&self.extension(&mut left)?)?,
                // Global headers have nothing that a file system needs.
                b'g' => drop(self.extension(&mut left)?),
                // A volume label.
                b'V' => {}
                letter => {
                    return self.entry(&header, letter, extension).map(Some);
                }
            }
        }
    }

    /// The content of the current entry, as the archive holds it.
    pub(crate) fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    fn entry(&mut self, header: &Header<'_>, letter: u8, extension: Extension) -> io::Result<Entry> {
        let mut kind = match letter {
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            // In GNU's incremental archives a directory's content is the list of its entries.
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => Kind::Other(other),
        };
        if let Some(size) = extension.size {
            self.content = size;
            self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        }
        let mut path = extension.path.unwrap_or_else(|| header.path());
        // In the oldest archives a directory is a file whose name ends with a slash.
        if kind == Kind::File && letter == 0 && path.ends_with(b"/") {
            kind = Kind::Directory;
        }
        let (mut size, mut pieces) = (self.content, None);
        if letter == b'S' {
            let (real_size, list) = self.old_sparse(header)?;
            (size, pieces) = (real_size, Some(list));
        } else if extension.sparse.is_one_zero || !extension.sparse.numbers.is_empty() {
            path = extension.sparse.name.unwrap_or(path);
            size = extension.sparse.real_size.unwrap_or(size);
            let list =
                if extension.sparse.is_one_zero { self.sparse_list()? } else { pairs(&extension.sparse.numbers)? };
            pieces = Some(list);
        }
        if let Some(pieces) = &pieces {
            check_pieces(pieces, size, self.content)?;
        }
        if letter == b'D' {
            size = 0;
        } else if !matches!(kind, Kind::File | Kind::Other(_)) {
            // Some writers give a hard link the size of its target. No content follows; Go's reader does the same.
            (self.content, self.padding, size) = (0, 0, 0);
        }
        Ok(Entry {
            path,
            kind,
            target: extension.target.unwrap_or_else(|| header.target()),
            mode: u32::try_from(header.number(100, 8)? & 0o7777).unwrap_or_default(),
            uid: extension.uid.map_or_else(|| header.id(108), Ok)?,
            gid: extension.gid.map_or_else(|| header.id(116), Ok)?,
            size,
            mtime: extension.mtime.map_or_else(|| header.mtime(), Ok)?,
            device: header.device()?,
            attributes: extension.attributes,
            pieces,
        })
    }

    /// Reads a header; `false` at the archive's end, which is a block of zeros or, if the writer omitted it, the end of
    /// the input.
    fn read_header(&mut self, header: &mut [u8; BLOCK]) -> io::Result<bool> {
        let mut filled = 0;
        while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(broken("it ends in the middle of a header")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(header.iter().any(|byte| *byte != 0))
    }

    fn skip(&mut self) -> io::Result<()> {
        let left = self.content.saturating_add(self.padding);
        (self.content, self.padding) = (0, 0);
        let skipped = io::copy(&mut (&mut self.input).take(left), &mut io::sink())?;
        if skipped < left { Err(broken("it ends in the middle of an entry")) } else { Ok(()) }
    }

    /// Reads the content of an extended header.
    fn extension(&mut self, left: &mut u64) -> io::Result<Vec<u8>> {
        let taken = self.content.checked_add(BLOCK as u64);
        let rest = taken.and_then(|taken| left.checked_sub(taken));
        *left = rest.ok_or_else(|| broken("the extended headers of an entry are larger than 1 MiB"))?;
        let mut bytes = Vec::new();
        self.content().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// GNU's old sparse format: four pieces in the header, the others in blocks after it.
    fn old_sparse(&mut self, header: &Header<'_>) -> io::Result<(u64, Pieces)> {
        let size = header.number(483, 12)?;
        let mut pieces = Vec::new();
        let mut read = |block: &Header<'_>, at: usize, count: usize| -> io::Result<()> {
            for index in 0..count {
                let at = at + index * 24;
                if block.field(at, 12).iter().all(|byte| matches!(byte, 0 | b' ')) {
                    break;
                }
                pieces.push((block.number(at, 12)?, block.number(at + 12, 12)?));
            }
            if pieces.len() > MAX_PIECES { Err(broken("a sparse file has too many segments")) } else { Ok(()) }
        };
        read(header, 386, 4)?;
        let mut goes_on = header.field(482, 1) == [1];
        while goes_on {
            let mut block = [0; BLOCK];
            self.input.read_exact(&mut block)?;
            let block = Header(&block);
            read(&block, 0, 21)?;
            goes_on = block.field(504, 1) == [1];
        }
        Ok((size, pieces))
    }

    /// Sparse format 1.0: the pieces are lines before the content.
    fn sparse_list(&mut self) -> io::Result<Pieces> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut line: Vec<u8> = Vec::new();
        let mut due = 1;
        while numbers.len() < due {
            let mut block = [0; BLOCK];
            self.content().read_exact(&mut block)?;
            for byte in block {
                if numbers.len() >= due {
                    break;
                }
                if byte != b'\n' {
                    line.push(byte);
                    if line.len() > 20 {
                        return Err(broken("cannot parse the map of a sparse file"));
                    }
                    continue;
                }
                numbers.push(decimal(&line)?);
                line.clear();
                if let ([count], true) = (numbers.as_slice(), due == 1) {
                    let count = usize::try_from(*count).ok().filter(|count| *count <= MAX_PIECES);
                    due += 2 * count.ok_or_else(|| broken("a sparse file has too many segments"))?;
                }
            }
        }
        pairs(numbers.get(1..).unwrap_or_default())
    }
}

impl<R: Read + Seek> Archive<R> {
    /// The offset in the input at which the content of the current entry begins.
    pub(crate) fn position(&mut self) -> io::Result<u64> {
        self.input.stream_position()
    }

    /// Skips the rest of the current entry without reading it.
    pub(crate) fn seek_past(&mut self) -> io::Result<()> {
        let left = self.content.checked_add(self.padding).and_then(|left| i64::try_from(left).ok());
        (self.content, self.padding) = (0, 0);
        self.input.seek_relative(left.ok_or_else(|| broken("a number is out of range"))?)
    }
}

/// The content of the current entry.
pub(crate) struct Content<'a, R>(&'a mut Archive<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.content).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let read = self.0.input.read(buffer)?;
        if read == 0 {
            return Err(broken("it ends in the middle of a file"));
        }
        self.0.content -= read as u64;
        Ok(read)
    }
}

/// A name without the trailing zero that GNU writes.
fn without_end(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(until_zero(&name).len());
    name
}

/// A name from an extended header, unless it is empty.
fn named(name: Vec<u8>) -> Option<Vec<u8>> {
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header with its checksum.
    fn header(path: &str, letter: u8, size: u64) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..108].copy_from_slice(b"0004755\0");
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        header[156] = letter;
        header[257..265].copy_from_slice(b"ustar\x0000");
        sum(&mut header);
        header
    }

    fn sum(header: &mut [u8]) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn padded(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, 0);
        bytes
    }

    fn record(key: &str, value: &str) -> String {
        let base = key.len() + value.len() + 3;
        let length = (base + 1..base + 6).find(|length| base + length.to_string().len() == *length).unwrap();
        format!("{length} {key}={value}\n")
    }

    fn extended(records: &[(&str, &str)]) -> Vec<u8> {
        let text: String = records.iter().map(|(key, value)| record(key, value)).collect();
        [header("x", b'x', text.len() as u64), padded(text.as_bytes())].concat()
    }

    fn entries(bytes: &[u8]) -> io::Result<Vec<(Entry, Vec<u8>)>> {
        let mut archive = Archive::new(bytes);
        let mut entries = Vec::new();
        while let Some(entry) = archive.next()? {
            let mut content = Vec::new();
            if entry.kind == Kind::File {
                archive.content().read_to_end(&mut content)?;
            }
            entries.push((entry, content));
        }
        Ok(entries)
    }

    #[test]
    fn extended_headers_apply_to_the_next_entry_only() {
        let mut bytes = extended(&[
            ("path", "a/long=name\nwith a break"),
            ("mtime", "1.25"),
            ("uid", "70000"),
            ("SCHILY.xattr.user.x", "v=1"),
            ("SCHILY.xattr.trusted.overlay.opaque", "y"),
            ("SCHILY.xattr.user.overlay.redirect", "/etc"),
        ]);
        bytes.extend(header("short", b'0', 3));
        bytes.extend(padded(b"abc"));
        bytes.extend(header("next", b'0', 0));
        let entries = entries(&bytes).unwrap();
        let (first, content) = &entries[0];
        assert_eq!(
            (first.path.as_slice(), content.as_slice()),
            (b"a/long=name\nwith a break".as_slice(), b"abc".as_slice())
        );
        assert_eq!((first.mtime, first.uid, first.mode), ((1, 250_000_000), 70000, 0o4755));
        assert_eq!(first.attributes[b"user.x".as_slice()], b"v=1");
        assert_eq!(first.attributes.len(), 1, "overlay file systems' own attributes are no image's");
        assert_eq!(entries[1].0.path, b"next");
    }

    #[test]
    fn empty_record_keeps_the_value_of_the_header() {
        let names = ["path", "linkpath", "size", "uid", "gid", "mtime", "GNU.sparse.name", "GNU.sparse.realsize"];
        let empty: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
        let long = header("././@LongLink", b'L', 1);
        let bytes = [extended(&empty), long, padded(b"\0"), header("kept", b'0', 3), padded(b"abc")].concat();
        let entries = entries(&bytes).unwrap();
        let (entry, content) = &entries[0];
        assert_eq!((entry.path.as_slice(), content.as_slice(), entry.size), (&b"kept"[..], &b"abc"[..], 3));
        // An attribute may be empty.
        let bytes = [extended(&[("SCHILY.xattr.user.x", "")]), header("f", b'0', 0)].concat();
        let entries = super::tests::entries(&bytes).unwrap();
        assert_eq!(entries[0].0.attributes[b"user.x".as_slice()], b"");
    }

    #[test]
    fn converts_negative_owners_like_the_kernel() {
        let binary = |bytes: [u8; 8]| {
            let mut header = header("f", b'0', 0);
            header[108..116].copy_from_slice(&bytes);
            sum(&mut header);
            entries(&header).map(|entries| entries[0].0.uid)
        };
        assert_eq!(binary([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]).unwrap(), u32::MAX - 1);
        assert_eq!(binary([0xff; 8]).unwrap(), u32::MAX);
        assert_eq!(binary([0x80, 0, 0, 0, 0, 1, 0, 0]).unwrap(), 65536);
        assert!(binary([0x80, 0, 0, 1, 0, 0, 0, 0]).is_err());
        assert!(binary([0xff, 0, 0, 0, 0, 0, 0, 0]).is_err());
        let record = |uid: &str| {
            let bytes = [extended(&[("uid", uid)]), header("f", b'0', 0)].concat();
            entries(&bytes).map(|entries| entries[0].0.uid)
        };
        assert_eq!((record("-1").unwrap(), record("-2").unwrap()), (u32::MAX, u32::MAX - 1));
        assert!(record("x").is_err() && record("4294967296").is_err());
    }

    #[test]
    fn skips_other_entries_of_gnu_and_solaris() {
        let text = record("path", "renamed");
        let bytes = [
            header("dir/", b'D', 8),
            padded(b"Yf\0\0abcd"),
            header("x", b'X', text.len() as u64),
            padded(text.as_bytes()),
            header("f", b'7', 3),
            padded(b"abc"),
        ];
        let entries = entries(&bytes.concat()).unwrap();
        assert_eq!((entries[0].0.kind, entries[0].0.size), (Kind::Directory, 0));
        assert_eq!((entries[1].0.path.as_slice(), entries[1].1.as_slice()), (&b"renamed"[..], &b"abc"[..]));
    }

    #[test]
    fn reads_files_after_global_headers_and_with_blank_owners_or_old_headers() {
        // A repository's archive by git begins with a global header, which names the commit.
        let text = record("comment", "0123456789abcdef0123456789abcdef01234567");
        let global = [header("pax_global_header", b'g', text.len() as u64), padded(text.as_bytes())].concat();
        // Java's writers leave the fields of owners blank.
        let mut blank = header("f", b'0', 3);
        blank[108..124].fill(b' ');
        sum(&mut blank);
        // V7 has no magic, and a zero as the letter of a file.
        let mut old = header("f", 0, 3);
        old[257..265].fill(0);
        sum(&mut old);
        for (name, headers) in [("global", [global, header("f", b'0', 3)].concat()), ("blank", blank), ("V7", old)] {
            let entries = entries(&[headers, padded(b"abc")].concat()).unwrap();
            let [(entry, content)] = entries.as_slice() else { panic!("{name}: {entries:?}") };
            assert_eq!((entry.path.as_slice(), entry.kind, content.as_slice()), (&b"f"[..], Kind::File, &b"abc"[..]));
            assert_eq!((entry.uid, entry.gid), (0, 0), "{name}");
        }
    }

    #[test]
    fn reads_long_names_of_gnu() {
        let name = "d/".repeat(120) + "f\0";
        let bytes =
            [header("././@LongLink", b'L', name.len() as u64), padded(name.as_bytes()), header("d/", b'0', 0)].concat();
        assert_eq!(entries(&bytes).unwrap()[0].0.path, name.trim_end_matches('\0').as_bytes());
    }

    #[test]
    fn reads_all_forms_of_sparse_files() {
        let one_zero = [
            extended(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "s"), ("GNU.sparse.realsize", "9000")]),
            header("x", b'0', 512 + 4),
            padded(b"2\n0\n1\n4096\n3\n"),
            padded(b"abcd"),
        ];
        let zero_one = [
            extended(&[("GNU.sparse.size", "9000"), ("GNU.sparse.name", "s"), ("GNU.sparse.map", "0,1,4096,3")]),
            header("x", b'0', 4),
            padded(b"abcd"),
        ];
        let mut old = header("s", b'S', 4);
        for (at, number) in [(386, 0_u64), (398, 1), (410, 4096), (422, 3), (483, 9000)] {
            old[at..at + 12].copy_from_slice(format!("{number:011o}\0").as_bytes());
        }
        sum(&mut old);
        for bytes in [one_zero.concat(), zero_one.concat(), [old, padded(b"abcd")].concat()] {
            let entries = entries(&bytes).unwrap();
            let (entry, content) = &entries[0];
            assert_eq!(
                (entry.path.as_slice(), entry.size, content.as_slice()),
                (b"s".as_slice(), 9000, b"abcd".as_slice())
            );
            assert_eq!(entry.pieces.as_deref(), Some([(0, 1), (4096, 3)].as_slice()));
        }
    }

    #[test]
    fn rejects_broken_archives_and_ignores_data_after_the_end() {
        let file = [header("f", b'0', 600), padded(&[b'x'; 600])].concat();
        assert_eq!(entries(&[file.clone(), vec![0; BLOCK], vec![b'x'; 77]].concat()).unwrap().len(), 1);
        for cut in [1, 511, 513, 1100, 1535] {
            assert!(entries(&file[..cut]).is_err(), "{cut}");
        }
        let mut wrong_sum = file.clone();
        wrong_sum[0] = b'g';
        assert!(entries(&wrong_sum).is_err());
        assert!(entries(&header("f", b'x', MAX_EXTENSION_BYTES + 1)).is_err());
        assert!(entries(&header("f", b'L', u64::from(u32::MAX) * 2)).is_err());
        // The limit applies to all extended headers of an entry together.
        let some = extended(&[("SCHILY.xattr.user.x", &"v".repeat(60_000))]);
        let file = header("f", b'0', 0);
        assert_eq!(entries(&[some.repeat(10), file.clone(), some.repeat(10), file.clone()].concat()).unwrap().len(), 2);
        let problem = entries(&[some.repeat(20), file].concat()).unwrap_err().to_string();
        assert!(problem.contains("the extended headers of an entry are larger than 1 MiB"), "{problem}");
        assert!(entries(&[extended(&[("size", "-1")]), header("f", b'0', 0)].concat()).is_err());
        assert!(
            entries(&[extended(&[("GNU.sparse.map", "5,3,1,1")]), header("f", b'0', 4), padded(b"abcd")].concat())
                .is_err()
        );
    }

    /// When this test fails after an upgrade of the `tar` crate, this reader may have lost its reason.
    #[test]
    fn tar_crate_does_not_read_these_archives() {
        let broken_value = [extended(&[("SCHILY.xattr.security.capability", "\u{1}\n\u{2}")]), header("f", b'0', 0)];
        let broken_value = broken_value.concat();
        assert_eq!(entries(&broken_value).unwrap()[0].0.attributes[&b"security.capability"[..]], b"\x01\n\x02");
        let mut archive = ::tar::Archive::new(&broken_value[..]);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert!(entry.pax_extensions().unwrap().unwrap().any(|record| record.is_err()));

        let sparse = [
            extended(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "s"), ("GNU.sparse.realsize", "9000")]),
            header("x", b'0', 512 + 4),
            padded(b"2\n0\n1\n4096\n3\n"),
            padded(b"abcd"),
        ];
        let sparse = sparse.concat();
        assert_eq!(entries(&sparse).unwrap()[0].0.size, 9000);
        let mut archive = ::tar::Archive::new(&sparse[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.path().unwrap().to_str(), entry.size()), (Some("x"), 516));

        let size = 4 * MAX_EXTENSION_BYTES;
        let large =
            [header("x", b'L', size), vec![b'n'; usize::try_from(size).unwrap()], header("f", b'0', 0)].concat();
        assert!(entries(&large).is_err());
        let mut archive = ::tar::Archive::new(&large[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes().len() as u64, size);
    }

    proptest! {
        #[test]
        fn never_panics(
            letter in prop::sample::select(b"0123456LKxgS\0V".to_vec()), size in 0_u64..2000, body in proptest::collection::vec(any::<u8>(), 0..2500),
        ) {
            let mut bytes = header("f", letter, size);
            bytes.extend(body);
            let _ = entries(&bytes);
        }
    }
}
