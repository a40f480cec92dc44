//! Locked releases: another operation is in progress, or was killed and has left its lock.
//!
//! helm writes a record with a status `pending-...` before it starts, and refuses to change a release whose latest record is
//! pending: that record is the lock. A killed helm does not release it. An unfinished uninstall leaves `uninstalling`, from which
//! helm cannot upgrade either, so it counts as a lock, too. Only the age of the record shows whether its helm still runs: helm
//! rewrites the record before each hook and at the end, and a hook, such as a migration, may run for hours. So a put takes over a
//! lock only as `recover_pending` says: with `true`, when the record has not changed for four times the put's own `timeout`, and at
//! least ten minutes (helm may wait several times for its `--timeout` between two writes). The put marks the record as failed, by a
//! write that the API server rejects if the record has changed in the meantime. helm continues from there: a deploy creates what is
//! missing, an uninstall deletes the rest. A record that this put's own helm has left is stale at once, and needs no option.

use std::fmt::Write as _;
use std::time::Duration;

use jetway::{Advise as _, Error, Finished, Interrupted, Result, anyhow};

use crate::cluster::kubernetes::Kubernetes;
use crate::error_texts::KnownError;
use crate::params::duration;
use crate::params::recovery::Recovery;
use crate::records::{Record, Records};
use crate::target::Target;

/// The prefix of the description of a record that was marked as failed here.
pub(crate) const GIVEN_UP: &str = "Given up: ";

/// Whether helm failed because another operation was faster. The pending record then belongs to that operation.
pub(crate) fn lost_race(finished: &Finished) -> bool {
    KnownError::Locked.is_in(&finished.stderr)
}

/// Whether helm failed during the rollback of `--atomic`. Otherwise a pending rollback belongs to another operation.
pub(crate) fn failed_in_atomic_rollback(finished: &Finished) -> bool {
    KnownError::AtomicRollbackFailed.is_in(&finished.stderr)
}

/// Whether a record was marked as failed during an uninstall. Its objects may still exist, in whole or in part.
pub(crate) fn was_uninstalling(description: &str) -> bool {
    description.starts_with(GIVEN_UP) && description.contains("it was uninstalling")
}

/// Fails if the release is locked. A dry run does not take over a lock, and helm's own error does not name the holder.
pub(crate) async fn check_unlocked(target: &Target<'_>) -> Result<()> {
    let records = target.records().list(&target.release).await?;
    let Some(newest) = records.last().filter(|newest| newest.is_pending()) else { return Ok(()) };
    let age = Recovery::age(target.params.recover_pending.as_ref(), target.params.step_timeout());
    Err(if age.is_some_and(|age| newest.unchanged_for() >= age) {
        anyhow!(
            "release `{}` is locked by {} that is not running any more: {}",
            target.release,
            operation(newest),
            describe_lock(newest)
        )
        .hint("a dry run changes nothing; the next put that deploys takes the lock over")
    } else {
        lock_error(target, newest, age)
    })
}

/// Returns the records of the release, oldest first, once it has no lock. Takes a stale lock over if `recover_pending` says so; any
/// other lock is an error.
pub(crate) async fn unlocked_records(target: &Target<'_>) -> Result<Vec<Record>> {
    let mut records = target.records().list(&target.release).await?;
    let Some(newest) = records.last_mut().filter(|newest| newest.is_pending()) else { return Ok(records) };
    let age = Recovery::age(target.params.recover_pending.as_ref(), target.params.step_timeout());
    let untouched = newest.unchanged_for();
    match age {
        Some(age) if untouched >= age => {
            let reason =
                format!("{GIVEN_UP}it was {} and had not changed for {}", newest.status, duration::in_words(untouched));
            if !target.records().mark_failed(newest, &reason).await? {
                return Err(anyhow!(
                    "another operation on release `{}` is in progress: {} changed just now",
                    target.release,
                    describe_lock(newest)
                ));
            }
            target.context.console().warn(format_args!(
                "revision {} of `{}` was left `{}` by {}, and has not changed for {}: it is marked `failed`, as \
                 `recover_pending` says",
                newest.revision,
                target.release,
                newest.status,
                operation(newest),
                duration::in_words(untouched)
            ));
            "failed".clone_into(&mut newest.status);
            Ok(records)
        }
        age => Err(lock_error(target, newest, age)),
    }
}

/// The error that another operation holds the lock: who, since when, and how to recover.
fn lock_error(target: &Target<'_>, newest: &Record, age: Option<Duration>) -> Error {
    let name = &target.release;
    let error = anyhow!("another operation on release `{name}` is in progress: {}", describe_lock(newest));
    let error = error.hint("wait until it has finished, and run this again");
    if let Some(age) = age {
        return error.hint(format!(
            "`recover_pending` takes the lock over once its record has not changed for {}",
            duration::in_words(age)
        ));
    }
    let by_hand = if newest.is_uninstalling() { "uninstall" } else { "rollback" };
    error.hint(format!(
        "if {} is known to be dead, `recover_pending: {{after: 20m}}` in the params takes its lock over (choose \
         a time longer than any hook of the chart runs), or `helm {by_hand} {name} --namespace {}` releases it \
         by hand",
        operation(newest),
        target.namespace
    ))
}

/// The kind of operation that holds the lock.
fn operation(record: &Record) -> &'static str {
    if record.is_uninstalling() { "an uninstall" } else { "a deploy" }
}

/// The holder of the lock, and since when.
pub(crate) fn describe_lock(record: &Record) -> String {
    let mut words = format!("revision {} is `{}`", record.revision, record.status);
    // Each pending record is created by the operation that holds the lock, except for `uninstalling`, which replaces an earlier
    // status.
    let began = if record.is_uninstalling() { record.changed } else { record.created };
    if let Some(began) = began {
        let (time, span) = (began.strftime("%Y-%m-%d %H:%M:%SZ"), duration::in_words(record.elapsed_since(began)));
        let _ = write!(words, " since {time} ({span})");
    }
    if let Some(changed) = record.changed.filter(|changed| Some(*changed) != began) {
        let _ = write!(words, ", last changed {} ago", duration::in_words(record.elapsed_since(changed)));
    }
    if let Some(manager) = &record.manager {
        let _ = write!(words, ", by `{manager}`");
    }
    words
}

/// The operation of a command of helm that this put has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Install or upgrade.
    Upgrade,
    /// Install or upgrade, and roll back (or uninstall a first revision) on failure.
    Atomic,
    /// The rollback or uninstall of `--atomic`.
    AtomicRollback,
    /// Rollback to that revision.
    Rollback(u64),
    /// Uninstall.
    Uninstall,
}

impl Operation {
    /// Whether this operation can have left the latest of `all` records pending. `before` is the latest revision from before the
    /// operation.
    async fn may_have_left(self, records: &Records<'_>, all: &[Record], before: u64) -> Result<bool> {
        let Some(newest) = all.last() else { return Ok(false) };
        let (status, distance) = (newest.status.as_str(), newest.revision.checked_sub(before));
        let is_upgrade = distance == Some(1) && matches!(status, "pending-install" | "pending-upgrade");
        let is_atomic_rollback = match distance {
            Some(1) => status == "uninstalling",
            // The rollback of `--atomic` only undoes the revision of this put.
            Some(2) => {
                let failed = all.iter().rev().nth(1);
                status == "pending-rollback"
                    && failed.is_some_and(|failed| failed.revision == before + 1 && failed.status == "failed")
            }
            _ => false,
        };
        Ok(match self {
            Self::Upgrade => is_upgrade,
            Self::Atomic => is_upgrade || is_atomic_rollback,
            Self::AtomicRollback => is_atomic_rollback,
            Self::Uninstall => distance == Some(0) && status == "uninstalling",
            Self::Rollback(to) => {
                distance == Some(1) && status == "pending-rollback" && {
                    let release = records.read(&newest.release, newest.revision).await?;
                    release.is_some_and(|release| release.info.description == format!("Rollback to {to}"))
                }
            }
        })
    }
}

/// Marks the record that this put's own helm has left pending as failed, and returns whether there was one. `before` is the latest
/// revision from before that helm; `how` says how it ended.
pub(crate) async fn release_own_lock(
    target: &Target<'_>,
    kubernetes: &Kubernetes<'_>,
    before: u64,
    operation: Operation,
    how: &str,
) -> Result<bool> {
    let records = Records::new(kubernetes, target.source.storage(), &target.namespace);
    let all = records.list(&target.release).await?;
    if !operation.may_have_left(&records, &all, before).await? {
        return Ok(false);
    }
    let Some(left) = all.last() else { return Ok(false) };
    let given_up = records.mark_failed(left, &format!("{GIVEN_UP}helm {how} while it was {}", left.status)).await?;
    if given_up {
        let (revision, name, status) = (left.revision, &target.release, &left.status);
        target.context.console().warn(format_args!(
            "helm {how} and left revision {revision} of `{name}` as `{status}`: no operation is in progress, \
             and it is marked `failed`"
        ));
    }
    Ok(given_up)
}

/// The same for a put that continues: problems are warnings, and only a signal is an error.
pub(crate) async fn release_own_lock_or_warn(
    target: &Target<'_>,
    before: u64,
    operation: Operation,
    how: &str,
) -> Result<()> {
    match release_own_lock(target, &target.kubernetes, before, operation, how).await {
        Ok(_) => {}
        Err(error) if Interrupted::caused(&error) => return Err(error),
        Err(error) => target
            .context
            .console()
            .warn(format_args!("cannot check whether helm left its lock on `{}`: {error:#}", target.release)),
    }
    Ok(())
}

/// How helm ended, as a phrase after "helm".
pub(crate) fn describe_exit(finished: &Finished) -> String {
    match finished.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => "was killed".to_owned(),
    }
}
