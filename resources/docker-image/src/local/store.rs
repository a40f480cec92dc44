//! Finds an image's files: in a directory, or in an archive, which is not unpacked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Take};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Context, Inputs, Result};

use crate::background::{self, Stop};
use crate::digest::{Digest, Hasher};
use crate::layer::content::Content;
use crate::layer::decompress::Compression;
use crate::layer::holes::Sparse;
use crate::layer::tar::{Archive, Kind};
use crate::source::Source;

/// How many links in an archive may be chained.
const DEEPEST: usize = 8;

/// The most entries of an archive that are read. An image has a few for each of its layers, of which it has 127 at
/// most.
const MAX_ENTRIES: usize = 100_000;

/// The size of the read buffer, in bytes.
const PIECE: usize = 256 * 1024;

/// A part of a file: the whole file, or an entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    /// The range of bytes in the file.
    pub(crate) range: Range<u64>,
}

impl Part {
    /// A whole file.
    pub(crate) fn of_file(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path)?;
        // Opening a named pipe would block.
        if !metadata.is_file() {
            return Err(anyhow!("it is not a file"));
        }
        Ok(Self { path: path.to_owned(), range: 0..metadata.len() })
    }

    /// How long it is, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> io::Result<Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.range.start))?;
        Ok(file.take(self.size()))
    }

    /// Reads all of it; fails if it is larger than `most` bytes.
    pub(crate) fn read(&self, most: u64) -> Result<Vec<u8>> {
        if self.size() > most {
            return Err(anyhow!("it has {} bytes; the limit is {most}", self.size()));
        }
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != self.size() {
            return Err(anyhow!("it was truncated while it was read"));
        }
        Ok(bytes)
    }

    /// How it is compressed.
    pub(crate) fn compression(&self) -> Result<Compression> {
        let mut start = Vec::new();
        self.open()?.take(Compression::TELLING).read_to_end(&mut start)?;
        Ok(Compression::of(&start))
    }

    /// Its digest.
    pub(crate) fn digest(&self, hasher: Hasher, stop: &Stop) -> Result<Digest> {
        let mut file = self.open()?;
        let (digest, count) = digest_of(&mut file, hasher, stop)?;
        if count != self.size() {
            return Err(anyhow!("it was truncated while it was read"));
        }
        Ok(digest)
    }
}

/// The digest of everything from a reader, and the number of bytes.
pub(crate) fn digest_of(reader: &mut impl Read, mut hasher: Hasher, stop: &Stop) -> Result<(Digest, u64)> {
    let mut count = 0;
    let mut piece = vec![0; PIECE];
    loop {
        stop.check()?;
        let read = reader.read(&mut piece)?;
        if read == 0 {
            return Ok((hasher.finish(), count));
        }
        count += read as u64;
        hasher.update(piece.get(..read).unwrap_or_default());
    }
}

/// A lookup of files by name.
#[derive(Debug)]
pub(crate) enum Store {
    /// In a directory of the inputs.
    Directory { inputs: Inputs, root: PathBuf },
    /// In an archive.
    Archive { path: PathBuf, entries: HashMap<String, Entry> },
}

/// An entry of an archive.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    File(Range<u64>),
    /// A link to another name, relative to the archive.
    Link(String),
}

impl Store {
    /// Opens the directory or archive at `path`. A compressed archive is decompressed into a temporary file.
    pub(crate) async fn open(context: &Context, source: &Source, inputs: &Inputs, path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Directory { inputs: inputs.clone(), root: path.to_owned() });
        }
        let part = Part::of_file(path)?;
        let compression = part.compression()?;
        let path = if compression == Compression::Plain { part.path } else { unpacked(context, source, part).await? };
        let entries = background::run(context, {
            let path = path.clone();
            move |stop| entries(&path, stop)
        });
        Ok(Self::Archive { entries: entries.await?, path })
    }

    /// A file beside the directory; `None` if there is none, or if this is an archive.
    pub(crate) fn find_beside(&self, name: &str) -> Result<Option<Part>> {
        let Self::Directory { inputs, root } = self else { return Ok(None) };
        let Some(parent) = root.parent().filter(|parent| parent.starts_with(inputs.root())) else { return Ok(None) };
        let found = inputs.resolve(&parent.join(name)).with_context(|| format!("cannot use `{name}`"))?;
        found.filter(|path| path.is_file()).map(|path| Part::of_file(&path)).transpose()
    }

    /// Finds a file by name.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Part>> {
        match self {
            Self::Directory { inputs, root } => {
                let found = inputs.resolve(&root.join(name)).with_context(|| format!("cannot use `{name}`"))?;
                found.map(|path| Part::of_file(&path)).transpose().with_context(|| format!("cannot use `{name}`"))
            }
            Self::Archive { path, entries } => {
                let mut name = cleaned(name);
                for _ in 0..DEEPEST {
                    match name.as_ref().and_then(|name| entries.get(name)) {
                        None => return Ok(None),
                        Some(Entry::File(range)) => {
                            return Ok(Some(Part { path: path.clone(), range: range.clone() }));
                        }
                        Some(Entry::Link(to)) => name = Some(to.clone()),
                    }
                }
                Err(anyhow!("the archive has a link loop"))
            }
        }
    }
}

/// Lists an archive's entries.
fn entries(path: &Path, stop: &Stop) -> Result<HashMap<String, Entry>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut archive = Archive::new(file);
    let mut found = HashMap::new();
    while let Some(entry) = archive.next()? {
        stop.check()?;
        let begin = archive.position()?;
        archive.seek_past()?;
        if found.len() >= MAX_ENTRIES {
            return Err(anyhow!("the archive has more than {MAX_ENTRIES} entries"));
        }
        // A name that leaves the archive, or that is not UTF-8, is skipped: no manifest can refer to it.
        let Some(name) = std::str::from_utf8(&entry.path).ok().and_then(cleaned) else { continue };
        match entry.kind {
            Kind::File if entry.pieces.is_some() => {
                return Err(anyhow!("`{name}` is a sparse file, which is not supported in an image archive"));
            }
            Kind::File => {
                let end = begin.checked_add(entry.size).filter(|end| *end <= length);
                let end = end.with_context(|| format!("the archive is truncated in `{name}`"))?;
                found.insert(name, Entry::File(begin..end));
            }
            Kind::SymbolicLink | Kind::HardLink => {
                let target = std::str::from_utf8(&entry.target).ok().filter(|target| !target.is_empty());
                let parent = name.rsplit_once('/').map(|(parent, _)| parent);
                let parent = parent.filter(|_| entry.kind == Kind::SymbolicLink);
                let joined =
                    target.map(|target| parent.map_or(target.to_owned(), |parent| format!("{parent}/{target}")));
                if let Some(to) = joined.as_deref().and_then(cleaned) {
                    found.insert(name, Entry::Link(to));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// A name without `.` and `..`; `None` if it leaves the root.
fn cleaned(name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    let is_absolute = name.starts_with('/');
    (!is_absolute && !parts.is_empty()).then(|| parts.join("/"))
}

/// Decompresses an archive into a temporary file.
pub(crate) async fn unpacked(context: &Context, source: &Source, part: Part) -> Result<PathBuf> {
    let target = context.private_directory().directory("archive")?.join("image.tar");
    context.console().step("decompressing the archive");
    let to = target.clone();
    let mut allowance = source.allowance(part.size());
    let work = background::run(context, move |stop| {
        let mut file = Sparse::new(File::create(&to)?);
        let mut reader = Content::new(part.open()?, None, &mut allowance)?;
        let mut piece = vec![0; PIECE];
        loop {
            stop.check()?;
            let read = reader.read(&mut piece)?;
            if read == 0 {
                return Ok(file.finish().map(drop)?);
            }
            io::Write::write_all(&mut file, piece.get(..read).unwrap_or_default())?;
        }
    });
    work.await.context("cannot decompress it")?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tar::EntryType;

    fn archive(bytes: &[u8]) -> (tempfile::NamedTempFile, Result<HashMap<String, Entry>>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let found = entries(file.path(), &Stop::default());
        (file, found)
    }

    fn tar(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn header(kind: EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    }

    #[test]
    fn finds_files_by_name_and_by_links_in_the_archive() {
        let bytes = tar(|builder| {
            builder.append_data(&mut header(EntryType::Regular, 5), "./a/layer.tar", &b"hello"[..]).unwrap();
            builder.append_link(&mut header(EntryType::Symlink, 0), "b/layer.tar", "../a/layer.tar").unwrap();
            builder.append_link(&mut header(EntryType::Link, 0), "c", "a/layer.tar").unwrap();
            builder.append_link(&mut header(EntryType::Symlink, 0), "out", "/etc/passwd").unwrap();
            builder.append_link(&mut header(EntryType::Symlink, 0), "up", "../../etc/passwd").unwrap();
            builder.append_link(&mut header(EntryType::Symlink, 0), "x", "y").unwrap();
            builder.append_link(&mut header(EntryType::Symlink, 0), "y", "x").unwrap();
            let long = format!("{}/f", "d".repeat(150));
            builder.append_data(&mut header(EntryType::Regular, 2), long, &b"hi"[..]).unwrap();
        });
        let (file, entries) = archive(&bytes);
        let store = Store::Archive { path: file.path().to_owned(), entries: entries.unwrap() };
        for name in ["a/layer.tar", "b/layer.tar", "c", "./a/../c"] {
            assert_eq!(store.find(name).unwrap().unwrap().read(10).unwrap(), b"hello", "{name}");
        }
        assert_eq!(store.find(&format!("{}/f", "d".repeat(150))).unwrap().unwrap().read(10).unwrap(), b"hi");
        for name in ["out", "up", "none", "/etc/passwd", "../x", ""] {
            assert_eq!(store.find(name).unwrap(), None, "{name}");
        }
        assert!(store.find("x").is_err());
    }

    #[test]
    fn rejects_truncated_archive() {
        let bytes = tar(|builder| {
            builder.append_data(&mut header(EntryType::Regular, 2000), "layer.tar", &[7; 2000][..]).unwrap();
        });
        let (_file, found) = archive(&bytes[..1500]);
        assert_eq!(found.unwrap_err().to_string(), "the archive is truncated in `layer.tar`");
        assert!(archive(&bytes[..300]).1.is_err());
    }

    #[test]
    fn reads_nothing_outside_the_directory() {
        let house = tempfile::tempdir().unwrap();
        let root = house.path().join("inputs/layout");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(house.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("../../secret", root.join("index.json")).unwrap();
        let inputs = Inputs::new(&house.path().join("inputs")).unwrap();
        let root = root.canonicalize().unwrap();
        let store = Store::Directory { inputs, root };
        assert!(store.find("index.json").is_err());
        assert_eq!(store.find("none").unwrap(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn never_panics(at in 0_usize..2048, byte in any::<u8>(), cut in 0_usize..4096) {
            let mut bytes = tar(|builder| {
                builder.append_data(&mut header(EntryType::Regular, 5), "a", &b"hello"[..]).unwrap();
                builder.append_link(&mut header(EntryType::Symlink, 0), "b", "a").unwrap();
            });
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            bytes.truncate(cut);
            let _ = archive(&bytes);
        }
    }
}
