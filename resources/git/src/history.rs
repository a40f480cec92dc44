//! Which commits of a branch are versions, from as little history as answers that exactly.
//!
//! Versions are the commits of the branch's first-parent chain: what was committed or merged to it. The repository that
//! they are read from is a window on the branch's history: shallow, without files, and often without trees. An answer is
//! given only when nothing beyond the window's edge could change it; else the window is opened further.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use git2::Oid;
use jetway::{Command, Finished, Interrupted, Result, Silent};

use crate::commit_filter::MessageFilter;
use crate::git::{FromServer, Git, Refusal};
use crate::raw_commit::{self, RawCommit};
use crate::repository_cache::{Content, RepositoryCache, TIP};
use crate::source::Source;

/// The first window when commits are chosen by path: most branches have a match in it, and it costs one round trip.
const FIRST_WINDOW: usize = 50;

/// A time in which most branches get no more commits than the first window has.
const RECENT: Duration = Duration::from_hours(72);

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
    /// What has this date, in seconds since 1970, or a later one.
    Since(i64),
    /// All that was cut off before.
    Everything,
}

/// The ref that fetches write the known version to.
const KNOWN: &str = "refs/jetway/known";

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
        let first = if self.pathspecs.is_empty() { wanted } else { wanted.max(FIRST_WINDOW) };
        // Of a shallow history `New` would bring all that is below a merged branch's beginning.
        let is_whole = self.cache.tip().is_ok() && self.cache.boundary()?.is_empty();
        let mut reach = if is_whole { Reach::New } else { Self::window(first) };
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
        let mut is_given_by_hash = true;
        if !self.cache.has(known) {
            match self.fetch_ends(known, server_tip).await? {
                None => {}
                // It may still be part of the branch.
                Some(Refusal::UnadvertisedCommit | Refusal::CannotShallow) => is_given_by_hash = false,
                Some(Refusal::UnknownCommit | Refusal::UnknownRef) => {
                    return self.begin_again(known, "is gone from the server").await;
                }
            }
        }
        let mut is_current = server_tip.is_some() && self.cache.tip().ok() == server_tip;
        if !is_current && self.cache.tip().is_ok() && self.cache.boundary()?.is_empty() {
            self.fetch_new(server_tip).await?;
            is_current = true;
        }
        let mut place = if is_current { self.place_of(known)? } else { Place::UNKNOWN };
        let mut windows = std::iter::successors(Some(FIRST_WINDOW), |window| window.checked_mul(GROWTH));
        if !place.is_certain
            && let Some(tip) = server_tip.filter(|_| self.cache.has(known))
        {
            for reach in self.likely_reaches(known, tip)? {
                if !place.is_certain && self.fetch_once(reach, tip).await? {
                    is_current = true;
                    place = self.place_of(known)?;
                    if reach == Self::window(FIRST_WINDOW) {
                        windows.next();
                    }
                }
            }
        }
        while !place.is_certain {
            // A whole history has no more to tell.
            if is_current && self.cache.boundary()?.is_empty() {
                break;
            }
            let reach = windows.next().map_or(Reach::Everything, Self::window);
            let (console, how) = (self.git.context().console(), reach.option().unwrap_or_default());
            console.step(format_args!("looking for version `{known}` further back (git fetch {how})"));
            is_given_by_hash = self.deepen(reach, Some(known).filter(|_| is_given_by_hash)).await?;
            is_current = true;
            place = self.place_of(known)?;
            if reach == Reach::Everything {
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
                "version `{known}` is no longer part of the branch; going on from where the branch was moved"
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
            return Ok(Place { is_certain: !back.is_cut && chain.end == End::Root, ..Place::UNKNOWN });
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

    fn window(depth: usize) -> Reach {
        if depth > DEEPEST_WINDOW { Reach::Everything } else { Reach::Depth(depth) }
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
        let near = is_near.then(|| Self::window(FIRST_WINDOW));
        let by_date = (since > 0 && is_later).then_some(Reach::Since(since));
        Ok(near.into_iter().chain(by_date).collect())
    }

    /// Fetches the branch's tip with so much of its history, if the server does that; returns whether it did.
    async fn fetch_once(&self, reach: Reach, tip: Oid) -> Result<bool> {
        let refspec = format!("+{tip}:{TIP}");
        // A server that has nothing of such a date cuts the connection without a word, which is no trouble that passes. What
        // else may be wrong is found by the fetch that comes instead.
        let fetch = self.git.network_once("fetch");
        Ok(self.fetch_by(fetch, &[&refspec], reach).await?.is_success())
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
        let refspec = format!("+{}:{TIP}", self.name());
        let mut finished = self.fetch(&[&refspec], reach).await?;
        if Refusal::of(&finished) == Some(Refusal::CannotShallow) {
            finished = self.fetch(&[&refspec], Reach::New).await?;
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

    /// What the server calls the branch.
    fn name(&self) -> String {
        self.source.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"))
    }

    async fn fetch(&self, refspecs: &[&str], reach: Reach) -> Result<Finished> {
        self.fetch_by(self.git.network("fetch"), refspecs, reach).await
    }

    async fn fetch_by(&self, command: Command, refspecs: &[&str], reach: Reach) -> Result<Finished> {
        let content = if self.pathspecs.is_empty() { Content::Commits } else { Content::Trees };
        // git refuses to complete a history that is complete.
        let reach = if reach == Reach::Everything && self.cache.boundary()?.is_empty() { Reach::New } else { reach };
        command
            .directory(self.cache.path())
            .args(["--progress", "--no-tags", "--no-write-fetch-head", "--force"])
            .arg(format!("--filter={}", content.filter()))
            .args(reach.option())
            .arg("origin")
            .args(refspecs)
            .quiet()
            .run()
            .await
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

/// Whether a fresh repository could do better: not when the server is the reason, or its silence, or when the verb is being
/// ended.
pub(crate) fn is_worth_another_try(error: &jetway::Error) -> bool {
    let is_from_server = error.chain().any(<dyn std::error::Error>::is::<FromServer>);
    !is_from_server && !Silent::caused(error) && !Interrupted::caused(error)
}
