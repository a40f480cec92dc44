//! Reads files from a put's inputs. Neither a path nor a link may leave the directory of the inputs, because a put may send the
//! content of a file in a message or in an image.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::error::Result;
use crate::schema::problem::Problems;

/// The maximum size of a file that is read, in bytes. Such files contain a name, a message or a list.
const MAX_FILE: u64 = 1024 * 1024;

/// The directory of a step's inputs.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Its path with all links resolved.
    root: PathBuf,
}

impl Inputs {
    /// Opens the inputs in `directory`.
    pub fn new(directory: &Path) -> Result<Self> {
        let root = directory.canonicalize();
        let root =
            root.with_context(|| format!("cannot find the directory of the inputs, `{}`", directory.display()))?;
        Ok(Self { root })
    }

    /// The directory of the inputs, with all links resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Resolves `path` and all links in it; `None` if it does not exist. A path outside the inputs is an error.
    pub fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        if is_outside(path) {
            return Err(anyhow!("`{path}` is outside the directory of the inputs"));
        }
        self.resolve(&self.root.join(path)).with_context(|| format!("cannot use `{path}`"))
    }

    /// Resolves an absolute path, such as one below a path that [`Self::find`] returned.
    pub fn resolve(&self, path: &Path) -> Result<Option<PathBuf>> {
        use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
        match path.canonicalize() {
            Ok(found) if found.starts_with(&self.root) => Ok(Some(found)),
            Ok(_) => Err(anyhow!("it is a link to a path outside the directory of the inputs")),
            // An invalid path (too long, or with a NUL byte) does not exist either.
            Err(error) if matches!(error.kind(), NotFound | NotADirectory | InvalidInput | InvalidFilename) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a file.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let path = self.resolve(path)?.context("No such file or directory (os error 2)")?;
        // Opening a named pipe would block until another process writes to it.
        if !path.is_file() {
            return Err(anyhow!("it is not a file"));
        }
        let mut bytes = Vec::new();
        File::open(&path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(anyhow!("it is larger than {} MiB", MAX_FILE / 1024 / 1024));
        }
        Ok(bytes)
    }
}

impl Problems {
    /// Adds a problem if `path`, the value of `key`, is empty, begins with `-`, or is outside the inputs.
    pub fn require_input(&mut self, key: &str, path: &str) {
        if path.trim().is_empty() {
            self.add(key, "must not be empty");
        } else if path.starts_with('-') {
            self.add(key, "must not begin with `-`");
        } else if is_outside(path) {
            self.add(key, "must stay inside the directory of the inputs");
        }
    }
}

/// Whether a relative path is outside its base directory.
fn is_outside(path: &str) -> bool {
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

    fn read(inputs: &Inputs, path: &str) -> Result<Option<Vec<u8>>> {
        inputs.find(path)?.map(|found| inputs.read(&found)).transpose()
    }

    #[test]
    fn reads_nothing_outside_the_inputs() {
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
            assert!(read(&inputs, path).is_err(), "{path}");
        }
        for path in ["a/file", "in", "a/up/in", "./a/../a/file"] {
            assert_eq!(read(&inputs, path).unwrap().as_deref(), Some(b"text\n".as_slice()), "{path}");
        }
        for path in ["b", "a/file/x", "a/b/c", &"x".repeat(5000), "a\0b"] {
            assert!(read(&inputs, path).unwrap().is_none(), "{path}");
        }
        let error = format!("{:#}", read(&inputs, "a/out").unwrap_err());
        assert_eq!(error, "cannot use `a/out`: it is a link to a path outside the directory of the inputs");
    }

    #[test]
    fn rejects_large_files_and_other_file_types() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("large"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        let inputs = Inputs::new(root.path()).unwrap();
        assert_eq!(read(&inputs, "large").unwrap_err().to_string(), "it is larger than 1 MiB");
        assert_eq!(read(&inputs, ".").unwrap_err().to_string(), "it is not a file");
    }

    #[test]
    fn rejects_paths_outside_the_inputs() {
        let problems = |path: &str| {
            let mut problems = Problems::default();
            problems.require_input("file", path);
            problems.below("params").iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(problems("a/b"), "");
        assert_eq!(problems(" "), "`params.file`: must not be empty");
        assert_eq!(problems("-x"), "`params.file`: must not begin with `-`");
        assert_eq!(problems("../x"), "`params.file`: must stay inside the directory of the inputs");
    }
}
