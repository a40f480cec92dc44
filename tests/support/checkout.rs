//! A work tree, as a task creates it for a put.

use std::path::{Path, PathBuf};

use crate::git;

/// A clone with a work tree, in a directory that the caller owns.
pub struct Checkout {
    path: PathBuf,
}

impl Checkout {
    /// Clones `url` into `directory/name`.
    pub fn clone(url: &str, directory: &Path, name: &str) -> Self {
        git::run(directory, &["clone", "-q", url, name]);
        Self { path: directory.join(name) }
    }

    /// The work tree of a get.
    pub fn of_get(directory: &Path) -> Self {
        Self { path: directory.to_owned() }
    }

    /// The path of the work tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes files, commits them to HEAD and returns the commit's id.
    ///
    /// Dates follow the parent's by a minute, so that ids are the same every time.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = self.path.join(path);
            std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("create a folder");
            std::fs::write(path, content).expect("write a file");
        }
        self.git(&["add", "--all"]);
        let last = git::command(&self.path).args(["log", "-1", "--format=%ct"]).output().expect("start git");
        let last = String::from_utf8_lossy(&last.stdout).trim().parse::<u64>();
        let date = last.map_or(git::FIRST_COMMIT, |last| last + 60);
        let arguments = ["commit", "-q", "--allow-empty", "--message", message];
        let output = git::command(&self.path).args(arguments).envs(git::dates(date)).output().expect("start git");
        git::answer(output, &arguments);
        self.head()
    }

    /// The commit that is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs `git` in the work tree and returns its output.
    pub fn git(&self, arguments: &[&str]) -> String {
        git::run(&self.path, arguments)
    }
}
