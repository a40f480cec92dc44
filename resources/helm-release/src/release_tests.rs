//! The tests of a release: `helm test`, as often as it takes, with what a person would want to see after each try.

mod leftovers;

use std::time::Duration;

use jetway::{Error, Problems, Result, anyhow};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnosis::{self, Logs};
use crate::hook_output::{self, Hooks};
use crate::release::Release;
use crate::span;
use crate::target::Target;

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
pub(crate) struct Tests {
    attempts: u32,
    delay: Duration,
    initial_delay: Duration,
    timeout: Duration,
    logs: bool,
    cleanup: bool,
}

/// What came of the tests.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// All passed.
    Passed,
    /// There are none.
    Untested,
    /// The last try failed with this error.
    Failed(Error),
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
            if let Some(Err(problem)) = text.as_deref().map(span::parse) {
                problems.add(format!("{key}.{name}"), problem);
            }
        }
    }

    /// The tests to run; `None` for none. `logs` is what `test_logs` says.
    pub(crate) fn wanted(&self, timeout: Duration, logs: Option<bool>) -> Option<Tests> {
        let usual = TestRules::default();
        let rules = match self {
            Self::Wanted(false) => return None,
            Self::Wanted(true) => &usual,
            Self::By(rules) => rules,
        };
        let given = |text: &Option<String>| text.as_deref().and_then(|text| span::parse(text).ok());
        Some(Tests {
            attempts: rules.attempts.unwrap_or(1),
            delay: given(&rules.delay).unwrap_or(DELAY),
            initial_delay: given(&rules.initial_delay).unwrap_or_default(),
            timeout: given(&rules.timeout).unwrap_or(timeout),
            logs: rules.logs.or(logs).unwrap_or(true),
            cleanup: rules.cleanup,
        })
    }
}

impl Tests {
    /// Tests the release until a try passes. Only a signal, or a helm that cannot be run, is an error here.
    pub(crate) async fn run(&self, target: &Target<'_>, release: &Release) -> Result<Verdict> {
        if release.tests().next().is_none() {
            let (name, chart) = (&target.release, release.chart.label());
            target
                .context
                .console()
                .warn(format_args!("the chart of `{name}`, {chart}, has no tests: nothing is tested"));
            return Ok(Verdict::Untested);
        }
        if !self.initial_delay.is_zero() {
            let delay = span::words(self.initial_delay);
            target
                .context
                .console()
                .step(format_args!("waiting {delay} before the tests, as `test.initial_delay` says"));
            target.context.interrupt().sleep(self.initial_delay).await?;
        }
        let mut attempt = 1;
        let verdict = loop {
            if self.cleanup {
                leftovers::remove(target, release).await?;
            }
            match self.attempt(target, release, attempt).await? {
                None => break Verdict::Passed,
                Some(error) if attempt == self.attempts => break Verdict::Failed(error),
                Some(_) => {}
            }
            attempt += 1;
            let (delay, attempts) = (span::words(self.delay), self.attempts);
            target.context.console().step(format_args!("waiting {delay} before try {attempt} of {attempts}"));
            target.context.interrupt().sleep(self.delay).await?;
        };
        if self.cleanup {
            leftovers::remove(target, release).await?;
        }
        Ok(verdict)
    }

    /// One try; the error when it failed.
    async fn attempt(&self, target: &Target<'_>, release: &Release, attempt: u32) -> Result<Option<Error>> {
        let (name, attempts) = (&target.release, self.attempts);
        let which = if attempts == 1 { String::new() } else { format!(", try {attempt} of {attempts}") };
        target.context.console().step(format_args!("testing `{name}`{which}"));
        let began = Timestamp::now();
        let command = target
            .helm
            .command("test")
            .arg(format!("--namespace={}", target.namespace))
            .arg(format!("--timeout={}", span::argument(self.timeout)))
            .arg("--")
            .arg(name)
            .relay_stdout();
        let finished = if self.logs {
            hook_output::during(target, Hooks::Tests(release), Box::pin(command.run())).await?
        } else {
            command.run().await?
        };
        if finished.is_success() {
            target.context.console().step(format_args!("the tests of `{name}` passed{which}"));
            if self.logs {
                diagnosis::test_logs(target, release).await?;
            }
            return Ok(None);
        }
        target.context.console().step(format_args!("the tests of `{name}` failed{which}"));
        diagnosis::full(target, began, if self.logs { Logs::All } else { Logs::Troubled }).await?;
        let tries = if attempts == 1 { String::new() } else { format!(" in each of {attempts} tries") };
        Ok(Some(finished.failure().context(format!("its tests failed{tries}"))))
    }
}

/// The newest revision, which is what helm tests.
pub(crate) async fn current(target: &Target<'_>) -> Result<Release> {
    let records = target.records().of(&target.release).await?;
    let newest = records.last().ok_or_else(|| anyhow!("there is no release `{}` to test", target.release))?;
    let read = target.records().read(&target.release, newest.revision).await?;
    read.ok_or_else(|| anyhow!("revision {} of `{}` went away at once", newest.revision, target.release))
}
