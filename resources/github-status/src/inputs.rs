//! Files of the step's inputs. Whoever wrote them, a path never leads out of the directory that holds them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Problems, Result};

/// The largest file that is read, in bytes; GitHub takes no text that is longer.
const LARGEST: u64 = 1024 * 1024;

/// The directory that holds the inputs by name.
#[derive(Debug)]
pub(crate) struct Inputs {
    root: PathBuf,
}

impl Inputs {
    /// The inputs in `root`.
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let resolved = root.canonicalize();
        let root =
            resolved.with_context(|| format!("cannot read the directory of the inputs, `{}`", root.display()))?;
        Ok(Self { root })
    }

    /// The directory itself, with its links resolved.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where `path` is, when there is something; links must not lead out of the inputs either.
    pub(crate) fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        if leaves_its_directory(path) {
            return Err(anyhow!("`{path}` leads out of the directory of the inputs"));
        }
        self.resolve(&self.root.join(path)).with_context(|| format!("cannot use `{path}`"))
    }

    /// The text of the file that `key` names, without white space around it.
    pub(crate) fn text(&self, key: &str, path: &str) -> Result<String> {
        let read = || {
            let found = self.find(path)?.ok_or_else(|| {
                anyhow!("there is no `{path}` in the inputs")
                    .hint("the path begins with the name of an earlier get or of a task's output")
            })?;
            self.read(&found).with_context(|| format!("cannot read `{path}`"))
        };
        Ok(read().with_context(|| format!("`{key}`"))?.trim().to_owned())
    }

    /// The text of a file that was found.
    pub(crate) fn read(&self, path: &Path) -> Result<String> {
        let path = self.resolve(path)?.context("No such file or directory (os error 2)")?;
        if !path.is_file() {
            return Err(anyhow!("it is not a file"));
        }
        let mut bytes = Vec::new();
        File::open(&path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(anyhow!("it is larger than {} KiB", LARGEST / 1024));
        }
        String::from_utf8(bytes).map_err(|_| anyhow!("it is not text (UTF-8)"))
    }

    /// The path with its links resolved, `None` when there is nothing.
    pub(crate) fn resolve(&self, path: &Path) -> Result<Option<PathBuf>> {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        match path.canonicalize() {
            Ok(resolved) if resolved.starts_with(&self.root) => Ok(Some(resolved)),
            Ok(_) => Err(anyhow!("it leads out of the directory of the inputs")),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
            // What can be no path at all (too long, a NUL in it) is no file.
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidFilename) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Notes that a path is none of the inputs.
pub(crate) fn require_path(problems: &mut Problems, key: &str, path: &str) {
    if path.trim().is_empty() {
        problems.add(key, "must not be empty");
    } else if leaves_its_directory(path) {
        problems.add(key, "must stay inside the directory of the inputs");
    }
}

/// Whether a path leads out of the directory that it is relative to.
fn leaves_its_directory(path: &str) -> bool {
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

    #[test]
    fn paths_and_links_stay_inside() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s3cret").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), " text\n").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("link")).unwrap();
        std::os::unix::fs::symlink("file", root.path().join("inner")).unwrap();
        let inputs = Inputs::new(root.path()).unwrap();
        assert_eq!(inputs.text("k", "file").unwrap(), "text");
        assert_eq!(inputs.text("k", "inner").unwrap(), "text");
        for path in ["/etc/passwd", "../x", "a/../../x"] {
            assert!(inputs.text("k", path).is_err(), "{path}");
        }
        let error = format!("{:#}", inputs.text("k", "link").unwrap_err());
        assert!(error.ends_with("cannot use `link`: it leads out of the directory of the inputs"), "{error}");
        assert!(inputs.find("nope").unwrap().is_none());
        assert!(inputs.find(&"x".repeat(5000)).unwrap().is_none());
    }
}
