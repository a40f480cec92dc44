//! Applies layers: each adds, replaces and removes files of the layers below it.
//!
//! See "Applying Changesets" in the OCI image specification. A whiteout `.wh.NAME` removes NAME of the layers below; an
//! opaque whiteout `.wh..wh..opq` removes everything that they have in its directory. Files of the same layer stay,
//! whichever comes first.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, openat, statat,
};
use rustix::io::Errno;

use crate::layer::holes::write_at;
use crate::layer::tar::{Archive, Entry, Kind};
use crate::layer::tree::{Missing, Name, Tree, is_directory, names};

/// The prefix of a whiteout's name.
const WHITEOUT: &[u8] = b".wh.";

/// The name of an opaque whiteout.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Other names with this prefix are the metadata of a file system (AUFS), not files.
const BOOKKEEPING: &[u8] = b".wh..wh.";

/// The size of a write, in bytes.
const PIECE: usize = 256 * 1024;

/// The root file system that the layers are applied to.
pub(crate) struct Rootfs {
    tree: Tree,
    owners: Owners,
    /// The final modes and times of directories, which are set last: creating an entry in a directory changes its time,
    /// and may need its permission.
    directories: BTreeMap<Vec<OsString>, (u32, (i64, u32))>,
    /// Whether a layer has been applied: the first one has nothing below it.
    has_layers: bool,
    left_out: LeftOut,
    buffer: Vec<u8>,
}

/// Whether files get the owners of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owners {
    AsInTheImage,
    Ours,
}

/// Devices and attributes that could not be created, for a warning.
#[derive(Debug, Default, Clone)]
pub(crate) struct LeftOut {
    pub(crate) devices: Vec<PathBuf>,
    pub(crate) attributes: Vec<(PathBuf, String)>,
}

/// The paths that the current layer has created. A directory's path is included for everything below it.
struct Brought {
    hasher: RandomState,
    names: Option<HashSet<u64>>,
}

impl Rootfs {
    /// An empty root file system in an empty directory.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let owners = if rustix::process::geteuid().is_root() { Owners::AsInTheImage } else { Owners::Ours };
        Ok(Self {
            tree: Tree::new(directory)?,
            owners,
            directories: BTreeMap::new(),
            has_layers: false,
            left_out: LeftOut::default(),
            buffer: vec![0; PIECE],
        })
    }

    /// Applies a layer.
    pub(crate) fn apply(&mut self, layer: impl Read) -> io::Result<()> {
        let mut archive = Archive::new(layer);
        let mut brought = Brought { hasher: RandomState::new(), names: self.has_layers.then(HashSet::new) };
        while let Some(entry) = archive.next()? {
            let applied = self.entry(&entry, &mut archive, &mut brought);
            applied.map_err(|error| named(&error, &entry.path))?;
        }
        self.has_layers = true;
        Ok(())
    }

    /// Sets the modes and times of directories, and returns what could not be created.
    pub(crate) fn finish(mut self) -> io::Result<LeftOut> {
        let directories = std::mem::take(&mut self.directories);
        // From the bottom up: a directory without search permission must be closed after everything in it.
        for (parts, (mode, mtime)) in directories.into_iter().rev() {
            let directory = match self.tree.directory(&parts, Missing::Fail) {
                Ok(directory) => directory,
                // A later layer has replaced it or one of its parents.
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?;
            rustix::fs::futimens(&directory, &times(mtime))?;
            // The parent's mode may not allow to open it again.
            self.tree.forget();
        }
        Ok(self.left_out)
    }

    fn entry<R: Read>(&mut self, entry: &Entry, archive: &mut Archive<R>, brought: &mut Brought) -> io::Result<()> {
        let Some(name) = Name::new(&entry.path)? else {
            // The root itself.
            if entry.kind == Kind::Directory {
                self.attributes(entry, self.tree.root().try_clone_to_owned()?.as_fd(), None)?;
                self.own(entry, self.tree.root().try_clone_to_owned()?.as_fd())?;
                self.directories.insert(Vec::new(), (entry.mode, entry.mtime));
            }
            return Ok(());
        };
        let last = name.last.as_bytes();
        if last == OPAQUE {
            return self.hide_all(&name, brought);
        }
        if last.starts_with(BOOKKEEPING) {
            return Ok(());
        }
        if let Some(hidden) = last.strip_prefix(WHITEOUT) {
            return self.hide(&name, hidden, brought);
        }
        brought.add(&name);
        let directory = self.tree.directory(&name.directories, Missing::Make)?;
        let (directory, last) = (directory.as_fd(), name.last.as_os_str());
        match entry.kind {
            Kind::Directory => self.directory(entry, directory, &name),
            Kind::File => self.file(entry, archive, directory, &name),
            Kind::HardLink => self.hard_link(entry, directory, &name),
            Kind::SymbolicLink => {
                let target = OsStr::from_bytes(&entry.target);
                self.make(directory, &name, |directory| rustix::fs::symlinkat(target, directory, last))?;
                self.finish_special(entry, directory, last)
            }
            Kind::Fifo => self.special(entry, FileType::Fifo, directory, &name),
            Kind::CharacterDevice => self.special(entry, FileType::CharacterDevice, directory, &name),
            Kind::BlockDevice => self.special(entry, FileType::BlockDevice, directory, &name),
            Kind::Other(letter) => {
                Err(io::Error::other(format!("unknown entry type `{}`", char::from(letter).escape_default())))
            }
        }
    }

    fn directory(&mut self, entry: &Entry, parent: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
        let last = name.last.as_os_str();
        // Writable for us until the end, whatever its final mode is.
        let made = rustix::fs::mkdirat(parent, last, Mode::RWXU);
        let was_there = match made {
            Ok(()) => false,
            Err(Errno::EXIST) if is_directory(parent, last)? => true,
            Err(Errno::EXIST) => {
                self.tree.remove(parent, last)?;
                rustix::fs::mkdirat(parent, last, Mode::RWXU)?;
                false
            }
            Err(error) => return Err(error.into()),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(parent, last, flags, Mode::empty())?;
        if was_there {
            remove_attributes(directory.as_fd())?;
        }
        self.own(entry, directory.as_fd())?;
        self.attributes(entry, directory.as_fd(), None)?;
        // By its real path, not by the links in the archive's path.
        let parts = name.parts().map(OsStr::to_owned).collect();
        self.directories.insert(parts, (entry.mode, entry.mtime));
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
        parent: BorrowedFd<'_>,
        name: &Name,
    ) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.make(parent, name, |parent| openat(parent, &name.last, flags, Mode::RUSR | Mode::WUSR))?;
        let file = File::from(file);
        let whole = [(0, entry.size)];
        let mut end = 0;
        for (offset, length) in entry.pieces.as_deref().unwrap_or(&whole) {
            let mut content = archive.content().take(*length);
            let mut at = *offset;
            loop {
                let read = fill(&mut content, &mut self.buffer)?;
                if read == 0 {
                    break;
                }
                end = write_at(&file, self.buffer.get(..read).unwrap_or_default(), at)?.unwrap_or(end);
                at += read as u64;
                if read < self.buffer.len() {
                    break;
                }
            }
        }
        if end < entry.size {
            file.set_len(entry.size)?;
        }
        self.own(entry, file.as_fd())?;
        // After the owner, since chown clears set-user-id and capabilities.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))?;
        self.attributes(entry, file.as_fd(), None)?;
        rustix::fs::futimens(&file, &times(entry.mtime))?;
        Ok(())
    }

    fn hard_link(&mut self, entry: &Entry, parent: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
        let last = name.last.as_os_str();
        let target = Name::new(&entry.target)?
            .ok_or_else(|| io::Error::other("the target of a hard link is the root directory"))?;
        let shown = || String::from_utf8_lossy(&entry.target).into_owned();
        let not_there = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::other(format!("the target `{}` of a hard link does not exist", shown()))
            }
            _ => error,
        };
        let directory = self.tree.directory(&target.directories, Missing::Fail).map_err(not_there)?;
        let stat = |directory: BorrowedFd<'_>, name: &OsStr| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let origin = stat(directory.as_fd(), &target.last).map_err(|error| not_there(error.into()))?;
        // If it is a link to itself, `make` would remove the file first.
        if stat(parent, last).is_ok_and(|there| (there.st_dev, there.st_ino) == (origin.st_dev, origin.st_ino)) {
            return Ok(());
        }
        let link =
            |parent: BorrowedFd<'_>| rustix::fs::linkat(&directory, &target.last, parent, last, AtFlags::empty());
        self.make(parent, name, link).map_err(not_there)
    }

    fn special(&mut self, entry: &Entry, kind: FileType, parent: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
        let last = name.last.as_os_str();
        let device = rustix::fs::makedev(entry.device.0, entry.device.1);
        let mode = Mode::from_raw_mode(entry.mode);
        match self.make(parent, name, |parent| rustix::fs::mknodat(parent, last, kind, mode, device)) {
            Ok(()) => {}
            // A container without the permission: the runtime creates the devices in `/dev` itself.
            Err(error) if kind != FileType::Fifo && error.kind() == io::ErrorKind::PermissionDenied => {
                self.left_out.devices.push(name.parts().collect());
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        rustix::fs::chmodat(parent, last, mode, AtFlags::empty())?;
        self.finish_special(entry, parent, last)?;
        // As with files, chown clears bits.
        rustix::fs::chmodat(parent, last, mode, AtFlags::empty())?;
        Ok(())
    }

    /// Sets owner, attributes and time of an entry that is not opened.
    fn finish_special(&mut self, entry: &Entry, parent: BorrowedFd<'_>, last: &OsStr) -> io::Result<()> {
        if self.owners == Owners::AsInTheImage {
            let (uid, gid) = ids(entry);
            rustix::fs::chownat(parent, last, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        self.attributes(entry, parent, Some(last))?;
        rustix::fs::utimensat(parent, last, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Creates an entry, and replaces an existing one.
    fn make<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &Name,
        make: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> io::Result<T> {
        match make(parent) {
            Err(Errno::EXIST) => {
                self.clear(parent, name)?;
                Ok(make(parent)?)
            }
            other => Ok(other?),
        }
    }

    /// Removes an existing entry, and the pending modes and times of directories below it.
    fn clear(&mut self, parent: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
        if is_directory(parent, &name.last)? {
            let parts: Vec<OsString> = name.parts().map(OsStr::to_owned).collect();
            let below = self.directories.range(parts.clone()..).map(|(known, _)| known);
            let gone: Vec<_> = below.take_while(|known| known.starts_with(&parts)).cloned().collect();
            for known in gone {
                self.directories.remove(&known);
            }
        }
        self.tree.remove(parent, &name.last)
    }

    fn own(&self, entry: &Entry, file: BorrowedFd<'_>) -> io::Result<()> {
        if self.owners == Owners::AsInTheImage {
            let (uid, gid) = ids(entry);
            rustix::fs::fchown(file, uid, gid)?;
        }
        Ok(())
    }

    /// Sets the extended attributes of an open file, or of a name in an open directory.
    fn attributes(&mut self, entry: &Entry, file: BorrowedFd<'_>, name: Option<&OsStr>) -> io::Result<()> {
        for (attribute, value) in &entry.attributes {
            // The worker's own policy sets the label.
            if attribute == b"security.selinux" {
                continue;
            }
            let attribute = OsStr::from_bytes(attribute);
            let set = match name {
                None => rustix::fs::fsetxattr(file, attribute, value, XattrFlags::empty()),
                Some(name) => {
                    use std::os::fd::AsRawFd as _;
                    let path = Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()).join(name);
                    rustix::fs::lsetxattr(path, attribute, value, XattrFlags::empty())
                }
            };
            match set {
                Ok(()) => {}
                Err(Errno::PERM | Errno::ACCESS | Errno::NOTSUP | Errno::INVAL | Errno::NOENT) => {
                    let path = PathBuf::from(OsStr::from_bytes(&entry.path));
                    self.left_out.attributes.push((path, attribute.to_string_lossy().into_owned()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Applies a whiteout: removes a name of the layers below.
    fn hide(&mut self, name: &Name, hidden: &[u8], brought: &Brought) -> io::Result<()> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(io::Error::other("the name of a whiteout is not valid"));
        }
        // The first layer has nothing below it.
        if brought.names.is_none() {
            return Ok(());
        }
        let hidden = Name { directories: name.directories.clone(), last: OsStr::from_bytes(hidden).to_owned() };
        self.remove_below(&hidden, brought)
    }

    fn hide_all(&mut self, name: &Name, brought: &Brought) -> io::Result<()> {
        if brought.names.is_none() {
            return Ok(());
        }
        let directory = match self.tree.directory(&name.directories, Missing::Fail) {
            Ok(directory) => directory,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for child in names(directory.as_fd())? {
            self.remove_below(&Name { directories: name.directories.clone(), last: child }, brought)?;
        }
        Ok(())
    }

    /// Removes what the layers below have at a name, and keeps what this layer has created.
    fn remove_below(&mut self, name: &Name, brought: &Brought) -> io::Result<()> {
        let directory = match self.tree.directory(&name.directories, Missing::Fail) {
            Ok(directory) => directory,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        if !brought.has(name) {
            return self.clear(directory.as_fd(), name);
        }
        if is_directory(directory.as_fd(), &name.last)? {
            let parts: Vec<OsString> = name.parts().map(OsStr::to_owned).collect();
            let inside = self.tree.directory(&parts, Missing::Fail)?;
            for child in names(inside.as_fd())? {
                self.remove_below(&Name { directories: parts.clone(), last: child }, brought)?;
            }
        }
        Ok(())
    }
}

impl Brought {
    fn add(&mut self, name: &Name) {
        if let Some(names) = &mut self.names {
            let mut path = Vec::new();
            for part in name.parts() {
                path.extend_from_slice(part.as_bytes());
                path.push(b'/');
                names.insert(self.hasher.hash_one(&path));
            }
        }
    }

    /// Whether this layer has created the name, or something below it.
    fn has(&self, name: &Name) -> bool {
        let mut path = Vec::new();
        for part in name.parts() {
            path.extend_from_slice(part.as_bytes());
            path.push(b'/');
        }
        self.names.as_ref().is_some_and(|names| names.contains(&self.hasher.hash_one(&path)))
    }
}

/// Reads until the buffer is full or the input ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn remove_attributes(directory: BorrowedFd<'_>) -> io::Result<()> {
    let mut list = [0_u8; 4096];
    let length = match rustix::fs::flistxattr(directory, &mut list) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::RANGE) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in list.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // Attributes that we may not remove do not come from the image.
        let _ = rustix::fs::fremovexattr(directory, OsStr::from_bytes(name));
    }
    Ok(())
}

/// The owner and the group. The kernel takes -1 for "unchanged".
fn ids(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    let id = |id: u32| Some(id).filter(|id| *id != u32::MAX);
    (id(entry.uid).map(Uid::from_raw), id(entry.gid).map(Gid::from_raw))
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Adds the path to an error.
fn named(error: &io::Error, path: &[u8]) -> io::Error {
    let path = String::from_utf8_lossy(path).into_owned();
    io::Error::new(error.kind(), format!("`{}`: {error}", path.escape_debug()))
}
