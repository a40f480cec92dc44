//! Checks out a pull request, integrated with its base branch.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use git2::{Oid, Repository, RepositoryInitOptions};
use jetway::{Advise as _, Error, Finished, Result};
use jetway_git_client::Git;
use jetway_git_client::checkout::git_crypt;
use jetway_git_client::checkout::submodules::SubmoduleUpdate;
use jetway_git_client::object_id::{format_of, object_id};
use jetway_git_client::source::remote::check_branch_name;
use jetway_git_client::transport::lfs;
use jetway_git_client::transport::refusal::Refusal;

use crate::metadata::PullRequest;
use crate::params::{GetParams, IntegrationTool};
use crate::source::Source;

/// The steps in which a shallow get fetches more history, until the base branch and the head have a common ancestor.
const DEEPENING_STEPS: [&str; 3] = ["--deepen=50", "--deepen=1000", "--unshallow"];

/// The maximum number of files with conflicts that an error lists.
const MAX_LISTED_FILES: usize = 10;

/// The checkout of one pull request.
pub(crate) struct Checkout<'c> {
    pub(crate) git: &'c Git<'c>,
    pub(crate) source: &'c Source,
    pub(crate) params: &'c GetParams,
    pub(crate) pull_request: &'c PullRequest,
    pub(crate) number: u64,
    pub(crate) commit: &'c str,
    pub(crate) destination: &'c Path,
}

impl Checkout<'_> {
    /// Fetches and checks out. Returns the commit of the base branch that the head is integrated with.
    pub(crate) async fn run(&self) -> Result<String> {
        let head = object_id(self.commit).context("the version's commit is not a full hash")?;
        let repository = self.init()?;
        self.fetch(&repository, head).await?;
        let base = repository.refname_to_id(&self.base_ref()).context("the fetch wrote no ref")?;
        if let Some(key) = self.source.git_crypt_key.as_ref().filter(|key| !key.is_empty()) {
            git_crypt::unlock(self.git, key, &repository, self.destination).await?;
        }
        match self.params.integration_tool {
            IntegrationTool::Checkout => self.check_out(&repository, &self.head_branch(), head).await?,
            IntegrationTool::Merge => {
                self.deepen_to_common_ancestor(head).await?;
                self.check_out(&repository, self.base_branch(), base).await?;
                let merge = self.command("merge").args(["--no-edit", "--no-stat", "--progress", self.commit]);
                self.integrate("merge", merge).await?;
            }
            IntegrationTool::Rebase => {
                self.deepen_to_common_ancestor(head).await?;
                self.check_out(&repository, &self.head_branch(), head).await?;
                self.integrate("rebase", self.command("rebase").arg(self.base_ref())).await?;
            }
        }
        let selection = self.params.submodules.selection();
        let submodules = SubmoduleUpdate {
            selection: &selection,
            recursive: true,
            remote: false,
            branch: Some(self.base_branch()),
            depth: self.params.depth(),
        };
        submodules.run(self.git, &repository, self.destination).await?;
        Ok(base.to_string())
    }

    fn base_branch(&self) -> &str {
        &self.pull_request.base_ref_name
    }

    fn base_ref(&self) -> String {
        format!("refs/remotes/origin/{}", self.base_branch())
    }

    /// The local branch for the head. It has the name of the pull request's branch, if git accepts that name.
    fn head_branch(&self) -> String {
        let name = &self.pull_request.head_ref_name;
        if check_branch_name(name).is_ok() { name.clone() } else { format!("pr-{}", self.number) }
    }

    /// The ref of the head on the server. It also exists for pull requests from forks.
    fn head_ref(&self) -> String {
        format!("refs/pull/{}/head", self.number)
    }

    fn command(&self, subcommand: &str) -> jetway::Command {
        self.git.network_once(subcommand).directory(self.destination).progress(None)
    }

    /// Creates an empty repository that follows the base branch, as `git clone` does.
    fn init(&self) -> Result<Repository> {
        let branch = self.base_branch();
        check_branch_name(branch).map_err(|problem| anyhow!("the name of the base branch {problem}"))?;
        let init = || {
            let mut options = RepositoryInitOptions::new();
            let repository = Repository::init_opts(self.destination, options.object_format(format_of(self.commit)))?;
            let mut configuration = repository.config()?;
            configuration.set_str("remote.origin.url", &self.git.remote().address)?;
            configuration
                .set_str("remote.origin.fetch", &format!("+refs/heads/{branch}:refs/remotes/origin/{branch}"))?;
            configuration.set_str(&format!("branch.{branch}.remote"), "origin")?;
            configuration.set_str(&format!("branch.{branch}.merge"), &format!("refs/heads/{branch}"))?;
            repository.set_head(&format!("refs/heads/{branch}"))?;
            Ok::<_, git2::Error>(repository)
        };
        init().with_context(|| format!("cannot create a repository in `{}`", self.destination.display()))
    }

    async fn fetch_refs(&self, refspecs: &[String], depth: Option<&str>) -> Result<Finished> {
        let tags = if self.params.fetch_tags { "--tags" } else { "--no-tags" };
        let fetch = self.git.network("fetch").directory(self.destination).progress(None);
        fetch.args(["--progress", "--no-write-fetch-head", tags]).args(depth).arg("origin").args(refspecs).run().await
    }

    /// Fetches the base branch and the head of the pull request. If the head has changed since, also fetches the version's
    /// commit.
    async fn fetch(&self, repository: &Repository, head: Oid) -> Result<()> {
        let base = format!("+refs/heads/{}:{}", self.base_branch(), self.base_ref());
        let head_ref = self.head_ref();
        let head_refspec = format!("+{head_ref}:{head_ref}");
        let depth = self.params.depth().map(|depth| format!("--depth={depth}"));
        let finished = self.fetch_refs(&[base, head_refspec], depth.as_deref()).await?;
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            let is_head = finished.stderr.contains(&head_ref);
            let missing = if is_head { head_ref } else { format!("refs/heads/{}", self.base_branch()) };
            return Err(anyhow!("there is no `{missing}` in `{}`", self.git.remote().address)
                .hint("the pull request or its base branch was deleted since the version was found"));
        }
        self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
        let is_there = || repository.odb().is_ok_and(|odb| odb.refresh().is_ok() && odb.exists(head));
        if is_there() {
            return Ok(());
        }
        let finished = self.fetch_refs(&[self.commit.to_owned()], depth.as_deref()).await?;
        if !finished.is_success() && !is_there() && Refusal::of(&finished).is_some() {
            // The server does not serve commits by their hash, but the commit may be an ancestor of the head.
            for deeper in DEEPENING_STEPS.iter().filter(|_| repository.is_shallow()) {
                let finished = self.fetch_refs(&[], Some(deeper)).await?;
                self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
                if is_there() {
                    return Ok(());
                }
            }
            return Err(anyhow!("version `{}` is gone: it is not in pull request {}", self.commit, self.number)
                .hint("the branch was force-pushed since the version was found; run a newer version"));
        }
        self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
        if is_there() { Ok(()) } else { Err(anyhow!("the server did not send `{}`", self.commit)) }
    }

    /// Checks out a commit on a new local branch.
    async fn check_out(&self, repository: &Repository, branch: &str, commit: Oid) -> Result<()> {
        let name = format!("refs/heads/{branch}");
        repository.reference(&name, commit, true, "jetway: fetched").context("cannot create the local branch")?;
        let checkout = self.git.network("checkout").directory(self.destination).progress(None);
        let finished = checkout.args(["--progress", "--force", branch, "--"]).run().await?;
        lfs::explain(finished).context("cannot check out the pull request").map_err(git_crypt::explain)?;
        Ok(())
    }

    /// Deepens a shallow history until the base branch and the head have a common ancestor.
    async fn deepen_to_common_ancestor(&self, head: Oid) -> Result<()> {
        if self.params.depth().is_none() {
            return Ok(());
        }
        let head = head.to_string();
        for deeper in DEEPENING_STEPS {
            let question = [self.base_ref(), head.clone()];
            let found = self.git.command("merge-base").directory(self.destination).args(question).quiet().run().await?;
            if found.is_success() {
                return Ok(());
            }
            let is_shallow = self.destination.join(".git").join("shallow").exists();
            if !is_shallow {
                break;
            }
            let base = format!("+refs/heads/{}:{}", self.base_branch(), self.base_ref());
            let finished = self.fetch_refs(&[base, head.clone()], Some(deeper)).await?;
            let finished = match Refusal::of(&finished) {
                // The server does not serve commits by their hash.
                Some(Refusal::UnadvertisedCommit | Refusal::UnknownCommit) => {
                    let head_ref = self.head_ref();
                    self.fetch_refs(&[format!("+{head_ref}:{head_ref}")], Some(deeper)).await?
                }
                _ => finished,
            };
            self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
        }
        Ok(())
    }

    /// Runs a merge or a rebase, and reports conflicts.
    async fn integrate(&self, verb: &str, command: jetway::Command) -> Result<()> {
        let finished = lfs::without_progress(command.run().await?);
        if finished.is_success() {
            return Ok(());
        }
        let unmerged = self.git.command("diff").directory(self.destination);
        let unmerged = unmerged.args(["--name-only", "--diff-filter=U"]).quiet().run().await?;
        let text = unmerged.text();
        let files: Vec<&str> = text.lines().collect();
        Err(self.integration_error(verb, &finished, &files))
    }

    fn integration_error(&self, verb: &str, finished: &Finished, conflicts: &[&str]) -> Error {
        let preposition = if verb == "merge" { "into" } else { "onto" };
        let task = format!(
            "cannot {verb} pull request {} ({}) {preposition} `{}`",
            self.number,
            self.commit,
            self.base_branch()
        );
        if conflicts.is_empty() {
            return finished.failure().context(task);
        }
        let shown: Vec<String> = conflicts.iter().take(MAX_LISTED_FILES).map(|file| format!("`{file}`")).collect();
        let more = conflicts.len().saturating_sub(MAX_LISTED_FILES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        anyhow!("merge conflict in {}{more}", shown.join(", "))
            .hint("resolve the conflict in the pull request, or set `integration_tool: checkout`")
            .context(task)
    }
}
