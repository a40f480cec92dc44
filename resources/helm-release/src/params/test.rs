//! `test`: whether and how a put tests the release.

use std::time::Duration;

use jetway::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;

/// The most tries.
const MOST_ATTEMPTS: u32 = 50;

/// How long it is between two tries when nothing is said.
const DELAY: Duration = Duration::from_secs(10);

/// Whether and how a release is tested.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Test {
    /// Whether it is.
    Wanted(bool),
    /// How.
    By(TestRules),
}

/// How a release is tested.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct TestRules {
    /// How often the tests are tried until they pass; 1 when not given.
    pub attempts: Option<u32>,

    /// How long to wait between two tries: seconds, or a duration (`1m30s`); 10 seconds when not given.
    pub delay: Option<String>,

    /// How long to wait before the first try, for what takes a while to serve: seconds, or a duration; not at all when not given.
    pub initial_delay: Option<String>,

    /// How long a test may take; the put's `timeout` when not given.
    pub timeout: Option<String>,

    /// Show what the tests say; `test_logs` when not given, or else true.
    pub logs: Option<bool>,

    /// Take the pods and jobs of tests away that are left over before each try, and those of the last one too.
    #[serde(default)]
    pub cleanup: bool,
}

/// How a release is tested, with everything filled in.
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
    pub(crate) fn rules(&self, key: &str, problems: &mut Problems) {
        let Self::By(rules) = self else { return };
        if rules.attempts.is_some_and(|attempts| !(1..=MOST_ATTEMPTS).contains(&attempts)) {
            problems.add(format!("{key}.attempts"), format!("expected a number from 1 to {MOST_ATTEMPTS}"));
        }
        let spans = [("delay", &rules.delay), ("initial_delay", &rules.initial_delay), ("timeout", &rules.timeout)];
        for (name, text) in spans {
            if let Some(Err(problem)) = text.as_deref().map(duration::parse) {
                problems.add(format!("{key}.{name}"), problem);
            }
        }
    }

    /// The tests to run; `None` for none. `logs` is what `test_logs` says.
    pub(crate) fn plan(&self, timeout: Duration, logs: Option<bool>) -> Option<TestPlan> {
        let usual = TestRules::default();
        let rules = match self {
            Self::Wanted(false) => return None,
            Self::Wanted(true) => &usual,
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
