//! A work tree for one version: fetched in as few round trips as the server's answers allow, then checked out.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use git2::{Oid, Repository};
use jetway::{Advise as _, Result};

use crate::git::{Git, Refusal, open};

/// What is to be checked out.
pub(crate) struct Wanted<'w> {
    /// The branch that the clone follows; the remote's default branch when there is none.
    pub(crate) branch: Option<&'w str>,
    /// The commit, or the branch's tip when there is none.
    pub(crate) commit: Option<Oid>,
    /// How many generations of history; all of it when there is none.
    pub(crate) depth: Option<u32>,
}

impl Wanted<'_> {
    /// Fetches and checks out into `destination`, an empty directory.
    pub(crate) async fn make(&self, git: &Git<'_>, destination: &Path) -> Result<Repository> {
        let repository = match (self.depth, self.branch, self.commit) {
            (Some(depth), Some(branch), Some(commit)) => {
                self.fetch_exactly(git, destination, depth, branch, commit).await?
            }
            _ => self.clone_branch(git, destination).await?,
        };
        if let Some(commit) = self.commit {
            self.find(git, destination, &repository, commit).await?;
        }
        let mut checkout = git.command("checkout").directory(destination).args(["--quiet", "--force"]);
        checkout = match self.commit {
            Some(commit) => checkout.args(["--detach", &commit.to_string()]),
            // Without a version HEAD stays on the branch, as after a plain clone.
            None => checkout,
        };
        checkout.arg("--").run().await?.success().context("cannot check the version out")?;
        self.update_submodules(git, destination).await?;
        Ok(repository)
    }

    /// Asks for the branch's tip and the commit at once, in one round trip.
    async fn fetch_exactly(
        &self,
        git: &Git<'_>,
        destination: &Path,
        depth: u32,
        branch: &str,
        commit: Oid,
    ) -> Result<Repository> {
        let repository = init(git, destination, branch)?;
        let tip = format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        let depth = format!("--depth={depth}");
        let fetch = |refspecs: &[&str]| {
            git.network("fetch")
                .directory(destination)
                .args(["--progress", "--no-write-fetch-head", &depth, "origin"])
                .args(refspecs)
                .progress(None)
                .run()
        };
        let mut finished = fetch(&[&tip, &commit.to_string()]).await?;
        match Refusal::of(&finished) {
            Some(Refusal::UnknownCommit) => return Err(self.gone(git, commit)),
            Some(Refusal::UnadvertisedCommit | Refusal::CannotShallow) => {
                let console = git.context().console();
                console.step(format_args!("the server does not give out commits by their hash; looking in `{branch}`"));
                finished = fetch(&[&tip]).await?;
            }
            Some(Refusal::UnknownRef) | None => {}
        }
        git.explain(finished, Some(branch)).with_context(|| git.cannot("fetch"))?;
        let tip = repository.refname_to_id(&format!("refs/remotes/origin/{branch}"));
        let tip = tip.with_context(|| git.cannot("fetch"))?;
        repository.reference(&format!("refs/heads/{branch}"), tip, true, "jetway: fetched")?;
        Ok(repository)
    }

    async fn clone_branch(&self, git: &Git<'_>, destination: &Path) -> Result<Repository> {
        let mut clone = git.network("clone").args(["--progress", "--no-checkout", "--single-branch"]).progress(None);
        if let Some(branch) = self.branch {
            clone = clone.args(["--branch", branch]);
        }
        if let Some(depth) = self.depth {
            // `--depth` is passed over for a plain path, unless git is told to go through its transport.
            clone = clone.arg(format!("--depth={depth}")).arg("--no-local");
        }
        let finished = clone.arg("--").arg(&git.remote().address).arg(destination).run().await?;
        git.explain(finished, self.branch).with_context(|| git.cannot("clone"))?;
        open(destination)
    }

    /// Makes sure that the commit is there: the server is asked for it by its hash, then for more and more of the
    /// branch's history, and at last for all of it.
    async fn find(&self, git: &Git<'_>, destination: &Path, repository: &Repository, commit: Oid) -> Result<()> {
        let is_there = || repository.odb().is_ok_and(|odb| odb.refresh().is_ok() && odb.exists(commit));
        if is_there() {
            return Ok(());
        }
        let fetch = |arguments: &[&str]| {
            git.network("fetch")
                .directory(destination)
                .args(["--progress", "--no-write-fetch-head"])
                .args(arguments)
                .progress(None)
                .run()
        };
        let depth = self.depth.map(|depth| format!("--depth={depth}"));
        let hash = commit.to_string();
        let by_hash: Vec<&str> = depth.as_deref().into_iter().chain(["origin", &hash]).collect();
        let finished = fetch(&by_hash).await?;
        match Refusal::of(&finished) {
            Some(Refusal::UnknownCommit) => return Err(self.gone(git, commit)),
            Some(_) => {}
            None => {
                git.explain(finished, self.branch).with_context(|| git.cannot("fetch"))?;
            }
        }
        let is_shallow = repository.is_shallow();
        for more in [Some("--deepen=100"), Some("--deepen=1000"), Some("--unshallow")] {
            if is_there() {
                return Ok(());
            }
            let Some(more) = more.filter(|_| is_shallow) else { break };
            git.context().console().step(format_args!("looking for {hash} further back (git fetch {more})"));
            git.explain(fetch(&[more, "origin"]).await?, self.branch).with_context(|| git.cannot("fetch"))?;
        }
        if is_there() { Ok(()) } else { Err(self.gone(git, commit)) }
    }

    fn gone(&self, git: &Git<'_>, commit: Oid) -> jetway::Error {
        let branch = self.branch.map_or("the default branch".to_owned(), |branch| format!("branch `{branch}`"));
        anyhow!("version `{commit}` is gone: it is not in {branch} of `{}`", git.remote().address)
            .hint("the branch was moved since the version was found; run a newer version")
    }

    async fn update_submodules(&self, git: &Git<'_>, destination: &Path) -> Result<()> {
        if !destination.join(".gitmodules").exists() {
            return Ok(());
        }
        let mut update = git
            .network("submodule")
            .directory(destination)
            .args(["update", "--init", "--recursive", "--force", "--progress"])
            .progress(None);
        if let Some(depth) = self.depth {
            update = update.arg(format!("--depth={depth}"));
        }
        update.run().await?.success().context("cannot fetch the submodules")?;
        Ok(())
    }
}

/// An empty repository with the remote and the branch set up as `git clone` has them.
fn init(git: &Git<'_>, destination: &Path, branch: &str) -> Result<Repository> {
    let init = || {
        let repository = Repository::init(destination)?;
        repository.set_head(&format!("refs/heads/{branch}"))?;
        let mut configuration = repository.config()?;
        configuration.set_str("remote.origin.url", &git.remote().address)?;
        let refspec = format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        configuration.set_str("remote.origin.fetch", &refspec)?;
        configuration.set_str(&format!("branch.{branch}.remote"), "origin")?;
        configuration.set_str(&format!("branch.{branch}.merge"), &format!("refs/heads/{branch}"))?;
        Ok::<_, git2::Error>(repository)
    };
    init().with_context(|| format!("cannot make a repository in `{}`", destination.display()))
}
