//! Reads text files from the step's inputs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};

/// The directory that contains the step's inputs.
#[derive(Debug)]
pub struct Inputs(jetway::Inputs);

impl Inputs {
    /// Opens the inputs in `root`.
    pub fn new(root: &Path) -> Result<Self> {
        jetway::Inputs::new(root).map(Self)
    }

    /// The directory, with its symlinks resolved.
    pub fn root(&self) -> &Path {
        self.0.root()
    }

    /// Resolves `path`, if it exists. Neither the path nor its symlinks may leave the inputs.
    pub fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        self.0.find(path)
    }

    /// Resolves a path that was built from a resolved one.
    pub fn resolve(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.0.resolve(path)
    }

    /// Reads and trims the file that `key` names. Invalid UTF-8 is replaced.
    pub fn text(&self, key: &str, path: &str) -> Result<String> {
        let read = || {
            let found = self.find(path)?.ok_or_else(|| {
                anyhow!("file `{path}` does not exist in the inputs")
                    .hint("begin the path with the name of an earlier get or of a task's output")
            })?;
            self.0.read(&found).with_context(|| format!("cannot read `{path}`"))
        };
        let bytes = read().with_context(|| format!("`{key}`"))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Reads the file at `path`, if `path` names a file.
    pub fn text_of_file(&self, path: &str) -> Option<String> {
        let found = self.find(path).ok()?.filter(|found| found.is_file())?;
        let bytes = self.0.read(&found).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Lists the checkouts in the inputs, with their names.
    pub fn checkouts(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        let entries = std::fs::read_dir(self.root()).context("cannot list the inputs")?;
        for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            if let Ok(Some(directory)) = self.find(&name)
                && directory.join(".git").exists()
            {
                found.push((name, directory));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Reads a file at a resolved path.
    pub fn read(&self, path: &Path) -> Result<String> {
        String::from_utf8(self.0.read(path)?).map_err(|_| anyhow!("it is not text (UTF-8)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_paths_and_links_that_leave_the_inputs() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s3cret").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), b" text\xff\n").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("link")).unwrap();
        std::os::unix::fs::symlink("file", root.path().join("inner")).unwrap();
        let inputs = Inputs::new(root.path()).unwrap();
        assert_eq!(inputs.text("k", "file").unwrap(), "text\u{fffd}");
        assert_eq!(inputs.text("k", "inner").unwrap(), "text\u{fffd}");
        for path in ["/etc/passwd", "../x", "a/../../x"] {
            assert!(inputs.text("k", path).is_err(), "{path}");
        }
        let error = format!("{:#}", inputs.text("k", "link").unwrap_err());
        assert!(
            error.ends_with("cannot use `link`: it is a link to a path outside the directory of the inputs"),
            "{error}"
        );
        assert!(inputs.find("nope").unwrap().is_none());
        assert!(inputs.find(&"x".repeat(5000)).unwrap().is_none());
    }
}
