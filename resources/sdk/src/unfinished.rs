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
        fs::rename(&from, &to).with_context(|| format!("cannot make `{}`", to.display()))
    }
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
            remove(&entry.path())?;
        }
    }
    Ok(())
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
