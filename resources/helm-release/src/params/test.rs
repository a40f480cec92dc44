//! `test`: whether and how a put tests the release.

use std::time::Duration;

use jetway::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;

/// The maximum number of attempts.
const MAX_ATTEMPTS: u32 = 50;

/// The default pause between two attempts.
const DELAY: Duration = Duration::from_secs(10);

/// Whether and how a release is tested.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Test {
    /// Whether it is tested.
    Flag(bool),
    /// How it is tested.
    By(TestRules),
}

/// How a release is tested.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct TestRules {
    /// The maximum number of attempts until the tests pass; 1 by default.
    pub attempts: Option<u32>,

    /// The pause between two attempts: seconds, or a duration (`1m30s`); 10 seconds by default.
    pub delay: Option<String>,

    /// The pause before the first attempt, for applications that start slowly: seconds, or a duration; none by default.
    pub initial_delay: Option<String>,

    /// The timeout of each test; the put's `timeout` by default.
    pub timeout: Option<String>,

    /// Show the output of the tests; the default is `test_logs`, or else true.
    pub logs: Option<bool>,

    /// Delete the pods and jobs of earlier test runs before each attempt, and those of the last attempt.
    #[serde(default)]
    pub cleanup: bool,
}

/// How a release is tested, with all defaults applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestPlan {
    pub(crate) attempts: u32,
    pub(crate) delay: Duration,
    pub(crate) initial_delay: Duration,
    pub(crate) timeout: Duration,
    pub(crate) logs: bool,
    pub(crate) cleanup: bool,
}

impl Test {
    /// Notes what is wrong with it, as the value of `key`.
    pub(crate) fn validate(&self, key: &str, problems: &mut Problems) {
        let Self::By(rules) = self else { return };
        if rules.attempts.is_some_and(|attempts| !(1..=MAX_ATTEMPTS).contains(&attempts)) {
            problems.add(format!("{key}.attempts"), format!("expected a number from 1 to {MAX_ATTEMPTS}"));
        }
        let spans = [("delay", &rules.delay), ("initial_delay", &rules.initial_delay), ("timeout", &rules.timeout)];
        for (name, text) in spans {
            if let Some(Err(problem)) = text.as_deref().map(duration::parse) {
                problems.add(format!("{key}.{name}"), problem);
            }
        }
    }

    /// The tests to run; `None` for no tests. `logs` is the value of `test_logs`.
    pub(crate) fn plan(&self, timeout: Duration, logs: Option<bool>) -> Option<TestPlan> {
        let usual = TestRules::default();
        let rules = match self {
            Self::Flag(false) => return None,
            Self::Flag(true) => &usual,
            Self::By(rules) => rules,
        };
        let parsed = |text: &Option<String>| text.as_deref().and_then(|text| duration::parse(text).ok());
        Some(TestPlan {
            attempts: rules.attempts.unwrap_or(1),
            delay: parsed(&rules.delay).unwrap_or(DELAY),
            initial_delay: parsed(&rules.initial_delay).unwrap_or_default(),
            timeout: parsed(&rules.timeout).unwrap_or(timeout),
            logs: rules.logs.or(logs).unwrap_or(true),
            cleanup: rules.cleanup,
        })
    }
}
