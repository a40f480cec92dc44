//! Locked releases: another operation is in progress, or one has left its lock behind.
//!
//! helm writes a record as `pending-...` before it begins, and refuses to touch a release whose newest record is pending: that is its
//! lock. A helm that is killed leaves the lock behind. An uninstall that did not finish leaves `uninstalling`, from which helm upgrades
//! no more than from a lock; it is treated as one. Nothing in the record tells whether its helm is alive but the record's age: helm
//! rewrites the record before each hook and at the end, and a hook, such as a migration, may run for hours. So a lock is taken over
//! only when `recover_pending` says so: with `true`, when the record has not changed for four times the put's own `timeout`, and for ten
//! minutes at least (between two writes helm may wait several times for as long as its `--timeout`). The record is then marked as
//! failed, by a write that the API server refuses if anything has changed it meanwhile; helm goes on from it: a deploy restores what
//! is gone by then, an uninstall removes the rest. A record that this put's own helm has left is stale at once, and needs no option.

use std::fmt::Write as _;
use std::time::Duration;

use jetway::{Advise as _, Error, Finished, Interrupted, Result, anyhow};

use crate::cluster::kubernetes::Kubernetes;
use crate::params::duration;
use crate::params::recovery::Recovery;
use crate::records::{Record, Records};
use crate::target::Target;

/// How the description of a record begins that was marked as failed here.
pub(crate) const GIVEN_UP: &str = "Given up: ";

/// What helm says when another one holds the release's lock, or took it a moment earlier.
const LATE: [&str; 4] = [
    "another operation (install/upgrade/rollback) is in progress",
    "release: already exists",
    "cannot reuse a name that is still in use",
    "cannot re-use a name that is still in use",
];

/// What helm says when its own way back from what did not come up has failed.
const WAY_BACK_FAILED: [&str; 2] =
    ["an error occurred while rolling back the release", "an error occurred while uninstalling the release"];

/// Whether a helm ended because somebody else's came first. Whatever is pending then is theirs.
pub(crate) fn was_late(finished: &Finished) -> bool {
    LATE.iter().any(|words| finished.stderr.contains(words))
}

/// Whether a helm ended while it was on its way back. Else what is on its way back is somebody else's.
pub(crate) fn failed_on_its_way_back(finished: &Finished) -> bool {
    WAY_BACK_FAILED.iter().any(|words| finished.stderr.contains(words))
}

/// Whether a description is that of a revision which an uninstall was to take away when the work ended. It may run still, all of it
/// or in part.
pub(crate) fn was_going(description: &str) -> bool {
    description.starts_with(GIVEN_UP) && description.contains("it was uninstalling")
}

/// Fails if the release is locked, for a put that changes nothing and so takes no lock over. Helm refuses a locked release in dry
/// runs, too, with a message that does not say who holds the lock.
pub(crate) async fn free(target: &Target<'_>) -> Result<()> {
    let records = target.records().of(&target.release).await?;
    let Some(newest) = records.last().filter(|newest| newest.is_pending()) else { return Ok(()) };
    let age = Recovery::age(target.params.recover_pending.as_ref(), target.params.step_timeout());
    Err(if age.is_some_and(|age| newest.untouched() >= age) {
        anyhow!(
            "release `{}` is locked by {} that is not running any more: {}",
            target.release,
            operation(newest),
            held(newest)
        )
        .hint("a dry run changes nothing; the next put that deploys takes the lock over")
    } else {
        locked(target, newest, age)
    })
}

/// Returns the records of the release, oldest first, once no lock is held. A stale lock is taken over if `recover_pending` says so;
/// any other lock is an error.
pub(crate) async fn unlocked(target: &Target<'_>) -> Result<Vec<Record>> {
    let mut records = target.records().of(&target.release).await?;
    let Some(newest) = records.last_mut().filter(|newest| newest.is_pending()) else { return Ok(records) };
    let age = Recovery::age(target.params.recover_pending.as_ref(), target.params.step_timeout());
    let untouched = newest.untouched();
    match age {
        Some(age) if untouched >= age => {
            let reason =
                format!("{GIVEN_UP}it was {} and had not changed for {}", newest.status, duration::in_words(untouched));
            if !target.records().give_up(newest, &reason).await? {
                return Err(anyhow!(
                    "another operation on release `{}` is in progress: {} changed just now",
                    target.release,
                    held(newest)
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
        age => Err(locked(target, newest, age)),
    }
}

/// The error that another operation holds the lock, with who it is, since when, and how to recover.
fn locked(target: &Target<'_>, newest: &Record, age: Option<Duration>) -> Error {
    let name = &target.release;
    let error = anyhow!("another operation on release `{name}` is in progress: {}", held(newest));
    let error = error.hint("wait until it has finished, and run this again");
    if let Some(age) = age {
        return error.hint(format!(
            "`recover_pending` takes the lock over once its record has not changed for {}",
            duration::in_words(age)
        ));
    }
    let by_hand = if newest.is_going() { "uninstall" } else { "rollback" };
    error.hint(format!(
        "if {} is known to be dead, `recover_pending: {{after: 20m}}` in the params takes its lock over (choose a time longer than any \
         hook of the chart runs), or `helm {by_hand} {name} --namespace {}` ends it by hand",
        operation(newest),
        target.namespace
    ))
}

/// The operation that holds the lock.
fn operation(record: &Record) -> &'static str {
    if record.is_going() { "an uninstall" } else { "a deploy" }
}

/// Who holds the lock, and since when.
pub(crate) fn held(record: &Record) -> String {
    let mut words = format!("revision {} is `{}`", record.revision, record.status);
    // A record is made by what it is the lock of, but for that of an uninstall.
    let began = if record.is_going() { record.changed } else { record.made };
    if let Some(began) = began {
        let (time, span) = (began.strftime("%Y-%m-%d %H:%M:%SZ"), duration::in_words(record.since(began)));
        let _ = write!(words, " since {time} ({span})");
    }
    if let Some(changed) = record.changed.filter(|changed| Some(*changed) != began) {
        let _ = write!(words, ", last changed {} ago", duration::in_words(record.since(changed)));
    }
    if let Some(maker) = &record.maker {
        let _ = write!(words, ", by `{maker}`");
    }
    words
}

/// What a helm of this put's own was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// To install or upgrade.
    Upgrade,
    /// The same, and to go back by itself (or to uninstall, when there is nothing to go back to).
    Atomic,
    /// To go back by itself from what did not come up.
    WayBack,
    /// To go back to that revision.
    Rollback(u64),
    /// To take the release away.
    Uninstall,
}

impl Work {
    /// Whether the newest of `all` records may be left of this work, which began when `before` was the newest revision.
    async fn has_left(self, records: &Records<'_>, all: &[Record], before: u64) -> Result<bool> {
        let Some(newest) = all.last() else { return Ok(false) };
        let (status, its) = (newest.status.as_str(), newest.revision.checked_sub(before));
        let is_upgrade = its == Some(1) && matches!(status, "pending-install" | "pending-upgrade");
        let is_way_back = match its {
            Some(1) => status == "uninstalling",
            // It goes back from a revision of its own only.
            Some(2) => {
                let failed = all.iter().rev().nth(1);
                status == "pending-rollback"
                    && failed.is_some_and(|failed| failed.revision == before + 1 && failed.status == "failed")
            }
            _ => false,
        };
        Ok(match self {
            Self::Upgrade => is_upgrade,
            Self::Atomic => is_upgrade || is_way_back,
            Self::WayBack => is_way_back,
            Self::Uninstall => its == Some(0) && status == "uninstalling",
            Self::Rollback(to) => {
                its == Some(1) && status == "pending-rollback" && {
                    let release = records.read(&newest.release, newest.revision).await?;
                    release.is_some_and(|release| release.info.description == format!("Rollback to {to}"))
                }
            }
        })
    }
}

/// Marks the record as failed that this put's own helm has left pending; whether there was one. `before` is the newest
/// revision from before that helm began, which has ended as `how` says, without having ended its work.
pub(crate) async fn settle(
    target: &Target<'_>,
    kubernetes: &Kubernetes<'_>,
    before: u64,
    work: Work,
    how: &str,
) -> Result<bool> {
    let records = Records::new(kubernetes, target.source.storage(), &target.namespace);
    let all = records.of(&target.release).await?;
    if !work.has_left(&records, &all, before).await? {
        return Ok(false);
    }
    let Some(left) = all.last() else { return Ok(false) };
    let given_up = records.give_up(left, &format!("{GIVEN_UP}helm {how} while it was {}", left.status)).await?;
    if given_up {
        let (revision, name, status) = (left.revision, &target.release, &left.status);
        target.context.console().warn(format_args!(
            "helm {how} and left revision {revision} of `{name}` as `{status}`; nobody works on it, and it is `failed` now"
        ));
    }
    Ok(given_up)
}

/// The same for a put that goes on. That it could not be done is told; only a signal ends the put.
pub(crate) async fn settle_or_warn(target: &Target<'_>, before: u64, work: Work, how: &str) -> Result<()> {
    match settle(target, &target.kubernetes, before, work, how).await {
        Ok(_) => {}
        Err(error) if Interrupted::caused(&error) => return Err(error),
        Err(error) => target.context.console().warn(format_args!(
            "whether helm has left its lock behind on `{}` cannot be seen to: {error:#}",
            target.release
        )),
    }
    Ok(())
}

/// How helm ended, as it goes on from "helm".
pub(crate) fn how(finished: &Finished) -> String {
    match finished.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => "was killed".to_owned(),
    }
}
