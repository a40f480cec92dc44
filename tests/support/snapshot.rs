//! Renders the outcome of a verb as text, for comparison by [`assert_verb!`](crate::assert_verb).

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::scratch;
use crate::verb::{Container, Outcome};

/// Compares an [`Outcome`] (or a [`View`] of one) with an inline snapshot: exit code, stdout, stderr and, where the view has
/// one, the tree that a get wrote.
///
/// `INSTA_UPDATE=always cargo insta test` (or `cargo insta review`) writes the snapshots; under CI nothing is written.
#[macro_export]
macro_rules! assert_verb {
    ($view:expr, @$snapshot:literal) => {
        let rendered = $crate::snapshot::View::from($view).render();
        $crate::snapshot::assert_snapshot!(rendered, @$snapshot);
    };
}

#[doc(hidden)]
pub use insta::assert_snapshot;

/// Selects the parts of an outcome to render.
///
/// Values that differ from run to run, or from the binary to the image, are replaced: the verb's directory, temporary paths,
/// ports, durations and ANSI colours. Ids of commits stay, because the fixtures' are the same every time;
/// [`hide_ids`](Self::hide_ids) is for the others.
#[must_use = "a view is for `assert_verb!`"]
pub struct View {
    ending: String,
    stdout: String,
    stderr: String,
    directory: Option<PathBuf>,
    tree: Option<PathBuf>,
    files: Vec<String>,
    container: Container,
    replacements: Vec<(String, String)>,
    hides_ids: bool,
}

impl From<&Outcome> for View {
    fn from(outcome: &Outcome) -> Self {
        let ending = match (outcome.code, outcome.signal) {
            (Some(code), _) => format!("exit code: {code}"),
            (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
        };
        // The order of keys is that of the program; only the layout is changed.
        let printed = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let stdout = serde_json::from_str::<serde_json::Value>(&printed)
            .and_then(|value| serde_json::to_string_pretty(&value))
            .unwrap_or(printed);
        Self {
            ending,
            stdout,
            stderr: outcome.stderr.clone(),
            directory: outcome.directory.clone(),
            tree: None,
            files: Vec::new(),
            container: outcome.container.clone(),
            replacements: Vec::new(),
            hides_ids: false,
        }
    }
}

impl From<Outcome> for View {
    fn from(outcome: Outcome) -> Self {
        Self::from(&outcome)
    }
}

impl Outcome {
    /// A view, to change what is rendered.
    pub fn view(&self) -> View {
        View::from(self)
    }
}

impl View {
    /// Also renders the file names in the verb's directory, except those in `.git`; use [`file`](Self::file) for them.
    pub fn tree(mut self) -> Self {
        self.tree.clone_from(&self.directory);
        self
    }

    /// Shows the content of a file in the verb's directory.
    pub fn file(mut self, path: &str) -> Self {
        self.files.push(path.to_owned());
        self
    }

    /// Replaces a text that differs from run to run.
    pub fn replace(mut self, text: &str, by: &str) -> Self {
        self.replacements.push((text.to_owned(), by.to_owned()));
        self
    }

    /// Replaces all ids of objects.
    pub fn hide_ids(mut self) -> Self {
        self.hides_ids = true;
        self
    }

    /// The text that is compared.
    pub fn render(&self) -> String {
        let mut text = format!("{}\n----- stdout -----\n", self.ending);
        push(&mut text, &self.stdout);
        text.push_str("----- stderr -----\n");
        push(&mut text, &self.stderr);
        if let Some(directory) = &self.tree {
            text.push_str("----- tree -----\n");
            list(directory, directory, &mut text);
        }
        for file in &self.files {
            let path = self.directory.as_deref().unwrap_or(Path::new("/")).join(file);
            writeln!(text, "----- {file} -----").expect("a string");
            match fs::read(path) {
                Ok(content) => push(&mut text, &String::from_utf8_lossy(&content)),
                Err(error) => writeln!(text, "({error})").expect("a string"),
            }
        }
        self.settle(text)
    }

    fn settle(&self, mut text: String) -> String {
        for (from, to) in &self.replacements {
            text = text.replace(from, to);
        }
        if let Some(directory) = &self.directory {
            text = text.replace(&*directory.to_string_lossy(), "[DIR]");
        }
        text = text.replace("/tmp/build/get", "[DIR]").replace("/tmp/build/put", "[DIR]");
        // In a container, this name replaces the binary's temporary path.
        text = text.replace(&*self.container.temporary().to_string_lossy(), "/tmp");
        let temporary = format!("{}/[^/\\s'\"`:]+", regex::escape(&scratch::root().to_string_lossy()));
        let mut filters = vec![
            ("\x1b\\[[0-9;]*[A-Za-z]", ""),
            (temporary.as_str(), "[TEMP]"),
            (r"(127\.0\.0\.1|localhost|\[::1\])(:| port )\d+", "$1$2[PORT]"),
            (r"\b\d+(\.\d+)? ?(ms|s|seconds?)\b", "[TIME]"),
        ];
        if self.hides_ids {
            filters.push((r"\b[0-9a-f]{40}\b", "[ID]"));
        }
        for (pattern, by) in filters {
            text = Regex::new(pattern).expect("a pattern").replace_all(&text, by).into_owned();
        }
        text
    }
}

/// Adds a text and ends its last line.
fn push(text: &mut String, more: &str) {
    text.push_str(more);
    if !more.is_empty() && !more.ends_with('\n') {
        text.push('\n');
    }
}

fn list(root: &Path, directory: &Path, text: &mut String) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap_or_default();
            writeln!(text, "{name} -> {}", target.display()).expect("a string");
        } else if metadata.is_dir() {
            let entries = fs::read_dir(&path).map_or(0, Iterator::count);
            if path.ends_with(".git") || entries == 0 {
                writeln!(text, "{name}/").expect("a string");
            } else {
                list(root, &path, text);
            }
        } else if metadata.permissions().mode() & 0o111 != 0 {
            writeln!(text, "{name} (executable)").expect("a string");
        } else {
            writeln!(text, "{name}").expect("a string");
        }
    }
}
