//! Reads text files from the step's inputs.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};

/// The directory that contains the step's inputs.
#[derive(Debug)]
pub(crate) struct Inputs(jetway::Inputs);

impl Inputs {
    /// Opens the inputs in `root`.
    pub(crate) fn new(root: &Path) -> Result<Self> {
        jetway::Inputs::new(root).map(Self)
    }

    /// Reads and trims the file that `key` names. Invalid UTF-8 is replaced.
    pub(crate) fn text(&self, key: &str, path: &str) -> Result<String> {
        let read = || {
            let found = self.0.find(path)?.ok_or_else(|| {
                anyhow!("there is no `{path}` in the inputs")
                    .hint("the path begins with the name of an earlier get or of a task's output")
            })?;
            self.0.read(&found).with_context(|| format!("cannot read `{path}`"))
        };
        let bytes = read().with_context(|| format!("`{key}`"))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}
