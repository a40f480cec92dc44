//! The submodules of a work tree.

use std::path::Path;

use anyhow::Context as _;
use git2::Repository;
use jetway::Result;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::git::Git;
use crate::lfs;

/// Which submodules a get fetches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Submodules {
    /// All of them, or none.
    Word(AllOrNone),
    /// Those at these paths, or below them.
    Paths(Vec<String>),
}

/// All of them, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllOrNone {
    /// Every submodule.
    All,
    /// No submodule.
    None,
}

impl Default for Submodules {
    fn default() -> Self {
        Self::Word(AllOrNone::All)
    }
}

impl Submodules {
    /// Whether the submodule at `path` is one of them. An empty list is all, as the established resource has it.
    fn includes(&self, path: &str) -> bool {
        match self {
            Self::Word(word) => *word == AllOrNone::All,
            Self::Paths(paths) => {
                let is_at = |wanted: &String| {
                    let wanted = wanted.trim_end_matches('/');
                    path == wanted || path.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
                };
                paths.is_empty() || paths.iter().any(is_at)
            }
        }
    }
}

/// How submodules are fetched.
pub(crate) struct Update<'u> {
    /// Which ones.
    pub(crate) which: &'u Submodules,
    /// Those of submodules too.
    pub(crate) recursive: bool,
    /// The tip of the branch that `.gitmodules` names, rather than the recorded commit.
    pub(crate) remote: bool,
    /// How many generations of history; all of it when there is none.
    pub(crate) depth: Option<u32>,
}

impl Update<'_> {
    /// Fetches and checks them out.
    pub(crate) async fn run(&self, git: &Git<'_>, repository: &Repository, directory: &Path) -> Result<()> {
        if *self.which == Submodules::Word(AllOrNone::None) || !directory.join(".gitmodules").exists() {
            return Ok(());
        }
        let mut paths = Vec::new();
        for submodule in repository.submodules().context("cannot read `.gitmodules`")? {
            let path = submodule.path();
            if !self.which.includes(&path.to_string_lossy()) {
                continue;
            }
            // A sparse checkout leaves it out, or it is no longer part of the tree.
            if directory.join(path).exists() {
                paths.push(path.to_owned());
            } else {
                git.context().console().warn(format_args!("skipping missing submodule: {}", path.display()));
            }
        }
        if paths.is_empty() {
            return Ok(());
        }
        let mut update = git
            .network("submodule")
            .directory(directory)
            .args(["update", "--init", "--force", "--progress"])
            .progress(None);
        if let Some(depth) = self.depth {
            update = update.arg(format!("--depth={depth}"));
        }
        if self.recursive {
            update = update.arg("--recursive");
        }
        if self.remote {
            update = update.arg("--remote");
        }
        lfs::explain(update.arg("--").args(&paths).run().await?).context("cannot fetch the submodules")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_selects_that_submodule_and_those_below_it() {
        let paths = Submodules::Paths(vec!["lib/a/".into(), "b".into()]);
        assert!(paths.includes("lib/a") && paths.includes("lib/a/c") && paths.includes("b"));
        assert!(!paths.includes("lib/ab") && !paths.includes("sub") && !paths.includes("b2"));
        assert!(Submodules::Paths(Vec::new()).includes("x"));
    }
}
