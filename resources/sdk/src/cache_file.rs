//! A file in which a check caches data for the next one in the same container.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// A file in which a check caches data for the next one in the same container. Only this user can read it.
#[derive(Debug)]
pub struct CacheFile {
    path: PathBuf,
    largest: u64,
}

impl CacheFile {
    /// The cache at `path`, of which at most `largest` bytes are read.
    pub fn new(path: PathBuf, largest: u64) -> Self {
        Self { path, largest }
    }

    /// Reads the file, if this user owns it and others have no permissions. Links are not followed.
    pub fn read(&self) -> Option<Vec<u8>> {
        let no_links = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(no_links.bits()).ok()?;
        let file: File = OpenOptions::new().read(true).custom_flags(flags).open(&self.path).ok()?;
        let metadata = file.metadata().ok()?;
        let is_ours = metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            // The group and others have no permissions.
            && metadata.mode().trailing_zeros() >= 6
            && metadata.len() <= self.largest;
        if !is_ours {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(self.largest).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Replaces the file atomically.
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let written = file.write_all(content).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }
}
