//! Unfinished output of a get: a file gets its final name in the destination only when it is complete.
//!
//! A failure or a signal removes unfinished output. A process that is killed by SIGKILL leaves it behind, and the next get
//! removes it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::error::Result;

/// The prefix of the directory's name.
const PREFIX: &str = ".jetway-unfinished-";

/// The file in the directory with the names, one per line, that were published or were about to be.
const PUBLISHED: &str = ".published";

/// A directory in the destination for output that is not complete yet.
#[derive(Debug)]
pub struct Unfinished {
    destination: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// Creates an empty directory in `destination`, which only this user can access.
    pub fn new(destination: &Path) -> Result<Self> {
        let path = destination.join(format!("{PREFIX}{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot create the directory `{}`", path.display()))?;
        Ok(Self { destination: destination.to_owned(), path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file or directory `name` to the destination.
    pub fn publish(&self, name: &str) -> Result<()> {
        let (from, to) = (self.path.join(name), self.destination.join(name));
        move_entry(&from, &to).with_context(|| format!("cannot create `{}`", to.display()))
    }

    /// Moves all these files and directories to the destination, or none of them. If the process is killed in between, the next
    /// get removes those that were moved.
    pub fn publish_all(&self, names: &[&str]) -> Result<()> {
        let list = self.path.join(PUBLISHED);
        fs::write(&list, names.join("\n")).with_context(|| format!("cannot write `{}`", list.display()))?;
        for (index, name) in names.iter().enumerate() {
            if let Err(error) = self.publish(name) {
                for name in names.iter().take(index) {
                    // The next get removes what is left.
                    let _ = remove_any(&self.destination.join(name));
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Renames a file or a directory. After a failure, `to` does not exist. A user other than root can only move a directory with
/// write permission, so a read-only directory gets it for the move.
fn move_entry(from: &Path, to: &Path) -> io::Result<()> {
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
    restore_permissions(to, permissions)
}

/// Restores the permissions of a moved directory. If that fails, removes it.
fn restore_permissions(path: &Path, permissions: fs::Permissions) -> io::Result<()> {
    fs::set_permissions(path, permissions).inspect_err(|_| {
        // The next get removes what is left.
        let _ = remove_any(path);
    })
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // The next get removes what is left.
        let _ = remove(&self.path);
    }
}

/// Removes the output of killed processes from `destination`.
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

/// Whether a name is a plain file name.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

/// Removes a file or a directory, if it exists.
fn remove_any(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a directory and its content, read-only directories included.
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
    fn keeps_only_published_files() {
        let destination = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::new(destination.path()).unwrap();
        fs::create_dir(unfinished.path().join("rootfs")).unwrap();
        fs::write(unfinished.path().join("other"), "").unwrap();
        unfinished.publish("rootfs").unwrap();
        drop(unfinished);
        assert_eq!(names(destination.path()), ["rootfs"]);
    }

    #[test]
    fn publishes_all_files_or_none() {
        let destination = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::new(destination.path()).unwrap();
        fs::create_dir(unfinished.path().join("rootfs")).unwrap();
        fs::write(unfinished.path().join("digest"), "").unwrap();
        assert!(unfinished.publish_all(&["rootfs", "missing", "digest"]).is_err());
        drop(unfinished);
        assert_eq!(names(destination.path()), Vec::<String>::new());
    }

    #[test]
    fn failed_permissions_remove_the_file() {
        let destination = tempfile::tempdir().unwrap();
        // Even root cannot set permissions of a file that does not exist.
        let path = destination.path().join("rootfs");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(restore_permissions(&path, fs::Permissions::from_mode(0o555)).is_err());
        assert_eq!(names(destination.path()), Vec::<String>::new());
        fs::create_dir(&path).unwrap();
        restore_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o555);
    }

    #[test]
    fn removes_files_of_a_process_that_was_killed_while_publishing() {
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
    fn removes_only_leftovers_of_killed_processes() {
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
