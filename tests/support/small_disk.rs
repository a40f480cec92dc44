//! A disk that is soon full: a file system in memory.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::scratch;

/// A small disk. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// One of so many bytes.
    ///
    /// # Panics
    /// When nothing may be mounted here, as [`crate::layer::Layer::Mount`] tells.
    pub fn mount(bytes: u64) -> Self {
        Self::try_mount(bytes).expect("mount a small disk")
    }

    /// The same; `None` when nothing may be mounted here.
    pub(crate) fn try_mount(bytes: u64) -> Option<Self> {
        let directory = scratch::directory();
        let options = format!("size={bytes},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "jetway-tests"]).arg(directory.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(directory))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
