//! Which commits of a branch are versions, from as little history as answers that exactly.
//!
//! Versions are the commits of the branch's first-parent chain: what was committed or merged to it. The repository that
//! they are read from is a window on the branch's history: shallow, without files, and often without trees. An answer is
//! given only when nothing beyond the window's edge could change it; else the window is opened further.

use std::collections::HashSet;

use anyhow::Context as _;
use git2::Oid;
use jetway::{Finished, Interrupted, Result, Silent};

use crate::commit_filter::MessageFilter;
use crate::git::{FromServer, Git, Refusal};
use crate::raw_commit::{self, RawCommit};
use crate::repository_cache::{Content, RepositoryCache, TIP};
use crate::source::Source;

/// The first window when commits are chosen by path: most branches have a match in it, and it costs one round trip.
const FIRST_WINDOW: usize = 50;

/// By how much a window that was too small grows.
const GROWTH: usize = 8;

/// From this depth on the whole history is fetched: each window counts its commits anew on the server.
const DEEPEST_WINDOW: usize = 20_000;

/// The commits that make versions, oldest first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whether the version that was given is still part of the branch.
    pub(crate) known_is_there: bool,
    /// The commits that are newer, or the newest ones when no version was given or it is gone.
    pub(crate) commits: Vec<Oid>,
}

/// How much a fetch asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What is new since the last fetch.
    New,
    /// So many generations from the tip.
    Depth(usize),
    /// All that was cut off before.
    Everything,
}

/// The history of the followed branch, as far as it was fetched.
pub(crate) struct History<'g> {
    git: &'g Git<'g>,
    source: &'g Source,
    pathspecs: Vec<String>,
    messages: MessageFilter,
    cache: RepositoryCache,
}

/// A part of the first-parent chain, newest first.
struct Chain {
    commits: Vec<Oid>,
    end: End,
}

/// Where the walk along a chain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the commit that was looked for (which is not part of the chain).
    Reached(Oid),
    /// At the first commit of the history.
    Root,
    /// At the edge of the window: there is more, but not here.
    Boundary,
}

impl<'g> History<'g> {
    /// Opens what earlier checks left.
    pub(crate) fn open(git: &'g Git<'g>, source: &'g Source) -> Result<Self> {
        let pathspecs = source.pathspecs();
        let content = if pathspecs.is_empty() { Content::Commits } else { Content::Trees };
        let cache = RepositoryCache::open(git.context(), git.remote(), &source.branch, content)?;
        Ok(Self { git, source, pathspecs, messages: MessageFilter::of(source)?, cache })
    }

    /// The newest commits that make versions when `known` is `None`, else those that are newer than it. `server_tip` is
    /// the branch's tip, when the server was asked for it before.
    pub(crate) async fn search(&mut self, known: Option<Oid>, server_tip: Option<Oid>) -> Result<Found> {
        match self.search_once(known, server_tip).await {
            Err(error) if self.cache.is_reused() && is_worth_another_try(&error) => {
                let console = self.git.context().console();
                console.warn(format_args!("the repository that an earlier check left is of no use: {error:#}"));
                self.cache.renew(self.git.remote())?;
                self.search_once(known, server_tip).await
            }
            outcome => outcome,
        }
    }

    async fn search_once(&self, known: Option<Oid>, server_tip: Option<Oid>) -> Result<Found> {
        match known {
            None => self.newest().await,
            Some(known) => self.newer_than(known, server_tip).await,
        }
    }

    /// The newest commits that make versions: the window grows until it holds enough of them.
    async fn newest(&self) -> Result<Found> {
        let wanted = usize::try_from(self.source.version_depth).unwrap_or(usize::MAX);
        let first = if self.pathspecs.is_empty() { wanted } else { wanted.max(FIRST_WINDOW) };
        let mut reach = if self.cache.tip().is_ok() { Reach::New } else { Self::window(first) };
        loop {
            self.fetch_tip(reach).await?;
            let chain = self.chain(self.cache.tip()?, |_| false)?;
            let commits = self.chosen(&chain, wanted).await?;
            if commits.len() >= wanted || chain.end == End::Root || reach == Reach::Everything {
                return Ok(Found { known_is_there: false, commits });
            }
            reach = Self::window(chain.commits.len().max(first).saturating_mul(GROWTH));
        }
    }

    /// The commits that make versions and are newer than `known`.
    async fn newer_than(&self, known: Oid, server_tip: Option<Oid>) -> Result<Found> {
        if !self.cache.has(known) {
            let refusal = self.fetch_commit(known).await?;
            if matches!(refusal, Some(Refusal::UnadvertisedCommit | Refusal::CannotShallow)) {
                // Where commits are not given out by their hash, this one may still be part of the branch.
                self.fetch_tip(Reach::Everything).await?;
            }
            if !self.cache.has(known) {
                return self.begin_again(known, "is gone from the server").await;
            }
        }
        if server_tip.is_none() || self.cache.tip().ok() != server_tip {
            self.fetch_new(server_tip).await?;
        }
        let tip = self.cache.tip()?;
        let chain = self.chain(tip, |commit| commit == known)?;
        if chain.end == End::Reached(known) {
            return Ok(Found { known_is_there: true, commits: self.chosen(&chain, usize::MAX).await? });
        }
        // It was merged from the side, or the branch was moved: the new commits begin where the histories part.
        for reach in [None, Some(Reach::Everything)] {
            if let Some(reach) = reach {
                self.fetch_tip(reach).await?;
            }
            let older = self.ancestors(known, &HashSet::new())?;
            let chain = self.chain(tip, |commit| older.contains(&commit))?;
            if let End::Reached(_) = chain.end {
                let mut rest = older;
                rest.remove(&known);
                let known_is_there = self.ancestors(tip, &rest)?.contains(&known);
                if !known_is_there {
                    let console = self.git.context().console();
                    console.warn(format_args!(
                        "version `{known}` is no longer part of the branch; going on from where the branch was moved"
                    ));
                }
                return Ok(Found { known_is_there, commits: self.chosen(&chain, usize::MAX).await? });
            }
        }
        self.begin_again(known, "has no history in common with the branch").await
    }

    /// Takes the newest commits instead of those after a version that cannot be found any more.
    async fn begin_again(&self, known: Oid, why: &str) -> Result<Found> {
        let console = self.git.context().console();
        console.warn(format_args!("version `{known}` {why}; going on from the newest commit"));
        self.newest().await
    }

    /// The commits of a chain that make versions, oldest first; the newest `most` of them.
    async fn chosen(&self, chain: &Chain, most: usize) -> Result<Vec<Oid>> {
        let mut chosen = Vec::new();
        for commit in self.matching_paths(chain).await? {
            if chosen.len() >= most {
                break;
            }
            if self.passes(commit)? {
                chosen.push(commit);
            }
        }
        chosen.reverse();
        Ok(chosen)
    }

    /// The commits of a chain that change what the pathspecs match, newest first. What a commit at the edge of the
    /// window changes cannot be told, so it is left out.
    async fn matching_paths(&self, chain: &Chain) -> Result<Vec<Oid>> {
        let Some((newest, certain)) = chain.commits.first().zip(chain.certain(!self.pathspecs.is_empty())) else {
            return Ok(Vec::new());
        };
        if self.pathspecs.is_empty() {
            return Ok(certain.to_vec());
        }
        let mut command = self
            .git
            .command("rev-list")
            .directory(self.cache.path())
            .args(["--first-parent", &newest.to_string()])
            .quiet();
        if let End::Reached(end) = chain.end {
            command = command.arg(format!("^{end}"));
        }
        let finished = command.arg("--").args(&self.pathspecs).run().await?.success();
        let finished = finished.context("cannot choose commits by `paths` and `ignore_paths`")?;
        let of_chain: HashSet<&Oid> = certain.iter().collect();
        let matching = finished.text().lines().filter_map(|line| Oid::from_str(line).ok()).collect::<Vec<_>>();
        Ok(matching.into_iter().filter(|commit| of_chain.contains(commit)).collect())
    }

    /// Whether a commit's message lets it be a version.
    fn passes(&self, commit: Oid) -> Result<bool> {
        let everything = self.messages.passes_everything();
        Ok(everything || self.messages.passes(&RawCommit::read(self.cache.repository(), commit)?.message))
    }

    /// Walks the first-parent chain from `tip` until `is_end` holds, the history ends, or the window does.
    fn chain(&self, tip: Oid, is_end: impl Fn(Oid) -> bool) -> Result<Chain> {
        let boundary: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut commits = Vec::new();
        let mut next = tip;
        loop {
            if is_end(next) {
                return Ok(Chain { commits, end: End::Reached(next) });
            }
            let parents = self.parents(next)?;
            commits.push(next);
            match parents.first() {
                None => return Ok(Chain { commits, end: End::Root }),
                Some(_) if boundary.contains(&next) => return Ok(Chain { commits, end: End::Boundary }),
                Some(parent) => next = *parent,
            }
        }
    }

    /// `commit` and all commits before it that are in the window, without those in `except` and what is before them.
    fn ancestors(&self, commit: Oid, except: &HashSet<Oid>) -> Result<HashSet<Oid>> {
        let boundary: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut seen = HashSet::new();
        let mut pending = vec![commit];
        while let Some(commit) = pending.pop() {
            if except.contains(&commit) || !seen.insert(commit) || boundary.contains(&commit) {
                continue;
            }
            pending.extend(self.parents(commit)?);
        }
        Ok(seen)
    }

    /// A commit's parents as the commit itself names them: libgit2 hides those that a shallow repository lacks.
    fn parents(&self, commit: Oid) -> Result<Vec<Oid>> {
        raw_commit::parents(self.cache.repository(), commit)
    }

    fn window(depth: usize) -> Reach {
        if depth > DEEPEST_WINDOW { Reach::Everything } else { Reach::Depth(depth) }
    }

    /// Fetches what is new on the branch: by the hash of its tip, where that is known, so that the server need not be asked
    /// once more what the branch's name stands for.
    async fn fetch_new(&self, server_tip: Option<Oid>) -> Result<()> {
        if let Some(tip) = server_tip {
            let finished = self.fetch(&format!("+{tip}:{TIP}"), Reach::New).await?;
            if Refusal::of(&finished).is_none() {
                self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
                return Ok(());
            }
        }
        // It was moved meanwhile, or the server gives out no commits by their hash.
        self.fetch_tip(Reach::New).await
    }

    /// Fetches the branch's tip with so much of its history.
    async fn fetch_tip(&self, reach: Reach) -> Result<()> {
        let branch = self.source.branch.as_deref();
        let name = branch.map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
        let mut finished = self.fetch(&format!("+{name}:{TIP}"), reach).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = self.fetch(&format!("+{name}:{TIP}"), Reach::New).await?;
        }
        self.git.explain(finished, branch).with_context(|| self.git.cannot("fetch"))?;
        Ok(())
    }

    /// Fetches one commit by its hash, or tells why the server does not give it out.
    async fn fetch_commit(&self, commit: Oid) -> Result<Option<Refusal>> {
        let finished = self.fetch(&format!("+{commit}:refs/jetway/known"), Reach::Depth(1)).await?;
        if let Some(refusal) = Refusal::of(&finished) {
            return Ok(Some(refusal));
        }
        self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
        Ok(None)
    }

    async fn fetch(&self, refspec: &str, reach: Reach) -> Result<Finished> {
        let content = if self.pathspecs.is_empty() { Content::Commits } else { Content::Trees };
        let mut command = self
            .git
            .network("fetch")
            .directory(self.cache.path())
            .args(["--progress", "--no-tags", "--no-write-fetch-head", "--force"])
            .arg(format!("--filter={}", content.filter()))
            .quiet();
        command = match reach {
            Reach::New => command,
            Reach::Depth(depth) => command.arg(format!("--depth={depth}")),
            // git refuses to complete a history that is complete.
            Reach::Everything if self.cache.boundary()?.is_empty() => command,
            Reach::Everything => command.arg("--unshallow"),
        };
        command.args(["origin", refspec]).run().await
    }
}

impl Chain {
    /// The commits of which everything can be told: all, or all but the one at the edge of the window.
    fn certain(&self, needs_parent: bool) -> Option<&[Oid]> {
        match self.commits.split_last() {
            Some((_, before)) if needs_parent && self.end == End::Boundary => Some(before),
            Some(_) => Some(&self.commits),
            None => None,
        }
    }
}

/// Whether a fresh repository could do better: not when the server is the reason, or its silence, or when the verb is being
/// ended.
pub(crate) fn is_worth_another_try(error: &jetway::Error) -> bool {
    let is_from_server = error.chain().any(<dyn std::error::Error>::is::<FromServer>);
    !is_from_server && !Silent::caused(error) && !Interrupted::caused(error)
}
