//! check: lists the issues that reached the gate's status.

use std::collections::BTreeMap;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Result};
use jiff::{SignedDuration, Timestamp};

use crate::arrivals::Arrival;
use crate::client::Client;
use crate::memory::Memory;
use crate::responses::Issue;
use crate::search::{self, Pages};
use crate::source::{Gate, Source};
use crate::version::Version;

/// The largest number of pages of one check.
const MAX_PAGES: u32 = 20;

/// How far before the known version a check looks for issues that Jira's index did not show yet.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// Returns the versions from `version` on, in the order of their arrival.
///
/// Jira updates an issue when its status changes. So the search lists the issues in the status by the time of their
/// last update. It stops at the first issue that was last updated before the known version.
pub(crate) async fn check(context: &Context, source: &Source, version: Option<Version>) -> Result<Vec<Version>> {
    let (Some(jql), Some(gate)) = (source.gate_jql(), source.gate()) else {
        // Only puts create versions.
        return Ok(version.into_iter().collect());
    };
    let client = Client::new(context, source)?;
    let known = version.as_ref().and_then(Arrival::of_version);
    let account = source.email.as_deref().unwrap_or_default();
    let mut memory = Memory::open(context.temporary(), &[source.base(), account, &jql]);
    let mut found = MatchingIssues { client: &client, gate, memory: &memory, issues: Vec::new() };
    match &known {
        Some(known) => found.since(&jql, known.at - OVERLAP).await?,
        None => found.newest(&jql).await?,
    }
    let mut issues = found.issues;
    if issues.is_empty() {
        client.require_login().await?;
    }
    issues.sort_by_key(|(_, arrival)| arrival.order());
    let arrivals: Vec<Arrival> = issues.iter().map(|(_, arrival)| arrival.clone()).collect();
    let versions: Vec<Version> = match &known {
        None => arrivals.last().map(Arrival::version).into_iter().collect(),
        Some(known) => {
            // The known version comes first if its issue still has the status.
            let first = arrivals.iter().find(|arrival| *arrival == known).cloned();
            let new = memory.new_arrivals(known, &arrivals);
            first.into_iter().chain(new).map(|arrival| arrival.version()).collect()
        }
    };
    let remembered: Vec<(&Issue, Arrival)> = issues.iter().map(|(issue, arrival)| (issue, arrival.clone())).collect();
    memory.save(&versions, &remembered);
    client.finish();
    Ok(versions)
}

/// The issues of a search that are in the status, each with its arrival.
struct MatchingIssues<'f, 'c> {
    client: &'f Client<'c>,
    gate: Gate<'f>,
    memory: &'f Memory,
    issues: Vec<(Issue, Arrival)>,
}

impl MatchingIssues<'_, '_> {
    /// Finds the issues that were updated since a time.
    async fn since(&mut self, jql: &str, since: Timestamp) -> Result<()> {
        let mut pages = Pages::new(self.client, jql);
        let mut read = 0;
        while let Some(page) = pages.next().await? {
            read += 1;
            let is_end = page.iter().any(|issue| issue.updated.is_some_and(|updated| updated < since));
            let wanted = page.into_iter().filter(|issue| issue.updated.is_none_or(|updated| updated >= since));
            self.add(wanted.collect()).await?;
            if is_end {
                return Ok(());
            }
            if read == MAX_PAGES {
                return Err(anyhow!(
                    "more than {MAX_PAGES} pages of issues in the status were updated since the last version"
                )
                .hint("narrow `jql` to the issues of the gate"));
            }
        }
        Ok(())
    }

    /// Finds the newest arrival: no issue arrived after its last update.
    async fn newest(&mut self, jql: &str) -> Result<()> {
        let mut pages = Pages::new(self.client, jql);
        let mut read = 0;
        while let Some(page) = pages.next().await? {
            read += 1;
            let last_update = page.last().and_then(|issue| issue.updated);
            self.add(page).await?;
            let newest = self.issues.iter().map(|(_, arrival)| arrival.at).max();
            if newest.is_some() && (newest >= last_update || read == MAX_PAGES) {
                return Ok(());
            }
            if read == MAX_PAGES {
                return Err(anyhow!("the issues on {MAX_PAGES} pages have all left the status"));
            }
        }
        Ok(())
    }

    /// Adds issues with their arrivals. The search index lags, so an issue may have left the status.
    async fn add(&mut self, page: Vec<Issue>) -> Result<()> {
        let (console, gate) = (self.client.console(), self.gate);
        let is_there = |issue: &Issue| match gate {
            Gate::Names(_) => gate.has_name(&issue.status.name),
            Gate::Category(category) => issue.status.category.is_empty() || issue.status.category == category.key(),
        };
        let mut unknown = Vec::new();
        for issue in page {
            // An update during the search moves an issue to a page that was read before.
            if self.issues.iter().any(|(known, _)| known.key == issue.key) {
                continue;
            }
            if !is_there(&issue) {
                console.step(format_args!("{} has the status `{}` and is ignored", issue.key, issue.status.name));
                continue;
            }
            match self.memory.arrival(&issue) {
                Some(arrival) => self.issues.push((issue, arrival)),
                None => unknown.push(issue),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let wanted: Vec<&Issue> = unknown.iter().collect();
        let mut moves: BTreeMap<_, _> = search::moves_of(self.client, &wanted).await?;
        for issue in unknown {
            let moves = moves.remove(&issue.key).unwrap_or_default();
            match Arrival::latest(&issue, &moves) {
                Some(arrival) => self.issues.push((issue, arrival)),
                None => console.step(format_args!("{} has left `{}`", issue.key, issue.status.name)),
            }
        }
        Ok(())
    }
}
