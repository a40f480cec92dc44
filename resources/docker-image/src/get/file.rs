//! Writes the small files of a get.

use std::path::Path;

use anyhow::Context as _;
use jetway::Result;

/// Writes a file into the destination, atomically.
pub(super) fn file(destination: &Path, name: &str, content: &str) -> Result<()> {
    let path = destination.join(name);
    let written = std::fs::write(&path, content);
    if written.is_err() {
        let _ = std::fs::remove_file(&path);
    }
    written.with_context(|| format!("cannot write `{}`", path.display()))
}
