//! Writes tar archives in the POSIX format, with extended headers only where the plain ones do not suffice.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use crate::files::attributes;

/// Content is padded to a multiple of this.
const BLOCK: u64 = 512;

/// The largest size in eleven octal digits.
const LARGEST: u64 = 0o77_777_777_777;

/// The largest owner's id in seven.
const LARGEST_ID: u32 = 0o7_777_777;

/// An entry to write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    /// The type: `0` for a file, `5` for a directory, and so on.
    pub(crate) letter: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) mtime: (i64, u32),
    pub(crate) target: Vec<u8>,
    pub(crate) device: (u32, u32),
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Member {
    /// A file that root owns, with the time 0.
    pub(crate) fn file(path: &str, size: u64) -> Self {
        Self { path: path.as_bytes().to_vec(), letter: b'0', mode: 0o644, size, ..Self::default() }
    }

    /// The headers before the content.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut say = |key: &[u8], value: &[u8]| records.extend(record(key, value));
        if self.path.len() > 100 {
            say(b"path", &self.path);
        }
        if self.target.len() > 100 {
            say(b"linkpath", &self.target);
        }
        if self.size > LARGEST {
            say(b"size", self.size.to_string().as_bytes());
        }
        if self.uid > LARGEST_ID {
            say(b"uid", self.uid.to_string().as_bytes());
        }
        if self.gid > LARGEST_ID {
            say(b"gid", self.gid.to_string().as_bytes());
        }
        let (seconds, nanoseconds) = self.mtime;
        let fits = u64::try_from(seconds).is_ok_and(|seconds| seconds <= LARGEST);
        if !fits || nanoseconds > 0 {
            let mut text = seconds.to_string();
            // Before 1970 the fraction would count backwards, so only whole seconds are written.
            if nanoseconds > 0 && seconds >= 0 {
                text = format!("{text}.{nanoseconds:09}");
            }
            say(b"mtime", text.as_bytes());
        }
        for (name, value) in &self.attributes {
            say(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        let mut header = Vec::new();
        if !records.is_empty() {
            let size = records.len() as u64;
            let extension = Self { letter: b'x', ..Self::file("PaxHeaders/entry", size) };
            header.extend(extension.plain());
            header.extend(&records);
            header.resize(header.len() + padding(size), 0);
        }
        header.extend(self.plain());
        header
    }

    fn plain(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(512);
        let text = |header: &mut Vec<u8>, text: &[u8], length: usize| {
            let end = header.len() + length;
            header.extend(text.iter().take(length));
            header.resize(end, 0);
        };
        let number = |header: &mut Vec<u8>, number: u64, length: usize| {
            // A number that does not fit is in the extended header.
            let most = 8_u64.saturating_pow(u32::try_from(length).unwrap_or(1) - 1) - 1;
            text(header, format!("{:0width$o}", number.min(most), width = length - 1).as_bytes(), length);
        };
        text(&mut header, &self.path, 100);
        number(&mut header, self.mode.into(), 8);
        number(&mut header, self.uid.into(), 8);
        number(&mut header, self.gid.into(), 8);
        number(&mut header, self.size, 12);
        number(&mut header, u64::try_from(self.mtime.0).unwrap_or(0), 12);
        let before = header.len();
        text(&mut header, b"        ", 8);
        text(&mut header, &[self.letter], 1);
        text(&mut header, &self.target, 100);
        text(&mut header, b"ustar\x0000", 8 + 64);
        number(&mut header, self.device.0.into(), 8);
        number(&mut header, self.device.1.into(), 8);
        header.resize(512, 0);
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let mut field = Vec::new();
        number(&mut field, sum.into(), 7);
        for (place, byte) in header.iter_mut().skip(before).zip(field) {
            *place = byte;
        }
        header
    }
}

/// The number of padding zeros after content of this size.
pub(crate) fn padding(size: u64) -> usize {
    usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or_default()
}

/// The end of an archive.
pub(crate) const END: [u8; 1024] = [0; 1024];

fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let base = key.len() + value.len() + 3;
    let mut length = base + 1;
    // The length includes its own digits.
    while base + length.to_string().len() != length {
        length += 1;
    }
    [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
}

/// Writes everything in a directory.
pub(crate) fn write_tree(root: &Path, output: &mut impl Write) -> io::Result<()> {
    let mut names = HashMap::new();
    write_below(root, root, &mut names, output)?;
    output.write_all(&END)
}

fn write_below(
    root: &Path,
    directory: &Path,
    names: &mut HashMap<(u64, u64), Vec<u8>>,
    output: &mut impl Write,
) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = path.symlink_metadata()?;
        let mut member = member(root, &path, &metadata)?;
        let is_file = metadata.is_file();
        if !metadata.is_dir() && metadata.nlink() > 1 {
            let first = names.entry((metadata.dev(), metadata.ino())).or_insert_with(|| member.path.clone());
            if *first != member.path {
                (member.letter, member.size, member.target) = (b'1', 0, first.clone());
                member.attributes.clear();
                output.write_all(&member.header())?;
                continue;
            }
        }
        output.write_all(&member.header())?;
        if is_file {
            let written = io::copy(&mut File::open(&path)?.take(member.size), output)?;
            output.write_all(END.get(..padding(written)).unwrap_or_default())?;
        } else if metadata.is_dir() {
            write_below(root, &path, names, output)?;
        }
    }
    Ok(())
}

fn member(root: &Path, path: &Path, metadata: &fs::Metadata) -> io::Result<Member> {
    let kind = metadata.file_type();
    let mut name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes().to_vec();
    let letter = match kind {
        _ if kind.is_dir() => b'5',
        _ if kind.is_symlink() => b'2',
        _ if kind.is_fifo() => b'6',
        _ if kind.is_char_device() => b'3',
        _ if kind.is_block_device() => b'4',
        _ => b'0',
    };
    if kind.is_dir() {
        name.push(b'/');
    }
    let target = if kind.is_symlink() { fs::read_link(path)?.into_os_string() } else { OsString::new() };
    let device = metadata.rdev();
    Ok(Member {
        path: name,
        letter,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: if kind.is_file() { metadata.len() } else { 0 },
        mtime: (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or_default()),
        target: target.as_bytes().to_vec(),
        device: (rustix::fs::major(device), rustix::fs::minor(device)),
        attributes: attributes::all(path)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::tar::{Archive, Kind};

    #[test]
    fn reads_what_was_written() {
        let long = vec![b'n'; 300];
        let member = Member {
            path: long.clone(),
            target: long.clone(),
            letter: b'2',
            mode: 0o4751,
            uid: 5_000_000,
            gid: 7,
            mtime: (1_700_000_000, 5),
            attributes: [(b"user.x".to_vec(), vec![0, 1, b'\n'])].into_iter().collect(),
            ..Member::default()
        };
        let bytes =
            [member.header(), Member::file("f", 3).header(), b"abc".to_vec(), vec![0; padding(3)], END.to_vec()];
        let bytes = bytes.concat();
        let mut archive = Archive::new(&bytes[..]);
        let entry = archive.next().unwrap().unwrap();
        assert_eq!((&entry.path, &entry.target, entry.kind), (&long, &long, Kind::SymbolicLink));
        assert_eq!((entry.mode, entry.uid, entry.gid, entry.mtime), (0o4751, 5_000_000, 7, member.mtime));
        assert_eq!(entry.attributes, member.attributes);
        let file = archive.next().unwrap().unwrap();
        assert_eq!((file.path.as_slice(), file.size), (b"f".as_slice(), 3));
        assert!(archive.next().unwrap().is_none());
    }
}
