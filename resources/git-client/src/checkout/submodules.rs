//! Fetches and checks out the submodules of a work tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use git2::Repository;
use jetway::{Advise as _, Finished, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transport::error_texts::{Meaning, means};
use crate::transport::git::Git;
use crate::transport::lfs;
use crate::transport::refusal::Refusal;

/// The options of `git fetch` that deepen a shallow submodule until it has the recorded commit, in this order.
const DEEPER: [&str; 3] = ["--deepen=100", "--deepen=1000", "--unshallow"];

/// The refspec for all branches of a submodule: a shallow clone has only one, and the commit may be on another.
const HEADS: &str = "+refs/heads/*:refs/remotes/origin/*";

/// The most paths that an error lists.
const MAX_PATHS: usize = 20;

/// Which submodules a get fetches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Submodules {
    /// All submodules, or none.
    Word(AllOrNone),
    /// The submodules at or below these paths.
    Paths(Vec<String>),
}

/// All submodules, or none.
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
    /// Fails if a list matches none of the submodules at `paths`.
    fn match_one_of<P: AsRef<str>>(&self, paths: &[P]) -> Result<()> {
        let Self::Paths(wanted) = self else { return Ok(()) };
        if wanted.is_empty() || paths.iter().any(|path| self.includes(path.as_ref())) {
            return Ok(());
        }
        let there: Vec<String> = paths.iter().take(MAX_PATHS).map(|path| format!("`{}`", path.as_ref())).collect();
        let more =
            if paths.len() > MAX_PATHS { format!(" and {} more", paths.len() - MAX_PATHS) } else { String::new() };
        let hint = if there.is_empty() {
            "this commit has no submodules".to_owned()
        } else {
            format!("the submodules of this commit are at {}{more}", there.join(", "))
        };
        Err(anyhow!("`submodules` lists `{}`, where there is no submodule", wanted.join("`, `")).hint(hint))
    }

    /// Whether the submodule at `path` is selected. An empty list selects all, as in the established resource.
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

/// The options for fetching submodules.
pub struct SubmoduleUpdate<'u> {
    /// The selected submodules.
    pub selection: &'u Submodules,
    /// Whether to fetch nested submodules.
    pub recursive: bool,
    /// Whether to check out the tip of the branch in `.gitmodules` instead of the recorded commit.
    pub remote: bool,
    /// The branch of the main repository, which a submodule with `branch = .` follows.
    pub branch: Option<&'u str>,
    /// The depth of the history; `None` for the whole history.
    pub depth: Option<u32>,
}

impl SubmoduleUpdate<'_> {
    /// Fetches and checks out the selected submodules.
    pub async fn run(&self, git: &Git<'_>, repository: &Repository, directory: &Path) -> Result<()> {
        if *self.selection == Submodules::Word(AllOrNone::None) {
            return Ok(());
        }
        if !directory.join(".gitmodules").exists() {
            return self.selection.match_one_of::<&str>(&[]);
        }
        if self.remote {
            self.inherit_branch(repository)?;
        }
        // Group the submodules by key: one `git submodule update` for each key.
        let mut groups: BTreeMap<Option<String>, SubmoduleGroup> = BTreeMap::new();
        let submodules = repository.submodules().context("cannot read `.gitmodules`")?;
        let paths: Vec<_> = submodules.iter().map(|submodule| submodule.path().to_string_lossy()).collect();
        self.selection.match_one_of(&paths)?;
        for submodule in &submodules {
            let path = submodule.path();
            if !self.selection.includes(&path.to_string_lossy()) {
                continue;
            }
            let url = submodule.opt_url_bytes().map(|url| String::from_utf8_lossy(url).into_owned());
            let Some(url) = url else {
                // A nested repository was added without `git submodule add`: its commit is recorded, but not its
                // address.
                let path = path.display();
                git.context().console().warn(format_args!(
                    "skipping `{path}`: it is recorded as a submodule, but has no `url` in `.gitmodules`"
                ));
                continue;
            };
            // The directory is missing if a sparse checkout excludes it, or if the tree no longer has the submodule.
            if directory.join(path).exists() {
                let group = groups.entry(Some(url).filter(|url| git.has_key_for(url))).or_default();
                group.paths.push(path.to_owned());
                let name = String::from_utf8_lossy(submodule.name_bytes()).into_owned();
                group.repositories.push(repository.commondir().join("modules").join(name));
            } else {
                git.context().console().warn(format_args!("skipping missing submodule: {}", path.display()));
            }
        }
        for (url, group) in &groups {
            self.fetch(git, directory, url.as_deref(), group).await?;
        }
        Ok(())
    }

    /// Sets the branch of submodules with `branch = .` (gitmodules(5)) to that of the main repository. git would use
    /// the branch at HEAD, which a get detaches.
    fn inherit_branch(&self, repository: &Repository) -> Result<()> {
        let inherit = || {
            let mut configuration = repository.config()?;
            for submodule in repository.submodules()? {
                if let (Some("."), Some(branch), Ok(name)) = (submodule.branch()?, self.branch, submodule.name()) {
                    configuration.set_str(&format!("submodule.{name}.branch"), branch)?;
                }
            }
            Ok::<_, git2::Error>(())
        };
        inherit().context("cannot set the branch of the submodules that have `branch = .`")
    }

    /// Fetches the submodules of a group, with the key of the submodule at `url`, or the source's key.
    async fn fetch(&self, git: &Git<'_>, directory: &Path, url: Option<&str>, group: &SubmoduleGroup) -> Result<()> {
        let update = |depth| self.update(git, directory, url, &group.paths, depth);
        let mut finished = update(self.depth).await?;
        // If the server does not serve commits by hash, the commit may still be an ancestor of a branch, which git does
        // not try.
        for more in DEEPER {
            if self.depth.is_none() || Refusal::of(&finished) != Some(Refusal::UnadvertisedCommit) {
                break;
            }
            git.context()
                .console()
                .step(format_args!("deepening the history of submodules to find a missing commit (git fetch {more})"));
            for shallow in group.repositories.iter().flat_map(|repository| shallow_repositories(repository)) {
                let fetch =
                    git.network("fetch").directory(&shallow).args(["--progress", "--no-write-fetch-head", more]);
                let fetched = git.for_submodule(url, fetch).args(["origin", HEADS]).progress(None).run().await?;
                git.explain(fetched, None).context("cannot fetch a submodule's history")?;
            }
            finished = update(self.depth).await?;
        }
        if self.depth.is_some() && Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            git.context()
                .console()
                .step("a submodule's server does not support shallow fetches; fetching its whole history");
            finished = update(None).await?;
        }
        let messages = finished.stderr.to_lowercase();
        let fetched = lfs::explain(finished).context("cannot fetch the submodules");
        if fetched.is_err() && (means(&messages, Meaning::Login) || means(&messages, Meaning::KeyRefused)) {
            fetched.hint("set `submodule_credentials` for submodules on other hosts or with other keys")?;
        } else if means(&messages, Meaning::InheritedBranch) {
            fetched.hint(
                "a nested submodule has `branch = .`, but its parent submodule has a detached HEAD; name a branch in \
                 its `.gitmodules`, or set `submodule_recursive: false`",
            )?;
        } else {
            fetched?;
        }
        Ok(())
    }

    async fn update(
        &self,
        git: &Git<'_>,
        directory: &Path,
        url: Option<&str>,
        paths: &[PathBuf],
        depth: Option<u32>,
    ) -> Result<Finished> {
        let mut update = git
            .for_submodule(url, git.network("submodule"))
            .directory(directory)
            .args(["update", "--init", "--force", "--progress"])
            .progress(None);
        if let Some(depth) = depth {
            update = update.arg(format!("--depth={depth}"));
        }
        if self.recursive {
            update = update.arg("--recursive");
        }
        if self.remote {
            update = update.arg("--remote");
            // A shallow clone has only the default branch, and the wanted branch may be another.
            update = update.args(depth.map(|_| "--no-single-branch"));
        }
        update.arg("--").args(paths).run().await
    }
}

/// Submodules with the same key.
#[derive(Default)]
struct SubmoduleGroup {
    /// The paths in the work tree.
    paths: Vec<PathBuf>,
    /// The paths of the submodules' repositories, which may not exist yet.
    repositories: Vec<PathBuf>,
}

/// Finds the shallow repositories of a submodule and its nested submodules.
fn shallow_repositories(modules: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![modules.to_owned()];
    while let Some(directory) = waiting.pop() {
        let is_repository = directory.join("HEAD").is_file();
        if directory.join("shallow").is_file() {
            found.push(directory.clone());
        }
        // The name of a submodule may contain slashes, so its repository may be nested deeper.
        let below = if is_repository { directory.join("modules") } else { directory };
        let entries = std::fs::read_dir(below).into_iter().flatten().flatten();
        waiting.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
    found.sort();
    found
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
