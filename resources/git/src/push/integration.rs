//! Integrates the server's branch into HEAD, by a rebase or a merge.

use anyhow::{Context as _, anyhow};
use git2::Oid;
use jetway::{Advise as _, Result};
use jetway_git_client::transport::refusal::Refusal;

use crate::push::work_tree::WorkTree;

/// The temporary ref that the branch is fetched to.
pub(super) const UPSTREAM: &str = "refs/jetway/upstream";

/// How to integrate new commits of the branch before a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Integration {
    /// Push HEAD as it is.
    None,
    /// Rebase HEAD onto the branch.
    Rebase {
        /// `git rebase --strategy`.
        strategy: Option<String>,
        /// The values of `git rebase --strategy-option`.
        options: Vec<String>,
    },
    /// Merge the branch into HEAD.
    Merge,
}

/// The known position of the server's branch before a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// The branch was not fetched. The position at the time of the get is known.
    NotFetched,
    /// The branch does not exist on the server.
    Absent,
    /// The branch was fetched at this commit, and HEAD contains it.
    At(Oid),
}

/// The most changed files that an error lists.
const MAX_FILES: usize = 10;

impl WorkTree<'_> {
    /// Fetches the branch and rebases or merges. Does nothing if the branch does not exist.
    pub(super) async fn integrate(&self, integration: &Integration, branch: &str, start: Oid) -> Result<Upstream> {
        if *integration == Integration::None {
            return Ok(Upstream::NotFetched);
        }
        let finished = self.fetch(&format!("+refs/heads/{branch}:{UPSTREAM}"), None).await?;
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            return Ok(Upstream::Absent);
        }
        self.git.explain(finished, Some(branch)).with_context(|| self.git.cannot("fetch from"))?;
        self.fetch_common_ancestor(branch).await?;
        let upstream = self.repository.refname_to_id(UPSTREAM).context("the fetch wrote no ref")?;
        let (verb, command) = match integration {
            Integration::None => return Ok(Upstream::NotFetched),
            Integration::Rebase { strategy, options } => {
                let mut rebase = self.command("rebase").arg("--rebase-merges");
                if let Some(strategy) = strategy {
                    rebase = rebase.arg(format!("--strategy={strategy}"));
                }
                for option in options {
                    rebase = rebase.arg(format!("--strategy-option={option}"));
                }
                ("rebase", rebase.arg(UPSTREAM))
            }
            Integration::Merge => {
                self.reset_work_tree(start).await?;
                // The message of `git pull`. The default of `git merge` would name the temporary ref.
                let message = format!("--message=Merge branch '{branch}' of {}", self.address_in_message());
                ("merge", self.command("merge").args(["--no-edit", "--quiet", &message, UPSTREAM]))
            }
        };
        let finished = command.run().await?;
        if finished.is_success() {
            // Check the result: otherwise the server would refuse every push, as if another push came first.
            return if self.merge_base_succeeds(&["--is-ancestor", UPSTREAM, "HEAD"]).await? {
                Ok(Upstream::At(upstream))
            } else {
                Err(anyhow!("after `git {verb}`, HEAD still lacks commits of `{branch}`"))
            };
        }
        let conflicts = self.conflicts();
        // Undo the partial rebase or merge. The error lists the conflicts.
        self.command(verb).arg("--abort").run().await?;
        let error = finished.failure().context(match verb {
            "rebase" => format!("cannot rebase `{start}` onto `{branch}`"),
            _ => format!("cannot merge `{branch}` into `{start}`"),
        });
        Err(match conflicts.as_slice() {
            [] => match self.uncommitted().await?.as_slice() {
                [] => error,
                files => error.hint(format!("uncommitted changes in: {}", files.join(", "))),
            },
            files => error.hint(format!("conflicts in: {}", files.join(", "))),
        })
    }

    /// The files with uncommitted changes, at most [`MAX_FILES`].
    async fn uncommitted(&self) -> Result<Vec<String>> {
        let status = self.command("status").args(["--porcelain", "--untracked-files=no", "--ignore-submodules=all"]);
        let changed = status.run().await?.success()?.text();
        // Two letters and a blank precede each name.
        Ok(changed.lines().filter_map(|line| line.get(3..)).take(MAX_FILES).map(str::to_owned).collect())
    }

    /// Resets the work tree to `start`, as the established resource does before a merge. This also discards the merge
    /// of a failed attempt, so that the result is one merge commit.
    async fn reset_work_tree(&self, start: Oid) -> Result<()> {
        let status = self.command("status").args(["--porcelain", "--untracked-files=no", "--ignore-submodules=all"]);
        let changed = status.run().await?.success()?.text();
        if changed.is_empty() && self.head()? == start {
            return Ok(());
        }
        if !changed.is_empty() {
            let console = self.git.context().console();
            console.warn("discarding uncommitted changes before the merge");
        }
        self.command("reset").args(["--quiet", "--hard", &start.to_string()]).run().await?.success()?;
        Ok(())
    }

    /// The server's address in the format of `git pull`'s merge messages.
    fn address_in_message(&self) -> &str {
        let address = self.git.remote().address.trim_end_matches('/');
        address.strip_suffix(".git").unwrap_or(address).trim_end_matches('/')
    }

    /// Deepens a shallow repository until HEAD and the branch have a common ancestor.
    async fn fetch_common_ancestor(&self, branch: &str) -> Result<()> {
        for deeper in ["--deepen=50", "--deepen=1000", "--unshallow"] {
            if self.merge_base_succeeds(&[UPSTREAM, "HEAD"]).await? {
                return Ok(());
            }
            if !self.repository.is_shallow() {
                break;
            }
            let finished = self.fetch(&format!("+refs/heads/{branch}:{UPSTREAM}"), Some(deeper)).await?;
            self.git.explain(finished, Some(branch)).with_context(|| self.git.cannot("fetch from"))?;
        }
        if self.merge_base_succeeds(&[UPSTREAM, "HEAD"]).await? {
            Ok(())
        } else {
            Err(anyhow!("HEAD and `{branch}` of `{}` have no commit in common", self.git.remote().address))
        }
    }

    /// Runs `git merge-base`; returns whether its exit code is 0.
    async fn merge_base_succeeds(&self, arguments: &[&str]) -> Result<bool> {
        let finished = self.command("merge-base").args(arguments).run().await?;
        match finished.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(finished.failure()),
        }
    }

    fn conflicts(&self) -> Vec<String> {
        let read = || {
            let mut index = self.repository.index()?;
            index.read(true)?;
            let conflicts = index.conflicts()?;
            let path = |conflict: git2::IndexConflict| conflict.our.or(conflict.their).or(conflict.ancestor);
            let mut files: Vec<String> = conflicts
                .flatten()
                .filter_map(path)
                .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
                .collect();
            files.dedup();
            Ok::<_, git2::Error>(files)
        };
        read().unwrap_or_default()
    }
}
