//! The tests of a release: runs `helm test` up to the given number of attempts, with a diagnosis after each failed one.

mod leftovers;

use jetway::{Error, Finished, Result, anyhow};
use jiff::Timestamp;

use super::hook_output::{self, Hooks};
use crate::diagnosis::{self, Logs};
use crate::params::duration;
use crate::params::test::TestPlan;
use crate::records::release::Release;
use crate::target::Target;

/// The outcome of the tests.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// All passed.
    Passed,
    /// The release has no tests.
    Untested,
    /// The last attempt failed with this error.
    Failed(Error),
}

/// Tests the release until an attempt passes. Only a signal, or a helm that cannot be started, is an error.
pub(crate) async fn run(target: &Target<'_>, plan: &TestPlan, release: &Release) -> Result<Verdict> {
    if release.tests().next().is_none() {
        let (name, chart) = (&target.release, release.chart.label());
        target.context.console().warn(format_args!("the chart of `{name}`, {chart}, has no tests: nothing is tested"));
        return Ok(Verdict::Untested);
    }
    if !plan.initial_delay.is_zero() {
        let delay = duration::in_words(plan.initial_delay);
        target.context.console().step(format_args!("waiting {delay} before the tests, as `test.initial_delay` says"));
        target.context.interrupt().sleep(plan.initial_delay).await?;
    }
    let mut attempt = 1;
    let verdict = loop {
        if plan.cleanup {
            leftovers::remove(target, release).await?;
        }
        match run_once(target, plan, release, attempt).await? {
            None => break Verdict::Passed,
            Some(error) if attempt == plan.attempts => break Verdict::Failed(error),
            Some(_) => {}
        }
        attempt += 1;
        let (delay, attempts) = (duration::in_words(plan.delay), plan.attempts);
        target.context.console().step(format_args!("waiting {delay} before attempt {attempt} of {attempts}"));
        target.context.interrupt().sleep(plan.delay).await?;
    };
    if plan.cleanup {
        leftovers::remove(target, release).await?;
    }
    Ok(verdict)
}

/// Runs one attempt, and returns the error if it failed.
async fn run_once(target: &Target<'_>, plan: &TestPlan, release: &Release, attempt: u32) -> Result<Option<Error>> {
    let (name, attempts) = (&target.release, plan.attempts);
    let which = if attempts == 1 { String::new() } else { format!(", attempt {attempt} of {attempts}") };
    target.context.console().step(format_args!("testing `{name}`{which}"));
    let began = Timestamp::now();
    let command = target
        .helm
        .command("test")
        .arg(format!("--namespace={}", target.namespace))
        .arg(format!("--timeout={}", duration::argument(plan.timeout)))
        .arg("--")
        .arg(name);
    let finished = if plan.logs {
        hook_output::run_and_show(target, Hooks::Tests(release), Box::pin(command.run())).await?
    } else {
        command.run().await?
    };
    // helm prints only when the tests have ended.
    for line in finished.text().lines() {
        target.context.console().relay(line);
    }
    warn_of_other_revision(target, release, &finished);
    if finished.is_success() {
        target.context.console().step(format_args!("the tests of `{name}` passed{which}"));
        if plan.logs {
            diagnosis::show_test_logs(target, release).await?;
        }
        return Ok(None);
    }
    target.context.console().step(format_args!("the tests of `{name}` failed{which}"));
    diagnosis::show_all(target, began, if plan.logs { Logs::All } else { Logs::Failing }).await?;
    let count = if attempts == 1 { String::new() } else { format!(" in all {attempts} attempts") };
    Ok(Some(finished.failure().context(format!("its tests failed{count}"))))
}

/// Warns if helm tested another revision: it tests the latest one, and another operation may have deployed in between.
fn warn_of_other_revision(target: &Target<'_>, release: &Release, finished: &Finished) {
    let (name, expected) = (&target.release, release.version);
    if let Some(tested) = tested_revision(&finished.text()).filter(|tested| *tested != expected) {
        target.context.console().warn(format_args!(
            "helm tested revision {tested} of `{name}` instead of revision {expected}: another operation deployed in between"
        ));
    }
}

/// The revision in the output of `helm test`.
fn tested_revision(output: &str) -> Option<u64> {
    output.lines().find_map(|line| line.strip_prefix("REVISION: "))?.trim().parse().ok()
}

/// The latest revision, which helm tests.
pub(crate) async fn latest_revision(target: &Target<'_>) -> Result<Release> {
    let records = target.records().list(&target.release).await?;
    let newest = records.last().ok_or_else(|| anyhow!("there is no release `{}` to test", target.release))?;
    let read = target.records().read(&target.release, newest.revision).await?;
    read.ok_or_else(|| anyhow!("revision {} of `{}` was deleted meanwhile", newest.revision, target.release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_tested_revision() {
        let output = "NAME: demo\nLAST DEPLOYED: Sat Nov 28 22:13:23 2026\nNAMESPACE: n\nSTATUS: deployed\nREVISION: 12\n\
                      TEST SUITE:     demo-test\nNOTES:\nREVISION: 7\n";
        assert_eq!(tested_revision(output), Some(12));
        assert_eq!(tested_revision("Error: release: not found\n"), None);
    }
}
