//! check: lists the pull requests with new head commits.

use std::cmp::Reverse;

use jetway::{Context, Result};
use jetway_github::{GitHub, with_api};
use jiff::{SignedDuration, Timestamp};

use crate::changed_files::{self, PathFilter};
use crate::gitea;
use crate::listing::{GivenVersion, Head, Listing};
use crate::memory::{Memory, Past};
use crate::source::{Source, State};
use crate::version::Version;

/// A head may be new if its last update is at most this much older than the version's time, because the clocks of committers
/// differ and servers show changes with a delay.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// How many pull requests are asked for their files at a time, if only the first that matches is needed.
const BATCH: usize = 25;

/// Returns the given version, if its commit is still the head, and the new heads in the order of their last update; if there are
/// none, one head that may be new.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    let github = source.github_for_check(context)?;
    let versions = with_api(&github, async || versions(&github, source, version.as_ref()).await).await?;
    github.finish_check();
    Ok(versions)
}

async fn versions(github: &GitHub<'_>, source: &Source, given: Option<&Version>) -> Result<Vec<Version>> {
    let mut memory = Memory::open(github.context().temporary(), &source.identity());
    let past = memory.begin(given);
    let until = memory.seen_until().or_else(|| earliest_of_interest(source, given));
    let listing = if github.is_gitea() {
        gitea::listing(github, source, given, until).await?
    } else {
        Listing::read(github, source, given, until).await?
    };
    let is_given = |head: &Head| given.is_some_and(|given| head.is_of(given));
    let accepted = listing.heads.iter().filter(|head| source.accepts(head));
    let mut unknown: Vec<Head> = accepted.filter(|head| !is_given(head) && !memory.knows(head)).cloned().collect();
    if github.is_gitea() {
        let newest = listing.heads.iter().map(|head| head.updated).max();
        unknown = gitea::approved(github, source, &mut memory, unknown, newest).await?;
    }
    let (mut new, mut doubtful) = match (given, past) {
        (None, Past::Unknown) => {
            let newest = first(github, source, &mut memory, unknown).await?;
            (newest.into_iter().collect(), Vec::new())
        }
        (_, Past::Continuous) => {
            let (doubtful, new): (Vec<Head>, Vec<Head>) = unknown.into_iter().partition(|head| memory.doubts(head));
            (selected(github, source, &mut memory, new).await?, doubtful)
        }
        (Some(given), Past::Unknown) => {
            let since = since(given, listing.given.as_ref());
            let (doubtful, old): (Vec<Head>, Vec<Head>) =
                unknown.into_iter().partition(|head| since.is_none_or(|since| head.updated >= since));
            memory.know(&old);
            memory.doubt(&doubtful);
            (Vec::new(), doubtful)
        }
    };
    new.sort_by_key(|head| (head.updated, head.number));
    if new.is_empty() {
        // The latest update first, since it is the likeliest to be a push.
        doubtful.sort_by_key(|head| Reverse((head.updated, head.number)));
        new.extend(first_selected(github, source, &mut memory, &doubtful).await?);
    }
    let new: Vec<Version> = new.iter().map(Head::version).collect();
    memory.save(&listing.heads, &new);
    let before = given.filter(|_| listing.given.is_some_and(|given| given.is_head)).cloned();
    Ok(before.into_iter().chain(new).collect())
}

/// Returns the newest commit as the first version, and remembers that all other heads are not new.
async fn first(
    github: &GitHub<'_>,
    source: &Source,
    memory: &mut Memory,
    mut heads: Vec<Head>,
) -> Result<Option<Head>> {
    // Gitea's list has no times of commits.
    heads.sort_by_key(|head| Reverse((time(&head.committed).unwrap_or(head.updated), head.number)));
    let newest = first_selected(github, source, memory, &heads).await?;
    memory.know(heads.iter().filter(|head| newest.as_ref().is_none_or(|newest| newest.number != head.number)));
    Ok(newest)
}

/// Returns the first of the heads whose changed files pass the filters.
async fn first_selected(
    github: &GitHub<'_>,
    source: &Source,
    memory: &mut Memory,
    heads: &[Head],
) -> Result<Option<Head>> {
    // Each head takes requests of its own on Gitea, and one query takes all on GitHub.
    for batch in heads.chunks(if github.is_gitea() { 1 } else { BATCH }) {
        if let Some(found) = selected(github, source, memory, batch.to_vec()).await?.into_iter().next() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Keeps the heads whose commits and changed files pass the filters, and remembers that the others are not new.
async fn selected(github: &GitHub<'_>, source: &Source, memory: &mut Memory, heads: Vec<Head>) -> Result<Vec<Head>> {
    let heads = if github.is_gitea() { gitea::with_commits(github, source, memory, heads).await? } else { heads };
    let Some(filter) = PathFilter::of(source).filter(|_| !heads.is_empty()) else { return Ok(heads) };
    let numbers: Vec<u64> = heads.iter().map(|head| head.number).collect();
    let files = changed_files::of_all(github, source, &numbers).await?;
    let (new, others): (Vec<Head>, Vec<Head>) =
        heads.into_iter().partition(|head| files.get(&head.number).is_some_and(|files| filter.accepts(files)));
    memory.know(&others);
    Ok(new)
}

/// The time before which no head is new, because the given version's commit became a head later. `None` if it is not known.
fn since(given: &Version, known: Option<&GivenVersion>) -> Option<Timestamp> {
    // The clock of the committer may be wrong by years.
    let committed = time(&given.committed).filter(|committed| *committed <= Timestamp::now());
    let since = committed.into_iter().chain(known.map(|known| known.since)).max()?;
    since.checked_sub(MARGIN).ok()
}

/// How far back a check without a memory reads the list. `None` if only open pull requests are listed: it reads all of them, to
/// remember them.
fn earliest_of_interest(source: &Source, given: Option<&Version>) -> Option<Timestamp> {
    if source.states().iter().all(|state| *state == State::Open) {
        return None;
    }
    match given {
        Some(given) => since(given, None),
        // The first page suffices, because it has the newest pull requests.
        None => Some(Timestamp::MAX),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
