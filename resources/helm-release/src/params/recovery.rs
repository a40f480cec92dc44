//! `recover_pending`: whether and when a put takes over the lock of another operation.

use std::time::Duration;

use jetway::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;

/// The minimum age of a stale lock with `recover_pending: true`.
const MIN_STALE_AGE: Duration = Duration::from_mins(10);

/// The maximum number of steps of helm, each as long as its `--timeout`, between two writes of a record.
const STEPS_BETWEEN_WRITES: u32 = 4;

/// Whether and when the lock of another operation is taken over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Recovery {
    /// Whether it is taken over, after four times `timeout` and at least ten minutes.
    Flag(bool),
    /// The age of a stale lock.
    By(RecoveryRules),
}

/// The age of a stale lock.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RecoveryRules {
    /// The time for which its record has not changed: seconds, or a duration (`20m`). It must be longer than any hook of the chart
    /// runs.
    pub after: String,
}

impl Recovery {
    /// Notes what is wrong with it.
    pub(crate) fn validate(&self, problems: &mut Problems) {
        if let Self::By(RecoveryRules { after }) = self
            && let Err(problem) = duration::parse(after)
        {
            problems.add("recover_pending.after", problem);
        }
    }

    /// The age of a stale lock; `None` when no lock is taken over.
    pub(crate) fn age(recovery: Option<&Self>, timeout: Duration) -> Option<Duration> {
        match recovery {
            None | Some(Self::Flag(false)) => None,
            Some(Self::By(rules)) => duration::parse(&rules.after).ok(),
            Some(Self::Flag(true)) => Some(MIN_STALE_AGE.max(timeout * STEPS_BETWEEN_WRITES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_stale_only_as_recover_pending_says() {
        let age = |rules: Option<Recovery>, minutes| Recovery::age(rules.as_ref(), Duration::from_mins(minutes));
        // helm waits for a pre-hook's deletion, its next run, the deletion of objects, and readiness.
        assert_eq!(age(Some(Recovery::Flag(true)), 5), Some(Duration::from_mins(20)));
        assert_eq!(age(Some(Recovery::Flag(true)), 30), Some(Duration::from_hours(2)));
        assert_eq!(age(Some(Recovery::Flag(true)), 1), Some(Duration::from_mins(10)));
        assert_eq!(age(None, 5), None);
        assert_eq!(age(Some(Recovery::Flag(false)), 5), None);
        let rules = RecoveryRules { after: "90s".to_owned() };
        assert_eq!(age(Some(Recovery::By(rules)), 5), Some(Duration::from_secs(90)));
    }
}
