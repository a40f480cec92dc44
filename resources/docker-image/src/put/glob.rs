//! Patterns for paths in the inputs, with the syntax of Go's `filepath.Glob`: `*`, `?` and `[a-z]` within one name.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Inputs, Result};
use regex::Regex;

use crate::files::go_glob::{self, DoubleStar, SPECIAL};

/// The most entries of a directory that an error lists.
const MAX_SHOWN: usize = 8;

/// The one path that a pattern matches. An existing path matches itself, even if it has special characters.
pub(crate) fn only(inputs: &Inputs, pattern: &str) -> Result<String> {
    let pattern = pattern.trim().trim_end_matches('/');
    if inputs.find(pattern)?.is_some() {
        return Ok(pattern.to_owned());
    }
    let mut found = vec![PathBuf::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let expression = expression(part).with_context(|| format!("`{pattern}` is not a valid pattern"))?;
        let mut next = Vec::new();
        for parent in found {
            match &expression {
                None => next.push(parent.join(part)),
                Some(expression) => next.extend(names(inputs, &parent, expression)?),
            }
        }
        found = next;
    }
    let mut paths = Vec::new();
    for path in found {
        // A pipeline cannot name a path that is not UTF-8.
        if let Some(path) = path.to_str()
            && inputs.find(path)?.is_some()
        {
            paths.push(path.to_owned());
        }
    }
    paths.sort();
    match paths.as_slice() {
        [] => {
            let error = anyhow!("no file in the inputs matches `{pattern}`");
            Err(match nearby(inputs, pattern) {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
        [_] => Ok(paths.swap_remove(0)),
        several => Err(anyhow!("several files or directories match `{pattern}`: `{}`", several.join("`, `"))),
    }
}

/// The entries of the nearest existing parent directory, for the error about a missing path.
pub(super) fn nearby(inputs: &Inputs, path: &str) -> Option<String> {
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let directory = if above.is_empty() { Some(inputs.root().to_owned()) } else { inputs.find(above).ok()? };
    let Some(directory) = directory.filter(|directory| directory.is_dir()) else {
        return if above.is_empty() { None } else { nearby(inputs, above) };
    };
    let shown = |name: &str| if above.is_empty() { format!("`{name}`") } else { format!("`{above}/{name}`") };
    let mut names: Vec<String> =
        std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(shown(entry.ok()?.file_name().to_str()?))).collect();
    names.sort();
    let more = names.len().saturating_sub(MAX_SHOWN);
    names.truncate(MAX_SHOWN);
    match (names.is_empty(), more) {
        (true, _) => Some("the directory is empty".to_owned()).filter(|_| !above.is_empty()),
        (false, 0) => Some(format!("available paths: {}", names.join(", "))),
        (false, more) => Some(format!("available paths: {} and {more} more", names.join(", "))),
    }
}

/// The entries of a directory that match.
fn names(inputs: &Inputs, parent: &std::path::Path, expression: &Regex) -> Result<Vec<PathBuf>> {
    let shown = parent.to_str().unwrap_or_default();
    let directory = if shown.is_empty() { Some(inputs.root().to_owned()) } else { inputs.find(shown)? };
    let Some(directory) = directory.filter(|directory| directory.is_dir()) else { return Ok(Vec::new()) };
    let entries = std::fs::read_dir(&directory).with_context(|| format!("cannot read directory `{shown}`"))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read directory `{shown}`"))?.file_name();
        if name.to_str().is_some_and(|name| expression.is_match(name)) {
            names.push(parent.join(name));
        }
    }
    Ok(names)
}

/// The regular expression for one name; `None` when the pattern has no special characters.
fn expression(pattern: &str) -> Result<Option<Regex>> {
    let compiled = pattern.contains(SPECIAL).then(|| go_glob::compile(pattern, DoubleStar::Star));
    compiled.transpose().map_err(|problem| anyhow!(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(files: &[&str]) -> (tempfile::TempDir, Inputs) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let inputs = Inputs::new(root.path()).unwrap();
        (root, inputs)
    }

    #[test]
    fn finds_the_only_match() {
        let (_root, inputs) = inputs(&["a/image-1.tar", "a/notes", "b/x[1].tar", "c/.hidden.tar"]);
        for (pattern, path) in [
            ("a/*.tar", "a/image-1.tar"),
            ("*/image-?.tar", "a/image-1.tar"),
            ("a/image-[0-9].tar", "a/image-1.tar"),
            ("a/image-[^2-9].*", "a/image-1.tar"),
            ("a/", "a"),
            ("b/x[1].tar", "b/x[1].tar"),
            ("b/x\\[1\\].tar", "b/x[1].tar"),
            ("c/*.tar", "c/.hidden.tar"),
        ] {
            assert_eq!(only(&inputs, pattern).unwrap(), path, "{pattern}");
        }
    }

    #[test]
    fn rejects_no_match_and_several_matches() {
        let (_root, inputs) = inputs(&["a/1.tar", "a/2.tar"]);
        let problem = |pattern: &str| {
            let lines = jetway::lines(&only(&inputs, pattern).unwrap_err());
            lines.iter().map(|line| line.text().to_owned()).collect::<Vec<_>>().join(": ")
        };
        assert_eq!(problem("b/*.tar"), "no file in the inputs matches `b/*.tar`: available paths: `a`");
        assert_eq!(
            problem("a/3.tar"),
            "no file in the inputs matches `a/3.tar`: available paths: `a/1.tar`, `a/2.tar`"
        );
        assert_eq!(problem("a/*.tar"), "several files or directories match `a/*.tar`: `a/1.tar`, `a/2.tar`");
        assert_eq!(problem("a/[1"), "`a/[1` is not a valid pattern: it has an unclosed `[`");
        assert_eq!(problem("a/[9-1]"), "`a/[9-1]` is not a valid pattern: it has a set with an invalid range");
        assert_eq!(problem("../*"), "`../*` is outside the directory of the inputs");
    }
}
