//! Fetches a version in as few round trips as possible, and checks out its work tree.

mod tag;

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use git2::{ObjectFormat, Oid, Repository, RepositoryInitOptions};
use jetway::{Advise as _, Finished, Result};
use jetway_git_client::object_id::object_id;
use jetway_git_client::transport::git::{DefaultHead, Git};
use jetway_git_client::transport::lfs;
use jetway_git_client::transport::refusal::Refusal;
use jetway_git_client::transport::repository::open;

use crate::checkout::packet_trace::{PacketTrace, may_have_notes};
use crate::checkout::remote_head::{LIST_HEAD, default_branch, set_origin_head};
use crate::raw_commit;

/// Which tags a get fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchTags {
    /// The tags that point to fetched commits.
    Following,
    /// All tags of the server.
    All,
    /// No tags.
    None,
}

impl FetchTags {
    fn option(self) -> Option<&'static str> {
        match self {
            Self::Following => None,
            Self::All => Some("--tags"),
            Self::None => Some("--no-tags"),
        }
    }
}

/// The refs to fetch and the files to check out.
pub(crate) struct CheckoutRequest<'w> {
    /// The branch that the clone follows; `None` for the remote's default branch.
    pub(crate) branch: Option<&'w str>,
    /// The commit; `None` for the tip of the branch.
    pub(crate) commit: Option<Oid>,
    /// The abbreviated hash of the commit, if the full hash is not known. The fetch resolves it and sets `commit`.
    pub(crate) hash_prefix: Option<&'w str>,
    /// The tag of the version.
    pub(crate) tag: Option<&'w str>,
    /// The depth of the history; `None` for the whole history.
    pub(crate) depth: Option<u32>,
    /// The tags to fetch.
    pub(crate) tags: FetchTags,
    /// Whether to fetch all branches, or only the followed one.
    pub(crate) all_branches: bool,
    /// Whether to search the tips of all the server's refs for a commit that is not on the branch.
    pub(crate) search_remote_refs: bool,
    /// Patterns of the files to check out; all files if it is empty.
    pub(crate) sparse_paths: &'w [String],
    /// Whether the checkout has to fetch the notes. The fetch of the commit clears it if it has already fetched the
    /// notes, or if the server has none.
    pub(crate) needs_notes: bool,
}

/// The first fetch of a shallow get.
struct FirstFetch {
    /// The refspec of the branch, of all branches or of the tag; `None` for HEAD.
    refspec: Option<String>,
    /// The commit, if it is requested by its hash.
    commit: Option<Oid>,
    depth: Option<u32>,
    /// Whether `branch` names a tag, not a branch.
    is_of_tag: bool,
}

/// The refspec for notes, which git does not fetch by default. Tasks may read them.
const NOTES: &str = "+refs/notes/*:refs/notes/*";

/// The setting that makes `git clone` list the notes and, without `--single-branch`, fetch them. It is not stored in
/// the clone.
const LIST_NOTES: (&str, &str) = ("remote.origin.fetch", NOTES);

impl CheckoutRequest<'_> {
    /// Fetches into `destination`, an empty directory.
    pub(crate) async fn fetch(&mut self, git: &Git<'_>, destination: &Path) -> Result<Repository> {
        if let Some(hash_prefix) = self.hash_prefix
            && self.depth.take().is_some()
        {
            let console = git.context().console();
            console.step(format_args!(
                "fetching the whole history to find `{hash_prefix}`: servers accept only full hashes"
            ));
        }
        let repository = match self.depth {
            Some(depth) => self.fetch_shallow(git, destination, depth).await?,
            None => self.clone_whole_history(git, destination).await?,
        };
        if let Some(hash_prefix) = self.hash_prefix {
            let found = raw_commit::by_prefix(&repository, hash_prefix)?;
            self.commit = Some(found.ok_or_else(|| self.commit_is_gone(git, hash_prefix))?);
        }
        if let Some(tag) = self.tag.filter(|_| self.tags != FetchTags::None) {
            self.fetch_missing_tag(git, destination, &repository, tag).await?;
        }
        if let Some(commit) = self.commit {
            self.ensure_commit(git, destination, &repository, commit).await?;
        }
        Ok(repository)
    }

    /// Fetches the version's tag if it is missing. Warns if it was deleted on the server.
    async fn fetch_missing_tag(
        &self,
        git: &Git<'_>,
        destination: &Path,
        repository: &Repository,
        tag: &str,
    ) -> Result<()> {
        let name = format!("refs/tags/{tag}");
        if repository.find_reference(&name).is_ok() {
            return Ok(());
        }
        let fetch = git.network("fetch").directory(destination).args(["--progress", "--no-write-fetch-head"]);
        let fetch = fetch.args(self.depth.map(|depth| format!("--depth={depth}"))).progress(None);
        let finished = fetch.args(["--no-tags", "origin", &format!("+{name}:{name}")]).run().await?;
        if Refusal::of(&finished) == Some(Refusal::UnknownRef) {
            git.context().console().warn(format_args!("tag `{tag}` was deleted since the version was found"));
            return Ok(());
        }
        git.explain(finished, self.branch).with_context(|| git.cannot("fetch"))?;
        Ok(())
    }

    /// Checks out the work tree, and fetches the notes at the same time.
    pub(crate) async fn check_out(&self, git: &Git<'_>, repository: &Repository, destination: &Path) -> Result<()> {
        self.prepare_sparse_checkout(repository)?;
        let notes = async { if self.needs_notes { self.fetch_notes(git, destination).await } else { Ok(()) } };
        tokio::try_join!(self.make_work_tree(git, destination), notes).map(|_| ())
    }

    async fn make_work_tree(&self, git: &Git<'_>, destination: &Path) -> Result<()> {
        let mut checkout =
            git.network("checkout").directory(destination).args(["--progress", "--force"]).progress(None);
        checkout = match self.commit {
            Some(commit) => checkout.args(["--detach", &commit.to_string()]),
            // Without a version, HEAD stays on the branch, as after `git clone`.
            None => checkout,
        };
        lfs::explain(checkout.arg("--").run().await?).context("cannot check out the version")?;
        Ok(())
    }

    /// Fetches the tip of the branch and the commit in one round trip, with a limited depth.
    async fn fetch_shallow(&mut self, git: &Git<'_>, destination: &Path, depth: u32) -> Result<Repository> {
        let (branch, commit) = match self.branch {
            Some(branch) => (Some(branch.to_owned()), self.commit),
            None => match git.default_head().await? {
                DefaultHead::Branch(branch) => (Some(branch), self.commit),
                // The server's HEAD is detached: the clone gets a detached HEAD, as with `git clone`.
                DefaultHead::Commit(hash) => (None, Some(self.commit.map_or_else(|| object_id(&hash), Ok)?)),
            },
        };
        let branch = branch.as_deref();
        let followed = if self.all_branches { Some("*") } else { branch };
        let heads = followed.map(|followed| format!("+refs/heads/{followed}:refs/remotes/origin/{followed}"));
        let mut format = commit.map_or(ObjectFormat::Sha1, |commit| commit.object_format());
        let mut repository = self.init(git, destination, branch, heads.as_deref(), format)?;
        let mut request = FirstFetch { refspec: heads, commit, depth: Some(depth), is_of_tag: false };
        let trace = PacketTrace::new(git)?;
        // Each refusal removes another part from the request, so the loop ends.
        let finished = loop {
            let finished = self.fetch_first(git, destination, &request, &trace).await?;
            if Refusal::of(&finished) == Some(Refusal::OtherObjectFormat) && format == ObjectFormat::Sha1 {
                format = ObjectFormat::Sha256;
                std::fs::remove_dir_all(repository.path()).context("cannot recreate the repository")?;
                repository = self.init(git, destination, branch, request.refspec.as_deref(), format)?;
                continue;
            }
            if !self.adapt(git, &finished, &mut request, branch)? {
                break finished;
            }
        };
        git.explain(finished, branch).with_context(|| git.cannot("fetch"))?;
        self.depth = request.depth;
        self.needs_notes = false;
        match branch {
            Some(tag) if request.is_of_tag => self.follow_tag(&repository, tag)?,
            Some(branch) => {
                let tip = repository.refname_to_id(&format!("refs/remotes/origin/{branch}"));
                // With a pattern for all branches, git does not fail if the branch is missing.
                let tip = tip.map_err(|_| git.no_such_branch(Some(branch)))?;
                repository.reference(&format!("refs/heads/{branch}"), tip, true, "jetway: fetched")?;
            }
            None => {
                if let Some(commit) = commit.filter(|_| self.commit.is_none()) {
                    repository.set_head_detached(commit)?;
                }
            }
        }
        // If the source has no branch, `branch` is the default branch.
        let mut packets = trace.received();
        let default = if self.branch.is_none() {
            branch.map(str::to_owned)
        } else {
            packets.find_map(|packet| default_branch(&packet))
        };
        set_origin_head(&repository, default.as_deref())?;
        Ok(repository)
    }

    async fn fetch_first(
        &self,
        git: &Git<'_>,
        destination: &Path,
        request: &FirstFetch,
        trace: &PacketTrace,
    ) -> Result<Finished> {
        let FirstFetch { refspec, commit, depth, .. } = request;
        trace
            .add_to(git.network("fetch"))
            .directory(destination)
            .args(["--progress", "--no-write-fetch-head"])
            .args(depth.map(|depth| format!("--depth={depth}")))
            .args(self.tags.option())
            .arg("origin")
            .args(refspec)
            // Without a refspec, fetch HEAD.
            .args(if refspec.is_some() { LIST_HEAD } else { &["HEAD"] })
            .arg(NOTES)
            .args(commit.map(|commit| commit.to_string()))
            .progress(None)
            .run()
            .await
    }

    /// Removes from the request the part that the server has refused; returns whether to try again.
    fn adapt(
        &self,
        git: &Git<'_>,
        finished: &Finished,
        request: &mut FirstFetch,
        branch: Option<&str>,
    ) -> Result<bool> {
        let console = git.context().console();
        match (Refusal::of(finished), self.commit) {
            (Some(Refusal::UnknownCommit), Some(commit)) => return Err(self.commit_is_gone(git, commit)),
            (Some(Refusal::UnadvertisedCommit), Some(_)) if request.commit.is_some() => {
                request.commit = None;
                let branch = branch.unwrap_or("HEAD");
                console.step(format_args!("the server does not serve commits by hash; searching `{branch}`"));
            }
            (Some(Refusal::CannotShallow), _) if request.depth.is_some() => {
                (request.depth, request.commit) = (None, None);
                console.step("the server does not support shallow fetches; fetching the whole history");
            }
            // `git clone --branch` also accepts a tag.
            (Some(Refusal::UnknownRef), _) if !request.is_of_tag && !self.all_branches && branch.is_some() => {
                request.is_of_tag = true;
                request.refspec = branch.map(|tag| format!("+refs/tags/{tag}:refs/tags/{tag}"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Sets the repository up as `git clone --branch TAG` does.
    fn follow_tag(&self, repository: &Repository, tag: &str) -> Result<()> {
        let name = format!("refs/tags/{tag}");
        let follow = || {
            let commit = repository.find_reference(&name)?.peel_to_commit()?.id();
            let mut configuration = repository.config()?;
            configuration.set_str("remote.origin.fetch", &format!("+{name}:{name}"))?;
            configuration.remove(&format!("branch.{tag}.remote"))?;
            configuration.remove(&format!("branch.{tag}.merge"))?;
            repository.set_head_detached(self.commit.unwrap_or(commit))
        };
        follow().with_context(|| format!("cannot check out the tag `{tag}`"))
    }

    /// Clones the repository, which is the fastest way to get a whole history. The clone has only the tags that point
    /// into its branches.
    async fn clone_whole_history(&mut self, git: &Git<'_>, destination: &Path) -> Result<Repository> {
        // The trace tells whether the checkout has to fetch notes. A clone of all branches has them, and with all tags they are
        // fetched below.
        let trace = if self.all_branches || self.tags == FetchTags::All { None } else { Some(PacketTrace::new(git)?) };
        let mut clone = git.network_with("clone", &[LIST_NOTES]);
        if let Some(trace) = &trace {
            clone = trace.add_to(clone);
        }
        clone = clone.args(["--progress", "--no-checkout", "--origin=origin"]).progress(None);
        clone = clone.arg(if self.all_branches { "--no-single-branch" } else { "--single-branch" });
        if self.tags == FetchTags::None {
            clone = clone.arg("--no-tags");
        }
        if let Some(branch) = self.branch {
            clone = clone.args(["--branch", branch]);
        }
        let finished = clone.arg("--").arg(&git.remote().address).arg(destination).run().await?;
        git.explain(finished, self.branch).with_context(|| git.cannot("clone"))?;
        if self.tags == FetchTags::All {
            self.fetch_notes(git, destination).await?;
        }
        self.needs_notes = trace.is_some_and(|trace| may_have_notes(trace.received()));
        let repository = open(destination)?;
        if self.branch.is_none() && self.commit.is_none() && self.hash_prefix.is_none() {
            repository.refname_to_id("HEAD").map_err(|_| git.no_such_branch(None))?;
        }
        Ok(repository)
    }

    /// Fetches the notes, and with `FetchTags::All` the tags that the clone lacks.
    async fn fetch_notes(&self, git: &Git<'_>, destination: &Path) -> Result<()> {
        let fetch = git.network("fetch").directory(destination).args(["--progress", "--no-write-fetch-head"]);
        let tags = if self.tags == FetchTags::All { "--tags" } else { "--no-tags" };
        let finished = fetch.arg(tags).args(["origin", NOTES]).progress(None).run().await?;
        git.explain(finished, self.branch).with_context(|| git.cannot("fetch"))?;
        Ok(())
    }

    /// Fetches the commit if it is missing: first by its hash, then by deepening the branch's history in steps, up to
    /// all of it.
    async fn ensure_commit(
        &self,
        git: &Git<'_>,
        destination: &Path,
        repository: &Repository,
        commit: Oid,
    ) -> Result<()> {
        let has_commit = || repository.odb().is_ok_and(|odb| odb.refresh().is_ok() && odb.exists(commit));
        if has_commit() {
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
            Some(Refusal::UnknownCommit) => return Err(self.commit_is_gone(git, commit)),
            Some(_) if self.search_remote_refs => {
                for name in self.refs_at(git, &hash).await? {
                    git.context().console().step(format_args!("fetching `{name}`, which is at {hash}"));
                    let finished = fetch(&["origin", &format!("+{name}:refs/jetway/{name}")]).await?;
                    git.explain(finished, self.branch).with_context(|| git.cannot("fetch"))?;
                }
            }
            Some(_) => {}
            None => {
                git.explain(finished, self.branch).with_context(|| git.cannot("fetch"))?;
            }
        }
        let is_shallow = repository.is_shallow();
        for more in [Some("--deepen=100"), Some("--deepen=1000"), Some("--unshallow")] {
            if has_commit() {
                return Ok(());
            }
            let Some(more) = more.filter(|_| is_shallow) else { break };
            git.context().console().step(format_args!("deepening the history to find {hash} (git fetch {more})"));
            git.explain(fetch(&[more, "origin"]).await?, self.branch).with_context(|| git.cannot("fetch"))?;
        }
        if has_commit() { Ok(()) } else { Err(self.commit_is_gone(git, commit)) }
    }

    /// The server's refs that point to this commit.
    async fn refs_at(&self, git: &Git<'_>, hash: &str) -> Result<Vec<String>> {
        let listing = git.network("ls-remote").args(["--", &git.remote().address]).quiet().run().await?;
        let listing = git.explain(listing, self.branch).with_context(|| git.cannot("read"))?.text();
        let refs = listing.lines().filter_map(|line| line.split_once('\t')).filter(|(found, _)| *found == hash);
        let names = refs.map(|(_, name)| name.to_owned());
        Ok(names.filter(|name| name.starts_with("refs/") && !name.ends_with("^{}")).collect())
    }

    /// Configures the sparse checkout with `sparse_paths`.
    fn prepare_sparse_checkout(&self, repository: &Repository) -> Result<()> {
        if self.sparse_paths.iter().all(|path| path == ".") {
            return Ok(());
        }
        let prepare = || {
            repository.config()?.set_bool("core.sparseCheckout", true)?;
            let info = repository.path().join("info");
            std::fs::create_dir_all(&info)?;
            std::fs::write(info.join("sparse-checkout"), self.sparse_paths.join("\n") + "\n")?;
            Ok::<_, jetway::Error>(())
        };
        prepare().context("cannot prepare the sparse checkout")
    }

    fn commit_is_gone(&self, git: &Git<'_>, commit: impl Display) -> jetway::Error {
        let branch = self.branch.map_or("the default branch".to_owned(), |branch| format!("branch `{branch}`"));
        anyhow!("version `{commit}` is gone: it is not in {branch} of `{}`", git.remote().address)
            .hint("the branch was moved since the version was found; run a newer version")
    }

    /// Creates an empty repository, with the remote and the branch configured as by `git clone`.
    fn init(
        &self,
        git: &Git<'_>,
        destination: &Path,
        branch: Option<&str>,
        heads: Option<&str>,
        format: ObjectFormat,
    ) -> Result<Repository> {
        let init = || {
            let mut options = RepositoryInitOptions::new();
            let repository = Repository::init_opts(destination, options.object_format(format))?;
            let mut configuration = repository.config()?;
            configuration.set_str("remote.origin.url", &git.remote().address)?;
            if let Some(heads) = heads {
                configuration.set_str("remote.origin.fetch", heads)?;
            }
            if self.tags == FetchTags::None {
                // Otherwise later fetches, including those of tasks, would fetch tags.
                configuration.set_str("remote.origin.tagOpt", "--no-tags")?;
            }
            if let Some(branch) = branch {
                repository.set_head(&format!("refs/heads/{branch}"))?;
                configuration.set_str(&format!("branch.{branch}.remote"), "origin")?;
                configuration.set_str(&format!("branch.{branch}.merge"), &format!("refs/heads/{branch}"))?;
            }
            Ok::<_, git2::Error>(repository)
        };
        init().with_context(|| format!("cannot create a repository in `{}`", destination.display()))
    }
}
