//! `rollback_on_failure` and `rollback`: the revision that a put goes back to, and when.

use jetway::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;
use super::test::Test;

/// Whether and how a put goes back when it fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RollbackOnFailure {
    /// Whether it does.
    Wanted(bool),
    /// How.
    By(RollbackRules),
}

/// How a put goes back when it fails.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct RollbackRules {
    /// How long helm waits for the old revision to be ready; the put's `timeout` when not given.
    pub timeout: Option<String>,

    /// Whether and how the old revision is tested then; as the new one when not given.
    #[schemars(extend("x-keeps-empty" = true))]
    pub test: Option<Test>,

    /// What becomes of a first revision that fails, since there is none to go back to.
    #[serde(default)]
    pub first_install: FirstInstall,
}

/// What becomes of a first revision that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FirstInstall {
    /// It stays, to be looked at, and the next put goes on from it.
    #[default]
    Leave,
    /// It is uninstalled.
    Uninstall,
}

/// The revision that a put goes back to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Rollback {
    /// The newest good one before the newest one.
    Wanted(bool),
    /// This one.
    To(RollbackTo),
}

/// The revision that a put goes back to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RollbackTo {
    /// Its number, or a file in the inputs with the number, such as `revision` of a get.
    pub revision: String,
}

impl RollbackOnFailure {
    /// Notes what is wrong with it.
    pub(crate) fn rules(&self, problems: &mut Problems) {
        let Self::By(rules) = self else { return };
        if let Some(Err(problem)) = rules.timeout.as_deref().map(duration::parse) {
            problems.add("rollback_on_failure.timeout", problem);
        }
        if let Some(test) = &rules.test {
            test.rules("rollback_on_failure.test", problems);
        }
    }

    /// Whether a put goes back at all.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self, Self::Wanted(false))
    }
}

impl Rollback {
    /// Whether a put goes back at all.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self, Self::Wanted(false))
    }
}
