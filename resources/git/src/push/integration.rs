//! Bringing HEAD up to what others have pushed: by a rebase or a merge.

use anyhow::{Context as _, anyhow};
use git2::Oid;
use jetway::{Advise as _, Result};

use crate::push::work_tree::WorkTree;
use crate::transport::refusal::Refusal;

/// Where the branch is fetched to when HEAD is brought up to it.
pub(super) const UPSTREAM: &str = "refs/jetway/upstream";

/// How HEAD is brought up to what others have pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Integration {
    /// Not at all.
    None,
    /// Its commits are put on top.
    Rebase {
        /// `git rebase --strategy`.
        strategy: Option<String>,
        /// `git rebase --strategy-option`, each.
        options: Vec<String>,
    },
    /// What others have pushed is merged into it.
    Merge,
}

/// The branch as HEAD was brought up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// HEAD was not brought up to it: what the get found is all that is known.
    AsGot,
    /// It is not on the server.
    Absent,
    /// HEAD builds on this commit.
    At(Oid),
}

impl WorkTree<'_> {
    /// Brings HEAD up to the branch as the server has it. A branch that is not there yet needs nothing.
    pub(super) async fn integrate(&self, integration: &Integration, branch: &str, start: Oid) -> Result<Upstream> {
        if *integration == Integration::None {
            return Ok(Upstream::AsGot);
        }
        let finished = self.fetch(&format!("+refs/heads/{branch}:{UPSTREAM}"), None).await?;
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            return Ok(Upstream::Absent);
        }
        self.git.explain(finished, Some(branch)).with_context(|| self.git.cannot("fetch from"))?;
        self.join_histories(branch).await?;
        let upstream = self.repository.refname_to_id(UPSTREAM).context("the fetch wrote no ref")?;
        let (verb, command) = match integration {
            Integration::None => return Ok(Upstream::AsGot),
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
                // The words that `git pull` has for it; those of `git merge` would be about a ref that nobody knows.
                let message = format!("--message=Merge branch '{branch}' of {}", self.address_to_show());
                ("merge", self.command("merge").args(["--no-edit", "--quiet", &message, UPSTREAM]))
            }
        };
        let finished = command.run().await?;
        if finished.is_success() {
            // Else each push would be refused, and look like a lost race.
            return if self.asks(&["--is-ancestor", UPSTREAM, "HEAD"]).await? {
                Ok(Upstream::At(upstream))
            } else {
                Err(anyhow!("after `git {verb}`, HEAD still lacks commits of `{branch}`"))
            };
        }
        let conflicts = self.conflicts();
        // Half of it is of no use to anybody; the error tells what is needed.
        self.command(verb).arg("--abort").run().await?;
        let error = finished.failure().context(match verb {
            "rebase" => format!("cannot rebase `{start}` onto `{branch}`"),
            _ => format!("cannot merge `{branch}` into `{start}`"),
        });
        Err(match conflicts.as_slice() {
            [] => error,
            files => error.hint(format!("conflicts in: {}", files.join(", "))),
        })
    }

    /// Makes the work tree that of `start`, as the established resource does before it merges. A merge that lost its race is thrown
    /// away, too: there shall be one merge, not a chain of them.
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

    /// The server's address as `git pull` writes it into a merge.
    fn address_to_show(&self) -> &str {
        let address = self.git.remote().address.trim_end_matches('/');
        address.strip_suffix(".git").unwrap_or(address).trim_end_matches('/')
    }

    /// Makes sure that HEAD and the branch have a commit in common here: of a shallow get of an older version, that commit
    /// has yet to be fetched.
    async fn join_histories(&self, branch: &str) -> Result<()> {
        for deeper in ["--deepen=50", "--deepen=1000", "--unshallow"] {
            if self.asks(&[UPSTREAM, "HEAD"]).await? {
                return Ok(());
            }
            if !self.repository.is_shallow() {
                break;
            }
            let finished = self.fetch(&format!("+refs/heads/{branch}:{UPSTREAM}"), Some(deeper)).await?;
            self.git.explain(finished, Some(branch)).with_context(|| self.git.cannot("fetch from"))?;
        }
        if self.asks(&[UPSTREAM, "HEAD"]).await? {
            Ok(())
        } else {
            Err(anyhow!("HEAD and `{branch}` of `{}` have no commit in common", self.git.remote().address))
        }
    }

    /// Asks `git merge-base` a question that it answers by its exit code.
    async fn asks(&self, question: &[&str]) -> Result<bool> {
        let finished = self.command("merge-base").args(question).run().await?;
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
