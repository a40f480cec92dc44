//! The submodules of a work tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use git2::Repository;
use jetway::{Advise as _, Finished, Result};

use crate::source::get_params::{AllOrNone, Submodules};
use crate::transport::git::Git;
use crate::transport::lfs;
use crate::transport::refusal::Refusal;

/// How much further back a submodule's commit is looked for, step by step.
const DEEPER: [&str; 3] = ["--deepen=100", "--deepen=1000", "--unshallow"];

/// All branches of a submodule's server: a shallow clone follows one alone, and the commit may be on another.
const HEADS: &str = "+refs/heads/*:refs/remotes/origin/*";

/// How many paths an error names.
const MOST_PATHS: usize = 20;

impl Submodules {
    /// Makes sure that a list selects one of the submodules at `paths`, at least.
    fn match_one_of<P: AsRef<str>>(&self, paths: &[P]) -> Result<()> {
        let Self::Paths(wanted) = self else { return Ok(()) };
        if wanted.is_empty() || paths.iter().any(|path| self.includes(path.as_ref())) {
            return Ok(());
        }
        let there: Vec<String> = paths.iter().take(MOST_PATHS).map(|path| format!("`{}`", path.as_ref())).collect();
        let more =
            if paths.len() > MOST_PATHS { format!(" and {} more", paths.len() - MOST_PATHS) } else { String::new() };
        let hint = if there.is_empty() {
            "this commit has no submodules".to_owned()
        } else {
            format!("the submodules of this commit are at {}{more}", there.join(", "))
        };
        Err(anyhow!("`submodules` lists `{}`, where there is no submodule", wanted.join("`, `")).hint(hint))
    }

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
    /// The branch of the repository itself, which a submodule with `branch = .` follows.
    pub(crate) branch: Option<&'u str>,
    /// How many generations of history; all of it when there is none.
    pub(crate) depth: Option<u32>,
}

impl Update<'_> {
    /// Fetches and checks them out.
    pub(crate) async fn run(&self, git: &Git<'_>, repository: &Repository, directory: &Path) -> Result<()> {
        if *self.which == Submodules::Word(AllOrNone::None) {
            return Ok(());
        }
        if !directory.join(".gitmodules").exists() {
            return self.which.match_one_of::<&str>(&[]);
        }
        if self.remote {
            self.inherit_branch(repository)?;
        }
        // Those with a key of their own, and the others: one update for each key.
        let mut groups: BTreeMap<Option<String>, Group> = BTreeMap::new();
        let submodules = repository.submodules().context("cannot read `.gitmodules`")?;
        let paths: Vec<_> = submodules.iter().map(|submodule| submodule.path().to_string_lossy()).collect();
        self.which.match_one_of(&paths)?;
        for submodule in &submodules {
            let path = submodule.path();
            if !self.which.includes(&path.to_string_lossy()) {
                continue;
            }
            let url = submodule.opt_url_bytes().map(|url| String::from_utf8_lossy(url).into_owned());
            let Some(url) = url else {
                // A repository that was added inside of another: its commit is recorded, and where to have it from is not.
                let path = path.display();
                git.context().console().warn(format_args!(
                    "skipping `{path}`: it is recorded as a submodule, but has no `url` in `.gitmodules`"
                ));
                continue;
            };
            // A sparse checkout leaves it out, or it is no longer part of the tree.
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

    /// Lets submodules with `branch = .` follow the branch of the repository (gitmodules(5)). Git itself takes it from HEAD, which a
    /// get has detached.
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

    /// Fetches those that are opened by the same key: that of the submodule at `url`, or the source's own.
    async fn fetch(&self, git: &Git<'_>, directory: &Path, url: Option<&str>, group: &Group) -> Result<()> {
        let update = |depth| self.update(git, directory, url, &group.paths, depth);
        let mut finished = update(self.depth).await?;
        // A server that gives out no commit by its hash has it further back in a branch, which git does not look for.
        for more in DEEPER {
            if self.depth.is_none() || Refusal::of(&finished) != Some(Refusal::UnadvertisedCommit) {
                break;
            }
            git.context().console().step(format_args!("looking for a submodule's commit further back ({more})"));
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
        let said = finished.stderr.to_lowercase();
        let is_refused = ["authentication failed", "could not read username", "permission denied (publickey"];
        let fetched = lfs::explain(finished).context("cannot fetch the submodules");
        if fetched.is_err() && is_refused.iter().any(|words| said.contains(words)) {
            fetched.hint("set `submodule_credentials` for submodules on other hosts or with other keys")?;
        } else if said.contains("branch configured to inherit branch from superproject") {
            fetched.hint(
                "a nested submodule has `branch = .`, but its parent submodule is on no branch; name a branch in \
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
            // A shallow clone has the default branch alone, and this one may be another.
            update = update.args(depth.map(|_| "--no-single-branch"));
        }
        update.arg("--").args(paths).run().await
    }
}

/// Submodules that are opened by the same key.
#[derive(Default)]
struct Group {
    /// Where they are in the work tree.
    paths: Vec<PathBuf>,
    /// Where their repositories are, or will be.
    repositories: Vec<PathBuf>,
}

/// The shallow repositories of submodules, and of theirs, below a repository's `modules`.
fn shallow_repositories(modules: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![modules.to_owned()];
    while let Some(directory) = waiting.pop() {
        let is_repository = directory.join("HEAD").is_file();
        if directory.join("shallow").is_file() {
            found.push(directory.clone());
        }
        // A submodule's name may have slashes in it, so that its repository is further down.
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
