//! Reads tar archives: the formats of image builders (ustar, GNU's and POSIX's extensions), and invalid ones.
//!
//! It is a reader of our own, since the input is untrusted: no header makes it allocate more than [`LARGEST_EXTENSION`]
//! bytes for an entry, nothing is read beyond the end of the archive, and names stay raw bytes.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// The size of a header; content is padded to a multiple of it.
const BLOCK: usize = 512;

/// The largest extended header (long names, attributes) that is accepted, in bytes.
pub(crate) const LARGEST_EXTENSION: u64 = 1024 * 1024;

/// The most pieces of a sparse file.
const MOST_PIECES: usize = 65_536;

/// An entry of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name as it is in the archive.
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

/// The offset and length of each piece of a sparse file.
type Pieces = Vec<(u64, u64)>;

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

/// A reader of an archive.
pub(crate) struct Archive<R> {
    input: R,
    /// The rest of the current entry's content, without padding.
    content: u64,
    padding: u64,
}

/// The extended headers of the next entry.
#[derive(Debug, Default)]
struct Extension {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    sparse: Sparse,
}

/// The POSIX records of a sparse file, in the three formats of GNU tar.
#[derive(Debug, Default)]
struct Sparse {
    is_one_zero: bool,
    name: Option<Vec<u8>>,
    real_size: Option<u64>,
    /// Format 0.0: offset and length alternate. Format 0.1: a list of the same.
    numbers: Vec<u64>,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is invalid: {what}"))
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, content: 0, padding: 0 }
    }

    /// The next entry; the rest of the current one is skipped. `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extension = Extension::default();
        // The limit for all extended headers of this entry together.
        let mut left = LARGEST_EXTENSION;
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
            if pieces.len() > MOST_PIECES { Err(broken("a sparse file has too many segments")) } else { Ok(()) }
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
                    let count = usize::try_from(*count).ok().filter(|count| *count <= MOST_PIECES);
                    due += 2 * count.ok_or_else(|| broken("a sparse file has too many segments"))?;
                }
            }
        }
        pairs(numbers.get(1..).unwrap_or_default())
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

/// A raw header.
struct Header<'h>(&'h [u8; BLOCK]);

impl Header<'_> {
    fn field(&self, at: usize, length: usize) -> &[u8] {
        self.0.get(at..at + length).unwrap_or_default()
    }

    fn letter(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    fn is_posix(&self) -> bool {
        self.field(257, 6) == b"ustar\0"
    }

    /// Verifies the checksum, which some writers computed with signed bytes.
    fn check(&self) -> io::Result<()> {
        let own = |index: usize| (148..156).contains(&index);
        let byte = |(index, byte): (usize, &u8)| if own(index) { b' ' } else { *byte };
        let sum: u64 = self.0.iter().enumerate().map(byte).map(u64::from).sum();
        let signed: i64 = self.0.iter().enumerate().map(byte).map(|byte| i64::from(byte.cast_signed())).sum();
        let named = self.number(148, 8)?;
        if named == sum || i64::try_from(named) == Ok(signed) {
            Ok(())
        } else {
            Err(broken("the checksum of a header is wrong"))
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.number(124, 12)
    }

    /// An owner's id, which may be negative in binary.
    fn id(&self, at: usize) -> io::Result<u32> {
        let field = self.field(at, 8);
        if field.first() == Some(&0xff) {
            let number: [u8; 8] = field.try_into().unwrap_or_default();
            return owner(i64::from_be_bytes(number));
        }
        owner(self.number(at, 8)?.try_into().unwrap_or(i64::MAX))
    }

    /// A number in octal digits, or in binary if the first bit is set.
    fn number(&self, at: usize, length: usize) -> io::Result<u64> {
        let field = self.field(at, length);
        if let Some((first, rest)) = field.split_first()
            && first & 0x80 != 0
        {
            let mut number = u64::from(first & 0x7f);
            for byte in rest {
                if number >> 56 != 0 {
                    return Err(broken("a number is out of range"));
                }
                number = number << 8 | u64::from(*byte);
            }
            return Ok(number);
        }
        let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, 0 | b' '));
        digits.into_iter().try_fold(0_u64, |number, byte| match byte {
            b'0'..=b'7' => number
                .checked_mul(8)
                .map(|number| number + u64::from(byte - b'0'))
                .ok_or_else(|| broken("a number is out of range")),
            _ => Err(broken("a number contains characters other than digits")),
        })
    }

    /// A time, which may be before 1970 in binary.
    fn mtime(&self) -> io::Result<(i64, u32)> {
        let field = self.field(136, 12);
        if field.first() == Some(&0xff) {
            let tail: [u8; 8] = field.get(4..).and_then(|tail| tail.try_into().ok()).unwrap_or_default();
            return Ok((i64::from_be_bytes(tail), 0));
        }
        Ok((self.number(136, 12)?.try_into().unwrap_or(i64::MAX), 0))
    }

    fn device(&self) -> io::Result<(u32, u32)> {
        if !matches!(self.letter(), b'3' | b'4') {
            return Ok((0, 0));
        }
        let number = |at| self.number(at, 8)?.try_into().map_err(|_| broken("a device number is out of range"));
        Ok((number(329)?, number(337)?))
    }

    fn path(&self) -> Vec<u8> {
        let name = until_zero(self.field(0, 100));
        let prefix = until_zero(self.field(345, 155));
        // GNU's headers have other fields in place of the prefix.
        if !self.is_posix() || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    fn target(&self) -> Vec<u8> {
        until_zero(self.field(157, 100)).to_vec()
    }
}

impl Extension {
    /// Parses POSIX records: `LENGTH KEY=VALUE\n`.
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wrong = || broken("cannot parse an extended header");
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = rest.iter().take(20).position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length = decimal(rest.get(..space).unwrap_or_default())?;
            let length = usize::try_from(length).ok().filter(|length| *length > space + 1).ok_or_else(wrong)?;
            let (record, after) = rest.split_at_checked(length).ok_or_else(wrong)?;
            let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = record.split_at(equals);
            self.record(key, value.get(1..).unwrap_or_default())?;
            rest = after;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let is_attribute = key.starts_with(b"SCHILY.xattr.") || key.starts_with(b"LIBARCHIVE.xattr.");
        if value.is_empty() && !is_attribute {
            // An empty value deletes an earlier record: the header counts (POSIX, pax: "pax Extended Header").
            return Ok(());
        }
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.target = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(id(value)?),
            b"gid" => self.gid = Some(id(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.major" => self.sparse.is_one_zero = value == b"1",
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = Some(decimal(value)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.numbers.push(decimal(value)?),
            b"GNU.sparse.map" => {
                let numbers: io::Result<Vec<u64>> = value.split(|byte| *byte == b',').map(decimal).collect();
                self.sparse.numbers = numbers?;
            }
            _ => {
                let name = key.strip_prefix(b"SCHILY.xattr.").or(key.strip_prefix(b"LIBARCHIVE.xattr.raw."));
                // Overlay file systems use attributes with these names for their own whiteouts: they are not the
                // image's.
                let is_overlays =
                    |name: &&[u8]| name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
                if let Some(name) = name.filter(|name| !is_overlays(name)) {
                    self.attributes.insert(name.to_vec(), value.to_vec());
                }
            }
        }
        if self.sparse.numbers.len() > 2 * MOST_PIECES {
            return Err(broken("a sparse file has too many segments"));
        }
        Ok(())
    }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
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

/// The id of an owner or a group. A negative one wraps around, as in the kernel: -2 is the second largest.
fn owner(number: i64) -> io::Result<u32> {
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(|_| broken("an owner's id is out of range"))
}

/// An owner's id in a record, which may be negative.
fn id(text: &[u8]) -> io::Result<u32> {
    let wrong = || broken("a numeric field of an extended header is not a number");
    owner(std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(wrong)?)
}

fn decimal(text: &[u8]) -> io::Result<u64> {
    let wrong = || broken("a numeric field of an extended header is not a number");
    std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(wrong)
}

/// `1700000000.25`, `-1.5`.
fn time(text: &[u8]) -> io::Result<(i64, u32)> {
    let wrong = || broken("a time field of an extended header is not a time");
    let text = std::str::from_utf8(text).map_err(|_| wrong())?.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| wrong())?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = digits.parse().map_err(|_| wrong())?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Ok((seconds.saturating_sub(1), 1_000_000_000 - nanoseconds));
    }
    Ok((seconds, nanoseconds))
}

fn pairs(numbers: &[u64]) -> io::Result<Pieces> {
    if !numbers.len().is_multiple_of(2) {
        return Err(broken("cannot parse the map of a sparse file"));
    }
    Ok(numbers.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect())
}

/// Checks that the pieces are in order, inside of the file, and as long as the archive's content.
fn check_pieces(pieces: &[(u64, u64)], size: u64, content: u64) -> io::Result<()> {
    let mut end = 0;
    let mut sum = 0_u64;
    for (offset, length) in pieces {
        let next = offset.checked_add(*length).filter(|next| *offset >= end && *next <= size);
        end = next.ok_or_else(|| broken("the segments of a sparse file overlap or are out of order"))?;
        sum += length;
    }
    if sum == content { Ok(()) } else { Err(broken("the segments of a sparse file do not match its content")) }
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
        header[257..263].copy_from_slice(b"ustar\0");
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
    fn extended_headers_are_of_the_next_entry_alone() {
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
    fn an_empty_record_means_what_the_header_says() {
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
    fn owners_below_zero_are_what_the_kernel_takes_them_for() {
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
    fn entries_of_gnu_and_solaris_that_are_no_files_are_passed_over() {
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
    fn long_names_of_gnu_are_read() {
        let name = "d/".repeat(120) + "f\0";
        let bytes =
            [header("././@LongLink", b'L', name.len() as u64), padded(name.as_bytes()), header("d/", b'0', 0)].concat();
        assert_eq!(entries(&bytes).unwrap()[0].0.path, name.trim_end_matches('\0').as_bytes());
    }

    #[test]
    fn sparse_files_are_read_in_all_forms() {
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
    fn what_is_broken_is_an_error_and_what_follows_the_end_is_not_read() {
        let file = [header("f", b'0', 600), padded(&[b'x'; 600])].concat();
        assert_eq!(entries(&[file.clone(), vec![0; BLOCK], vec![b'x'; 77]].concat()).unwrap().len(), 1);
        for cut in [1, 511, 513, 1100, 1535] {
            assert!(entries(&file[..cut]).is_err(), "{cut}");
        }
        let mut wrong_sum = file.clone();
        wrong_sum[0] = b'g';
        assert!(entries(&wrong_sum).is_err());
        assert!(entries(&header("f", b'x', LARGEST_EXTENSION + 1)).is_err());
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

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            letter in prop::sample::select(b"0123456LKxgS\0V".to_vec()), size in 0_u64..2000, body in proptest::collection::vec(any::<u8>(), 0..2500),
        ) {
            let mut bytes = header("f", letter, size);
            bytes.extend(body);
            let _ = entries(&bytes);
        }
    }
}
