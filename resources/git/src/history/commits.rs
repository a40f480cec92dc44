//! Finds the commits of a branch that are versions, and fetches as little history as possible.
//!
//! Versions are the commits of the branch's first-parent chain: the commits and merges that were made on the branch.
//! The cached repository contains a window of the branch's history: shallow, without blobs, and often without trees. If
//! history beyond the shallow boundary could change the result, the window is extended.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use git2::{ObjectFormat, Oid};
use jetway::{Command, Finished, Result};
use jetway_git_client::object_id::object_id;
use jetway_git_client::transport::git::Git;
use jetway_git_client::transport::refusal::Refusal;

use crate::history::cache::{Content, KNOWN, RepositoryCache, TIP};
use crate::history::message_filter::MessageFilter;
use crate::raw_commit::{self, RawCommit};
use crate::source::Source;

/// The first window probably contains a version that is younger than this.
const RECENT: Duration = Duration::from_hours(72);

/// The depths of windows, in commits.
#[derive(Debug, Clone, Copy)]
struct Windows {
    /// The depth of the first window, if commits are filtered by path, or if the known version is searched for.
    first: usize,
    /// The growth factor of a window that was too small.
    growth: usize,
    /// Instead of a deeper window, the whole history is fetched, because the server walks all commits again for each
    /// window.
    deepest: usize,
}

/// Most branches have a match in the first window, which takes one round trip.
const WINDOWS: Windows = Windows { first: 50, growth: 8, deepest: 20_000 };

/// The result of a search: the commits that are versions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SearchResult {
    /// Whether the known version is still on the branch.
    pub(crate) known_is_on_branch: bool,
    /// The commits after the known version, oldest first. If no version is known or it is gone, the newest commits.
    pub(crate) commits: Vec<Oid>,
}

/// How much of the history a fetch requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FetchDepth {
    /// Everything new since the last fetch.
    New,
    /// This many commits from the tip.
    Depth(usize),
    /// Commits with this date or a later one, in seconds since 1970.
    Since(i64),
    /// The whole history (`--unshallow`).
    Everything,
}

/// The fetched history of the followed branch.
pub(crate) struct History<'g> {
    git: &'g Git<'g>,
    source: &'g Source,
    /// Whether `branch` is a tag, which `git clone --branch` also accepts.
    follows_tag: Cell<bool>,
    pathspecs: Vec<String>,
    messages: MessageFilter,
    windows: Windows,
    cache: RepositoryCache,
}

/// A part of the first-parent chain, newest first.
struct Chain {
    commits: Vec<Oid>,
    end: ChainEnd,
}

/// The position of a version relative to the branch.
struct VersionPosition {
    /// The chain from the tip to the version, or to the point where the histories diverge; `None` if they have no
    /// common commit.
    chain: Option<Chain>,
    /// Whether the version is an ancestor of the tip.
    is_part_of_branch: bool,
    /// Whether more history cannot change this result.
    is_certain: bool,
}

/// The result of a walk from a commit to its ancestors.
struct AncestorWalk {
    /// The visited commits.
    seen: HashSet<Oid>,
    /// The commits where the walk ended.
    ends: HashSet<Oid>,
    /// Whether the walk reached the shallow boundary.
    is_cut: bool,
}

/// Why a chain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChainEnd {
    /// At the wanted commit, which is not part of the chain.
    Reached(Oid),
    /// At a root commit.
    Root,
    /// At the shallow boundary.
    Boundary,
}

impl<'g> History<'g> {
    /// Opens the cache. `format` is the object format of the server, if it is known.
    pub(crate) fn open(git: &'g Git<'g>, source: &'g Source, format: Option<ObjectFormat>) -> Result<Self> {
        let pathspecs = source.pathspecs();
        let content = if pathspecs.is_empty() { Content::Commits } else { Content::Trees };
        let cache = RepositoryCache::open(git.context(), git.remote(), &source.branch, content, format)?;
        let follows_tag = Cell::new(false);
        Ok(Self { git, source, follows_tag, pathspecs, messages: MessageFilter::of(source)?, windows: WINDOWS, cache })
    }

    /// The object format of the repository.
    pub(crate) fn object_format(&self) -> ObjectFormat {
        self.cache.repository().object_format()
    }

    /// Finds the versions after `known`, or the newest versions. `server_tip` is the tip of the branch, if the server
    /// was already asked for it.
    pub(crate) async fn search(&mut self, known: Option<Oid>, server_tip: Option<Oid>) -> Result<SearchResult> {
        loop {
            let error = match self.search_once(known, server_tip).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            if !self.cache.renew_after(&error, self.git.context(), self.git.remote())? {
                return Err(error);
            }
        }
    }

    /// Resolves an abbreviated hash. Servers accept only full hashes, so it fetches the whole history if necessary.
    pub(crate) async fn resolve(&self, hash_prefix: &str) -> Result<Option<Oid>> {
        if let Some(commit) = raw_commit::by_prefix(self.cache.repository(), hash_prefix)? {
            return Ok(Some(commit));
        }
        self.git
            .context()
            .console()
            .step(format_args!("fetching the whole history to find `{hash_prefix}`: servers accept only full hashes"));
        self.fetch_tip(FetchDepth::Everything).await?;
        raw_commit::by_prefix(self.cache.repository(), hash_prefix)
    }

    async fn search_once(&self, known: Option<Oid>, server_tip: Option<Oid>) -> Result<SearchResult> {
        match known {
            None => self.newest().await,
            Some(known) => self.newer_than(known, server_tip).await,
        }
    }

    /// The newest versions. The window grows until it contains enough of them.
    async fn newest(&self) -> Result<SearchResult> {
        let wanted = usize::try_from(self.source.version_depth).unwrap_or(usize::MAX);
        let first = if self.pathspecs.is_empty() { wanted } else { wanted.max(self.windows.first) };
        // In a shallow repository, `New` could fetch very much: all history since a merged branch began.
        let is_whole = self.cache.tip().is_ok() && self.cache.boundary()?.is_empty();
        let mut depth = if is_whole { FetchDepth::New } else { self.window(first) };
        let mut window = first;
        let mut edge = None;
        loop {
            self.fetch_tip(depth).await?;
            let chain = self.chain(self.cache.tip()?, |_| false)?;
            let commits = self.versions_in(&chain, wanted).await?;
            // A server that is itself a shallow clone has no more history.
            let is_stuck = self.is_unmoved(&mut edge)?;
            if commits.len() >= wanted || chain.end == ChainEnd::Root || depth == FetchDepth::Everything || is_stuck {
                return Ok(SearchResult { known_is_on_branch: false, commits });
            }
            window = chain.commits.len().max(window).saturating_mul(self.windows.growth);
            depth = self.window(window);
        }
    }

    /// Whether the tip and the shallow boundary are unchanged since the last call: the fetch in between was without
    /// effect.
    fn is_unmoved(&self, last: &mut Option<(Oid, Vec<Oid>)>) -> Result<bool> {
        let mut boundary = self.cache.boundary()?;
        boundary.sort();
        let edge = Some((self.cache.tip()?, boundary));
        let is_unmoved = *last == edge;
        *last = edge;
        Ok(is_unmoved)
    }

    /// The versions that are newer than `known`.
    async fn newer_than(&self, known: Oid, server_tip: Option<Oid>) -> Result<SearchResult> {
        let mut is_given_by_hash = true;
        if !self.cache.has(known) {
            match self.fetch_ends(known, server_tip).await? {
                None => {}
                Some(Refusal::UnknownCommit | Refusal::UnknownRef) => {
                    return self.restart_at_newest(known, "is gone from the server").await;
                }
                // `known` may still be on the branch.
                Some(_) => is_given_by_hash = false,
            }
        }
        let mut is_current = server_tip.is_some() && self.cache.tip().ok() == server_tip;
        if !is_current && self.cache.tip().is_ok() && self.cache.boundary()?.is_empty() {
            self.fetch_new(server_tip).await?;
            is_current = true;
        }
        let mut position = if is_current { self.position_of(known)? } else { VersionPosition::UNKNOWN };
        let mut windows =
            std::iter::successors(Some(self.windows.first), |window| window.checked_mul(self.windows.growth));
        if !position.is_certain
            && let Some(tip) = server_tip.filter(|_| self.cache.has(known))
        {
            for depth in self.likely_depths(known, tip)? {
                if !position.is_certain && self.fetch_once(depth, tip).await? {
                    is_current = true;
                    position = self.position_of(known)?;
                    if depth == self.window(self.windows.first) {
                        windows.next();
                    }
                }
            }
        }
        let mut edge = None;
        while !position.is_certain {
            // All history is fetched.
            if is_current && self.cache.boundary()?.is_empty() {
                break;
            }
            let depth = windows.next().map_or(FetchDepth::Everything, |window| self.window(window));
            let (console, option) = (self.git.context().console(), depth.option().unwrap_or_default());
            console.step(format_args!("deepening the history to find version `{known}` (git fetch {option})"));
            is_given_by_hash = self.deepen(depth, Some(known).filter(|_| is_given_by_hash)).await?;
            is_current = true;
            position = self.position_of(known)?;
            if depth == FetchDepth::Everything || self.is_unmoved(&mut edge)? {
                break;
            }
        }
        let VersionPosition { chain, is_part_of_branch, .. } = position;
        let Some(chain) = chain else {
            let is_here = self.cache.has(known);
            let why = if is_here { "has no history in common with the branch" } else { "is gone from the server" };
            return self.restart_at_newest(known, why).await;
        };
        if !is_part_of_branch {
            let console = self.git.context().console();
            console.warn(format_args!(
                "version `{known}` is no longer on the branch; continuing from the last common commit"
            ));
        }
        Ok(SearchResult { known_is_on_branch: is_part_of_branch, commits: self.versions_in(&chain, usize::MAX).await? })
    }

    /// Finds the commits after `known`. If `known` is on the first-parent chain, they begin after it. Otherwise,
    /// `known` was merged from another branch, or the branch was rewritten: they begin where the histories diverge.
    fn position_of(&self, known: Oid) -> Result<VersionPosition> {
        let (Ok(tip), true) = (self.cache.tip(), self.cache.has(known)) else { return Ok(VersionPosition::UNKNOWN) };
        let chain = self.chain(tip, |commit| commit == known)?;
        if chain.end == ChainEnd::Reached(known) {
            return Ok(VersionPosition { chain: Some(chain), is_part_of_branch: true, is_certain: true });
        }
        // The histories diverge at the newest commit of the chain that is an ancestor of `known`. The walk stops at
        // each commit of the chain, since its ancestors cannot be newer.
        let positions: HashMap<Oid, usize> = chain.commits.iter().copied().zip(0..).collect();
        let back = self.walk(known, |commit| positions.contains_key(&commit))?;
        let newest_common = back.ends.iter().filter_map(|commit| Some((*positions.get(commit)?, *commit))).min();
        let Some((position, divergence)) = newest_common else {
            // The histories may still have a common commit off the chain: in a merged branch with its own root. Then
            // the whole chain is new.
            let is_whole = !back.is_cut && chain.end == ChainEnd::Root;
            let down = self.walk(tip, |commit| back.seen.contains(&commit))?;
            let is_part_of_branch = down.ends.contains(&known);
            return Ok(VersionPosition {
                chain: Some(chain).filter(|_| !down.ends.is_empty()),
                is_part_of_branch,
                is_certain: is_whole && (is_part_of_branch || !down.is_cut),
            });
        };
        let before = |commit| {
            let is_before_known = back.seen.contains(&commit) && commit != known;
            is_before_known || positions.get(&commit).is_some_and(|index| *index >= position)
        };
        let down = self.walk(tip, before)?;
        let is_part_of_branch = down.seen.contains(&known);
        let commits = chain.commits.get(..position).unwrap_or_default().to_vec();
        Ok(VersionPosition {
            chain: Some(Chain { commits, end: ChainEnd::Reached(divergence) }),
            is_part_of_branch,
            is_certain: (position == 0 || !back.is_cut) && (is_part_of_branch || !down.is_cut),
        })
    }

    /// Returns the newest versions, with a warning, when the known version cannot be found.
    async fn restart_at_newest(&self, known: Oid, why: &str) -> Result<SearchResult> {
        let console = self.git.context().console();
        console.warn(format_args!("version `{known}` {why}; continuing from the newest commit"));
        self.newest().await
    }

    /// The newest `most` versions of a chain, oldest first.
    async fn versions_in(&self, chain: &Chain, most: usize) -> Result<Vec<Oid>> {
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

    /// The commits of a chain that change matching paths, newest first. A commit at the shallow boundary is omitted:
    /// its parent is missing, so its changes are unknown.
    async fn matching_paths(&self, chain: &Chain) -> Result<Vec<Oid>> {
        let Some((newest, certain)) = chain.commits.first().zip(chain.certain(!self.pathspecs.is_empty())) else {
            return Ok(Vec::new());
        };
        if self.pathspecs.is_empty() {
            return Ok(certain.to_vec());
        }
        let command = self.cache.local(self.git.command("rev-list"));
        let mut command = command.args(["--first-parent", &newest.to_string()]).quiet();
        if let ChainEnd::Reached(end) = chain.end {
            command = command.arg(format!("^{end}"));
        }
        let finished = command.arg("--").args(&self.pathspecs).run().await?.success();
        let finished = finished.context("cannot choose commits by `paths` and `ignore_paths`")?;
        let of_chain: HashSet<&Oid> = certain.iter().collect();
        let matching = finished.text().lines().filter_map(|line| object_id(line).ok()).collect::<Vec<_>>();
        Ok(matching.into_iter().filter(|commit| of_chain.contains(commit)).collect())
    }

    /// Whether the commit's message passes the filter.
    fn passes(&self, commit: Oid) -> Result<bool> {
        let everything = self.messages.passes_everything();
        Ok(everything || self.messages.passes(&RawCommit::read(self.cache.repository(), commit)?.message))
    }

    /// Walks the first-parent chain from `tip` to a commit for which `is_end` holds, a root or the shallow boundary.
    fn chain(&self, tip: Oid, is_end: impl Fn(Oid) -> bool) -> Result<Chain> {
        let boundary: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut commits = Vec::new();
        let mut next = tip;
        loop {
            if is_end(next) {
                return Ok(Chain { commits, end: ChainEnd::Reached(next) });
            }
            let parents = self.cache.parents(next)?;
            commits.push(next);
            match parents.first() {
                None => return Ok(Chain { commits, end: ChainEnd::Root }),
                Some(_) if boundary.contains(&next) => return Ok(Chain { commits, end: ChainEnd::Boundary }),
                Some(parent) => next = *parent,
            }
        }
    }

    /// Walks from `commit` to its ancestors in the window, but not beyond those for which `is_end` holds.
    fn walk(&self, commit: Oid, is_end: impl Fn(Oid) -> bool) -> Result<AncestorWalk> {
        let boundary: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut walk = AncestorWalk { seen: HashSet::new(), ends: HashSet::new(), is_cut: false };
        let mut pending = vec![commit];
        while let Some(commit) = pending.pop() {
            if is_end(commit) {
                walk.ends.insert(commit);
            } else if walk.seen.insert(commit) {
                if boundary.contains(&commit) {
                    walk.is_cut = true;
                } else {
                    pending.extend(self.cache.parents(commit)?.iter());
                }
            }
        }
        Ok(walk)
    }

    fn window(&self, depth: usize) -> FetchDepth {
        if depth > self.windows.deepest { FetchDepth::Everything } else { FetchDepth::Depth(depth) }
    }

    /// The fetch depths that probably reach `known` and not much more, in the order to try them. `FetchDepth::New` may
    /// fetch too much: if a merged branch began long ago, the server sends all history since then.
    ///
    /// In a linear history, a fetch since the date of `known` gets exactly the new commits. But the commits of a merged
    /// branch may be older than earlier merges, and then the server cuts the history off too early. So if `known` is a
    /// recent merge, the first window comes first.
    fn likely_depths(&self, known: Oid, tip: Oid) -> Result<Vec<FetchDepth>> {
        let since = raw_commit::created(self.cache.repository(), known)?;
        let is_later = !self.cache.has(tip) || raw_commit::created(self.cache.repository(), tip)? >= since;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = now.saturating_sub(Duration::from_secs(since.try_into().unwrap_or_default()));
        let is_near = age < RECENT && self.cache.parents(known)?.len() > 1;
        let near = is_near.then(|| self.window(self.windows.first));
        let by_date = (since > 0 && is_later).then_some(FetchDepth::Since(since));
        Ok(near.into_iter().chain(by_date).collect())
    }

    /// Fetches the tip to this depth; returns whether the server allowed it.
    async fn fetch_once(&self, depth: FetchDepth, tip: Oid) -> Result<bool> {
        let refspec = format!("+{tip}:{TIP}");
        // No retries: a server without commits of that date closes the connection, which looks like a transient error.
        // The fallback fetch reports any other error.
        let fetch = self.git.network_once("fetch");
        let is_fetched = self.fetch_by(fetch, &[&refspec], depth).await?.is_success();
        if is_fetched {
            self.repair_boundary()?;
        }
        Ok(is_fetched)
    }

    /// Makes git's `shallow` file consistent with the commits in the repository. After a fetch by date, the boundary
    /// may be wrong: a server that is itself a shallow clone treats its own boundary as the roots of the history, and a
    /// server may list a commit that it does not send, because it assumes that the client has it. Later fetches would
    /// then fail.
    fn repair_boundary(&self) -> Result<()> {
        let recorded: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut boundary: HashSet<Oid> = recorded.iter().copied().filter(|commit| self.cache.has(*commit)).collect();
        let mut seen = HashSet::new();
        let mut pending = self.cache.ends();
        while let Some(commit) = pending.pop() {
            if boundary.contains(&commit) || !seen.insert(commit) {
                continue;
            }
            let parents = self.cache.parents(commit)?;
            if parents.iter().all(|parent| self.cache.has(*parent)) {
                pending.extend(parents.iter());
            } else {
                boundary.insert(commit);
            }
        }
        if boundary == recorded { Ok(()) } else { self.cache.write_boundary(&boundary) }
    }

    /// Fetches the new commits of the branch: by the hash of its tip if it is known, which saves the request that
    /// resolves the branch name.
    async fn fetch_new(&self, server_tip: Option<Oid>) -> Result<()> {
        if let Some(tip) = server_tip {
            let finished = self.fetch(&[&format!("+{tip}:{TIP}")], FetchDepth::New).await?;
            if Refusal::of(&finished).is_none() {
                self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
                return Ok(());
            }
        }
        // The branch was rewritten in the meantime, or the server does not serve commits by hash.
        self.fetch_tip(FetchDepth::New).await
    }

    /// Fetches the tip of the branch to this depth.
    async fn fetch_tip(&self, depth: FetchDepth) -> Result<()> {
        let mut finished = self.fetch_followed(depth).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = self.fetch_followed(FetchDepth::New).await?;
        }
        self.git.explain(finished, self.source.branch.as_deref()).with_context(|| self.git.cannot("fetch"))?;
        Ok(())
    }

    /// Fetches the tip and `known` to this depth; returns whether the server served `known`.
    async fn deepen(&self, depth: FetchDepth, known: Option<Oid>) -> Result<bool> {
        if let Some(known) = known {
            let (tip, known) = (format!("+{}:{TIP}", self.name()), format!("+{known}:{KNOWN}"));
            let finished = self.fetch(&[&tip, &known], depth).await?;
            if Refusal::of(&finished).is_none() {
                self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
                return Ok(true);
            }
        }
        // The server no longer has `known`, which is in the cache from an earlier check.
        self.fetch_tip(depth).await?;
        Ok(false)
    }

    /// Fetches `known` and the tip with depth 1; returns the refusal if the server does not serve `known`.
    async fn fetch_ends(&self, known: Oid, server_tip: Option<Oid>) -> Result<Option<Refusal>> {
        let tip = server_tip.map_or_else(|| self.name(), |tip| tip.to_string());
        let (known, tip) = (format!("+{known}:{KNOWN}"), format!("+{tip}:{TIP}"));
        let mut finished = self.fetch(&[&known, &tip], FetchDepth::Depth(1)).await?;
        if matches!(Refusal::of(&finished), Some(Refusal::UnknownCommit | Refusal::UnknownRef)) {
            // Check whether `known` is missing: it may be the tip, if the branch was rewritten since the server listed
            // it.
            finished = self.fetch(&[&known], FetchDepth::Depth(1)).await?;
        }
        if let Some(refusal) = Refusal::of(&finished) {
            return Ok(Some(refusal));
        }
        self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
        Ok(None)
    }

    /// Fetches the followed ref by name: the branch, or the tag of that name if there is no such branch.
    async fn fetch_followed(&self, depth: FetchDepth) -> Result<Finished> {
        let fetch = async || self.fetch(&[&format!("+{}:{TIP}", self.name())], depth).await;
        let finished = fetch().await?;
        if self.source.branch.is_none() || Refusal::of(&finished) != Some(Refusal::UnknownRef) {
            return Ok(finished);
        }
        let was_tag = self.follows_tag.replace(!self.follows_tag.get());
        let other = fetch().await?;
        if Refusal::of(&other) == Some(Refusal::UnknownRef) {
            self.follows_tag.set(was_tag);
        }
        Ok(other)
    }

    /// The full name of the followed ref.
    fn name(&self) -> String {
        let kind = if self.follows_tag.get() { "tags" } else { "heads" };
        self.source.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/{kind}/{branch}"))
    }

    async fn fetch(&self, refspecs: &[&str], depth: FetchDepth) -> Result<Finished> {
        self.fetch_by(self.git.network("fetch"), refspecs, depth).await
    }

    async fn fetch_by(&self, command: Command, refspecs: &[&str], depth: FetchDepth) -> Result<Finished> {
        if !self.cache.missing(self.cache.boundary()?)?.is_empty() {
            self.repair_boundary()?;
        }
        // git refuses `--unshallow` for a complete history.
        let depth =
            if depth == FetchDepth::Everything && self.cache.boundary()?.is_empty() { FetchDepth::New } else { depth };
        let fetch = self.cache.fetch(command).arg("--force").args(depth.option()).arg("origin").args(refspecs);
        RepositoryCache::accepted(fetch.quiet().run().await?)
    }
}

impl VersionPosition {
    const UNKNOWN: Self = Self { chain: None, is_part_of_branch: false, is_certain: false };
}

impl FetchDepth {
    /// The option of `git fetch`.
    fn option(self) -> Option<String> {
        match self {
            Self::New => None,
            Self::Depth(depth) => Some(format!("--depth={depth}")),
            Self::Since(seconds) => Some(format!("--shallow-since=@{seconds} +0000")),
            Self::Everything => Some("--unshallow".to_owned()),
        }
    }
}

impl Chain {
    /// The commits that can be filtered. If this needs their parents, a commit at the shallow boundary is left out.
    fn certain(&self, needs_parent: bool) -> Option<&[Oid]> {
        match self.commits.split_last() {
            Some((_, before)) if needs_parent && self.end == ChainEnd::Boundary => Some(before),
            Some(_) => Some(&self.commits),
            None => None,
        }
    }
}
