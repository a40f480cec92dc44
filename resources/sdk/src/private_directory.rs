//! The private directory: the only place on disk for secrets.
//!
//! It is created on first use, only its owner can read it, and it is removed however the process ends. A process that is killed
//! by SIGKILL leaves its directory behind. So each process locks its directory, and the next process removes those that are not
//! locked.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use crate::error::Result;

/// The prefix of a locked directory.
const PREFIX: &str = "jetway-private-";

/// The prefix of a directory until it is locked, so that another process does not remove a new directory as abandoned.
const UNLOCKED_PREFIX: &str = "jetway-new-";

/// The private directory of this process. Clones are the same directory.
#[derive(Debug, Clone)]
pub struct PrivateDirectory {
    parent: PathBuf,
    made: Arc<Mutex<Option<CreatedDirectory>>>,
}

#[derive(Debug)]
struct CreatedDirectory {
    path: PathBuf,
    /// Held open for its lock.
    _lock: File,
}

impl PrivateDirectory {
    /// A directory that will be created in `parent` on first use.
    pub(crate) fn new(parent: PathBuf) -> Self {
        Self { parent, made: Arc::default() }
    }

    /// Its path. The first call creates it.
    pub fn path(&self) -> Result<PathBuf> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref() {
            return Ok(made.path.clone());
        }
        remove_abandoned(&self.parent);
        let new = make(&self.parent)
            .with_context(|| format!("cannot create a private directory in `{}`", self.parent.display()))?;
        Ok(made.insert(new).path.clone())
    }

    /// Writes a file that only this user can read, and returns its path.
    pub fn write(&self, name: impl AsRef<Path>, content: &[u8]) -> Result<PathBuf> {
        let path = self.path()?.join(name);
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).open(&path)?.write_all(content)
        };
        write().with_context(|| format!("cannot write the private file `{}`", path.display()))?;
        Ok(path)
    }

    /// Creates a subdirectory, if it does not exist, with the same permissions, and returns its path.
    pub fn directory(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.path()?.join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("cannot create the private directory `{}`", path.display()))
            }
            _ => Ok(path),
        }
    }

    /// Removes it. A later use creates a new one.
    pub(crate) fn remove(&self) {
        if let Some(made) = self.made.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // After a failure the next process removes it, since the lock ends with this process.
            let _ = fs::remove_dir_all(&made.path);
        }
    }
}

fn make(parent: &Path) -> std::io::Result<CreatedDirectory> {
    let unlocked = tempfile::Builder::new()
        .prefix(UNLOCKED_PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let lock = File::open(unlocked.path())?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let name = unlocked.path().file_name().and_then(OsStr::to_str).unwrap_or_default();
    let path = parent.join(name.replacen(UNLOCKED_PREFIX, PREFIX, 1));
    fs::rename(unlocked.path(), &path)?;
    // It was renamed, so there is nothing to remove under the first name.
    let _ = unlocked.keep();
    Ok(CreatedDirectory { path, _lock: lock })
}

/// Removes the directories of killed processes.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let of_ours = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if of_ours(&entry.file_name())
            // In a shared directory, a named pipe may have such a name, and opening it would block.
            && let Ok(directory) = open(entry.path(), OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            && flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn is_created_on_demand_only_for_the_owner_and_removed() {
        let parent = tempfile::tempdir().unwrap();
        let private = PrivateDirectory::new(parent.path().to_owned());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        let key = private.write("key", b"secret").unwrap();
        assert_eq!((mode(&private.path().unwrap()), mode(&key)), (0o700, 0o600));
        let inner = private.directory("inner").unwrap();
        assert_eq!((private.directory("inner").unwrap(), mode(&inner)), (inner, 0o700));
        private.remove();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn removes_leftovers_of_killed_processes_only() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join("jetway-private-old");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("key"), "secret").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, parent.path().join("jetway-private-pipe"), Mode::RUSR | Mode::WUSR)
            .unwrap();
        let other = parent.path().join("somebody-elses");
        fs::create_dir(&other).unwrap();
        let first = PrivateDirectory::new(parent.path().to_owned());
        let living = first.path().unwrap();
        let second = PrivateDirectory::new(parent.path().to_owned());
        second.path().unwrap();
        assert!(!abandoned.exists());
        assert!(other.exists());
        assert!(living.exists());
        second.remove();
        first.remove();
    }
}
