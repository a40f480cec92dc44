//! The state of a worker's container that outlives a verb.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::scratch;

/// A home, a temporary directory and the links in `/opt/resource`. Clones share the same container.
#[derive(Debug, Clone)]
pub struct Container(Arc<TempDir>);

impl Container {
    /// Creates a new container.
    pub fn new() -> Self {
        let directory = scratch::directory();
        for name in ["home", "tmp", "resource"] {
            fs::create_dir(directory.path().join(name)).expect("create a directory of the container");
        }
        Self(Arc::new(directory))
    }

    /// The home directory of the binary's process. (A container's is `/`.)
    pub fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    /// The directory for temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.0.path().join("tmp")
    }

    /// The files that verbs left in both directories.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(&self.home(), &mut found);
        list(&self.temporary(), &mut found);
        // The engine creates empty directories as mount points.
        let root = self.temporary();
        let mount_points =
            [root.join("build"), root.join(scratch::root().strip_prefix("/tmp").unwrap_or(Path::new("build")))];
        found.retain(|path| !mount_points.iter().any(|point| point.starts_with(path) || path.starts_with(point)));
        found
    }

    /// Creates the link that starts a binary. The name of the link selects the verb.
    pub(super) fn link(&self, binary: &Path, name: &str) -> PathBuf {
        let link = self.0.path().join("resource").join(name);
        match symlink(binary, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                panic!("link {}: {error}", link.display())
            }
            _ => link,
        }
    }
}

impl Default for Container {
    fn default() -> Self {
        Self::new()
    }
}

fn list(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), found);
        }
    }
}
