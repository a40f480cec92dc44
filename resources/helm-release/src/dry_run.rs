//! A dry run: what helm would do, shown and not done.

use jetway::{Command, Finished, Result};

use crate::chart::Chart;
use crate::params::DryRun;
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

/// Tries a deploy of the chart, and shows nothing of it unless it fails.
pub(crate) async fn try_out(target: &Target<'_>, chart: &Chart) -> Result<Finished> {
    command(target, chart, DryRun::Server, None).await?.quiet().run().await?.success()
}

async fn command(target: &Target<'_>, chart: &Chart, dry: DryRun, option: Option<&'static str>) -> Result<Command> {
    let values = Values::gather(target).await?;
    let dry = match dry {
        DryRun::Client => "--dry-run=client",
        DryRun::Server => "--dry-run=server",
    };
    let options: Vec<&str> = [dry, "--hide-secret"].into_iter().chain(option).collect();
    upgrade::command(target, chart, &values, &options).await
}
