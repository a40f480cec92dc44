//! A directory that becomes a root file system. Names in an archive and links in the tree cannot leave it.
//!
//! Paths are walked part by part with directory descriptors. Links are resolved here, as the kernel resolves them in a
//! `chroot`: an absolute link starts at the root, and `..` cannot leave the root. (`openat2` can do the same, but the
//! seccomp filters of some containers do not allow it.)

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, readlinkat, statat, unlinkat};
use rustix::io::Errno;

/// How many links are followed in one path, as in the kernel.
const MAX_LINKS: usize = 40;

/// The deepest directory. It must be possible to walk there to remove it.
const DEEPEST: usize = 512;

/// The flags for opening a directory of a path.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The root of the tree.
pub(crate) struct Tree {
    root: Rc<OwnedFd>,
    /// The last directory, as a cache: archives are mostly in order.
    last: Option<Last>,
}

struct Last {
    parts: Vec<OsString>,
    /// The descriptors from the root on, one for each part, if no link was followed.
    chain: Option<Vec<Rc<OwnedFd>>>,
    directory: Rc<OwnedFd>,
}

/// What to do about a missing directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create it, with mode 755.
    Make,
    /// Fail (`ENOENT`).
    Fail,
}

/// A path, split into its directories and its last part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) directories: Vec<OsString>,
    pub(crate) last: OsString,
}

impl Name {
    /// Parses a path of an archive, relative to the tree's root. `None` for the root itself; an error if it leaves the
    /// root.
    pub(crate) fn new(path: &[u8]) -> io::Result<Option<Self>> {
        let mut parts: Vec<OsString> = Vec::new();
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    if parts.pop().is_none() {
                        let name = String::from_utf8_lossy(path).into_owned();
                        return Err(io::Error::other(format!("the name `{name}` points outside the image")));
                    }
                }
                part if part.contains(&0) => return Err(io::Error::other("a name contains a NUL character")),
                part => parts.push(OsStr::from_bytes(part).to_owned()),
            }
        }
        Ok(parts.pop().map(|last| Self { directories: parts, last }))
    }

    /// All parts, including the last.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &OsStr> {
        self.directories.iter().map(OsString::as_os_str).chain([self.last.as_os_str()])
    }
}

impl Tree {
    /// The tree with this root.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let root = rustix::fs::open(root, DIRECTORY, Mode::empty())?;
        Ok(Self { root: Rc::new(root), last: None })
    }

    /// The root itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a directory. The one of the last call is cached, and one below it needs few calls.
    pub(crate) fn directory(&mut self, parts: &[OsString], missing: Missing) -> io::Result<Rc<OwnedFd>> {
        if let Some(last) = self.last.as_ref().filter(|last| last.parts == parts) {
            return Ok(Rc::clone(&last.directory));
        }
        // The path shares a prefix with the last path. The prefix need not be walked again if it contains no link.
        let mut chain: Vec<Rc<OwnedFd>> = Vec::with_capacity(parts.len());
        if let Some(last) = &self.last
            && let Some(known) = &last.chain
        {
            let same = last.parts.iter().zip(parts).take_while(|(a, b)| a == b).count();
            chain.extend(known.iter().take(same).map(Rc::clone));
        }
        let mut waiting: VecDeque<OsString> = parts.iter().skip(chain.len()).cloned().collect();
        let mut links = 0;
        while let Some(part) = waiting.pop_front() {
            if chain.len() >= DEEPEST {
                return Err(io::Error::other(format!("directories are nested deeper than {DEEPEST} levels")));
            }
            if part == ".." {
                // `..` stops at the root.
                chain.pop();
                continue;
            }
            let here = chain.last().unwrap_or(&self.root);
            match openat(here, &part, DIRECTORY, Mode::empty()) {
                Ok(next) => chain.push(Rc::new(next)),
                Err(Errno::NOENT) if missing == Missing::Make => {
                    let here = Rc::clone(here);
                    chain.push(Rc::new(make(&here, &part)?));
                }
                // Kernels differ in which error they return for a link.
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    let target = match readlinkat(here, &part, Vec::new()) {
                        Ok(target) => target,
                        Err(Errno::INVAL) => return Err(Errno::NOTDIR.into()),
                        Err(error) => return Err(error.into()),
                    };
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    let target = target.as_bytes();
                    if target.starts_with(b"/") {
                        chain.clear();
                    }
                    let parts = target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
                    for part in parts.rev() {
                        waiting.push_front(OsStr::from_bytes(part).to_owned());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let directory = Rc::clone(chain.last().unwrap_or(&self.root));
        let chain = (links == 0).then_some(chain);
        self.last = Some(Last { parts: parts.to_vec(), chain, directory: Rc::clone(&directory) });
        Ok(directory)
    }

    /// Clears the cache, since a directory in it may have been removed.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Removes a name and everything below it. It is no error if it does not exist.
    pub(crate) fn remove(&mut self, directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => {
                // It may have been a link in the cached path.
                self.forget();
                Ok(())
            }
            Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) if is_directory(directory, name)? => {
                self.forget();
                remove_directory(directory, name)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Creates a directory that has no entry in the archive.
fn make(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o755);
    rustix::fs::mkdirat(parent, name, mode)?;
    let new = openat(parent, name, DIRECTORY, Mode::empty())?;
    // The umask of this process must not affect an image.
    rustix::fs::fchmod(&new, mode)?;
    Ok(new)
}

pub(crate) fn is_directory(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The names in a directory.
pub(crate) fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Removes a directory and everything below it. It keeps only one descriptor for each level open, and follows no link.
fn remove_directory(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let mut levels = vec![Level::open(parent, name)?];
    while let Some(level) = levels.last_mut() {
        let Some(child) = level.names.pop() else {
            let name = level.name.clone();
            levels.pop();
            let above = levels.last().map_or(parent, |level| level.directory.as_fd());
            unlinkat(above, &name, AtFlags::REMOVEDIR)?;
            continue;
        };
        match unlinkat(&level.directory, &child, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => {
                let below = Level::open(level.directory.as_fd(), &child)?;
                levels.push(below);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A directory that is being removed.
struct Level {
    directory: OwnedFd,
    name: OsString,
    names: Vec<OsString>,
}

impl Level {
    fn open(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<Self> {
        let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
        let names = names(directory.as_fd())?;
        Ok(Self { directory, name: name.to_owned(), names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn parts(path: &str) -> Vec<OsString> {
        path.split('/').filter(|part| !part.is_empty()).map(OsString::from).collect()
    }

    #[test]
    fn names_start_at_the_root_and_stay_inside() {
        let name = |path: &str| {
            Name::new(path.as_bytes()).map(|name| name.map(|name| name.parts().collect::<std::path::PathBuf>()))
        };
        for (path, expected) in [("a/b", "a/b"), ("./a//b/", "a/b"), ("/a/./b", "a/b"), ("a/../b", "b")] {
            assert_eq!(name(path).unwrap().unwrap(), Path::new(expected), "{path}");
        }
        assert_eq!(name("./").unwrap(), None);
        for path in ["../a", "a/../../b", "/..", "a\0b"] {
            assert!(name(path).is_err(), "{path}");
        }
    }

    #[test]
    fn follows_links_inside_the_tree() {
        let house = tempfile::tempdir().unwrap();
        let root = house.path().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir_all(house.path().join("secret")).unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/usr", root.join("absolute")).unwrap();
        symlink("../../../..", root.join("usr/up")).unwrap();
        symlink("../../secret", root.join("usr/out")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let mut tree = Tree::new(&root).unwrap();
        let mut write = |directory: &str, missing: Missing| -> io::Result<()> {
            let directory = tree.directory(&parts(directory), missing)?;
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(&directory, "mark", flags, Mode::from_raw_mode(0o600))?;
            Ok(())
        };
        write("lib/x", Missing::Make).unwrap();
        write("absolute/lib", Missing::Fail).unwrap();
        write("usr/up", Missing::Fail).unwrap();
        write("usr/up/usr/up/etc", Missing::Make).unwrap();
        // A link that leaves the root resolves to the same name inside, which does not exist.
        assert_eq!(write("usr/out", Missing::Fail).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(write("loop", Missing::Make).is_err());
        assert!(write("usr/lib/mark/x", Missing::Make).is_err());
        for made in ["usr/lib/x/mark", "usr/lib/mark", "mark", "etc/mark"] {
            assert!(root.join(made).exists(), "{made}");
        }
        assert_eq!(fs::read_dir(house.path().join("secret")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(house.path()).unwrap().count(), 2);
    }

    #[test]
    fn removal_keeps_everything_else() {
        let house = tempfile::tempdir().unwrap();
        let root = house.path().join("root");
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(house.path().join("kept"), "").unwrap();
        symlink("../../kept", root.join("a/b/link")).unwrap();
        symlink("/", root.join("a/b/root")).unwrap();
        fs::write(root.join("a/b/c/file"), "").unwrap();
        let mut tree = Tree::new(&root).unwrap();
        let directory = tree.directory(&parts("a/b/c"), Missing::Fail).unwrap();
        drop(directory);
        let top = tree.directory(&[], Missing::Fail).unwrap();
        tree.remove(top.as_fd(), OsStr::new("a")).unwrap();
        tree.remove(top.as_fd(), OsStr::new("nothing")).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        assert!(house.path().join("kept").exists());
        // The cached path was removed with it.
        assert!(tree.directory(&parts("a/b/c"), Missing::Fail).is_err());
    }
}
