//! check: lists the pull requests with new head commits.

use std::cmp::Reverse;

use jetway::{Context, Result};
use jetway_github::{GitHub, with_api};
use jiff::{SignedDuration, Timestamp};

use crate::changed_files::{self, PathFilter};
use crate::listing::{Given, Head, Listing};
use crate::memory::{Memory, Past};
use crate::source::{Source, State};
use crate::version::Version;

/// How much earlier than a version's time a head may be new: clocks of committers differ, and servers show changes late.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// How many pull requests a first check asks for their files at a time.
const FIRST_BATCH: usize = 25;

/// Returns the given version, if its commit is still the head, and the new heads in the order of their last update; if there are none,
/// one head that may be new.
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
    let listing = Listing::read(github, source, given, until).await?;
    let is_given = |head: &Head| given.is_some_and(|given| head.is_of(given));
    let accepted = listing.heads.iter().filter(|head| source.accepts(head));
    let unknown: Vec<&Head> = accepted.filter(|head| !is_given(head) && !memory.knows(head)).collect();
    let (new, doubtful) = match (given, past) {
        (None, Past::Unknown) => {
            let newest = first(github, source, &mut memory, unknown).await?;
            (newest.into_iter().collect(), Vec::new())
        }
        (_, Past::Continuous) => unknown.into_iter().partition(|head| !memory.doubts(head)),
        (Some(given), Past::Unknown) => {
            let since = since(given, listing.given.as_ref());
            let (doubtful, old): (Vec<&Head>, Vec<&Head>) =
                unknown.into_iter().partition(|head| since.is_none_or(|since| head.updated >= since));
            memory.know(old);
            memory.doubt(&doubtful);
            (Vec::new(), doubtful)
        }
    };
    let mut new = with_paths(github, source, &mut memory, new).await?;
    new.sort_by_key(|head| (head.updated, head.number));
    if new.is_empty() {
        // The latest update first, since it is the likeliest to be a push.
        let doubtful = with_paths(github, source, &mut memory, doubtful).await?;
        new.extend(doubtful.into_iter().max_by_key(|head| (head.updated, head.number)));
    }
    let new: Vec<Version> = new.into_iter().map(Head::version).collect();
    memory.save(&listing.heads, &new);
    let before = given.filter(|_| listing.given.is_some_and(|given| given.is_head)).cloned();
    Ok(before.into_iter().chain(new).collect())
}

/// The first version is the newest commit alone. All other heads were there before.
async fn first<'h>(
    github: &GitHub<'_>,
    source: &Source,
    memory: &mut Memory,
    mut heads: Vec<&'h Head>,
) -> Result<Option<&'h Head>> {
    heads.sort_by_key(|head| Reverse((time(&head.committed), head.number)));
    let mut newest = None;
    for batch in heads.chunks(FIRST_BATCH) {
        newest = with_paths(github, source, memory, batch.to_vec()).await?.into_iter().next();
        if newest.is_some() {
            break;
        }
    }
    memory.know(heads.into_iter().filter(|head| newest.is_none_or(|newest| newest.number != head.number)));
    Ok(newest)
}

/// The heads that change files which count. The others are not new later either.
async fn with_paths<'h>(
    github: &GitHub<'_>,
    source: &Source,
    memory: &mut Memory,
    heads: Vec<&'h Head>,
) -> Result<Vec<&'h Head>> {
    let Some(filter) = PathFilter::of(source).filter(|_| !heads.is_empty()) else { return Ok(heads) };
    let numbers: Vec<u64> = heads.iter().map(|head| head.number).collect();
    let files = changed_files::of_all(github, source, &numbers).await?;
    let (new, others): (Vec<&Head>, Vec<&Head>) =
        heads.into_iter().partition(|head| files.get(&head.number).is_some_and(|files| filter.accepts(files)));
    memory.know(others);
    Ok(new)
}

/// The time before which no head is new: the given version's commit became a head later. `None` if that is not known.
fn since(given: &Version, known: Option<&Given>) -> Option<Timestamp> {
    // The clock of the committer may be wrong by years.
    let committed = time(&given.committed).filter(|committed| *committed <= Timestamp::now());
    let since = committed.into_iter().chain(known.map(|known| known.since)).max()?;
    since.checked_sub(MARGIN).ok()
}

/// The time back to which a check without a memory reads the list. Of open pull requests it reads all, to remember them.
fn earliest_of_interest(source: &Source, given: Option<&Version>) -> Option<Timestamp> {
    if source.states().iter().all(|state| *state == State::Open) {
        return None;
    }
    match given {
        Some(given) => since(given, None),
        // One page, which has the newest.
        None => Some(Timestamp::MAX),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
