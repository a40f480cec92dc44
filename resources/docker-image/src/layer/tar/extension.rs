//! Extended headers: the records of POSIX, and those of GNU tar for sparse files.

use std::collections::BTreeMap;
use std::io;

use super::header::owner;
use super::invalid::broken;
use super::sparse::MAX_PIECES;

/// The extended headers of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extension {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) sparse: Sparse,
}

/// The POSIX records of a sparse file, in the three formats of GNU tar.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pub(super) is_one_zero: bool,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Format 0.0: offset and length alternate. Format 0.1: a list of the same.
    pub(super) numbers: Vec<u64>,
}

impl Extension {
    /// Parses POSIX records: `LENGTH KEY=VALUE\n`.
    pub(super) fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
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
        if self.sparse.numbers.len() > 2 * MAX_PIECES {
            return Err(broken("a sparse file has too many segments"));
        }
        Ok(())
    }
}

/// An owner's id in a record, which may be negative.
fn id(text: &[u8]) -> io::Result<u32> {
    let wrong = || broken("a numeric field of an extended header is not a number");
    owner(std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(wrong)?)
}

pub(super) fn decimal(text: &[u8]) -> io::Result<u64> {
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
