//! The diagnosis of a release: status, history, pods, jobs, warnings and logs, read from the API. Its output is bounded, and a read
//! that fails is one line of output instead of an error.

mod events;
mod jobs;
mod logs;
mod pods;
mod table;

use jetway::{Context, Error, Interrupted, Result};
use jiff::Timestamp;

use crate::records::manifest::ReleaseObjects;
use crate::records::release::{Release, parse_time};
use crate::records::{Record, Records};
use crate::target::Target;

/// The number of revisions that are shown after a success.
const REVISIONS_AFTER_SUCCESS: usize = 3;

/// The number of revisions that are shown after a failure.
const REVISIONS_AFTER_FAILURE: usize = 8;

/// Which logs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// The logs of failing containers, and those of tests.
    All,
    /// Only the logs of failing containers, because the logs of tests have been shown.
    Failing,
}

/// Shows the status and the latest revisions of the release, and returns the latest one, whose record must be readable.
pub(crate) async fn show_latest(target: &Target<'_>, records: &[Record]) -> Result<Option<Release>> {
    let (mut revisions, problems) =
        history(&target.records(), &target.release, records, REVISIONS_AFTER_SUCCESS).await?;
    let newest = revisions.pop_if(|read| records.last().is_some_and(|newest| read.version == newest.revision));
    let Some(newest) = newest else {
        return problems.into_iter().next_back().map_or(Ok(None), Err);
    };
    warn_of_unreadable(target.context, &problems);
    show_status(target, &newest);
    if !revisions.is_empty() {
        let all: Vec<&Release> = revisions.iter().chain([&newest]).collect();
        show_history(target, &all);
    }
    Ok(Some(newest))
}

/// Shows everything that may explain a failure. `since` is when the operation started.
pub(crate) async fn show_all(target: &Target<'_>, since: Timestamp, shown: Logs) -> Result<()> {
    let kubernetes = target.kubernetes.with_short_timeout();
    let (context, namespace) = (target.context, target.namespace.as_str());
    let records = Records::new(&kubernetes, target.source.storage(), namespace);
    let read = async {
        let all = records.list(&target.release).await?;
        history(&records, &target.release, &all, REVISIONS_AFTER_FAILURE).await
    };
    let Some((revisions, problems)) = or_report(context, "its records", read.await)? else { return Ok(()) };
    warn_of_unreadable(context, &problems);
    let Some(newest) = revisions.last() else {
        if problems.is_empty() {
            context.console().step(format_args!("there is no revision of `{}` in the cluster", target.release));
        }
        return Ok(());
    };
    show_status(target, newest);
    show_history(target, &revisions.iter().collect::<Vec<_>>());
    let objects = ReleaseObjects::of(newest);

    let found = or_report(context, "its pods", pods::read(&kubernetes, namespace, &objects).await)?;
    let found = found.unwrap_or_default();
    show(context, &format!("pods of `{}`:", target.release), pods::table(&found), found.is_empty());
    let jobs = or_report(context, "its jobs", jobs::read(&kubernetes, namespace, &objects).await)?.unwrap_or_default();
    show(context, &format!("jobs of `{}`:", target.release), jobs::table(&jobs), jobs.is_empty());
    let warnings = or_report(context, "events", events::read(&kubernetes, namespace, &objects, since).await)?;
    let warnings = warnings.unwrap_or_default();
    show(context, "warning events:", events::table(&warnings), warnings.is_empty());

    let is_test = |pod: &pods::Pod| newest.tests().any(|test| pod.is_run_by(&test.kind, &test.name));
    let logs = found.iter().flat_map(|pod| match (is_test(pod), shown) {
        (true, Logs::All) => pod.all_logs(),
        (true, Logs::Failing) => Vec::new(),
        (false, _) => pod.failing_logs(),
    });
    let new = logs.filter(|log| log.previous || !target.shown_logs.contains(&log.uid, &log.container));
    for log in new.take(logs::MAX_LOGS) {
        let shown = logs::show(context, &kubernetes, namespace, &log).await;
        or_report(context, &format!("the log of `{}`", log.pod), shown)?;
    }
    Ok(())
}

/// Shows the logs of test pods that still exist.
pub(crate) async fn show_test_logs(target: &Target<'_>, release: &Release) -> Result<()> {
    let kubernetes = target.kubernetes.with_short_timeout();
    let (context, namespace) = (target.context, target.namespace.as_str());
    let objects = ReleaseObjects::of(release);
    let read = pods::read(&kubernetes, namespace, &objects).await;
    let found = or_report(context, "the pods of the tests", read)?.unwrap_or_default();
    let is_test = |pod: &&pods::Pod| release.tests().any(|test| pod.is_run_by(&test.kind, &test.name));
    let logs = found.iter().filter(is_test).flat_map(pods::Pod::all_logs);
    for log in logs.filter(|log| !target.shown_logs.contains(&log.uid, &log.container)).take(logs::MAX_LOGS) {
        let shown = logs::show(context, &kubernetes, namespace, &log).await;
        or_report(context, &format!("the log of `{}`", log.pod), shown)?;
    }
    Ok(())
}

/// The latest revisions, oldest first, and the errors of those that cannot be read.
async fn history(
    records: &Records<'_>,
    release: &str,
    all: &[Record],
    most: usize,
) -> Result<(Vec<Release>, Vec<Error>)> {
    let newest: Vec<u64> = all.iter().rev().take(most).map(|record| record.revision).collect();
    if newest.is_empty() { Ok((Vec::new(), Vec::new())) } else { records.read_several(release, &newest).await }
}

fn warn_of_unreadable(context: &Context, problems: &[Error]) {
    for problem in problems {
        context.console().warn(format_args!("a revision is not shown: {problem:#}"));
    }
}

/// The result of a read; if it failed, prints the error and returns `None`. Only a signal is an error.
fn or_report<T>(context: &Context, what: &str, read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if Interrupted::caused(&error) => Err(error),
        Err(error) => {
            context.console().step(format_args!("cannot read {what}: {error:#}"));
            Ok(None)
        }
    }
}

fn show_status(target: &Target<'_>, release: &Release) {
    let (name, info) = (&target.release, &release.info);
    let head = format!("revision {} of `{name}`: {}, {}", release.version, info.status, release.summary());
    match table::cut(&info.description, 400) {
        description if description.is_empty() => target.context.console().step(head),
        description => target.context.console().step(format_args!("{head}\n{description}")),
    }
}

fn show_history(target: &Target<'_>, revisions: &[&Release]) {
    let head = ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"].map(str::to_owned);
    let rows = revisions.iter().map(|release| {
        let updated =
            parse_time(&release.info.last_deployed).map(|time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
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

/// Shows a table, unless it is empty.
fn show(context: &Context, head: &str, lines: Vec<String>, is_empty: bool) {
    if is_empty {
        return;
    }
    context.console().step(head);
    for line in lines {
        context.console().relay(&line);
    }
}
