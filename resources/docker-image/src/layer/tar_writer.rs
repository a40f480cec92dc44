//! Writes tar archives in the POSIX format, with extended headers only where the plain ones do not suffice.
//!
//! It is a writer of our own, since the `tar` crate (0.4.46) changes the targets of links (`a//b` becomes `a/b`), takes
//! names of attributes only in UTF-8, and writes entries only in sequence, while a get writes layers side by side.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use crate::files::attributes;
use crate::layer::tar::{BLOCK, Entry, Kind};

/// The largest size in eleven octal digits.
const MAX_OCTAL_SIZE: u64 = 0o77_777_777_777;

/// The largest owner's id in seven.
const MAX_OCTAL_ID: u32 = 0o7_777_777;

/// The end of an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Writes entries one after another.
pub(crate) struct Writer<W>(W);

impl<W: Write> Writer<W> {
    pub(crate) fn new(output: W) -> Self {
        Self(output)
    }

    /// Writes an entry and its content, which must have at least the size of the entry.
    pub(crate) fn append(&mut self, entry: &Entry, content: impl Read) -> io::Result<()> {
        self.0.write_all(&entry.header())?;
        // A file that grows or shrinks meanwhile must not corrupt the entries after it.
        if io::copy(&mut content.take(entry.size), &mut self.0)? < entry.size {
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            return Err(io::Error::other(format!("`{name}` was truncated while it was read")));
        }
        self.0.write_all(END.get(..padding(entry.size)).unwrap_or_default())
    }

    /// Writes everything in a directory.
    pub(crate) fn append_tree(&mut self, root: &Path) -> io::Result<()> {
        self.append_below(root, root, &mut HashMap::new())
    }

    /// Writes the end of the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.0.write_all(&END)?;
        self.0.flush()?;
        Ok(self.0)
    }

    fn append_below(
        &mut self,
        root: &Path,
        directory: &Path,
        names: &mut HashMap<(u64, u64), Vec<u8>>,
    ) -> io::Result<()> {
        let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for found in entries {
            let path = found.path();
            let metadata = path.symlink_metadata()?;
            let Some(mut entry) = Entry::of(path.strip_prefix(root).unwrap_or(&path), &path, &metadata)? else {
                continue;
            };
            if !metadata.is_dir() && metadata.nlink() > 1 {
                let first = names.entry((metadata.dev(), metadata.ino())).or_insert_with(|| entry.path.clone());
                if *first != entry.path {
                    (entry.kind, entry.size, entry.target) = (Kind::HardLink, 0, first.clone());
                    self.append(&entry, io::empty())?;
                    continue;
                }
            }
            entry.attributes = attributes::all(&path)?;
            if metadata.is_file() {
                self.append(&entry, File::open(&path)?)?;
                continue;
            }
            self.append(&entry, io::empty())?;
            if metadata.is_dir() {
                self.append_below(root, &path, names)?;
            }
        }
        Ok(())
    }
}

impl Entry {
    /// A file that root owns, with the time 0.
    pub(crate) fn file(path: &str, size: u64) -> Self {
        Self { path: path.as_bytes().to_vec(), mode: 0o644, size, ..Self::default() }
    }

    /// The entry of a file on disk, without its attributes; `None` for a socket, which an archive cannot hold.
    pub(crate) fn of(name: &Path, path: &Path, metadata: &fs::Metadata) -> io::Result<Option<Self>> {
        let Some(kind) = kind_of(metadata.file_type()) else { return Ok(None) };
        let mut name = name.as_os_str().as_bytes().to_vec();
        if kind == Kind::Directory {
            name.push(b'/');
        }
        let target = if kind == Kind::SymbolicLink { fs::read_link(path)?.into_os_string() } else { OsString::new() };
        let device = metadata.rdev();
        Ok(Some(Self {
            path: name,
            kind,
            target: target.into_vec(),
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            size: if kind == Kind::File { metadata.len() } else { 0 },
            mtime: (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or_default()),
            device: (rustix::fs::major(device), rustix::fs::minor(device)),
            ..Self::default()
        }))
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
        if self.size > MAX_OCTAL_SIZE {
            say(b"size", self.size.to_string().as_bytes());
        }
        if self.uid > MAX_OCTAL_ID {
            say(b"uid", self.uid.to_string().as_bytes());
        }
        if self.gid > MAX_OCTAL_ID {
            say(b"gid", self.gid.to_string().as_bytes());
        }
        let (seconds, nanoseconds) = self.mtime;
        let fits = u64::try_from(seconds).is_ok_and(|seconds| seconds <= MAX_OCTAL_SIZE);
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
            let extension = Self { kind: Kind::Other(b'x'), ..Self::file("PaxHeaders/entry", size) };
            header.extend(extension.plain());
            header.extend(&records);
            header.resize(header.len() + padding(size), 0);
        }
        header.extend(self.plain());
        header
    }

    fn plain(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(BLOCK);
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
        text(&mut header, &[self.kind.letter()], 1);
        text(&mut header, &self.target, 100);
        text(&mut header, b"ustar\x0000", 8 + 64);
        number(&mut header, self.device.0.into(), 8);
        number(&mut header, self.device.1.into(), 8);
        header.resize(BLOCK, 0);
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let mut field = Vec::new();
        number(&mut field, sum.into(), 7);
        for (place, byte) in header.iter_mut().skip(before).zip(field) {
            *place = byte;
        }
        header
    }
}

fn kind_of(kind: FileType) -> Option<Kind> {
    Some(match kind {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::SymbolicLink,
        kind if kind.is_fifo() => Kind::Fifo,
        kind if kind.is_char_device() => Kind::CharacterDevice,
        kind if kind.is_block_device() => Kind::BlockDevice,
        _ => return None,
    })
}

/// The number of padding zeros after content of this size.
pub(crate) fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from((block - size % block) % block).unwrap_or_default()
}

fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let base = key.len() + value.len() + 3;
    let mut length = base + 1;
    // The length includes its own digits.
    while base + length.to_string().len() != length {
        length += 1;
    }
    [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::tar::Archive;

    #[test]
    fn reads_what_was_written() {
        let long = vec![b'n'; 300];
        let link = Entry {
            path: long.clone(),
            target: long.clone(),
            kind: Kind::SymbolicLink,
            mode: 0o4751,
            uid: 5_000_000,
            gid: 7,
            mtime: (1_700_000_000, 5),
            attributes: [(b"user.x".to_vec(), vec![0, 1, b'\n'])].into_iter().collect(),
            ..Entry::default()
        };
        let bytes = [link.header(), Entry::file("f", 3).header(), b"abc".to_vec(), vec![0; padding(3)], END.to_vec()];
        let bytes = bytes.concat();
        let mut archive = Archive::new(&bytes[..]);
        let entry = archive.next().unwrap().unwrap();
        assert_eq!((&entry.path, &entry.target, entry.kind), (&long, &long, Kind::SymbolicLink));
        assert_eq!((entry.mode, entry.uid, entry.gid, entry.mtime), (0o4751, 5_000_000, 7, link.mtime));
        assert_eq!(entry.attributes, link.attributes);
        let file = archive.next().unwrap().unwrap();
        assert_eq!((file.path.as_slice(), file.size), (b"f".as_slice(), 3));
        assert!(archive.next().unwrap().is_none());
    }
    /// When this test fails after an upgrade of the `tar` crate, this writer may have lost its reason.
    #[test]
    fn tar_crate_changes_the_targets_of_links() {
        let target = "../a//b/./c";
        let link = Entry { kind: Kind::SymbolicLink, path: b"l".to_vec(), target: target.into(), ..Entry::default() };
        let mut ours = ::tar::Archive::new(io::Cursor::new(link.header()));
        let read = ours.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(read.link_name_bytes().unwrap().as_ref(), target.as_bytes());
        let mut theirs = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(::tar::EntryType::Symlink);
        header.set_size(0);
        theirs.append_link(&mut header, "l", target).unwrap();
        let bytes = theirs.into_inner().unwrap();
        let entry = Archive::new(&bytes[..]).next().unwrap().unwrap();
        assert_eq!(entry.target, b"../a/b/c");
    }

    #[test]
    fn rejects_content_that_is_too_short() {
        let mut writer = Writer::new(Vec::new());
        writer.append(&Entry::file("long", 3), &b"abcd"[..]).unwrap();
        let problem = writer.append(&Entry::file("short", 3), &b"ab"[..]).unwrap_err();
        assert_eq!(problem.to_string(), "`short` was truncated while it was read");
    }
}
