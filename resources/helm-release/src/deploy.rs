//! A deploy: the upgrade, the tests, and the rollback when either fails.

pub(crate) mod advice;
pub(crate) mod apply;
pub(crate) mod diff;
pub(crate) mod dry_run;
pub(crate) mod hook_output;
pub(crate) mod namespace;
pub(crate) mod new_revision;
pub(crate) mod readiness;
pub(crate) mod recovery;
pub(crate) mod release_tests;
pub(crate) mod rollback;
pub(crate) mod uninstall;
pub(crate) mod upgrade;
pub(crate) mod waiting;

use jetway::{Advise as _, Error, Finished, Interrupted, Result};
use jiff::Timestamp;

use crate::chart::Chart;
use crate::chart::values::Values;
use crate::diagnosis::{self, Logs};
use crate::params::duration;
use crate::records::Records;
use crate::records::release::Release;
use crate::records::state;
use crate::target::Target;
use hook_output::Hooks;
use readiness::Deadline;
use recovery::Operation;
use release_tests::Verdict;

/// Deploys the chart, tests it, and returns the new revision.
pub(crate) async fn deploy(target: &Target<'_>, chart: &Chart) -> Result<Release> {
    let values = Values::gather(target).await?;
    let command = upgrade::command(target, chart, &values, &[]).await?;
    let records = recovery::unlocked_records(target).await?;
    let before = records.last().map_or(0, |newest| newest.revision);
    let began = Timestamp::now();
    let deadline = Deadline::after(target.params.step_timeout());
    let upgraded =
        match hook_output::run_and_show(target, Hooks::After(before), Box::pin(upgrade::run(target, command))).await {
            Err(error) if Interrupted::caused(&error) => {
                let kubernetes = target.kubernetes.after_interrupt()?;
                let operation = if target.params.atomic { Operation::Atomic } else { Operation::Upgrade };
                let _ = recovery::release_own_lock(target, &kubernetes, before, operation, "was terminated").await;
                return Err(error);
            }
            upgraded => upgraded?,
        };
    if !upgraded.is_success() {
        return Err(upgrade_error(target, chart, &upgraded, before, began).await?);
    }
    // Read before the pause, during which another put may deploy.
    let made = new_revision::find(target).await?;
    match readiness::confirm(target, &made, target.params.upgrade_strategy(), deadline).await {
        Err(error) if Interrupted::caused(&error) => return Err(error),
        Err(error) => {
            diagnosis::show_all(target, began, Logs::All).await?;
            let what = format!("revision {} of `{}` was deployed, but is not ready", made.version, target.release);
            let outcome = rollback::after_unready(target, made.version).await?;
            return Err(error.context(outcome.map_or_else(|| what.clone(), |outcome| format!("{what}; {outcome}"))));
        }
        Ok(()) => {}
    }
    if let Some(pause) = target.params.pause() {
        target.context.console().step(format_args!("waiting {}, as `wait` says", duration::in_words(pause)));
        target.context.interrupt().sleep(pause).await?;
    }
    if let Some(tests) = target.params.test_plan()
        && let Verdict::Failed(error) = release_tests::run(target, &tests, &made).await?
    {
        return Err(error_after_rollback(target, tests_failed(target, &made), error, made.version).await?);
    }
    Ok(made)
}

/// Returns the error of a failed upgrade, after the diagnosis and the rollback.
async fn upgrade_error(
    target: &Target<'_>,
    chart: &Chart,
    upgraded: &Finished,
    before: u64,
    began: Timestamp,
) -> Result<Error> {
    let name = &target.release;
    let failure = advice::helm_error(upgraded, Some(chart));
    if recovery::lost_race(upgraded) {
        let records = target.records().list(name).await.unwrap_or_default();
        let holder = records.last().filter(|newest| newest.is_pending()).map(recovery::describe_lock);
        let words = format!("another operation on release `{name}` began at the same time");
        return Ok(failure.context(holder.map_or_else(|| words.clone(), |holder| format!("{words}: {holder}"))));
    }
    let left = match (upgraded.code(), target.params.atomic) {
        // A killed helm could not release its lock.
        (None, true) => Some(Operation::Atomic),
        (None, false) => Some(Operation::Upgrade),
        // With `--atomic`, helm leaves the lock of its rollback when a hook fails there.
        (Some(_), true) if recovery::failed_in_atomic_rollback(upgraded) => Some(Operation::AtomicRollback),
        (Some(_), _) => None,
    };
    if let Some(operation) = left {
        recovery::release_own_lock_or_warn(target, before, operation, &recovery::describe_exit(upgraded)).await?;
    }
    let records = match target.records().list(name).await {
        Ok(records) => records,
        Err(error) if Interrupted::caused(&error) => return Err(error),
        Err(error) => {
            let words =
                format!("`{name}` was not deployed, and is not rolled back, since the current state cannot be read");
            return Ok(failure.context(format!("{words} ({error:#})")));
        }
    };
    let not_deployed = format!("`{name}` was not deployed: {}", state::describe(&target.records(), &records).await);
    let Some(attempt) = records.iter().find(|record| record.revision > before) else {
        // helm did not create a revision, or it has uninstalled it.
        return Ok(failure.context(not_deployed));
    };
    diagnosis::show_all(target, began, Logs::All).await?;
    if attempt.status == "failed" {
        error_after_rollback(target, not_deployed, failure, attempt.revision).await
    } else {
        Ok(failure.context(not_deployed))
    }
}

/// Adds the outcome of `rollback_on_failure`, if it is set, to the error.
pub(crate) async fn error_after_rollback(
    target: &Target<'_>,
    what: String,
    cause: Error,
    failed: u64,
) -> Result<Error> {
    Ok(cause.context(match rollback::after_failure(target, failed).await? {
        Some(words) => format!("{what}; {words}"),
        None => what,
    }))
}

/// The message that the tests of a revision failed.
pub(crate) fn tests_failed(target: &Target<'_>, release: &Release) -> String {
    format!("revision {} of `{}` was deployed, but did not pass its tests", release.version, target.release)
}

/// The error of a put that a signal ended, with the state of the release.
pub(crate) async fn interrupted_error(target: &Target<'_>, error: Error) -> Error {
    let name = &target.release;
    let Ok(kubernetes) = target.kubernetes.after_interrupt() else { return error };
    let records = Records::new(&kubernetes, target.source.storage(), &target.namespace);
    let all = match records.list(name).await {
        Ok(all) => all,
        Err(problem) => return error.context(format!("`{name}` was left in its current state ({problem:#})")),
    };
    let advice = match all.last() {
        Some(newest) if newest.is_uninstalling() || (target.params.uninstall && newest.status == "failed") => {
            "the objects that were deleted by then are gone: a deploy creates them again, an uninstall deletes \
             the rest"
        }
        Some(newest) if newest.is_pending() => {
            "that revision is the lock of a deploy: `recover_pending` in the params takes it over, or `helm \
             rollback` releases it by hand"
        }
        Some(newest) if newest.status == "deployed" => {
            "the deployed revision stays; the steps after it (tests, a rollback) were not finished"
        }
        Some(_) => "the next put continues from this state; unfinished changes are not rolled back",
        None => "the next put starts from the beginning",
    };
    let state = state::describe(&records, &all).await;
    error.context(format!("`{name}` was left in its current state: {state}")).hint(advice)
}
