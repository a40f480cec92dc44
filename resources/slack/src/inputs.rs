//! Reads text files from the step's inputs.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jetway::Result;

/// The directory that contains the step's inputs.
#[derive(Debug)]
pub(crate) struct Inputs(jetway::Inputs);

impl Inputs {
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        jetway::Inputs::new(directory).map(Self)
    }

    /// Resolves a path in the inputs; `None` if it does not exist.
    pub(crate) fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        self.0.find(path)
    }

    /// Reads a text file; `None` if it does not exist. Invalid UTF-8 is replaced.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(found) = self.find(path)? else { return Ok(None) };
        let bytes = self.0.read(&found).with_context(|| format!("cannot read the file `{path}`"))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_file_that_is_not_text() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("bytes"), b"a\xffb\0").unwrap();
        let inputs = Inputs::new(root.path()).unwrap();
        assert_eq!(inputs.text("bytes").unwrap().as_deref(), Some("a\u{fffd}b\0"));
        assert_eq!(inputs.text("nope").unwrap(), None);
    }
}
