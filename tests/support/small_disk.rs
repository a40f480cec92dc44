//! A small file system in memory, to test a full disk.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::scratch;

/// A small file system. Dropping it unmounts it.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts a file system of this size in bytes.
    ///
    /// # Panics
    /// Without permission to mount. Check [`crate::layer::Layer::Mount`] first.
    pub fn mount(bytes: u64) -> Self {
        Self::try_mount(bytes).expect("mount a small disk")
    }

    /// Mounts a file system of this size in bytes; `None` without permission to mount.
    pub(crate) fn try_mount(bytes: u64) -> Option<Self> {
        let directory = scratch::directory();
        let options = format!("size={bytes},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "jetway-tests"]).arg(directory.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(directory))
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
