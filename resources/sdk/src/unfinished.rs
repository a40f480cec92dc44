//! What a get is still making: it gets its name in the destination when it is whole, and not before.
//!
//! A failure or a signal removes it. A process that is killed leaves it behind, under a name that the next get knows and
//! removes.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::error::Result;

/// How the names begin.
const PREFIX: &str = ".jetway-unfinished-";

/// The file in such a directory that says, one a line, which names it was about to give or has given.
const PUBLISHED: &str = ".published";

/// A directory inside of the destination, in which a get makes what belongs there.
#[derive(Debug)]
pub struct Unfinished {
    destination: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// An empty directory in `destination`, on the same file system, for this user alone.
    pub fn new(destination: &Path) -> Result<Self> {
        let path = destination.join(format!("{PREFIX}{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the directory `{}`", path.display()))?;
        Ok(Self { destination: destination.to_owned(), path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives what is finished in it, by the name `name`, that name in the destination.
    pub fn publish(&self, name: &str) -> Result<()> {
        let (from, to) = (self.path.join(name), self.destination.join(name));
        give(&from, &to).with_context(|| format!("cannot make `{}`", to.display()))
    }

    /// Gives all of these their names: all of them, or none. Whoever kills this process in between leaves some, which the next
    /// get removes.
    pub fn publish_all(&self, names: &[&str]) -> Result<()> {
        let list = self.path.join(PUBLISHED);
        fs::write(&list, names.join("\n")).with_context(|| format!("cannot write `{}`", list.display()))?;
        for (index, name) in names.iter().enumerate() {
            if let Err(error) = self.publish(name) {
                for name in names.iter().take(index) {
                    // What stays is removed by the next get.
                    let _ = remove_any(&self.destination.join(name));
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Renames, or leaves the name `to` free: a directory that its owner may not write to included. To move such a one, who is not
/// root needs that right.
fn give(from: &Path, to: &Path) -> io::Result<()> {
    let error = match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        other => return other,
    };
    let metadata = fs::symlink_metadata(from)?;
    if !metadata.is_dir() {
        return Err(error);
    }
    let permissions = metadata.permissions();
    fs::set_permissions(from, fs::Permissions::from_mode(permissions.mode() | 0o200))?;
    fs::rename(from, to)?;
    settle(to, permissions)
}

/// Gives what has just been moved its own permissions, or takes it away again.
fn settle(path: &Path, permissions: fs::Permissions) -> io::Result<()> {
    fs::set_permissions(path, permissions).inspect_err(|_| {
        // What stays is removed by the next get.
        let _ = remove_any(path);
    })
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What stays is removed by the next get.
        let _ = remove(&self.path);
    }
}

/// Removes what killed processes left in `destination`.
pub(crate) fn remove_abandoned(destination: &Path) -> io::Result<()> {
    for entry in fs::read_dir(destination)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && entry.file_type()?.is_dir() {
            let list = fs::read(entry.path().join(PUBLISHED)).unwrap_or_default();
            for name in String::from_utf8_lossy(&list).lines().filter(|name| is_plain(name)) {
                remove_any(&destination.join(name))?;
            }
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a name is that of something in a directory, and leads nowhere else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

/// Removes a file or a directory, if there is one.
fn remove_any(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a directory with all that is in it, read-only directories included.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_published_stays_and_all_else_goes() {
        let destination = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::new(destination.path()).unwrap();
        fs::create_dir(unfinished.path().join("rootfs")).unwrap();
        fs::write(unfinished.path().join("other"), "").unwrap();
        unfinished.publish("rootfs").unwrap();
        drop(unfinished);
        assert_eq!(names(destination.path()), ["rootfs"]);
    }

    #[test]
    fn all_is_published_or_nothing() {
        let destination = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::new(destination.path()).unwrap();
        fs::create_dir(unfinished.path().join("rootfs")).unwrap();
        fs::write(unfinished.path().join("digest"), "").unwrap();
        assert!(unfinished.publish_all(&["rootfs", "missing", "digest"]).is_err());
        drop(unfinished);
        assert_eq!(names(destination.path()), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_have_its_permissions_does_not_keep_its_name() {
        let destination = tempfile::tempdir().unwrap();
        // Root may set any permissions, but not those of what is not there.
        let path = destination.path().join("rootfs");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(settle(&path, fs::Permissions::from_mode(0o555)).is_err());
        assert_eq!(names(destination.path()), Vec::<String>::new());
        fs::create_dir(&path).unwrap();
        settle(&path, fs::Permissions::from_mode(0o555)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o555);
    }

    #[test]
    fn what_was_published_by_a_process_that_was_killed_meanwhile_is_removed() {
        let house = tempfile::tempdir().unwrap();
        let destination = house.path().join("destination");
        let left = destination.join(".jetway-unfinished-1");
        fs::create_dir_all(destination.join("rootfs/etc")).unwrap();
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("digest"), "").unwrap();
        for name in ["tag", "kept", "../outside"] {
            fs::write(destination.join(name), "").unwrap();
        }
        fs::write(left.join(PUBLISHED), "rootfs\ntag\ndigest\n../outside\n\n.").unwrap();
        remove_abandoned(&destination).unwrap();
        assert_eq!(names(&destination), ["kept"]);
        assert!(house.path().join("outside").exists());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let destination = tempfile::tempdir().unwrap();
        let left = destination.path().join(".jetway-unfinished-1/rootfs/etc");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("passwd"), "").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o555)).unwrap();
        fs::write(destination.path().join("kept"), "").unwrap();
        remove_abandoned(destination.path()).unwrap();
        assert_eq!(names(destination.path()), ["kept"]);
    }
}
