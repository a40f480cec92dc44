//! A dry run: what helm would do, shown and not done.

use jetway::{Command, Finished, Result};

use crate::chart::Chart;
use crate::diff;
use crate::params::DryRun;
use crate::release::Release;
use crate::target::Target;
use crate::upgrade;
use crate::values::Values;

/// Shows what a deploy of the chart would do.
pub(crate) async fn deploy(target: &Target<'_>, chart: &Chart, dry: DryRun) -> Result<()> {
    let Target { context, release, namespace, params, .. } = target;
    let command = command(target, chart, dry, params.debug.then_some("--debug")).await?;
    context.console().step(format_args!("pretending to deploy `{release}` into the namespace `{namespace}`"));
    command.relay_stdout().run().await?.success().map(|_| ())
}

/// What a deploy of the chart would hand over, with all that is secret in it: nothing of it is shown here.
pub(crate) async fn release(target: &Target<'_>, chart: &Chart) -> Result<Release> {
    let dry = target.params.dry().unwrap_or(DryRun::Server);
    let values = Values::gather(target).await?;
    let command = upgrade::command(target, chart, &values, &[word(dry), "--output=json"]).await?;
    diff::printed(&command.quiet().run().await?.success()?.stdout)
}

/// Tries a deploy of the chart, and shows nothing of it unless it fails.
pub(crate) async fn try_out(target: &Target<'_>, chart: &Chart) -> Result<Finished> {
    command(target, chart, DryRun::Server, None).await?.quiet().run().await?.success()
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
