//! Rolls back to a good revision: after a failed deploy, or as a separate put.

use std::time::Duration;

use jetway::http::{StatusError, TransportError};
use jetway::{Advise as _, Error, Interrupted, Result, anyhow};
use jiff::Timestamp;

use super::advice;
use super::apply;
use super::hook_output::{self, Hooks};
use super::new_revision;
use super::readiness::{self, Deadline};
use super::recovery::{self, Operation};
use super::release_tests::{self, Verdict};
use super::uninstall;
use super::waiting;
use crate::diagnosis::{self, Logs};
use crate::error_texts::KnownError;
use crate::params::duration;
use crate::params::rollback::{FirstInstall, Rollback, RollbackOnFailure, RollbackRules};
use crate::params::test::TestPlan;
use crate::params::wait::Strategy;
use crate::records::Record;
use crate::records::release::{Release, parse_time};
use crate::records::state;
use crate::target::Target;

/// The maximum number of revisions that are searched for a good one; helm keeps ten by default.
const MAX_CANDIDATES: usize = 20;

/// Rolls back from the revision `failed` as `rollback_on_failure` says, and returns the outcome as a phrase after a semicolon;
/// `None` if it is not set. Only a signal is an error.
pub(crate) async fn after_failure(target: &Target<'_>, failed: u64) -> Result<Option<String>> {
    let usual = RollbackRules::default();
    let rules = match &target.params.rollback_on_failure {
        None | Some(RollbackOnFailure::Flag(false)) => return Ok(None),
        Some(RollbackOnFailure::Flag(true)) => &usual,
        Some(RollbackOnFailure::By(rules)) => rules,
    };
    by_rules(target, rules, failed).await.map(Some)
}

/// Like [`after_failure`], for a revision that helm believes is ready: `atomic` rolls it back too, as helm would have done.
pub(crate) async fn after_unready(target: &Target<'_>, failed: u64) -> Result<Option<String>> {
    if target.params.atomic {
        let rules = RollbackRules { first_install: FirstInstall::Uninstall, ..RollbackRules::default() };
        return by_rules(target, &rules, failed).await.map(Some);
    }
    after_failure(target, failed).await
}

/// Rolls back, and returns the outcome as a phrase. Only a signal is an error.
async fn by_rules(target: &Target<'_>, rules: &RollbackRules, failed: u64) -> Result<String> {
    match roll_back(target, rules, failed).await {
        Err(error) if Interrupted::caused(&error) => Err(error),
        Err(error) => {
            let records = target.records();
            let state = match records.list(&target.release).await {
                Err(other) if Interrupted::caused(&other) => return Err(other),
                Err(other) => format!("the current state cannot be read: {other:#}"),
                Ok(all) => state::describe(&records, &all).await,
            };
            Ok(format!("the rollback failed too: {error:#}; {state}"))
        }
        Ok(words) => Ok(words),
    }
}

async fn roll_back(target: &Target<'_>, rules: &RollbackRules, failed: u64) -> Result<String> {
    let name = &target.release;
    let records = target.records().list(name).await?;
    if let Some(other) = records.last().filter(|newest| newest.revision > failed || newest.is_pending()) {
        // A rollback would also revert the other operation.
        return Ok(format!(
            "it is not rolled back, since another operation has started: {}",
            recovery::describe_lock(other)
        ));
    }
    let before = EarlierRevisions::find(target, &records, failed).await?;
    let Some(good) = before.good else {
        if !before.any_deployed && rules.first_install == FirstInstall::Uninstall {
            target.context.console().step(format_args!("uninstalling `{name}`, whose first revision failed"));
            uninstall::without_waiting(target, failed).await?;
            return Ok("there was no revision to roll back to, and the release was uninstalled".to_owned());
        }
        let state = state::describe(&target.records(), &records).await;
        return Ok(format!("there is no good revision to roll back to; {state}"));
    };
    target.context.console().step(format_args!("rolling back `{name}` to revision {}", good.version));
    let timeout = rules.timeout.as_deref().and_then(|text| duration::parse(text).ok());
    let strategy = target.params.given_strategy().filter(|strategy| *strategy != Strategy::None);
    let now =
        roll_back_to(target, good.version, failed, strategy, timeout.unwrap_or_else(|| target.params.step_timeout()))
            .await?;
    let ran = format!(
        "it was rolled back to revision {}: revision {} is deployed now ({})",
        good.version,
        now.version,
        now.summary()
    );
    let tests = match &rules.test {
        Some(test) => test.plan(target.params.step_timeout(), target.params.test_logs),
        None => target.params.test_plan(),
    };
    Ok(match run_tests(target, tests, &now).await? {
        None => ran,
        Some(Verdict::Passed) => format!("{ran}, and its tests passed"),
        Some(Verdict::Untested) => format!("{ran}, and it has no tests"),
        Some(Verdict::Failed(error)) => format!("{ran}, and its tests failed as well: {error:#}"),
    })
}

async fn run_tests(target: &Target<'_>, tests: Option<TestPlan>, release: &Release) -> Result<Option<Verdict>> {
    match tests {
        Some(tests) => release_tests::run(target, &tests, release).await.map(Some),
        None => Ok(None),
    }
}

/// Rolls back as a separate put, and returns the new revision.
pub(crate) async fn put(target: &Target<'_>, rollback: &Rollback) -> Result<Release> {
    let name = &target.release;
    let records = recovery::unlocked_records(target).await?;
    let newest = records.last().ok_or_else(|| anyhow!("there is no release `{name}` to roll back"))?.revision;
    let revision = match rollback {
        Rollback::To(to) => {
            let text = target.named("rollback.revision", &to.revision)?;
            let number = text.parse().map_err(|_| anyhow!("`rollback.revision`: `{text}` is not a revision number"))?;
            existing_revision(&records, number, name)?
        }
        Rollback::Flag(_) => {
            let good = EarlierRevisions::find(target, &records, newest).await?.good;
            good.ok_or_else(|| anyhow!("`{name}` has no good revision before {newest} to roll back to"))?.version
        }
    };
    target.context.console().step(format_args!("rolling back `{name}` to revision {revision}"));
    // The rollback is all that this put does, so it waits by default.
    let strategy = target.params.given_strategy();
    roll_back_to(target, revision, newest, strategy, target.params.step_timeout()).await
}

/// Returns the revision, if it still has a record.
fn existing_revision(records: &[Record], revision: u64, name: &str) -> Result<u64> {
    if records.iter().any(|record| record.revision == revision) {
        return Ok(revision);
    }
    let known: Vec<String> = records.iter().map(|record| format!("{} ({})", record.revision, record.status)).collect();
    Err(anyhow!("`{name}` has no revision {revision} (any more)")
        .hint(format!("the revisions are {}", known.join(", "))))
}

/// The revisions before a failed one.
#[derive(Default)]
struct EarlierRevisions {
    /// The latest revision that was deployed successfully, and whose tests, if they were run, did not fail.
    good: Option<Release>,
    /// Whether any revision may have been deployed successfully, good or not.
    any_deployed: bool,
}

impl EarlierRevisions {
    async fn find(target: &Target<'_>, records: &[Record], before: u64) -> Result<Self> {
        // An uninstall that failed leaves a revision `failed`, although it was deployed.
        let may_have_run = |record: &&Record| record.was_deployed() || record.status == "failed";
        let mut candidates = records.iter().rev().filter(|record| record.revision < before).filter(may_have_run);
        let mut found = Self::default();
        for record in candidates.by_ref().take(MAX_CANDIDATES) {
            let revision = &record.revision;
            let problem = match target.records().read(&target.release, *revision).await {
                Ok(None) => continue,
                Ok(Some(release))
                    if !record.was_deployed() && !recovery::was_uninstalling(&release.info.description) =>
                {
                    continue;
                }
                Ok(Some(release)) => match fault(&release) {
                    None => return Ok(Self { good: Some(release), any_deployed: true }),
                    Some(fault) => {
                        found.any_deployed |= fault != Fault::NeverReady;
                        fault.words().to_owned()
                    }
                },
                Err(error) if is_request_error(&error) => return Err(error),
                Err(error) => {
                    found.any_deployed = true;
                    format!("{error:#}")
                }
            };
            target.context.console().step(format_args!("revision {revision} is skipped: {problem}"));
        }
        found.any_deployed |= candidates.any(Record::was_deployed);
        Ok(found)
    }
}

/// Whether the request failed, as opposed to an unreadable record.
fn is_request_error(error: &Error) -> bool {
    let is_http_error =
        |cause: &(dyn std::error::Error + 'static)| cause.is::<StatusError>() || cause.is::<TransportError>();
    Interrupted::caused(error) || error.chain().any(is_http_error)
}

/// Why a rollback skips a revision, although its status says that it was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NeverReady,
    TestsFailed,
}

impl Fault {
    fn words(self) -> &'static str {
        match self {
            Self::NeverReady => "it was never ready",
            Self::TestsFailed => "its tests failed",
        }
    }
}

fn fault(release: &Release) -> Option<Fault> {
    // A revision that was never ready also becomes `superseded`: a first one by the next, and any by a failed rollback.
    let description = &release.info.description;
    let given_up = description.starts_with(recovery::GIVEN_UP) && !recovery::was_uninstalling(description);
    if KnownError::FailedRevision.begins(description) || given_up {
        return Some(Fault::NeverReady);
    }
    // helm copies the outcome of a test into later revisions.
    let deployed = parse_time(&release.info.last_deployed).unwrap_or(Timestamp::MIN);
    let failed = release.tests().any(|test| test.last_run.phase == "Failed" && test.last_run.started_since(deployed));
    failed.then_some(Fault::TestsFailed)
}

/// Runs the rollback, and returns the new revision. `before` is the latest revision.
async fn roll_back_to(
    target: &Target<'_>,
    revision: u64,
    before: u64,
    strategy: Option<Strategy>,
    timeout: Duration,
) -> Result<Release> {
    let name = &target.release;
    let began = Timestamp::now();
    let deadline = Deadline::after(timeout);
    let mut command = target
        .helm
        .command("rollback")
        .arg(format!("--namespace={}", target.namespace))
        .args(waiting::options(&target.helm, strategy).await?)
        .args(apply::for_rollback(target, revision).await?)
        .arg(format!("--timeout={}", duration::argument(timeout)))
        .arg(format!("--history-max={}", target.source.history_limit()));
    if target.params.wait_for_jobs && strategy != Some(Strategy::None) {
        command = command.arg("--wait-for-jobs");
    }
    if target.params.cleanup_on_fail {
        command = command.arg("--cleanup-on-fail");
    }
    let command = command.args(["--", name]).arg(revision.to_string()).relay_stdout();
    let finished = match hook_output::run_and_show(target, Hooks::After(before), Box::pin(command.run())).await {
        Ok(finished) => finished,
        Err(error) if Interrupted::caused(&error) => {
            // `helm rollback` ignores signals, and leaves its lock.
            let kubernetes = target.kubernetes.after_interrupt()?;
            let _ = recovery::release_own_lock(
                target,
                &kubernetes,
                before,
                Operation::Rollback(revision),
                "was terminated",
            )
            .await;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    if !finished.is_success() {
        // helm also leaves its lock when a hook fails.
        if !recovery::lost_race(&finished) {
            recovery::release_own_lock_or_warn(
                target,
                before,
                Operation::Rollback(revision),
                &recovery::describe_exit(&finished),
            )
            .await?;
        }
        diagnosis::show_all(target, began, Logs::All).await?;
        return Err(advice::helm_error(&finished, None));
    }
    let made = new_revision::find(target).await?;
    match readiness::confirm(target, &made, strategy, deadline).await {
        Ok(()) => Ok(made),
        Err(error) if Interrupted::caused(&error) => Err(error),
        Err(error) => {
            diagnosis::show_all(target, began, Logs::All).await?;
            Err(error.context(format!("the rollback to revision {revision} created revision {}", made.version)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn release(description: &str, phase: &str, started: &str) -> Release {
        serde_json::from_value(json!({
            "name": "demo", "version": 3,
            "info": { "description": description, "last_deployed": "2026-01-02T03:04:05.678+01:00" },
            "hooks": [
                { "name": "hook", "events": ["pre-upgrade"], "last_run": { "phase": "Failed", "started_at": "2026-02-02T00:00:00Z" } },
                { "name": "test", "events": ["test"], "last_run": { "phase": phase, "started_at": started } },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn revision_is_good_if_deployed_and_its_tests_did_not_fail() {
        let (later, earlier) = ("2026-01-02T02:04:06Z", "2026-01-02T02:04:05Z");
        for (description, phase, started, expected) in [
            ("Upgrade complete", "", "", None),
            ("Upgrade complete", "Succeeded", later, None),
            ("Upgrade complete", "Failed", later, Some("its tests failed")),
            // Copied from another revision.
            ("Rollback to 1", "Failed", earlier, None),
            ("Upgrade \"demo\" failed: context deadline exceeded", "", "", Some("it was never ready")),
            ("Release \"demo\" failed: timed out", "", "", Some("it was never ready")),
            ("Given up: helm was killed while it was pending-install", "", "", Some("it was never ready")),
            ("after the rollback failed: by hand", "", "", None),
        ] {
            let found = fault(&release(description, phase, started)).map(Fault::words);
            assert_eq!(found, expected, "{description} {phase} {started}");
        }
    }
}
