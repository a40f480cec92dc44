//! `helm upgrade --install`: turns params into options.

use jetway::{Command, Finished, Result, trimmed};

use super::apply;
use super::namespace;
use super::waiting;
use crate::chart::Chart;
use crate::chart::post_renderer;
use crate::chart::values::Values;
use crate::params::duration;
use crate::target::Target;

/// Runs the command of [`command`], and returns its outcome even if it failed.
pub(crate) async fn run(target: &Target<'_>, upgrade: Command) -> Result<Finished> {
    let Target { context, release, namespace, .. } = target;
    context.console().step(format_args!("deploying `{release}` into the namespace `{namespace}`"));
    upgrade.relay_stdout().run().await
}

/// The command that deploys the chart, with further options.
pub(crate) async fn command(target: &Target<'_>, chart: &Chart, values: &Values, options: &[&str]) -> Result<Command> {
    let Target { source, params, .. } = target;
    let mut upgrade = target.helm.command("upgrade").arg("--install");
    upgrade = rendering(target, chart, values, upgrade).await?;
    upgrade = upgrade.args(waiting::options(&target.helm, params.upgrade_strategy()).await?);
    for (flag, wanted) in [
        ("--create-namespace", namespace::must_be_created(target).await?),
        ("--wait-for-jobs", params.wait_for_jobs),
        ("--atomic", params.atomic),
        ("--cleanup-on-fail", params.cleanup_on_fail),
        ("--reuse-values", params.reuse_values),
        ("--reset-values", params.reset_values),
        ("--reset-then-reuse-values", params.reset_then_reuse_values),
        ("--take-ownership", params.take_ownership),
    ] {
        if wanted {
            upgrade = upgrade.arg(flag);
        }
    }
    upgrade = upgrade.args(apply::for_upgrade(target).await?);
    let timeout = duration::argument(params.step_timeout());
    let history = source.history_limit();
    upgrade = upgrade.arg(format!("--timeout={timeout}")).arg(format!("--history-max={history}"));
    Ok(upgrade.args(options).arg("--").arg(&target.release).arg(chart.argument()))
}

/// The command that renders the chart without a cluster, with further options.
pub(crate) async fn template(target: &Target<'_>, chart: &Chart, values: &Values, options: &[&str]) -> Result<Command> {
    let template = rendering(target, chart, values, target.helm.command("template")).await?;
    Ok(template.args(options).arg("--").arg(&target.release).arg(chart.argument()))
}

/// Adds the options for the chart and its rendering to a command.
async fn rendering(target: &Target<'_>, chart: &Chart, values: &Values, command: Command) -> Result<Command> {
    let params = target.params;
    let mut command = values.add_to(command.arg(format!("--namespace={}", target.namespace)));
    if params.devel {
        command = command.arg("--devel");
    }
    if let Some(program) = trimmed(params.post_renderer.as_ref()) {
        command = command.arg(format!("--post-renderer={}", post_renderer::install(target, chart, program).await?));
    }
    let version = trimmed(params.version.as_ref()).map(|text| target.named("version", text)).transpose()?;
    if let Some(version) = version.filter(|_| chart.has_versions()) {
        command = command.arg(format!("--version={version}"));
    }
    Ok(command.args(chart.options(target)))
}
