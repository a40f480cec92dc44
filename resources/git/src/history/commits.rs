//! Which commits of a branch are versions, from as little history as answers that exactly.
//!
//! Versions are the commits of the branch's first-parent chain: what was committed or merged to it. The repository that
//! they are read from is a window on the branch's history: shallow, without files, and often without trees. An answer is
//! given only when nothing beyond the window's edge could change it; else the window is opened further.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use git2::{ObjectFormat, Oid};
use jetway::{Command, Finished, Result};

use crate::history::cache::{Content, KNOWN, RepositoryCache, TIP};
use crate::history::message_filter::MessageFilter;
use crate::object_id::object_id;
use crate::raw_commit::{self, RawCommit};
use crate::source::Source;
use crate::transport::git::Git;
use crate::transport::refusal::Refusal;

/// A time in which most branches get no more commits than the first window has.
const RECENT: Duration = Duration::from_hours(72);

/// How far windows reach, in generations.
#[derive(Debug, Clone, Copy)]
struct Windows {
    /// The first one when commits are chosen by path, or when the known version is looked for.
    first: usize,
    /// By how much one that was too small grows.
    growth: usize,
    /// From this depth on the whole history is fetched: each window counts its commits anew on the server.
    deepest: usize,
}

/// Most branches have a match in the first window, and it costs one round trip.
const WINDOWS: Windows = Windows { first: 50, growth: 8, deepest: 20_000 };

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
    /// What has this date, in seconds since 1970, or a later one.
    Since(i64),
    /// All that was cut off before.
    Everything,
}

/// The history of the followed branch, as far as it was fetched.
pub(crate) struct History<'g> {
    git: &'g Git<'g>,
    source: &'g Source,
    /// Whether `branch` turned out to be a tag, which `git clone --branch` takes, too.
    follows_tag: Cell<bool>,
    pathspecs: Vec<String>,
    messages: MessageFilter,
    windows: Windows,
    cache: RepositoryCache,
}

/// A part of the first-parent chain, newest first.
struct Chain {
    commits: Vec<Oid>,
    end: End,
}

/// Where a version stands to the branch.
struct Place {
    /// The chain from the tip down to it, or to where its history and the branch's part; none when they do not meet.
    chain: Option<Chain>,
    /// Whether the branch leads to it.
    is_part_of_branch: bool,
    /// Whether nothing that is beyond the window's edge could change that.
    is_certain: bool,
}

/// Commits that one leads to.
struct Walk {
    /// All of them that were gone past.
    seen: HashSet<Oid>,
    /// Those at which the walk ended.
    ends: HashSet<Oid>,
    /// Whether the window's edge ended it somewhere.
    is_cut: bool,
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
    /// Opens what earlier checks left. `format` is that of the server, where it is known.
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

    /// The newest commits that make versions when `known` is `None`, else those that are newer than it. `server_tip` is
    /// the branch's tip, when the server was asked for it before.
    pub(crate) async fn search(&mut self, known: Option<Oid>, server_tip: Option<Oid>) -> Result<Found> {
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

    /// The commit whose hash begins like this. Servers give out nothing by the beginning of a hash, so it is looked for in
    /// the whole history.
    pub(crate) async fn resolve(&self, beginning: &str) -> Result<Option<Oid>> {
        if let Some(commit) = raw_commit::by_prefix(self.cache.repository(), beginning)? {
            return Ok(Some(commit));
        }
        self.git.context().console().step(format_args!("looking for `{beginning}` in the whole history"));
        self.fetch_tip(Reach::Everything).await?;
        raw_commit::by_prefix(self.cache.repository(), beginning)
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
        let first = if self.pathspecs.is_empty() { wanted } else { wanted.max(self.windows.first) };
        // Of a shallow history `New` would bring all that is below a merged branch's beginning.
        let is_whole = self.cache.tip().is_ok() && self.cache.boundary()?.is_empty();
        let mut reach = if is_whole { Reach::New } else { self.window(first) };
        let mut window = first;
        let mut edge = None;
        loop {
            self.fetch_tip(reach).await?;
            let chain = self.chain(self.cache.tip()?, |_| false)?;
            let commits = self.chosen(&chain, wanted).await?;
            // A server that is a shallow clone itself has no more to give.
            let is_stuck = self.is_unmoved(&mut edge)?;
            if commits.len() >= wanted || chain.end == End::Root || reach == Reach::Everything || is_stuck {
                return Ok(Found { known_is_there: false, commits });
            }
            window = chain.commits.len().max(window).saturating_mul(self.windows.growth);
            reach = self.window(window);
        }
    }

    /// Whether the window has the same edge as at the last call, so that the fetch between the two brought nothing.
    fn is_unmoved(&self, last: &mut Option<(Oid, Vec<Oid>)>) -> Result<bool> {
        let mut boundary = self.cache.boundary()?;
        boundary.sort();
        let edge = Some((self.cache.tip()?, boundary));
        let is_unmoved = *last == edge;
        *last = edge;
        Ok(is_unmoved)
    }

    /// The commits that make versions and are newer than `known`.
    async fn newer_than(&self, known: Oid, server_tip: Option<Oid>) -> Result<Found> {
        let mut is_given_by_hash = true;
        if !self.cache.has(known) {
            match self.fetch_ends(known, server_tip).await? {
                None => {}
                Some(Refusal::UnknownCommit | Refusal::UnknownRef) => {
                    return self.begin_again(known, "is gone from the server").await;
                }
                // It may still be part of the branch.
                Some(_) => is_given_by_hash = false,
            }
        }
        let mut is_current = server_tip.is_some() && self.cache.tip().ok() == server_tip;
        if !is_current && self.cache.tip().is_ok() && self.cache.boundary()?.is_empty() {
            self.fetch_new(server_tip).await?;
            is_current = true;
        }
        let mut place = if is_current { self.place_of(known)? } else { Place::UNKNOWN };
        let mut windows =
            std::iter::successors(Some(self.windows.first), |window| window.checked_mul(self.windows.growth));
        if !place.is_certain
            && let Some(tip) = server_tip.filter(|_| self.cache.has(known))
        {
            for reach in self.likely_reaches(known, tip)? {
                if !place.is_certain && self.fetch_once(reach, tip).await? {
                    is_current = true;
                    place = self.place_of(known)?;
                    if reach == self.window(self.windows.first) {
                        windows.next();
                    }
                }
            }
        }
        let mut edge = None;
        while !place.is_certain {
            // A whole history has no more to tell.
            if is_current && self.cache.boundary()?.is_empty() {
                break;
            }
            let reach = windows.next().map_or(Reach::Everything, |window| self.window(window));
            let (console, how) = (self.git.context().console(), reach.option().unwrap_or_default());
            console.step(format_args!("looking for version `{known}` further back (git fetch {how})"));
            is_given_by_hash = self.deepen(reach, Some(known).filter(|_| is_given_by_hash)).await?;
            is_current = true;
            place = self.place_of(known)?;
            if reach == Reach::Everything || self.is_unmoved(&mut edge)? {
                break;
            }
        }
        let Place { chain, is_part_of_branch, .. } = place;
        let Some(chain) = chain else {
            let is_here = self.cache.has(known);
            let why = if is_here { "has no history in common with the branch" } else { "is gone from the server" };
            return self.begin_again(known, why).await;
        };
        if !is_part_of_branch {
            let console = self.git.context().console();
            console.warn(format_args!(
                "version `{known}` is no longer on the branch; continuing from the last common commit"
            ));
        }
        Ok(Found { known_is_there: is_part_of_branch, commits: self.chosen(&chain, usize::MAX).await? })
    }

    /// Where the new commits begin: at `known`, when it is on the branch itself, else where its history and the branch's
    /// part, since it was merged from the side or the branch was moved.
    fn place_of(&self, known: Oid) -> Result<Place> {
        let (Ok(tip), true) = (self.cache.tip(), self.cache.has(known)) else { return Ok(Place::UNKNOWN) };
        let chain = self.chain(tip, |commit| commit == known)?;
        if chain.end == End::Reached(known) {
            return Ok(Place { chain: Some(chain), is_part_of_branch: true, is_certain: true });
        }
        // No commit of the chain is before one that is further down. So of those that `known` leads to, the uppermost is the
        // one where the histories part, and nothing below the others needs to be looked at.
        let places: HashMap<Oid, usize> = chain.commits.iter().copied().zip(0..).collect();
        let back = self.walk(known, |commit| places.contains_key(&commit))?;
        let uppermost = back.ends.iter().filter_map(|commit| Some((*places.get(commit)?, *commit))).min();
        let Some((position, parting)) = uppermost else {
            // The histories may still meet beside the chain: in a history that was merged to the branch and has a beginning of its
            // own. Then all of the chain is new to whoever knows only `known`.
            let is_whole = !back.is_cut && chain.end == End::Root;
            let down = self.walk(tip, |commit| back.seen.contains(&commit))?;
            let is_part_of_branch = down.ends.contains(&known);
            return Ok(Place {
                chain: Some(chain).filter(|_| !down.ends.is_empty()),
                is_part_of_branch,
                is_certain: is_whole && (is_part_of_branch || !down.is_cut),
            });
        };
        let before = |commit| {
            let is_before_known = back.seen.contains(&commit) && commit != known;
            is_before_known || places.get(&commit).is_some_and(|place| *place >= position)
        };
        let down = self.walk(tip, before)?;
        let is_part_of_branch = down.seen.contains(&known);
        let commits = chain.commits.get(..position).unwrap_or_default().to_vec();
        Ok(Place {
            chain: Some(Chain { commits, end: End::Reached(parting) }),
            is_part_of_branch,
            is_certain: (position == 0 || !back.is_cut) && (is_part_of_branch || !down.is_cut),
        })
    }

    /// Takes the newest commits instead of those after a version that cannot be found any more.
    async fn begin_again(&self, known: Oid, why: &str) -> Result<Found> {
        let console = self.git.context().console();
        console.warn(format_args!("version `{known}` {why}; continuing from the newest commit"));
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
        let command = self.cache.local(self.git.command("rev-list"));
        let mut command = command.args(["--first-parent", &newest.to_string()]).quiet();
        if let End::Reached(end) = chain.end {
            command = command.arg(format!("^{end}"));
        }
        let finished = command.arg("--").args(&self.pathspecs).run().await?.success();
        let finished = finished.context("cannot choose commits by `paths` and `ignore_paths`")?;
        let of_chain: HashSet<&Oid> = certain.iter().collect();
        let matching = finished.text().lines().filter_map(|line| object_id(line).ok()).collect::<Vec<_>>();
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

    /// Walks from `commit` to all commits before it that are in the window, but not past those for which `is_end` holds.
    fn walk(&self, commit: Oid, is_end: impl Fn(Oid) -> bool) -> Result<Walk> {
        let boundary: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut walk = Walk { seen: HashSet::new(), ends: HashSet::new(), is_cut: false };
        let mut pending = vec![commit];
        while let Some(commit) = pending.pop() {
            if is_end(commit) {
                walk.ends.insert(commit);
            } else if walk.seen.insert(commit) {
                if boundary.contains(&commit) {
                    walk.is_cut = true;
                } else {
                    pending.extend(self.parents(commit)?);
                }
            }
        }
        Ok(walk)
    }

    /// A commit's parents as the commit itself names them: libgit2 hides those that a shallow repository lacks.
    fn parents(&self, commit: Oid) -> Result<Vec<Oid>> {
        raw_commit::parents(self.cache.repository(), commit)
    }

    fn window(&self, depth: usize) -> Reach {
        if depth > self.windows.deepest { Reach::Everything } else { Reach::Depth(depth) }
    }

    /// What probably reaches down to `known` and not much further, to be asked for one after the other: a branch that was
    /// merged may begin far below, and a server sends all of that, too, when it is asked for what is new.
    ///
    /// What has the date of `known` or a later one is just that where commits follow each other. Where branches are merged,
    /// their commits may be older than what was merged before them, and a server cuts history off at such a merge. So after
    /// a merge that is not long ago the first window is asked for.
    fn likely_reaches(&self, known: Oid, tip: Oid) -> Result<Vec<Reach>> {
        let since = raw_commit::created(self.cache.repository(), known)?;
        let is_later = !self.cache.has(tip) || raw_commit::created(self.cache.repository(), tip)? >= since;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = now.saturating_sub(Duration::from_secs(since.try_into().unwrap_or_default()));
        let is_near = age < RECENT && self.parents(known)?.len() > 1;
        let near = is_near.then(|| self.window(self.windows.first));
        let by_date = (since > 0 && is_later).then_some(Reach::Since(since));
        Ok(near.into_iter().chain(by_date).collect())
    }

    /// Fetches the branch's tip with so much of its history, if the server does that; returns whether it did.
    async fn fetch_once(&self, reach: Reach, tip: Oid) -> Result<bool> {
        let refspec = format!("+{tip}:{TIP}");
        // A server that has nothing of such a date cuts the connection without a word, which is no trouble that passes. What
        // else may be wrong is found by the fetch that comes instead.
        let fetch = self.git.network_once("fetch");
        let is_fetched = self.fetch_by(fetch, &[&refspec], reach).await?.is_success();
        if is_fetched {
            self.mend_boundary()?;
        }
        Ok(is_fetched)
    }

    /// Makes git's list of the commits where history is cut off agree with the commits that are here. A server may send a list
    /// that does not. A shallow clone takes its own edge for the beginning of history when it is asked by date, and a server
    /// may name a commit that it does not send, because it believes that it is here. git fails on both in a later fetch.
    fn mend_boundary(&self) -> Result<()> {
        let told: HashSet<Oid> = self.cache.boundary()?.into_iter().collect();
        let mut boundary: HashSet<Oid> = told.iter().copied().filter(|commit| self.cache.has(*commit)).collect();
        let mut seen = HashSet::new();
        let mut pending = self.cache.ends();
        while let Some(commit) = pending.pop() {
            if boundary.contains(&commit) || !seen.insert(commit) {
                continue;
            }
            let parents = self.parents(commit)?;
            if parents.iter().all(|parent| self.cache.has(*parent)) {
                pending.extend(parents);
            } else {
                boundary.insert(commit);
            }
        }
        if boundary == told { Ok(()) } else { self.cache.write_boundary(&boundary) }
    }

    /// Fetches what is new on the branch: by the hash of its tip, where that is known, so that the server need not be asked
    /// once more what the branch's name stands for.
    async fn fetch_new(&self, server_tip: Option<Oid>) -> Result<()> {
        if let Some(tip) = server_tip {
            let finished = self.fetch(&[&format!("+{tip}:{TIP}")], Reach::New).await?;
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
        let mut finished = self.fetch_followed(reach).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = self.fetch_followed(Reach::New).await?;
        }
        self.git.explain(finished, self.source.branch.as_deref()).with_context(|| self.git.cannot("fetch"))?;
        Ok(())
    }

    /// Fetches the branch's tip and `known` with so much of their histories; returns whether the server gave `known` out.
    async fn deepen(&self, reach: Reach, known: Option<Oid>) -> Result<bool> {
        if let Some(known) = known {
            let (tip, known) = (format!("+{}:{TIP}", self.name()), format!("+{known}:{KNOWN}"));
            let finished = self.fetch(&[&tip, &known], reach).await?;
            if Refusal::of(&finished).is_none() {
                self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
                return Ok(true);
            }
        }
        // It is here from an earlier check, and gone from the server by now.
        self.fetch_tip(reach).await?;
        Ok(false)
    }

    /// Fetches `known` and the branch's tip and nothing that is before them, or tells why the server does not give `known`
    /// out.
    async fn fetch_ends(&self, known: Oid, server_tip: Option<Oid>) -> Result<Option<Refusal>> {
        let tip = server_tip.map_or_else(|| self.name(), |tip| tip.to_string());
        let (known, tip) = (format!("+{known}:{KNOWN}"), format!("+{tip}:{TIP}"));
        let mut finished = self.fetch(&[&known, &tip], Reach::Depth(1)).await?;
        if matches!(Refusal::of(&finished), Some(Refusal::UnknownCommit | Refusal::UnknownRef)) {
            // Which of them is gone? The branch may have been moved since its tip was asked for.
            finished = self.fetch(&[&known], Reach::Depth(1)).await?;
        }
        if let Some(refusal) = Refusal::of(&finished) {
            return Ok(Some(refusal));
        }
        self.git.explain(finished, None).with_context(|| self.git.cannot("fetch"))?;
        Ok(None)
    }

    /// Fetches the followed ref by its name: the branch, or else the tag of that name.
    async fn fetch_followed(&self, reach: Reach) -> Result<Finished> {
        let fetch = async || self.fetch(&[&format!("+{}:{TIP}", self.name())], reach).await;
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

    /// What the server calls the branch.
    fn name(&self) -> String {
        let kind = if self.follows_tag.get() { "tags" } else { "heads" };
        self.source.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/{kind}/{branch}"))
    }

    async fn fetch(&self, refspecs: &[&str], reach: Reach) -> Result<Finished> {
        self.fetch_by(self.git.network("fetch"), refspecs, reach).await
    }

    async fn fetch_by(&self, command: Command, refspecs: &[&str], reach: Reach) -> Result<Finished> {
        if !self.cache.missing(self.cache.boundary()?)?.is_empty() {
            self.mend_boundary()?;
        }
        // git refuses to complete a history that is complete.
        let reach = if reach == Reach::Everything && self.cache.boundary()?.is_empty() { Reach::New } else { reach };
        let fetch = self.cache.fetch(command).arg("--force").args(reach.option()).arg("origin").args(refspecs);
        RepositoryCache::accepted(fetch.quiet().run().await?)
    }
}

impl Place {
    const UNKNOWN: Self = Self { chain: None, is_part_of_branch: false, is_certain: false };
}

impl Reach {
    /// The option of `git fetch` for it.
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
    /// The commits of which everything can be told: all, or all but the one at the edge of the window.
    fn certain(&self, needs_parent: bool) -> Option<&[Oid]> {
        match self.commits.split_last() {
            Some((_, before)) if needs_parent && self.end == End::Boundary => Some(before),
            Some(_) => Some(&self.commits),
            None => None,
        }
    }
}
