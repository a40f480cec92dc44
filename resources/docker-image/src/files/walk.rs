//! Walks the files of a build context in the order that builders require: a directory before its content, names sorted
//! by bytes. Links are listed, never followed.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use crate::files::ignore::{Judgement, Patterns};

/// Which files of a directory are selected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Files that match are excluded.
    pub(crate) ignore: Patterns,
    /// If set, only files that match are included.
    pub(crate) only: Option<Patterns>,
}

/// The result of a selection for a path.
#[derive(Debug, Clone, Default)]
struct Verdict {
    ignore: Judgement,
    only: Judgement,
    taken: bool,
}

impl Selection {
    /// Evaluates a path, given the result for its parent directory.
    fn verdict(&self, path: &str, above: &Verdict) -> Verdict {
        let ignore = self.ignore.judge(path, &above.ignore);
        let only = self.only.as_ref().map(|only| only.judge(path, &above.only)).unwrap_or_default();
        let taken = !ignore.matched && (only.matched || self.only.is_none());
        Verdict { ignore, only, taken }
    }

    /// Whether something below a directory may be included.
    fn may_take_below(&self, directory: &str, verdict: &Verdict) -> bool {
        let ignored = verdict.ignore.matched && !self.ignore.may_include_below(directory);
        !ignored && self.only.as_ref().is_none_or(|only| verdict.only.matched || only.may_match_below(directory))
    }
}

/// A file, a directory or a link of the context.
#[derive(Debug)]
pub(crate) struct ContextEntry {
    /// Its path in the context.
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
}

/// Walks a directory tree.
#[derive(Debug)]
pub(crate) struct Walk {
    root: PathBuf,
    selection: Selection,
    /// The open directories, the innermost last: the remaining entries of each, and its verdict.
    open: Vec<(vec::IntoIter<DirEntry>, Verdict)>,
    /// Parent directories that are not listed yet, because nothing in them was included so far.
    untold: Vec<(usize, ContextEntry)>,
    ready: std::collections::VecDeque<ContextEntry>,
}

impl Walk {
    pub(crate) fn new(root: &Path, selection: Selection) -> io::Result<Self> {
        Ok(Self {
            open: vec![(sorted(root)?, Verdict::default())],
            root: root.to_owned(),
            selection,
            untold: Vec::new(),
            ready: std::collections::VecDeque::new(),
        })
    }

    /// Reads the next entry; `false` when there is none.
    fn advance(&mut self) -> io::Result<bool> {
        let depth = self.open.len();
        let Some((directory, above)) = self.open.last_mut() else { return Ok(false) };
        let Some(entry) = directory.next() else {
            self.open.pop();
            self.untold.retain(|(at, _)| *at < depth - 1);
            return Ok(true);
        };
        let full = entry.path();
        let Ok(path) = full.strip_prefix(&self.root).map(Path::to_owned) else { return Ok(true) };
        let metadata = entry.metadata().map_err(|error| named(&full, &error))?;
        // Patterns are text. A name that is not UTF-8 is matched lossily.
        let text = path.to_string_lossy();
        let verdict = self.selection.verdict(&text, above);
        let taken = verdict.taken;
        let searched = metadata.is_dir() && (taken || self.selection.may_take_below(&text, &verdict));
        if searched {
            self.open.push((sorted(&full)?, verdict));
        }
        let found = ContextEntry { path, metadata };
        if taken {
            self.ready.extend(self.untold.drain(..).map(|(_, found)| found));
            self.ready.push_back(found);
        } else if searched {
            self.untold.push((depth, found));
        }
        Ok(true)
    }
}

impl Iterator for Walk {
    type Item = io::Result<ContextEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Some(Ok(found));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.open.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn sorted(directory: &Path) -> io::Result<vec::IntoIter<DirEntry>> {
    let read = || fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>();
    let mut entries = read().map_err(|error| named(directory, &error))?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries.into_iter())
}

/// Adds the file's name to an error, which the operating system omits.
pub(crate) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in ["a/b/c", "a/x", "a.txt", "node_modules/p/keep", "node_modules/p/drop", "z"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("/", root.path().join("link")).unwrap();
        root
    }

    fn walked(ignore: &str, only: Option<&[&str]>) -> String {
        let root = tree();
        let selection = Selection {
            ignore: Patterns::of_file(ignore).unwrap(),
            only: only.map(|only| Patterns::new(only).unwrap()),
        };
        let found = Walk::new(root.path(), selection).unwrap().map(|found| found.unwrap().path.display().to_string());
        found.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lists_directories_first_and_follows_no_links() {
        let all = "a a/b a/b/c a/x a.txt link node_modules node_modules/p node_modules/p/drop node_modules/p/keep z";
        assert_eq!(walked("", None), all);
    }

    #[test]
    fn included_files_come_with_their_directories() {
        assert_eq!(
            walked("node_modules\n!node_modules/p/keep\na", None),
            "a.txt link node_modules node_modules/p node_modules/p/keep z"
        );
        assert_eq!(walked("*\n!a/x", None), "a a/x");
        assert_eq!(walked("*\n!**/keep", None), "node_modules node_modules/p node_modules/p/keep");
        assert_eq!(walked("**", None), "");
    }

    #[test]
    fn lists_only_requested_paths() {
        assert_eq!(walked("", Some(&["a/b", "z"])), "a a/b a/b/c z");
        assert_eq!(walked("a/b/c", Some(&["a"])), "a a/b a/x");
        assert_eq!(walked("", Some(&["nothing"])), "");
    }
}
