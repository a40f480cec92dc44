//! `rollback_on_failure` and `rollback`: when a put rolls back, and to which revision.

use jetway::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;
use super::test::Test;

/// Whether and how a put rolls back when it fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RollbackOnFailure {
    /// Whether it rolls back.
    Flag(bool),
    /// How it rolls back.
    By(RollbackRules),
}

/// How a put rolls back when it fails.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct RollbackRules {
    /// How long helm waits until the old revision is ready; the default is the put's `timeout`.
    pub timeout: Option<String>,

    /// Whether and how the old revision is tested after the rollback; the default is `test` of the put.
    #[schemars(extend("x-keeps-empty" = true))]
    pub test: Option<Test>,

    /// The treatment of a failed first revision, which has no earlier revision to roll back to.
    #[serde(default)]
    pub first_install: FirstInstall,
}

/// The treatment of a failed first revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FirstInstall {
    /// It stays for inspection, and the next put upgrades it.
    #[default]
    Leave,
    /// It is uninstalled.
    Uninstall,
}

/// The revision to roll back to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Rollback {
    /// The latest good revision before the current one.
    Flag(bool),
    /// The given revision.
    To(RollbackTo),
}

/// The revision to roll back to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RollbackTo {
    /// The number of the revision, or a file in the inputs that contains it, such as `revision` of a get.
    pub revision: String,
}

impl RollbackOnFailure {
    /// Notes what is wrong with it.
    pub(crate) fn validate(&self, problems: &mut Problems) {
        let Self::By(rules) = self else { return };
        if let Some(Err(problem)) = rules.timeout.as_deref().map(duration::parse) {
            problems.add("rollback_on_failure.timeout", problem);
        }
        if let Some(test) = &rules.test {
            test.validate("rollback_on_failure.test", problems);
        }
    }

    /// Whether a put rolls back at all.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self, Self::Flag(false))
    }
}

impl Rollback {
    /// Whether a put rolls back at all.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self, Self::Flag(false))
    }
}
