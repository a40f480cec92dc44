//! A dry run: shows what helm would do.

use jetway::{Command, Finished, Result, anyhow};

use super::advice;
use super::upgrade;
use crate::chart::Chart;
use crate::chart::values::Values;
use crate::error_texts::KnownError;
use crate::params::DryRun;
use crate::records::release::Release;
use crate::target::Target;

/// Shows what a deploy of the chart would do.
pub(crate) async fn deploy(target: &Target<'_>, chart: &Chart, dry: DryRun) -> Result<()> {
    let Target { context, release, namespace, params, .. } = target;
    let command = command(target, chart, dry, params.debug.then_some("--debug")).await?;
    context.console().step(format_args!("dry run: deploying `{release}` into the namespace `{namespace}`"));
    let finished = command.relay_stdout().run().await?;
    if finished.is_success() { Ok(()) } else { Err(advice::helm_error(&finished, Some(chart))) }
}

/// The release that a deploy would create, with its secrets, so it must not be printed. The first deploy may install the CRDs of
/// its own objects, in which case the chart is rendered without the cluster.
pub(crate) async fn release(target: &Target<'_>, chart: &Chart, is_first: bool) -> Result<Release> {
    let dry = target.params.dry_run_kind().unwrap_or(DryRun::Server);
    let values = Values::gather(target).await?;
    let command = upgrade::command(target, chart, &values, &[word(dry), "--output=json"]).await?;
    let finished = command.quiet().run().await?;
    if finished.is_success() || !is_first || !KnownError::UnknownKind.is_in(&finished.stderr) {
        return parse_release(&finished.success()?.stdout);
    }
    target
        .context
        .console()
        .step("the cluster does not have the kinds of all new objects yet: they are rendered without the cluster");
    let command = upgrade::template(target, chart, &values, &["--include-crds"]).await?;
    let manifest = command.quiet().run().await?.success()?.text();
    Ok(Release::of_manifest(&target.release, manifest))
}

/// Runs a dry run, whose output is shown only if it fails.
pub(crate) async fn check(target: &Target<'_>, chart: &Chart) -> Result<Finished> {
    let finished = command(target, chart, DryRun::Server, None).await?.quiet().run().await?;
    if finished.is_success() { Ok(finished) } else { Err(advice::helm_error(&finished, Some(chart))) }
}

async fn command(target: &Target<'_>, chart: &Chart, dry: DryRun, option: Option<&'static str>) -> Result<Command> {
    let values = Values::gather(target).await?;
    let options: Vec<&str> = [word(dry), "--hide-secret"].into_iter().chain(option).collect();
    upgrade::command(target, chart, &values, &options).await
}

fn word(dry: DryRun) -> &'static str {
    match dry {
        DryRun::Client => "--dry-run=client",
        DryRun::Server => "--dry-run=server",
    }
}

/// Parses the release that helm prints as JSON.
fn parse_release(text: &[u8]) -> Result<Release> {
    serde_json::from_slice(text).map_err(|error| {
        // The parser's message may quote values, which may be secret.
        anyhow!("the output of helm's dry run cannot be parsed (line {})", error.line())
    })
}
