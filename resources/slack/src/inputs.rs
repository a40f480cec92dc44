//! The files of the step's inputs. None outside of them is ever read: what is in a message leaves the house.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Result};

/// The largest file that is read, in bytes. Slack takes 40,000 characters of text.
const LARGEST: u64 = 1024 * 1024;

/// The directory that holds the step's inputs by name.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// Its path with all links resolved.
    root: PathBuf,
}

impl Inputs {
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let root = directory
            .canonicalize()
            .with_context(|| format!("the directory of the inputs, `{}`, cannot be found", directory.display()))?;
        Ok(Self { root })
    }

    /// The path in the inputs with all links resolved, `None` when nothing is there. One that leads out of the inputs, by
    /// itself or by a link, is an error.
    pub(crate) fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        if leads_out(path) {
            return Err(anyhow!("`{path}` leads out of the directory of the inputs"));
        }
        match self.root.join(path).canonicalize() {
            Ok(found) if found.starts_with(&self.root) => Ok(Some(found)),
            Ok(_) => Err(anyhow!("`{path}` is a link that leads out of the directory of the inputs")),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot find the file `{path}`")),
        }
    }

    /// The text of a file, `None` when it is not there. What is not UTF-8 in it is replaced.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(found) = self.find(path)? else { return Ok(None) };
        // Opening a pipe would wait for somebody to write into it.
        if !found.metadata().with_context(|| format!("cannot read the file `{path}`"))?.is_file() {
            return Err(anyhow!("`{path}` is not a file"));
        }
        let mut bytes = Vec::new();
        let read = File::open(&found).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        read.with_context(|| format!("cannot read the file `{path}`"))?;
        if bytes.len() as u64 > LARGEST {
            return Err(anyhow!("the file `{path}` is larger than {} MiB", LARGEST / 1024 / 1024)
                .hint("Slack takes 40,000 characters of text"));
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Whether a path leads out of the directory that it is relative to.
pub(crate) fn leads_out(path: &str) -> bool {
    let mut depth = 0_i32;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_outside_is_never_read() {
        let house = tempfile::tempdir().unwrap();
        fs::write(house.path().join("secret"), "s").unwrap();
        let root = house.path().join("inputs");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/file"), "text\n").unwrap();
        symlink("../../secret", root.join("a/out")).unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink("a/file", root.join("in")).unwrap();
        let inputs = Inputs::new(&root).unwrap();
        for path in ["a/out", "a/up/../secret", "../secret", "/etc/hostname", "a/../../secret"] {
            assert!(inputs.text(path).is_err(), "{path}");
        }
        for path in ["a/file", "in", "a/up/in", "./a/../a/file"] {
            assert_eq!(inputs.text(path).unwrap().as_deref(), Some("text\n"), "{path}");
        }
        for path in ["b", "a/file/x", "a/b/c"] {
            assert_eq!(inputs.text(path).unwrap(), None, "{path}");
        }
        assert!(inputs.text("a").is_err());
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_is_no_trouble() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("large"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        fs::write(root.path().join("bytes"), b"a\xffb\0").unwrap();
        let inputs = Inputs::new(root.path()).unwrap();
        assert_eq!(inputs.text("large").unwrap_err().to_string(), "the file `large` is larger than 1 MiB");
        assert_eq!(inputs.text("bytes").unwrap().as_deref(), Some("a\u{fffd}b\0"));
    }
}
