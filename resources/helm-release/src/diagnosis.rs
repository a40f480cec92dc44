//! What a person would look at when a release does not come up: status, history, pods, jobs, warnings and logs, read from
//! the API. All of it is bounded, and what cannot be read is said in a line: telling of a failure is no failure.

mod events;
mod jobs;
mod logs;
mod pods;
mod table;

use jetway::{Context, Error, Interrupted, Result};
use jiff::Timestamp;

use crate::records::manifest::Belongings;
use crate::records::release::{Release, moment};
use crate::records::{Record, Records};
use crate::target::Target;

/// How many revisions are shown when all is well.
const BRIEF: usize = 3;

/// How many revisions are shown when it is not.
const FULL: usize = 8;

/// Which logs are of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// Those of containers in trouble, and those of tests.
    All,
    /// Those of containers in trouble: the tests' have been shown.
    Troubled,
}

/// Shows how the release is, and its last few revisions; the newest of them. That one must be readable.
pub(crate) async fn brief(target: &Target<'_>, records: &[Record]) -> Result<Option<Release>> {
    let (mut revisions, problems) = history(&target.records(), &target.release, records, BRIEF).await?;
    let newest = revisions.pop_if(|read| records.last().is_some_and(|newest| read.version == newest.revision));
    let Some(newest) = newest else {
        return problems.into_iter().next_back().map_or(Ok(None), Err);
    };
    say_unreadable(target.context, &problems);
    say_status(target, &newest);
    if !revisions.is_empty() {
        let all: Vec<&Release> = revisions.iter().chain([&newest]).collect();
        say_history(target, &all);
    }
    Ok(Some(newest))
}

/// Shows all that may tell why the release is not as it should be. `since` is when the work on it began.
pub(crate) async fn full(target: &Target<'_>, since: Timestamp, shown: Logs) -> Result<()> {
    let kubernetes = target.kubernetes.briefly();
    let (context, namespace) = (target.context, target.namespace.as_str());
    let records = Records::new(&kubernetes, target.source.storage(), namespace);
    let read = async {
        let all = records.of(&target.release).await?;
        history(&records, &target.release, &all, FULL).await
    };
    let Some((revisions, problems)) = tolerated(context, "its records", read.await)? else { return Ok(()) };
    say_unreadable(context, &problems);
    let Some(newest) = revisions.last() else {
        if problems.is_empty() {
            context.console().step(format_args!("there is nothing of `{}` in the cluster", target.release));
        }
        return Ok(());
    };
    say_status(target, newest);
    say_history(target, &revisions.iter().collect::<Vec<_>>());
    let its = Belongings::of(newest);

    let found = tolerated(context, "its pods", pods::read(&kubernetes, namespace, &its).await)?;
    let found = found.unwrap_or_default();
    show(context, &format!("pods of `{}`:", target.release), pods::table(&found), found.is_empty());
    let jobs = tolerated(context, "its jobs", jobs::read(&kubernetes, namespace, &its).await)?.unwrap_or_default();
    show(context, &format!("jobs of `{}`:", target.release), jobs::table(&jobs), jobs.is_empty());
    let warnings = tolerated(context, "events", events::read(&kubernetes, namespace, &its, since).await)?;
    let warnings = warnings.unwrap_or_default();
    show(context, "what the cluster warns of:", events::table(&warnings), warnings.is_empty());

    let is_test = |pod: &pods::Pod| newest.tests().any(|test| pod.is_run_by(&test.kind, &test.name));
    let logs = found.iter().flat_map(|pod| match (is_test(pod), shown) {
        (true, Logs::All) => pod.all_logs(),
        (true, Logs::Troubled) => Vec::new(),
        (false, _) => pod.troubled_logs(),
    });
    let new = logs.filter(|log| log.previous || !target.shown_logs.contains(&log.uid, &log.container));
    for log in new.take(logs::MOST_LOGS) {
        let shown = logs::show(context, &kubernetes, namespace, &log).await;
        tolerated(context, &format!("the log of `{}`", log.pod), shown)?;
    }
    Ok(())
}

/// Shows the logs of the release's tests that are still there.
pub(crate) async fn test_logs(target: &Target<'_>, release: &Release) -> Result<()> {
    let kubernetes = target.kubernetes.briefly();
    let (context, namespace) = (target.context, target.namespace.as_str());
    let its = Belongings::of(release);
    let read = pods::read(&kubernetes, namespace, &its).await;
    let found = tolerated(context, "the pods of the tests", read)?.unwrap_or_default();
    let is_test = |pod: &&pods::Pod| release.tests().any(|test| pod.is_run_by(&test.kind, &test.name));
    let logs = found.iter().filter(is_test).flat_map(pods::Pod::all_logs);
    for log in logs.filter(|log| !target.shown_logs.contains(&log.uid, &log.container)).take(logs::MOST_LOGS) {
        let shown = logs::show(context, &kubernetes, namespace, &log).await;
        tolerated(context, &format!("the log of `{}`", log.pod), shown)?;
    }
    Ok(())
}

/// The newest revisions, oldest first, and what is wrong with those that cannot be read.
async fn history(
    records: &Records<'_>,
    release: &str,
    all: &[Record],
    most: usize,
) -> Result<(Vec<Release>, Vec<Error>)> {
    let newest: Vec<u64> = all.iter().rev().take(most).map(|record| record.revision).collect();
    if newest.is_empty() { Ok((Vec::new(), Vec::new())) } else { records.read_several(release, &newest).await }
}

fn say_unreadable(context: &Context, problems: &[Error]) {
    for problem in problems {
        context.console().warn(format_args!("a revision is left out here: {problem:#}"));
    }
}

/// What was read; nothing, and a line about it, when it could not be. Only a signal ends the telling.
fn tolerated<T>(context: &Context, what: &str, read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if Interrupted::caused(&error) => Err(error),
        Err(error) => {
            context.console().step(format_args!("cannot read {what}: {error:#}"));
            Ok(None)
        }
    }
}

fn say_status(target: &Target<'_>, release: &Release) {
    let (name, info) = (&target.release, &release.info);
    let head = format!("revision {} of `{name}`: {}, {}", release.version, info.status, release.summary());
    match table::cut(&info.description, 400) {
        description if description.is_empty() => target.context.console().step(head),
        description => target.context.console().step(format_args!("{head}\n{description}")),
    }
}

fn say_history(target: &Target<'_>, revisions: &[&Release]) {
    let head = ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"].map(str::to_owned);
    let rows = revisions.iter().map(|release| {
        let updated = moment(&release.info.last_deployed).map(|time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
        [
            release.version.to_string(),
            updated.unwrap_or_default(),
            release.info.status.clone(),
            release.chart.label(),
            release.chart.field("appVersion").to_owned(),
            release.info.description.clone(),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    show(target.context, &format!("history of `{}`:", target.release), table::lines(&rows), false);
}

/// Shows a table, unless there is nothing in it.
fn show(context: &Context, head: &str, lines: Vec<String>, is_empty: bool) {
    if is_empty {
        return;
    }
    context.console().step(head);
    for line in lines {
        context.console().relay(&line);
    }
}
